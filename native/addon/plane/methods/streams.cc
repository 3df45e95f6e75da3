// Methods of plane.h for Watch and LeaseKeepAlive (native/plane/streams).
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "addon/plane/plane.h"
#include "addon/values/args.h"
#include "auth/caller.h"

namespace metastore::addon {
namespace {

bool ToCode(Napi::Env env, uint64_t number, Code* code) {
  if (number >= static_cast<uint64_t>(Code::kCount)) {
    ThrowType(env, "code must be one of Addon.errors");
    return false;
  }
  *code = static_cast<Code>(number);
  return true;
}

}  // namespace

Napi::Value PlaneObject::WatchCaller(const Info& info) {
  plane::Streams* streams = OpenStreams();
  Args args(info);
  const uint64_t call = args.Index(0, "call");
  const std::string user_name = args.Text(1, "userName");
  const uint64_t auth_revision = args.Index(2, "authRevision");
  const uint64_t refusal = args.Index(3, "refusal");
  auth::Caller caller;
  if (!args.ok() || !ToCode(info.Env(), refusal, &caller.refusal)) return info.Env().Undefined();
  caller.user_name = user_name;
  caller.auth_revision = auth_revision;
  if (streams != nullptr) streams->WatchCaller(call, caller);
  return info.Env().Undefined();
}

Napi::Value PlaneObject::KeepAlivesDone(const Info& info) {
  plane::Streams* streams = OpenStreams();
  Args args(info);
  const std::string_view answers = args.Bytes(0, "answers");
  if (streams != nullptr && args.ok() && !streams->KeepAlivesDone(answers)) {
    ThrowType(info.Env(), "answers must be a header and calls with their answers");
  }
  return info.Env().Undefined();
}

Napi::Value PlaneObject::EndStreams(const Info& info) {
  plane::Streams* streams = OpenStreams();
  Args args(info);
  const uint64_t number = args.Index(0, "code");
  const bool requiring_leader_only = args.Bool(1, "requiringLeaderOnly");
  Code code = Code::kOk;
  if (!args.ok() || !ToCode(info.Env(), number, &code)) return info.Env().Undefined();
  if (streams != nullptr) streams->EndAll(code, requiring_leader_only);
  return info.Env().Undefined();
}

Napi::Value PlaneObject::StreamCounts(const Info& info) {
  plane::Streams* streams = OpenStreams();
  std::vector<double> values;
  if (streams != nullptr) values = streams->Counts();
  Napi::Float64Array array = Napi::Float64Array::New(info.Env(), values.size());
  std::copy(values.begin(), values.end(), array.Data());
  return array;
}

}  // namespace metastore::addon
