// The order of checks of admission.h, one function per request with rules of its own.
#include "intake/admission.h"

#include <utility>

#include "codec/requests.h"
#include "codec/wire.h"
#include "intake/check.h"
#include "intake/raft_request.h"

namespace metastore::intake {
namespace {

constexpr int32_t kAlarmActions = 3;  // GET, ACTIVATE, DEACTIVATE

Result<Admitted> Take(Route route) {
  Admitted admitted;
  admitted.route = route;
  return admitted;
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
    case Method::kLeaseRevoke:
      return propose(kFieldLeaseRevoke);
    case Method::kLeaseCheckpoint:
      return propose(kFieldLeaseCheckpoint);
    case Method::kAlarm:
      return AdmitAlarm(request, caller, backlog);
    case Method::kHashKv: {
      codec::HashKvRequest decoded;
      METASTORE_RETURN_IF_ERROR(codec::Decode(request, &decoded));
      return Take(Route::kServing);
    }
    case Method::kHash:
    case Method::kDefragment:  // messages without fields
      if (!codec::IsMessage(request)) return Code::kUnmarshal;
      return Take(Route::kServing);
    case Method::kCount:
      break;
  }
  return Code::kUnknownMethod;
}

Result<Admitted> Admission::AdmitInternal(std::string_view message, uint64_t backlog) const {
  RaftRequest decoded;
  METASTORE_RETURN_IF_ERROR(DecodeMessage(message, &decoded));
  if (decoded.field == 0 || decoded.header.id != 0) return Code::kUnmarshal;
  METASTORE_RETURN_IF_ERROR(CheckBody(decoded.field, decoded.body));
  Admitted admitted;
  admitted.route = Route::kProposed;
  admitted.request_id = ids_->Next();
  admitted.payload = EncodeInternalEntry({admitted.request_id, {}, 0}, message);
  return Limit(std::move(admitted), backlog);
}

Result<Admitted> Admission::Propose(uint32_t field, std::string_view body, std::string_view suffix,
                                    const Caller& caller, uint64_t backlog) const {
  Admitted admitted;
  admitted.route = Route::kProposed;
  admitted.request_id = ids_->Next();
  admitted.payload = EncodeEntry({admitted.request_id, caller.user_name, caller.auth_revision},
                                 field, body, suffix);
  return Limit(std::move(admitted), backlog);
}

/// The size that counts is that of the InternalRaftRequest, without the format byte.
Result<Admitted> Admission::Limit(Admitted admitted, uint64_t backlog) const {
  const auto size_bytes = static_cast<int64_t>(admitted.payload.size()) - 1;
  if (size_bytes > limits_.max_request_bytes) return Code::kRequestTooLarge;
  if (backlog > limits_.max_apply_backlog) return Code::kTooManyRequests;
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
