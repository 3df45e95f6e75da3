// The operations of runner.h.
#include "apply/runner.h"

#include <memory>
#include <variant>

#include "codec/requests.h"

namespace metastore::apply {
namespace {

using intake::RaftRequest;

constexpr int32_t kGet = 0;
constexpr int32_t kActivate = 1;

void CollectTxnKeys(const std::vector<codec::RequestOp>& ops, std::vector<std::string>* keys) {
  for (const codec::RequestOp& op : ops) {
    if (const auto* put = std::get_if<codec::PutRequest>(&op)) keys->emplace_back(put->key);
    if (const auto* deletion = std::get_if<codec::DeleteRangeRequest>(&op)) {
      if (deletion->range_end.empty()) keys->emplace_back(deletion->key);
    }
  }
}

/// For checks of callers: as the running entries see it.
auto KeysOf(Store* store) {
  return [store](int64_t lease, std::vector<std::string>* keys) {
    return store->RunningKeys(lease, keys);
  };
}

}  // namespace

bool IsStorageFailure(Code code) {
  return code == Code::kIo || code == Code::kDamaged || code == Code::kInternal;
}

void Runner::CollectKeys(const RaftRequest& request, std::vector<std::string>* keys) {
  if (request.field == intake::kFieldPut) {
    codec::PutRequest put;
    if (codec::Decode(request.body, &put).ok()) keys->emplace_back(put.key);
  } else if (request.field == intake::kFieldDeleteRange) {
    codec::DeleteRangeRequest deletion;
    if (codec::Decode(request.body, &deletion).ok() && deletion.range_end.empty()) {
      keys->emplace_back(deletion.key);
    }
  } else if (request.field == intake::kFieldTxn) {
    codec::TxnRequest txn;
    if (!codec::Decode(request.body, &txn).ok()) return;
    CollectTxnKeys(txn.success, keys);
    CollectTxnKeys(txn.failure, keys);
  }
}

Status Runner::Execute(const RaftRequest& request, const HeaderInfo& header,
                       CompletionBatch* batch) {
  switch (request.field) {
    case intake::kFieldPut:
      return Put(request, header, batch);
    case intake::kFieldDeleteRange:
      return DeleteRange(request, header, batch);
    case intake::kFieldTxn:
      return Txn(request, header, batch);
    case intake::kFieldCompaction:
      return Compact(request, header, batch);
    case intake::kFieldLeaseGrant:
      return LeaseGrant(request, header, batch);
    case intake::kFieldLeaseRevoke:
      return LeaseRevoke(request, header, batch);
    case intake::kFieldLeaseCheckpoint:
      return LeaseCheckpoint(request, batch);
    case intake::kFieldAlarm:
      return Alarm(request, header, batch);
    default:
      return Status(Code::kInternal, "request field is not for native apply");
  }
}

Runner::MaybeTicket Runner::TakeTicket(const RaftRequest& request) {
  if (request.header.id == 0) return std::nullopt;
  return tickets_->Take(request.header.id);
}

void Runner::Answer(const RaftRequest& request, Code code, std::string_view reply,
                    CompletionBatch* batch) {
  outcome_ = code;
  reply_bytes_ = reply.size();
  const MaybeTicket ticket = TakeTicket(request);
  if (ticket.has_value()) batch->Result(*ticket, code, reply);
}

template <typename Operation>
Status Runner::Write(const RaftRequest& request, CompletionBatch* batch, Operation operation) {
  const MaybeTicket ticket = TakeTicket(request);
  scratch_.clear();
  if (ticket.has_value()) batch->BeginResult(*ticket);
  std::string* reply = ticket.has_value() ? batch->reply() : &scratch_;
  const size_t begin = reply->size();
  Status status = operation(reply);
  outcome_ = status.code();
  reply_bytes_ = reply->size() - begin;
  if (ticket.has_value()) batch->EndResult(status.code());
  if (store_->TakeQuotaExceeded()) batch->QuotaExceeded();
  return IsStorageFailure(status.code()) ? std::move(status) : Status::Ok();
}

Status Runner::Put(const RaftRequest& request, const HeaderInfo& header, CompletionBatch* batch) {
  codec::PutRequest put;
  METASTORE_RETURN_IF_ERROR(codec::Decode(request.body, &put));
  return Write(request, batch, [&](std::string* reply) -> Status {
    METASTORE_RETURN_IF_ERROR(CheckOf(request).Put(put, KeysOf(store_)));
    return store_->Put(put, header, reply);
  });
}

Status Runner::DeleteRange(const RaftRequest& request, const HeaderInfo& header,
                           CompletionBatch* batch) {
  codec::DeleteRangeRequest deletion;
  METASTORE_RETURN_IF_ERROR(codec::Decode(request.body, &deletion));
  return Write(request, batch, [&](std::string* reply) -> Status {
    METASTORE_RETURN_IF_ERROR(CheckOf(request).DeleteRange(deletion));
    return store_->DeleteRange(deletion, header, reply);
  });
}

Status Runner::Txn(const RaftRequest& request, const HeaderInfo& header, CompletionBatch* batch) {
  codec::TxnRequest txn;
  METASTORE_RETURN_IF_ERROR(codec::Decode(request.body, &txn));
  return Write(request, batch, [&](std::string* reply) -> Status {
    METASTORE_RETURN_IF_ERROR(CheckOf(request).Txn(txn, KeysOf(store_)));
    return store_->Txn(txn, header, reply);
  });
}

Status Runner::Compact(const RaftRequest& request, const HeaderInfo& header,
                       CompletionBatch* batch) {
  codec::CompactionRequest compaction;
  METASTORE_RETURN_IF_ERROR(codec::Decode(request.body, &compaction));
  std::string reply;
  Status status = CheckOf(request).Admin();
  if (status.ok()) status = store_->Compact(compaction, header, &reply);
  outcome_ = status.code();
  reply_bytes_ = reply.size();
  if (!status.ok() || !compaction.physical) {
    Answer(request, status.code(), reply, batch);
  } else if (const MaybeTicket ticket = TakeTicket(request); ticket.has_value()) {
    batch->Held(*ticket);
    held_.push_back({compaction.revision, *ticket, std::move(reply)});
  }
  if (status.ok()) compacted_ = true;
  return IsStorageFailure(status.code()) ? std::move(status) : Status::Ok();
}

Status Runner::LeaseGrant(const RaftRequest& request, const HeaderInfo& header,
                          CompletionBatch* batch) {
  codec::LeaseGrantRequest grant;
  METASTORE_RETURN_IF_ERROR(codec::Decode(request.body, &grant));
  LeaseRow granted;
  Status status = Write(request, batch, [&](std::string* reply) {
    return store_->LeaseGrant(grant, header, &granted, reply);
  });
  // Not the outcome decides: a grant that met the quota has taken effect all the same.
  if (granted.id != 0) batch->Lease(granted.id, granted.ttl_seconds);
  return status;
}

Status Runner::LeaseRevoke(const RaftRequest& request, const HeaderInfo& header,
                           CompletionBatch* batch) {
  codec::LeaseRevokeRequest revoke;
  METASTORE_RETURN_IF_ERROR(codec::Decode(request.body, &revoke));
  bool done = false;
  Status status = Write(request, batch, [&](std::string* reply) {
    Status outcome = CheckOf(request).Lease(revoke.id, KeysOf(store_));
    if (outcome.ok()) outcome = store_->LeaseRevoke(revoke, header, reply);
    done = outcome.ok();
    return outcome;
  });
  if (done) batch->Lease(revoke.id, -1);
  return status;
}

/// Not guarded by alarms: it changes nothing that a client stored.
Status Runner::LeaseCheckpoint(const RaftRequest& request, CompletionBatch* batch) {
  codec::LeaseCheckpointRequest checkpoint;
  METASTORE_RETURN_IF_ERROR(codec::Decode(request.body, &checkpoint));
  Status status = store_->LeaseCheckpoint(checkpoint);
  if (status.ok()) {
    for (const codec::LeaseCheckpoint& row : checkpoint.checkpoints) {
      batch->LeaseCheckpoint(row.id, row.remaining_ttl_seconds);
    }
  }
  Answer(request, status.code(), {}, batch);
  return IsStorageFailure(status.code()) ? std::move(status) : Status::Ok();
}

Status Runner::Alarm(const RaftRequest& request, const HeaderInfo& header, CompletionBatch* batch) {
  codec::AlarmRequest alarm;
  METASTORE_RETURN_IF_ERROR(codec::Decode(request.body, &alarm));
  scratch_.clear();
  Status status = store_->Alarm(alarm, header, &scratch_);
  if (status.ok() && alarm.alarm != 0 && alarm.action != kGet) {
    batch->Alarm(alarm.member_id, alarm.alarm, alarm.action == kActivate);
  }
  Answer(request, status.code(), scratch_, batch);
  return IsStorageFailure(status.code()) ? std::move(status) : Status::Ok();
}

}  // namespace metastore::apply
