// Methods of member_core.h about what travels between members: proposals to the leader, entries
// from it.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon/member_core.h"
#include "addon/values/args.h"
#include "addon/values/convert.h"
#include "member/entries/entry_run.h"

namespace metastore::addon {
namespace {

constexpr size_t kRunFields = 4;

/// Null for no bytes.
Napi::Value BytesOrNull(Napi::Env env, std::string bytes) {
  if (bytes.empty()) return env.Null();
  return ToBuffer(env, std::move(bytes));
}

}  // namespace

Napi::Value MemberCoreObject::TakeForwards(const Info& info) {
  const Napi::Env env = info.Env();
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t max_operations = args.Index(0, "maxOperations");
  const uint64_t max_bytes = args.Index(1, "maxBytes");
  const uint64_t term = args.Index(2, "term");
  const uint64_t at_least = info.Length() > 3 ? args.Index(3, "atLeast") : 0;
  if (!args.ok()) return env.Undefined();
  if (core == nullptr || core->WaitingProposals() < at_least) return env.Null();
  return BytesOrNull(env, core->TakeForwards(max_operations, max_bytes, term));
}

Napi::Value MemberCoreObject::ReturnForwards(const Info& info) {
  const Napi::Env env = info.Env();
  member::MemberCore* core = OpenCore();
  Args args(info);
  const std::string_view forwards = args.Bytes(0, "forwards");
  Code code = Code::kOk;
  if (!ReadCode(&args, 1, env, &code) || core == nullptr) return env.Undefined();
  const metastore::Status status = core->ReturnForwards(forwards, code);
  if (!status.ok()) ToError(env, status).ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value MemberCoreObject::EnqueueForwarded(const Info& info) {
  const Napi::Env env = info.Env();
  member::MemberCore* core = OpenCore();
  Args args(info);
  const std::string_view forwards = args.Bytes(0, "forwards");
  if (!args.ok()) return env.Undefined();
  const Result<uint64_t> queued =
      core == nullptr ? Result<uint64_t>(Code::kStopped) : core->EnqueueForwarded(forwards);
  const auto value =
      queued.ok() ? static_cast<double>(*queued) : -static_cast<double>(queued.status().code());
  return Napi::Number::New(env, value);
}

Napi::Value MemberCoreObject::FailHandedOver(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t before_term = args.Index(0, "beforeTerm");
  Code code = Code::kOk;
  if (ReadCode(&args, 1, info.Env(), &code) && core != nullptr) {
    core->FailHandedOver(before_term, code);
  }
  return info.Env().Undefined();
}

Napi::Value MemberCoreObject::ExpireQueued(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t ticket = args.Index(0, "ticket");
  if (!args.ok()) return info.Env().Undefined();
  std::vector<intake::Ticket> expired;
  if (core != nullptr) expired = core->ExpireQueued(ticket);
  Napi::Float64Array array = Napi::Float64Array::New(info.Env(), expired.size());
  std::transform(expired.begin(), expired.end(), array.Data(),
                 [](intake::Ticket each) { return static_cast<double>(each); });
  return array;
}

Napi::Value MemberCoreObject::CachedEntries(const Info& info) {
  const Napi::Env env = info.Env();
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t from = args.Index(0, "from");
  const uint64_t to = args.Index(1, "to");
  if (!args.ok()) return env.Undefined();
  if (core == nullptr) return env.Null();
  return BytesOrNull(env, core->CachedEntries(from, to));
}

Napi::Value MemberCoreObject::ReadEntries(const Info& info) {
  member::MemberCore* core = OpenCore();
  Args args(info);
  const uint64_t ticket = args.Index(0, "ticket");
  const uint64_t from = args.Index(1, "from");
  const uint64_t to = args.Index(2, "to");
  if (core != nullptr && args.ok()) core->ReadEntries(ticket, from, to);
  return info.Env().Undefined();
}

Napi::Value MemberCoreObject::InspectEntries(const Info& info) {
  const Napi::Env env = info.Env();
  Args args(info);
  const std::string_view run = args.Bytes(0, "run");
  if (!args.ok()) return env.Undefined();
  const auto entries = member::InspectRun(run);
  if (!entries.has_value()) return env.Null();
  Napi::Float64Array array = Napi::Float64Array::New(env, entries->size() * kRunFields);
  double* out = array.Data();
  for (const member::RunEntry& entry : *entries) {
    *out++ = static_cast<double>(entry.term);
    *out++ = entry.type;
    *out++ = entry.has_data ? static_cast<double>(entry.payload.size()) : -1.0;
    *out++ = static_cast<double>(entry.offset);
  }
  return array;
}

}  // namespace metastore::addon
