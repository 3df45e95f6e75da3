// Methods of member_core.h about the grant of proposals.
#include <algorithm>

#include "addon/member_core.h"
#include "addon/values/args.h"
#include "addon/values/convert.h"

namespace metastore::addon {
namespace {

/// In front of the runs: the durable index, the first entry's.
constexpr size_t kHeadFields = 2;

Napi::Value ToArray(Napi::Env env, const member::Given& given) {
  if (!given.is_news) return Napi::Float64Array::New(env, 0);
  Napi::Float64Array array = Napi::Float64Array::New(env, kHeadFields + given.runs.size());
  double* out = array.Data();
  *out++ = static_cast<double>(given.durable);
  *out++ = static_cast<double>(given.first_index);
  std::copy(given.runs.begin(), given.runs.end(), out);
  return array;
}

}  // namespace

Napi::Value MemberCoreObject::GrantProposals(const Info& info) {
  const Napi::Env env = info.Env();
  member::MemberCore* core = OpenCore();
  Args args(info);
  member::GrantTerms terms;
  terms.term = args.Index(0, "term");
  terms.first_index = args.Index(1, "firstIndex");
  terms.run_operations = args.Index(2, "runOperations");
  terms.run_bytes = args.Index(3, "runBytes");
  terms.ahead_entries = args.Index(4, "aheadEntries");
  terms.ahead_bytes = args.Index(5, "aheadBytes");
  if (!args.ok()) return env.Undefined();
  const metastore::Status status =
      core == nullptr ? metastore::Status(Code::kStopped) : core->GrantProposals(terms);
  if (status.code() == Code::kInternal) {
    ToError(env, status).ThrowAsJavaScriptException();
    return env.Undefined();
  }
  return Napi::Boolean::New(env, status.ok());
}

Napi::Value MemberCoreObject::GrantedEntries(const Info& info) {
  member::MemberCore* core = OpenCore();
  return ToArray(info.Env(), core == nullptr ? member::Given() : core->Granted());
}

Napi::Value MemberCoreObject::RevokeGrant(const Info& info) {
  member::MemberCore* core = OpenCore();
  return ToArray(info.Env(), core == nullptr ? member::Given() : core->RevokeGrant());
}

}  // namespace metastore::addon
