// Methods of member_core.h.
#include "addon/member_core.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "addon/values/args.h"
#include "addon/values/convert.h"

namespace metastore::addon {
namespace {

/// Of StepExecutor, in its order.
constexpr std::string_view kStepNames[] = {"log", "apply", "watch", "upkeep", "read"};

Napi::Value Throw(Napi::Env env, const metastore::Status& status) {
  ToError(env, status).ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value RouteOrCode(Napi::Env env, const Result<intake::Route>& route) {
  const int value =
      route.ok() ? static_cast<int>(*route) : -static_cast<int>(route.status().code());
  return Napi::Number::New(env, value);
}

/// Closes off the JavaScript thread: syncing the log and the engine takes its time.
class CloseWorker final : public Napi::AsyncWorker {
 public:
  CloseWorker(Napi::Env env, std::shared_ptr<CoreHandle> handle)
      : Napi::AsyncWorker(env, "metastore close"),
        deferred_(Napi::Promise::Deferred::New(env)),
        handle_(std::move(handle)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override { status_ = handle_->Close(); }
  void OnOK() override {
    const Napi::Env env = Env();
    if (!CanCallJs(env)) return;
    handle_->settlements()->Run(env);
    if (status_.ok()) {
      deferred_.Resolve(env.Undefined());
    } else {
      deferred_.Reject(ToError(env, status_).Value());
    }
  }

 private:
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<CoreHandle> handle_;
  metastore::Status status_;
};

}  // namespace

Napi::Function MemberCoreObject::Define(Napi::Env env) {
  using Self = MemberCoreObject;
  return DefineClass(env, "MemberCore",
                     {
                         InstanceMethod("setHeader", &Self::SetHeader),
                         InstanceMethod("setCommitted", &Self::SetCommitted),
                         InstanceMethod("submit", &Self::Submit),
                         InstanceMethod("submitInternal", &Self::SubmitInternal),
                         InstanceMethod("setAuth", &Self::SetAuth),
                         InstanceMethod("checkRange", &Self::CheckRange),
                         InstanceMethod("takeProposals", &Self::TakeProposals),
                         InstanceMethod("batchEntries", &Self::BatchEntries),
                         InstanceMethod("takeForwards", &Self::TakeForwards),
                         InstanceMethod("returnForwards", &Self::ReturnForwards),
                         InstanceMethod("enqueueForwarded", &Self::EnqueueForwarded),
                         InstanceMethod("failHandedOver", &Self::FailHandedOver),
                         InstanceMethod("expireQueued", &Self::ExpireQueued),
                         InstanceMethod("dropProposals", &Self::DropProposals),
                         InstanceMethod("failAll", &Self::FailAll),
                         InstanceMethod("freezeReads", &Self::FreezeReads),
                         InstanceMethod("releaseReads", &Self::ReleaseReads),
                         InstanceMethod("failReads", &Self::FailReads),
                         InstanceMethod("append", &Self::Append),
                         InstanceMethod("grantProposals", &Self::GrantProposals),
                         InstanceMethod("grantedEntries", &Self::GrantedEntries),
                         InstanceMethod("revokeGrant", &Self::RevokeGrant),
                         InstanceMethod("entryInfos", &Self::EntryInfos),
                         InstanceMethod("cachedEntries", &Self::CachedEntries),
                         InstanceMethod("readEntries", &Self::ReadEntries),
                         InstanceMethod("inspectEntries", &Self::InspectEntries),
                         InstanceMethod("entryData", &Self::EntryData),
                         InstanceMethod("apply", &Self::Apply),
                         InstanceMethod("holdProposals", &Self::HoldProposals),
                         InstanceMethod("controlDone", &Self::ControlDone),
                         InstanceMethod("checkpoint", &Self::Checkpoint),
                         InstanceMethod("truncateLog", &Self::TruncateLog),
                         InstanceMethod("exportSnapshot", &Self::ExportSnapshot),
                         InstanceMethod("readExport", &Self::ReadExport),
                         InstanceMethod("closeExport", &Self::CloseExport),
                         InstanceMethod("openBackup", &Self::OpenBackup),
                         InstanceMethod("readBackup", &Self::ReadBackup),
                         InstanceMethod("closeBackup", &Self::CloseBackup),
                         InstanceMethod("openImport", &Self::OpenImport),
                         InstanceMethod("writeImport", &Self::WriteImport),
                         InstanceMethod("closeImport", &Self::CloseImport),
                         InstanceMethod("installSnapshot", &Self::InstallSnapshot),
                         InstanceMethod("leaseKeys", &Self::LeaseKeys),
                         InstanceMethod("nextId", &Self::NextId),
                         InstanceMethod("watchOpen", &Self::WatchOpen),
                         InstanceMethod("watchRequest", &Self::WatchRequest),
                         InstanceMethod("watchCredit", &Self::WatchCredit),
                         InstanceMethod("watchClose", &Self::WatchClose),
                         InstanceMethod("openPlane", &Self::OpenPlane),
                         InstanceMethod("drain", &Self::Drain),
                         InstanceMethod("revision", &Self::Revision),
                         InstanceMethod("status", &Self::Status),
                         InstanceMethod("compactionHashes", &Self::CompactionHashes),
                         InstanceMethod("metrics", &Self::Metrics),
                         InstanceMethod("close", &Self::Close),
                         InstanceMethod("step", &Self::Step),
                         InstanceMethod("crash", &Self::Crash),
                     });
}

Napi::Object MemberCoreObject::Wrap(Napi::Env env, std::shared_ptr<CoreHandle> handle) {
  const auto* data = env.GetInstanceData<InstanceData>();
  auto external = Napi::External<std::shared_ptr<CoreHandle>>::New(env, &handle);
  return data->member_core.New({external});
}

MemberCoreObject::MemberCoreObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<MemberCoreObject>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) {
    ThrowType(info.Env(), "a MemberCore comes from open()");
    return;
  }
  handle_ = *info[0].As<Napi::External<std::shared_ptr<CoreHandle>>>().Data();
}

member::MemberCore* MemberCoreObject::Core(const Info& info) {
  member::MemberCore* core = OpenCore();
  if (core == nullptr) Throw(info.Env(), metastore::Status(Code::kStopped, "the core is closed"));
  return core;
}

Napi::Value MemberCoreObject::SetHeader(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  HeaderInfo header;
  header.cluster_id = args.Uint64(0, "clusterId");
  header.member_id = args.Uint64(1, "memberId");
  header.raft_term = args.Index(2, "raftTerm");
  if (core != nullptr && args.ok()) core->SetHeader(header);
  return info.Env().Undefined();
}

Napi::Value MemberCoreObject::SetCommitted(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t index = args.Index(0, "index");
  if (core != nullptr && args.ok()) core->SetCommitted(index);
  return info.Env().Undefined();
}

Napi::Value MemberCoreObject::Submit(const Info& info) {
  const Napi::Env env = info.Env();
  member::MemberCore* core = OpenCore();
  if (core == nullptr) {  // requests may still arrive while a server closes
    return Napi::Number::New(env, -static_cast<int>(Code::kStopped));
  }
  Args args(info);
  const uint64_t ticket = args.Index(0, "ticket");
  const uint64_t method = args.Index(1, "method");
  const std::string_view request = args.Bytes(2, "request");
  auth::HeldCaller caller;
  if (!ReadCaller(&args, 3, env, &caller)) return env.Undefined();
  if (method >= static_cast<uint64_t>(intake::Method::kCount)) {
    ThrowType(env, "method is not one of the addon's methods");
    return env.Undefined();
  }
  return RouteOrCode(
      env, core->Submit(ticket, static_cast<intake::Method>(method), request, caller.view()));
}

Napi::Value MemberCoreObject::SubmitInternal(const Info& info) {
  const Napi::Env env = info.Env();
  member::MemberCore* core = OpenCore();
  if (core == nullptr) {  // requests may still arrive while a server closes
    return Napi::Number::New(env, -static_cast<int>(Code::kStopped));
  }
  Args args(info);
  const uint64_t ticket = args.Index(0, "ticket");
  const std::string_view request = args.Bytes(1, "request");
  const std::string user_name = args.Text(2, "userName");
  const uint64_t auth_revision = args.Index(3, "authRevision");
  if (!args.ok()) return env.Undefined();
  return RouteOrCode(env, core->SubmitInternal(ticket, request, {user_name, auth_revision}));
}

Napi::Value MemberCoreObject::TakeProposals(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t max_operations = args.Index(0, "maxOperations");
  const uint64_t max_bytes = args.Index(1, "maxBytes");
  const uint64_t term = args.Index(2, "term");
  const uint64_t at_least = info.Length() > 3 ? args.Index(3, "atLeast") : 0;
  if (!args.ok()) return info.Env().Undefined();
  std::vector<uint32_t> sizes;
  if (core != nullptr) sizes = core->TakeProposals(max_operations, max_bytes, term, at_least);
  Napi::Uint32Array array = Napi::Uint32Array::New(info.Env(), sizes.size());
  std::copy(sizes.begin(), sizes.end(), array.Data());
  return array;
}

Napi::Value MemberCoreObject::BatchEntries(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t operations = args.Index(0, "operations");
  const uint64_t bytes = args.Index(1, "bytes");
  if (core != nullptr && args.ok()) core->BatchEntries(operations, bytes);
  return info.Env().Undefined();
}

Napi::Value MemberCoreObject::DropProposals(const Info& info) {
  member::MemberCore* core = Core(info);
  Args args(info);
  const uint64_t count = args.Index(0, "count");
  Code code = Code::kOk;
  if (core == nullptr || !ReadCode(&args, 1, info.Env(), &code)) return info.Env().Undefined();
  const metastore::Status status = core->DropProposals(count, code);
  return status.ok() ? info.Env().Undefined() : Throw(info.Env(), status);
}

Napi::Value MemberCoreObject::FailAll(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  Code code = Code::kOk;
  if (core != nullptr && ReadCode(&args, 0, info.Env(), &code)) core->FailAll(code);
  return info.Env().Undefined();
}

Napi::Value MemberCoreObject::FreezeReads(const Info& info) {
  member::MemberCore* core = OpenCore();
  return Napi::Number::New(info.Env(), core == nullptr ? 0 : core->FreezeReads());
}

Napi::Value MemberCoreObject::ReleaseReads(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t batch = args.Index(0, "batch");
  const uint64_t read_index = args.Index(1, "readIndex");
  if (core != nullptr && args.ok()) {
    core->ReleaseReads(static_cast<uint32_t>(batch), read_index);
  }
  return info.Env().Undefined();
}

Napi::Value MemberCoreObject::FailReads(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t batch = args.Index(0, "batch");
  Code code = Code::kOk;
  if (core != nullptr && ReadCode(&args, 1, info.Env(), &code)) {
    core->FailReads(static_cast<uint32_t>(batch), code);
  }
  return info.Env().Undefined();
}

Napi::Value MemberCoreObject::NextId(const Info& info) {
  member::MemberCore* core = Core(info);
  if (core == nullptr) return info.Env().Undefined();
  return Napi::BigInt::New(info.Env(), core->NextId());
}

Napi::Value MemberCoreObject::LeaseKeys(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t ticket = args.Index(0, "ticket");
  const int64_t lease = args.Int64(1, "leaseId");
  if (core == nullptr || !args.ok()) return info.Env().Undefined();
  core->LeaseKeys(ticket, lease);
  return info.Env().Undefined();
}

Napi::Value MemberCoreObject::Drain(const Info& info) {
  const Napi::Env env = info.Env();
  if (handle_ == nullptr) return env.Null();
  handle_->settlements()->Run(env);
  std::string records = handle_->Drain();
  if (records.empty()) return env.Null();
  return ToBuffer(env, std::move(records));
}

Napi::Value MemberCoreObject::Revision(const Info& info) {
  const member::MemberCore* core = OpenCore();
  return Napi::Number::New(info.Env(), core == nullptr ? 0 : core->revision());
}

Napi::Value MemberCoreObject::Status(const Info& info) {
  member::MemberCore* core = Core(info);
  return core == nullptr ? info.Env().Undefined() : ToStatus(info.Env(), core->status());
}

Napi::Value MemberCoreObject::CompactionHashes(const Info& info) {
  member::MemberCore* core = Core(info);
  if (core == nullptr) return info.Env().Undefined();
  const std::vector<HashResult> hashes = core->CompactionHashes();
  auto numbers = Napi::Float64Array::New(info.Env(), 3 * hashes.size());
  for (size_t i = 0; i < hashes.size(); ++i) {
    numbers[3 * i] = static_cast<double>(hashes[i].hash_revision);
    numbers[3 * i + 1] = static_cast<double>(hashes[i].compact_revision);
    numbers[3 * i + 2] = hashes[i].hash;
  }
  return numbers;
}

Napi::Value MemberCoreObject::Metrics(const Info& info) {
  member::MemberCore* core = Core(info);
  if (core == nullptr) return info.Env().Undefined();
  const std::vector<double> values = core->MetricValues();
  Napi::Float64Array array = Napi::Float64Array::New(info.Env(), values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

Napi::Value MemberCoreObject::Close(const Info& info) {
  member::MemberCore* core = Core(info);
  if (core == nullptr) return info.Env().Undefined();
  handle_->RefuseCalls();  // on this thread, before they reach the core
  auto* worker = new CloseWorker(info.Env(), handle_);  // deletes itself
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

Napi::Value MemberCoreObject::Step(const Info& info) {
  const Napi::Env env = info.Env();
  member::MemberCore* core = OpenCore();
  Args args(info);
  const std::string name = args.Text(0, "executor");
  if (!args.ok()) return env.Undefined();
  const auto which = std::find(std::begin(kStepNames), std::end(kStepNames), name);
  if (which == std::end(kStepNames)) {
    ThrowType(env, "executor must be 'log', 'apply', 'watch', 'upkeep' or 'read'");
    return env.Undefined();
  }
  const auto executor = static_cast<member::StepExecutor>(which - std::begin(kStepNames));
  return Napi::Boolean::New(env, core != nullptr && core->Step(executor));
}

Napi::Value MemberCoreObject::Crash(const Info& info) {
  member::MemberCore* core = OpenCore();
  if (core == nullptr) return info.Env().Undefined();
  if (!core->stepped()) {
    return Throw(info.Env(), metastore::Status(Code::kInternal, "crash: the core is not stepped"));
  }
  handle_->Crash();
  return info.Env().Undefined();
}

}  // namespace metastore::addon
