// Functions of backups.h.
#include "addon/values/backups.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "addon/values/args.h"
#include "addon/values/convert.h"
#include "member/backup/restore/restore.h"

namespace metastore::addon {
namespace {

using member::backup::BackupFile;
using member::backup::BackupSummary;
using member::backup::RestoredImage;
using member::backup::RestoreOptions;

Napi::Value ToValue(Napi::Env env, const BackupSummary& summary) {
  Napi::Object out = Napi::Object::New(env);
  out["hash"] = Napi::Number::New(env, summary.hash);
  out["revision"] = Napi::Number::New(env, static_cast<double>(summary.revision));
  out["totalKeys"] = Napi::Number::New(env, static_cast<double>(summary.live_keys));
  out["storageVersion"] = Napi::String::New(env, summary.storage_version);
  return out;
}

Napi::Value ToValue(Napi::Env env, const RestoredImage& image) {
  Napi::Object out = Napi::Object::New(env);
  out["sizeBytes"] = Napi::Number::New(env, static_cast<double>(image.size_bytes));
  out["revision"] = Napi::Number::New(env, static_cast<double>(image.revision));
  out["compactRevision"] = Napi::Number::New(env, static_cast<double>(image.compact_revision));
  out["versions"] = Napi::Number::New(env, static_cast<double>(image.versions));
  return out;
}

/// Runs `work` off the JavaScript thread and settles its promise.
template <typename T>
class Worker final : public Napi::AsyncWorker {
 public:
  static Napi::Value Start(Napi::Env env, std::function<Result<T>()> work) {
    auto* worker = new Worker(env, std::move(work));  // deletes itself
    const Napi::Promise promise = worker->deferred_.Promise();
    worker->Queue();
    return promise;
  }
  void Execute() override { result_ = std::make_unique<Result<T>>(work_()); }
  void OnOK() override {
    if (!CanCallJs(Env())) return;
    if (result_->ok()) return deferred_.Resolve(ToValue(Env(), **result_));
    deferred_.Reject(ToError(Env(), result_->status()).Value());
  }

 private:
  Worker(Napi::Env env, std::function<Result<T>()> work)
      : Napi::AsyncWorker(env, "metastore backup"),
        deferred_(Napi::Promise::Deferred::New(env)),
        work_(std::move(work)) {}

  Napi::Promise::Deferred deferred_;
  const std::function<Result<T>()> work_;
  std::unique_ptr<Result<T>> result_;
};

Napi::Value Inspect(const Napi::CallbackInfo& info) {
  Args args(info);
  BackupFile from;
  from.path = args.Text(0, "path");
  from.database_bytes = args.Index(1, "databaseBytes");
  if (!args.ok()) return info.Env().Undefined();
  return Worker<BackupSummary>::Start(
      info.Env(), [from] { return member::backup::InspectBackup(FileLayer::Posix(), from); });
}

/// Rows of TypeScript by name; false with a pending TypeError for anything else.
bool ReadRows(Napi::Env env, const Napi::Value& value, RestoreOptions* options) {
  if (!value.IsArray()) {
    ThrowType(env, "rows must be an array");
    return false;
  }
  const Napi::Array rows = value.As<Napi::Array>();
  for (uint32_t i = 0; i < rows.Length(); i++) {
    const Napi::Value row = rows.Get(i);
    if (!row.IsObject()) {
      ThrowType(env, "a row must be an object");
      return false;
    }
    const Napi::Object object = row.As<Napi::Object>();
    std::string key;
    std::string_view bytes;
    if (!ToText(object.Get("key"), "key", &key) || !ToBytes(object.Get("value"), "value", &bytes)) {
      return false;
    }
    options->rows[key] = bytes;
  }
  return true;
}

Napi::Value Restore(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsObject()) {
    ThrowType(env, "options must be an object");
    return env.Undefined();
  }
  const Napi::Object object = info[0].As<Napi::Object>();
  Fields fields(object);
  RestoreOptions options;
  options.from.path = fields.Text("path");
  options.from.database_bytes = fields.Index("databaseBytes");
  options.image = fields.Text("image");
  options.index = fields.Index("index");
  options.term = fields.Index("term");
  options.bump_revision = static_cast<int64_t>(fields.Index("bumpRevision"));
  if (!fields.ok() || !ReadRows(env, object.Get("rows"), &options)) return env.Undefined();
  return Worker<RestoredImage>::Start(
      env, [options] { return member::backup::RestoreBackup(FileLayer::Posix(), options); });
}

}  // namespace

Napi::Object ToBackups(Napi::Env env) {
  Napi::Object out = Napi::Object::New(env);
  out["inspect"] = Napi::Function::New(env, Inspect, "inspect");
  out["restore"] = Napi::Function::New(env, Restore, "restore");
  out.Freeze();
  return out;
}

}  // namespace metastore::addon
