// Methods of member_core.h that drive the log, apply, permissions and the watch streams.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "addon/member_core.h"
#include "addon/values/args.h"
#include "addon/values/convert.h"

namespace metastore::addon {
namespace {

Napi::Value Throw(Napi::Env env, const metastore::Status& status) {
  ToError(env, status).ThrowAsJavaScriptException();
  return env.Undefined();
}

constexpr size_t kInfoFields = 3;

/// A table of permissions from its bytes; throws a TypeError or the table's own error.
bool ReadTable(const Napi::Value& value, apply::PermissionTable* out) {
  std::string_view bytes;
  if (!ToBytes(value, "auth", &bytes)) return false;
  auto table = auth::Table::Parse(bytes);
  if (table.ok()) {
    *out = std::move(*table);
    return true;
  }
  Throw(value.Env(), table.status());
  return false;
}

}  // namespace

Napi::Value MemberCoreObject::Append(const Info& info) {
  const Napi::Env env = info.Env();
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t sequence = args.Index(0, "sequence");
  const bool sync = args.Bool(3, "sync");
  const bool alone = args.Bool(4, "alone");
  std::vector<member::AppendRun> runs;
  if (core == nullptr || !args.ok() || !ReadRuns(info[1], &runs)) return env.Undefined();
  wal::HardState hard_state;
  const bool has_state = !info[2].IsNull();
  if (has_state && !ReadHardState(info[2], &hard_state)) return env.Undefined();
  const metastore::Status status =
      core->Append(sequence, std::move(runs), has_state ? &hard_state : nullptr, sync, alone);
  return status.ok() ? env.Undefined() : Throw(env, status);
}

Napi::Value MemberCoreObject::EntryInfos(const Info& info) {
  const Napi::Env env = info.Env();
  member::MemberCore* core = Core(info);
  Args args(info);
  const uint64_t from = args.Index(0, "from");
  const uint64_t to = args.Index(1, "to");
  if (core == nullptr || !args.ok()) return env.Undefined();
  std::vector<wal::EntryInfo> infos;
  const metastore::Status status = core->EntryInfos(from, to, &infos);
  if (!status.ok()) return Throw(env, status);
  Napi::Float64Array array = Napi::Float64Array::New(env, infos.size() * kInfoFields);
  double* out = array.Data();
  for (const wal::EntryInfo& entry : infos) {
    *out++ = static_cast<double>(entry.term);
    *out++ = entry.type;
    *out++ = entry.has_data ? static_cast<double>(entry.size_bytes) : -1.0;
  }
  return array;
}

Napi::Value MemberCoreObject::EntryData(const Info& info) {
  const Napi::Env env = info.Env();
  member::MemberCore* core = Core(info);
  Args args(info);
  const uint64_t index = args.Index(0, "index");
  if (core == nullptr || !args.ok()) return env.Undefined();
  std::shared_ptr<const std::string> data;
  const metastore::Status status = core->EntryData(index, &data);
  if (!status.ok()) return Throw(env, status);
  if (data == nullptr) return env.Null();
  return Napi::Buffer<char>::Copy(env, data->data(), data->size());
}

Napi::Value MemberCoreObject::Apply(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t index = args.Index(0, "index");
  const bool quiet = info.Length() > 1 && args.Bool(1, "quiet");
  if (core != nullptr && args.ok()) core->Apply(index, quiet);
  return info.Env().Undefined();
}

Napi::Value MemberCoreObject::HoldProposals(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t wake_at = std::min<uint64_t>(args.Index(0, "wakeAt"), UINT32_MAX);
  if (core != nullptr && args.ok()) core->HoldProposals(static_cast<uint32_t>(wake_at));
  return info.Env().Undefined();
}

Napi::Value MemberCoreObject::ControlDone(const Info& info) {
  const Napi::Env env = info.Env();
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t index = args.Index(0, "index");
  Code code = Code::kOk;
  std::vector<apply::MetaChange> rows;
  if (core == nullptr || !ReadCode(&args, 2, env, &code) || !ReadMetaRows(info[1], &rows)) {
    return env.Undefined();
  }
  std::string_view reply;
  if (!info[3].IsNull() && !ToBytes(info[3], "reply", &reply)) return env.Undefined();
  apply::PermissionTable table;
  if (!info[4].IsNull() && !ReadTable(info[4], &table)) return env.Undefined();
  core->ControlDone(index, std::move(rows), code, std::string(reply), std::move(table));
  return env.Undefined();
}

Napi::Value MemberCoreObject::SetAuth(const Info& info) {
  member::MemberCore* core = OpenCore();
  apply::PermissionTable table;
  if (ReadTable(info[0], &table) && core != nullptr) core->SetAuth(std::move(table));
  return info.Env().Undefined();
}

Napi::Value MemberCoreObject::CheckRange(const Info& info) {
  const Napi::Env env = info.Env();
  member::MemberCore* core = OpenCore();
  Args args(info);
  const std::string user_name = args.Text(0, "userName");
  const uint64_t auth_revision = args.Index(1, "authRevision");
  const bool is_write = args.Bool(2, "isWrite");
  const std::string_view key = args.Bytes(3, "key");
  const std::string_view end = args.Bytes(4, "end");
  if (!args.ok()) return env.Undefined();
  const Code code = core == nullptr
                        ? Code::kStopped
                        : core->CheckRange({user_name, auth_revision}, is_write, key, end);
  return Napi::Number::New(env, static_cast<int>(code));
}

Napi::Value MemberCoreObject::Checkpoint(const Info& info) {
  member::MemberCore* core = OpenCore();
  if (core != nullptr) core->Checkpoint();
  return info.Env().Undefined();
}

Napi::Value MemberCoreObject::TruncateLog(const Info& info) {
  member::MemberCore* core = Core(info);
  Args args(info);
  const uint64_t index = args.Index(0, "index");
  if (core == nullptr || !args.ok()) return info.Env().Undefined();
  const metastore::Status status = core->TruncateLog(index);
  return status.ok() ? info.Env().Undefined() : Throw(info.Env(), status);
}

Napi::Value MemberCoreObject::WatchOpen(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t stream = args.Index(0, "stream");
  if (core != nullptr && args.ok()) core->hub().Open(stream);
  return info.Env().Undefined();
}

Napi::Value MemberCoreObject::WatchRequest(const Info& info) {
  const Napi::Env env = info.Env();
  member::MemberCore* core = Core(info);
  Args args(info);
  const uint64_t stream = args.Index(0, "stream");
  const std::string_view request = args.Bytes(1, "request");
  auth::HeldCaller caller;
  if (!ReadCaller(&args, 2, env, &caller) || core == nullptr) return env.Undefined();
  const metastore::Status status = core->hub().Request(stream, request, caller.view());
  return Napi::Number::New(env, static_cast<int>(status.code()));
}

Napi::Value MemberCoreObject::WatchCredit(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t stream = args.Index(0, "stream");
  const uint64_t bytes = args.Index(1, "bytes");
  if (core != nullptr && args.ok()) core->hub().Credit(stream, bytes);
  return info.Env().Undefined();
}

Napi::Value MemberCoreObject::WatchClose(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t stream = args.Index(0, "stream");
  if (core != nullptr && args.ok()) core->hub().Close(stream);
  return info.Env().Undefined();
}

}  // namespace metastore::addon
