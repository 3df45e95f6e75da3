// The JavaScript class MemberCore: one method for each of src/storage/native.ts, same names, same
// order. Arguments are checked, work goes to member/core.h, nothing is decided here.
#ifndef METASTORE_ADDON_MEMBER_CORE_H_
#define METASTORE_ADDON_MEMBER_CORE_H_

#include <napi.h>

#include <memory>

#include "addon/handle.h"

namespace metastore::addon {

class MemberCoreObject final : public Napi::ObjectWrap<MemberCoreObject> {
 public:
  /// Defines the class; its constructor is kept in the environment's instance data.
  static Napi::Function Define(Napi::Env env);
  /// Wraps an open core.
  static Napi::Object Wrap(Napi::Env env, std::shared_ptr<CoreHandle> handle);

  explicit MemberCoreObject(const Napi::CallbackInfo& info);

 private:
  using Info = Napi::CallbackInfo;
  Napi::Value SetHeader(const Info& info);
  Napi::Value SetCommitted(const Info& info);
  Napi::Value Submit(const Info& info);
  Napi::Value SubmitInternal(const Info& info);
  Napi::Value SetAuth(const Info& info);
  Napi::Value CheckRange(const Info& info);
  Napi::Value TakeProposals(const Info& info);
  Napi::Value BatchEntries(const Info& info);
  Napi::Value DropProposals(const Info& info);
  Napi::Value TakeForwards(const Info& info);
  Napi::Value ReturnForwards(const Info& info);
  Napi::Value EnqueueForwarded(const Info& info);
  Napi::Value FailHandedOver(const Info& info);
  Napi::Value ExpireQueued(const Info& info);
  Napi::Value FailAll(const Info& info);
  Napi::Value FreezeReads(const Info& info);
  Napi::Value ReleaseReads(const Info& info);
  Napi::Value FailReads(const Info& info);
  Napi::Value Append(const Info& info);
  Napi::Value GrantProposals(const Info& info);
  Napi::Value GrantedEntries(const Info& info);
  Napi::Value RevokeGrant(const Info& info);
  Napi::Value EntryInfos(const Info& info);
  Napi::Value CachedEntries(const Info& info);
  Napi::Value ReadEntries(const Info& info);
  Napi::Value InspectEntries(const Info& info);
  Napi::Value EntryData(const Info& info);
  Napi::Value Apply(const Info& info);
  Napi::Value HoldProposals(const Info& info);
  Napi::Value ControlDone(const Info& info);
  Napi::Value Checkpoint(const Info& info);
  Napi::Value TruncateLog(const Info& info);
  Napi::Value ExportSnapshot(const Info& info);
  Napi::Value ReadExport(const Info& info);
  Napi::Value CloseExport(const Info& info);
  Napi::Value OpenBackup(const Info& info);
  Napi::Value ReadBackup(const Info& info);
  Napi::Value CloseBackup(const Info& info);
  Napi::Value OpenImport(const Info& info);
  Napi::Value WriteImport(const Info& info);
  Napi::Value CloseImport(const Info& info);
  Napi::Value InstallSnapshot(const Info& info);
  Napi::Value LeaseKeys(const Info& info);
  Napi::Value NextId(const Info& info);
  Napi::Value Revision(const Info& info);
  Napi::Value WatchOpen(const Info& info);
  Napi::Value WatchRequest(const Info& info);
  Napi::Value WatchCredit(const Info& info);
  Napi::Value WatchClose(const Info& info);
  Napi::Value OpenPlane(const Info& info);
  Napi::Value Drain(const Info& info);
  Napi::Value Status(const Info& info);
  Napi::Value CompactionHashes(const Info& info);
  Napi::Value Metrics(const Info& info);
  Napi::Value Close(const Info& info);
  Napi::Value Step(const Info& info);
  Napi::Value Crash(const Info& info);

  /// The core, or null with a pending Error once close() has been called: for methods that answer.
  member::MemberCore* Core(const Info& info);
  /// The core, or null: for methods that answer nothing. Completions handled while the core closes
  /// may still call them, and then there is nothing left to do.
  member::MemberCore* OpenCore() { return handle_ == nullptr ? nullptr : handle_->core(); }

  std::shared_ptr<CoreHandle> handle_;
};

/// What the addon keeps per environment.
struct InstanceData {
  Napi::FunctionReference member_core;
  Napi::FunctionReference plane;
};

}  // namespace metastore::addon

#endif  // METASTORE_ADDON_MEMBER_CORE_H_
