// The addon's exports: the error table, constants, and open(). Declared in src/storage/native.ts.
#include <napi.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "addon/handle.h"
#include "addon/member_core.h"
#include "addon/plane/plane.h"
#include "addon/values/args.h"
#include "addon/values/backups.h"
#include "addon/values/convert.h"
#include "addon/values/network.h"
#include "apply/completions.h"
#include "auth/caller.h"
#include "base/datagram.h"
#include "base/metrics.h"
#include "intake/admission.h"
#include "intake/raft_request.h"
#include "member/core.h"
#include "wal/wal.h"

namespace metastore::addon {
namespace {

/// Opens off the JavaScript thread: recovery reads the log and loads the state.
class OpenWorker final : public Napi::AsyncWorker {
 public:
  OpenWorker(Napi::Env env, member::MemberOptions options, std::shared_ptr<CoreHandle> handle)
      : Napi::AsyncWorker(env, "metastore open"),
        deferred_(Napi::Promise::Deferred::New(env)),
        options_(std::move(options)),
        handle_(std::move(handle)) {}
  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override { status_ = handle_->Open(options_, &recovered_); }

  void OnOK() override {
    const Napi::Env env = Env();
    if (!CanCallJs(env)) return handle_->Shut();
    if (!status_.ok()) {
      handle_->Shut();
      deferred_.Reject(ToError(env, status_).Value());
      return;
    }
    Napi::Object opened = Napi::Object::New(env);
    opened["recovered"] = ToRecovered(env, recovered_);
    opened["core"] = MemberCoreObject::Wrap(env, handle_);
    deferred_.Resolve(opened);
  }

 private:
  Napi::Promise::Deferred deferred_;
  const member::MemberOptions options_;
  std::shared_ptr<CoreHandle> handle_;
  member::RecoveredState recovered_;
  Status status_;
};

Napi::Value Open(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  member::MemberOptions options;
  std::unique_ptr<FileLayer> files;
  if (!ReadOptions(info[0], &options, &files)) return env.Undefined();
  if (!info[1].IsFunction()) {
    ThrowType(env, "onWake must be a function");
    return env.Undefined();
  }
  auto handle = std::make_shared<CoreHandle>(env, info[1].As<Napi::Function>());
  handle->files = std::move(files);
  auto* worker = new OpenWorker(env, std::move(options), std::move(handle));  // deletes itself
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

Napi::Value Send(const Napi::CallbackInfo& info) {
  Args args(info);
  const std::string path = args.Text(0, "path");
  const std::string_view bytes = args.Bytes(1, "bytes");
  if (!args.ok()) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), SendDatagram(path, bytes));
}

Napi::Array ErrorTable(Napi::Env env) {
  Napi::Array table = Napi::Array::New(env);
  for (uint32_t i = 0; i < static_cast<uint32_t>(Code::kCount); ++i) {
    const Code code = static_cast<Code>(i);
    Napi::Object row = Napi::Object::New(env);
    row["name"] = Napi::String::New(env, std::string(CodeName(code)));
    row["grpc"] = Napi::Number::New(env, GrpcCode(code));
    row["text"] = Napi::String::New(env, std::string(CodeText(code)));
    row.Freeze();
    table[i] = row;
  }
  table.As<Napi::Object>().Freeze();
  return table;
}

Napi::Array MetricTable(Napi::Env env) {
  const std::vector<MetricRow> rows = Metrics::Layout();
  Napi::Array table = Napi::Array::New(env, rows.size());
  for (uint32_t i = 0; i < rows.size(); ++i) {
    Napi::Object row = Napi::Object::New(env);
    row["name"] = Napi::String::New(env, rows[i].name);
    row["bounds"] = rows[i].bounds == nullptr ? env.Null() : ToNumbers(env, *rows[i].bounds);
    row.Freeze();
    table[i] = row;
  }
  table.As<Napi::Object>().Freeze();
  return table;
}

struct Constant {
  const char* name;
  int value;
};

template <size_t N>
Napi::Object Constants(Napi::Env env, const Constant (&constants)[N]) {
  Napi::Object object = Napi::Object::New(env);
  for (const Constant& constant : constants) {
    object[constant.name] = Napi::Number::New(env, constant.value);
  }
  object.Freeze();
  return object;
}

template <typename Enum>
constexpr int Int(Enum value) {
  return static_cast<int>(value);
}

constexpr Constant kMethods[] = {
    {"Range", Int(intake::Method::kRange)},
    {"Put", Int(intake::Method::kPut)},
    {"DeleteRange", Int(intake::Method::kDeleteRange)},
    {"Txn", Int(intake::Method::kTxn)},
    {"Compact", Int(intake::Method::kCompact)},
    {"LeaseGrant", Int(intake::Method::kLeaseGrant)},
    {"LeaseRevoke", Int(intake::Method::kLeaseRevoke)},
    {"LeaseCheckpoint", Int(intake::Method::kLeaseCheckpoint)},
    {"Alarm", Int(intake::Method::kAlarm)},
    {"Hash", Int(intake::Method::kHash)},
    {"HashKv", Int(intake::Method::kHashKv)},
    {"Defragment", Int(intake::Method::kDefragment)},
};

constexpr Constant kRoutes[] = {
    {"Proposed", Int(intake::Route::kProposed)},
    {"ReadWaits", Int(intake::Route::kReadWaits)},
    {"Serving", Int(intake::Route::kServing)},
};

constexpr Constant kCompletions[] = {
    {"durable", Int(apply::Kind::kDurable)},
    {"applied", Int(apply::Kind::kApplied)},
    {"result", Int(apply::Kind::kResult)},
    {"control", Int(apply::Kind::kControl)},
    {"lease", Int(apply::Kind::kLease)},
    {"leaseCheckpoint", Int(apply::Kind::kLeaseCheckpoint)},
    {"watch", Int(apply::Kind::kWatch)},
    {"checkpoint", Int(apply::Kind::kCheckpoint)},
    {"truncated", Int(apply::Kind::kTruncated)},
    {"log", Int(apply::Kind::kLog)},
    {"alarm", Int(apply::Kind::kAlarm)},
    {"quotaExceeded", Int(apply::Kind::kQuotaExceeded)},
    {"fatal", Int(apply::Kind::kFatal)},
    {"held", Int(apply::Kind::kHeld)},
    {"slow", Int(apply::Kind::kSlow)},
    {"demand", Int(apply::Kind::kDemand)},
};

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto data = std::make_unique<InstanceData>();
  data->member_core = Napi::Persistent(MemberCoreObject::Define(env));
  data->plane = Napi::Persistent(PlaneObject::Define(env));
  env.SetInstanceData(data.release());  // deleted with the environment
  exports["errors"] = ErrorTable(env);
  exports["methods"] = Constants(env, kMethods);
  exports["routes"] = Constants(env, kRoutes);
  exports["completions"] = Constants(env, kCompletions);
  exports["entryFormat"] = Napi::Number::New(env, intake::kEntryFormat);
  exports["currentAuthRevision"] =
      Napi::Number::New(env, static_cast<double>(auth::kCurrentAuthRevision));
  exports["syncSecondsBounds"] = ToNumbers(env, wal::kSyncSecondsBounds);
  exports["batchEntriesBounds"] = ToNumbers(env, wal::kBatchEntriesBounds);
  exports["sendDatagram"] = Napi::Function::New(env, Send, "sendDatagram");
  exports["network"] = ToNetwork(env);
  ExportPlane(env, exports);
  exports["metrics"] = MetricTable(env);
  exports["backups"] = ToBackups(env);
  exports["open"] = Napi::Function::New(env, Open, "open");
  return exports;
}

}  // namespace

NODE_API_MODULE(metastore, Init)

}  // namespace metastore::addon
