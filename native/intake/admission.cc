// The order of checks of admission.h, one function per request with rules of its own.
#include "intake/admission.h"

#include <algorithm>
#include <utility>

#include "codec/requests.h"
#include "codec/wire.h"
#include "intake/check.h"

namespace metastore::intake {
namespace {

constexpr int32_t kAlarmActions = 3;  // GET, ACTIVATE, DEACTIVATE

Result<Admitted> Take(Route route) {
  Admitted admitted;
  admitted.route = route;
  return admitted;
}

/// Of what TypeScript has checked itself: it hands on a caller without a right only by mistake.
Result<Admitted> TakeFor(const Caller& caller) {
  if (caller.refusal != Code::kOk) return caller.refusal;
  return Take(Route::kServing);
}

}  // namespace

Result<Admitted> Admission::Admit(Method method, std::string_view request, const Caller& caller,
                                  uint64_t backlog) const {
  const auto propose = [&](uint32_t field) -> Result<Admitted> {
    METASTORE_RETURN_IF_ERROR(CheckBody(field, request));
    return Propose(field, request, {}, caller, backlog);
  };
  switch (method) {
    case Method::kRange:
      return AdmitRange(request);
    case Method::kPut:
      return AdmitPut(request, caller, backlog);
    case Method::kDeleteRange:
      return AdmitDeleteRange(request, caller, backlog);
    case Method::kTxn:
      return AdmitTxn(request, caller, backlog);
    case Method::kCompact:
      return propose(kFieldCompaction);
    case Method::kLeaseGrant:
      return AdmitLeaseGrant(request, caller, backlog);
    case Method::kLeaseRevoke: {
      const Code code = RequireUser(caller);
      if (code != Code::kOk) return code;
      backlog -= std::min(backlog, limits_.extra_revoke_backlog);
      return propose(kFieldLeaseRevoke);
    }
    case Method::kLeaseCheckpoint:
      return propose(kFieldLeaseCheckpoint);
    case Method::kAlarm:
      return AdmitAlarm(request, caller, backlog);
    case Method::kHashKv: {
      codec::HashKvRequest decoded;
      METASTORE_RETURN_IF_ERROR(codec::Decode(request, &decoded));
      return TakeFor(caller);
    }
    case Method::kHash:
    case Method::kDefragment:  // messages without fields
      if (!codec::IsMessage(request)) return Code::kUnmarshal;
      return TakeFor(caller);
    case Method::kCount:
      break;
  }
  return Code::kUnknownMethod;
}

Result<Admitted> Admission::AdmitInternal(std::string_view message, const Caller& caller,
                                          uint64_t backlog) const {
  RaftRequest decoded;
  METASTORE_RETURN_IF_ERROR(DecodeMessage(message, &decoded));
  if (decoded.field == 0 || decoded.header.id != 0) return Code::kUnmarshal;
  METASTORE_RETURN_IF_ERROR(CheckBody(decoded.field, decoded.body));
  return Enter(caller, backlog,
               [&](const RequestHeader& header) { return EncodeInternalEntry(header, message); });
}

RequestHeader Admission::HeaderOf(uint64_t request_id, const Caller& caller) const {
  // What "as fresh as the check" means ends here: the entry is held to a number.
  const bool current = caller.auth_revision == auth::kCurrentAuthRevision;
  return {request_id, caller.user_name, current ? tables_->revision() : caller.auth_revision};
}

Code Admission::RequireUser(const Caller& caller) const {
  if (caller.refusal != Code::kOk) return caller.refusal;
  if (!caller.user_name.empty() || tables_->Get() == nullptr) return Code::kOk;
  return Code::kUserEmpty;
}

Result<Admitted> Admission::Propose(uint32_t field, std::string_view body, std::string_view suffix,
                                    const Caller& caller, uint64_t backlog) const {
  return Enter(caller, backlog, [&](const RequestHeader& header) {
    return EncodeEntry(header, field, body, suffix);
  });
}

template <typename Encode>
Result<Admitted> Admission::Enter(const Caller& caller, uint64_t backlog, Encode encode) const {
  if (backlog > limits_.max_apply_backlog) return Code::kTooManyRequests;
  if (caller.refusal != Code::kOk) return caller.refusal;
  Admitted admitted;
  admitted.route = Route::kProposed;
  admitted.request_id = ids_->Next();
  admitted.payload = encode(HeaderOf(admitted.request_id, caller));
  // The size that counts is that of the InternalRaftRequest, without the format byte.
  const auto size_bytes = static_cast<int64_t>(admitted.payload.size()) - 1;
  if (size_bytes > limits_.max_request_bytes) return Code::kRequestTooLarge;
  return admitted;
}

Result<Admitted> Admission::AdmitRange(std::string_view request) const {
  codec::RangeRequest decoded;
  METASTORE_RETURN_IF_ERROR(codec::Decode(request, &decoded));
  const Code code = CheckRange(decoded);
  if (code != Code::kOk) return code;
  return Take(decoded.serializable ? Route::kServing : Route::kReadWaits);
}

Result<Admitted> Admission::AdmitPut(std::string_view request, const Caller& caller,
                                     uint64_t backlog) const {
  codec::PutRequest decoded;
  METASTORE_RETURN_IF_ERROR(codec::Decode(request, &decoded));
  if (OverQuota(PutCost(decoded))) return Code::kNoSpace;
  const Code code = CheckPut(decoded);
  if (code != Code::kOk) return code;
  return Propose(kFieldPut, request, {}, caller, backlog);
}

Result<Admitted> Admission::AdmitDeleteRange(std::string_view request, const Caller& caller,
                                             uint64_t backlog) const {
  codec::DeleteRangeRequest decoded;
  METASTORE_RETURN_IF_ERROR(codec::Decode(request, &decoded));
  const Code code = CheckDeleteRange(decoded);
  if (code != Code::kOk) return code;
  return Propose(kFieldDeleteRange, request, {}, caller, backlog);
}

Result<Admitted> Admission::AdmitTxn(std::string_view request, const Caller& caller,
                                     uint64_t backlog) const {
  codec::TxnRequest decoded;
  METASTORE_RETURN_IF_ERROR(codec::Decode(request, &decoded));
  const int64_t cost = TxnCost(decoded);
  if (cost > 0 && OverQuota(cost)) return Code::kNoSpace;
  const Code code = CheckTxn(decoded, limits_.max_txn_ops);
  if (code != Code::kOk) return code;
  if (!IsReadOnly(decoded)) return Propose(kFieldTxn, request, {}, caller, backlog);
  return Take(IsSerializable(decoded) ? Route::kServing : Route::kReadWaits);
}

Result<Admitted> Admission::AdmitLeaseGrant(std::string_view request, const Caller& caller,
                                            uint64_t backlog) const {
  codec::LeaseGrantRequest decoded;
  METASTORE_RETURN_IF_ERROR(codec::Decode(request, &decoded));
  if (OverQuota(kLeaseGrantCost)) return Code::kNoSpace;
  const Code code = RequireUser(caller);
  if (code != Code::kOk) return code;
  const std::string chosen = decoded.id == 0 ? LeaseIdField(ids_->NextLeaseId()) : std::string();
  return Propose(kFieldLeaseGrant, request, chosen, caller, backlog);
}

Result<Admitted> Admission::AdmitAlarm(std::string_view request, const Caller& caller,
                                       uint64_t backlog) const {
  codec::AlarmRequest decoded;
  METASTORE_RETURN_IF_ERROR(codec::Decode(request, &decoded));
  // An action that nobody defined must not reach the log: members could not agree on its meaning.
  if (decoded.action < 0 || decoded.action >= kAlarmActions) return Code::kUnknownMethod;
  return Propose(kFieldAlarm, request, {}, caller, backlog);
}

}  // namespace metastore::intake
