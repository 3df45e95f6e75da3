// Methods of member_core.h for snapshots to and from other members, and for backups. Each answers
// with a promise, which is settled on the JavaScript thread by the next drain(), in the order of
// the answers, so that a stepped core behaves the same every time.
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "addon/member_core.h"
#include "addon/values/args.h"
#include "addon/values/convert.h"
#include "member/backup/backups.h"
#include "member/transfer/transfers.h"

namespace metastore::addon {
namespace {

using member::backup::BackupFacts;
using member::transfer::InstalledSnapshot;
using member::transfer::SnapshotExport;
using member::transfer::SnapshotKind;

constexpr const char* kImage = "image";
constexpr const char* kCheckpoint = "checkpoint";

Napi::Value ToValue(Napi::Env env, const SnapshotExport& exported) {
  Napi::Object out = Napi::Object::New(env);
  const auto number = [&](uint64_t value) {
    return Napi::Number::New(env, static_cast<double>(value));
  };
  out["id"] = number(exported.id);
  out["kind"] =
      Napi::String::New(env, exported.kind == SnapshotKind::kImage ? kImage : kCheckpoint);
  out["index"] = number(exported.index);
  out["term"] = number(exported.term);
  out["sizeBytes"] = number(exported.size_bytes);
  out["confState"] = env.Null();
  if (exported.conf_state.has_value()) {
    out["confState"] =
        Napi::Buffer<char>::Copy(env, exported.conf_state->data(), exported.conf_state->size());
  }
  return out;
}

Napi::Value ToValue(Napi::Env env, const InstalledSnapshot& installed) {
  Napi::Object out = Napi::Object::New(env);
  out["appliedIndex"] = Napi::Number::New(env, static_cast<double>(installed.applied_index));
  out["appliedTerm"] = Napi::Number::New(env, static_cast<double>(installed.applied_term));
  out["revision"] = Napi::Number::New(env, static_cast<double>(installed.revision));
  out["meta"] = ToMetaMap(env, installed.meta);
  out["leases"] = ToLeases(env, installed.leases);
  out["alarms"] = ToAlarms(env, installed.alarms);
  return out;
}

Napi::Value ToValue(Napi::Env env, const BackupFacts& facts) {
  Napi::Object out = Napi::Object::New(env);
  out["id"] = Napi::Number::New(env, static_cast<double>(facts.id));
  out["sizeBytes"] = Napi::Number::New(env, static_cast<double>(facts.size_bytes));
  return out;
}

Napi::Value ToValue(Napi::Env env, uint64_t number) {
  return Napi::Number::New(env, static_cast<double>(number));
}

Napi::Value ToValue(Napi::Env env, const std::string& bytes) {
  return Napi::Buffer<char>::Copy(env, bytes.data(), bytes.size());
}

Napi::Value ToValue(Napi::Env env, const std::optional<std::string>& bytes) {
  return bytes.has_value() ? ToValue(env, *bytes) : env.Null();
}

/// A promise, and what is called on any thread, once, to settle it.
class Pending {
 public:
  Pending(Napi::Env env, const CoreHandle& handle)
      : deferred_(Napi::Promise::Deferred::New(env)), settlements_(handle.settlements()) {}

  Napi::Value promise() const { return deferred_.Promise(); }

  template <typename T>
  auto Answer() const {
    return [deferred = deferred_, settlements = settlements_](Result<T> result) {
      auto shared = std::make_shared<Result<T>>(std::move(result));
      settlements->Add([deferred, shared](Napi::Env env) {
        if (shared->ok()) {
          deferred.Resolve(ToValue(env, **shared));
        } else {
          deferred.Reject(ToError(env, shared->status()).Value());
        }
      });
    };
  }

  auto Done() const {
    return [deferred = deferred_, settlements = settlements_](Status status) {
      auto shared = std::make_shared<Status>(std::move(status));
      settlements->Add([deferred, shared](Napi::Env env) {
        if (shared->ok()) {
          deferred.Resolve(env.Undefined());
        } else {
          deferred.Reject(ToError(env, *shared).Value());
        }
      });
    };
  }

 private:
  Napi::Promise::Deferred deferred_;
  std::shared_ptr<Settlements> settlements_;
};

}  // namespace

Napi::Value MemberCoreObject::ExportSnapshot(const Info& info) {
  member::MemberCore* core = Core(info);
  Args args(info);
  const bool accept = args.Bool(0, "acceptCheckpoint");
  if (core == nullptr || !args.ok()) return info.Env().Undefined();
  const Pending pending(info.Env(), *handle_);
  core->transfers().exports.Begin(accept, pending.Answer<SnapshotExport>());
  return pending.promise();
}

Napi::Value MemberCoreObject::ReadExport(const Info& info) {
  member::MemberCore* core = Core(info);
  Args args(info);
  const uint64_t id = args.Index(0, "id");
  const uint64_t offset = args.Index(1, "offset");
  const uint64_t max_bytes = args.Index(2, "maxBytes");
  if (core == nullptr || !args.ok()) return info.Env().Undefined();
  const Pending pending(info.Env(), *handle_);
  core->transfers().exports.Read(id, offset, max_bytes, pending.Answer<std::string>());
  return pending.promise();
}

Napi::Value MemberCoreObject::CloseExport(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t id = args.Index(0, "id");
  if (core != nullptr && args.ok()) core->transfers().exports.Close(id);
  return info.Env().Undefined();
}

Napi::Value MemberCoreObject::OpenBackup(const Info& info) {
  member::MemberCore* core = Core(info);
  Args args(info);
  const std::string_view extra = args.Bytes(0, "extra");
  if (core == nullptr || !args.ok()) return info.Env().Undefined();
  member::backup::Buckets rows;
  if (!member::backup::DecodeRows(extra, &rows).ok()) {
    ThrowType(info.Env(), "extra must hold rows of a backup's buckets");
    return info.Env().Undefined();
  }
  const Pending pending(info.Env(), *handle_);
  core->backups().Open(std::move(rows), pending.Answer<BackupFacts>());
  return pending.promise();
}

Napi::Value MemberCoreObject::ReadBackup(const Info& info) {
  member::MemberCore* core = Core(info);
  Args args(info);
  const uint64_t id = args.Index(0, "id");
  const uint64_t max_bytes = args.Index(1, "maxBytes");
  if (core == nullptr || !args.ok()) return info.Env().Undefined();
  const Pending pending(info.Env(), *handle_);
  core->backups().Read(id, max_bytes, pending.Answer<std::optional<std::string>>());
  return pending.promise();
}

Napi::Value MemberCoreObject::CloseBackup(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t id = args.Index(0, "id");
  if (core != nullptr && args.ok()) core->backups().Close(id);
  return info.Env().Undefined();
}

Napi::Value MemberCoreObject::OpenImport(const Info& info) {
  member::MemberCore* core = Core(info);
  Args args(info);
  const std::string kind = args.Text(0, "kind");
  const uint64_t size_bytes = args.Index(1, "sizeBytes");
  if (core == nullptr || !args.ok()) return info.Env().Undefined();
  if (kind != kImage && kind != kCheckpoint) {
    ThrowType(info.Env(), "kind must be 'image' or 'checkpoint'");
    return info.Env().Undefined();
  }
  const Pending pending(info.Env(), *handle_);
  core->transfers().imports.Open(kind == kImage ? SnapshotKind::kImage : SnapshotKind::kCheckpoint,
                                 size_bytes, pending.Answer<uint64_t>());
  return pending.promise();
}

Napi::Value MemberCoreObject::WriteImport(const Info& info) {
  member::MemberCore* core = Core(info);
  Args args(info);
  const uint64_t id = args.Index(0, "id");
  const uint64_t offset = args.Index(1, "offset");
  const std::string_view chunk = args.Bytes(2, "chunk");
  if (core == nullptr || !args.ok()) return info.Env().Undefined();
  const Pending pending(info.Env(), *handle_);
  core->transfers().imports.Write(id, offset, std::string(chunk), pending.Done());
  return pending.promise();
}

Napi::Value MemberCoreObject::CloseImport(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t id = args.Index(0, "id");
  if (core != nullptr && args.ok()) core->transfers().imports.Close(id);
  return info.Env().Undefined();
}

Napi::Value MemberCoreObject::InstallSnapshot(const Info& info) {
  member::MemberCore* core = Core(info);
  Args args(info);
  const uint64_t id = args.Index(0, "id");
  const uint64_t index = args.Index(1, "index");
  const uint64_t term = args.Index(2, "term");
  wal::HardState hard_state;
  if (core == nullptr || !args.ok() || !ReadHardState(info[3], &hard_state)) {
    return info.Env().Undefined();
  }
  const Pending pending(info.Env(), *handle_);
  core->transfers().installer.Install(id, index, term, hard_state,
                                      pending.Answer<InstalledSnapshot>());
  return pending.promise();
}

}  // namespace metastore::addon
