// The operations of runner.h.
#include "apply/runner.h"

#include <memory>
#include <variant>

#include "codec/requests.h"

namespace metastore::apply {
namespace {

constexpr int32_t kGet = 0;
constexpr int32_t kActivate = 1;
constexpr int32_t kCompareValue = 3;

void CollectTxnKeys(const std::vector<codec::RequestOp>& ops, std::vector<std::string_view>* keys) {
  for (const codec::RequestOp& op : ops) {
    if (const auto* put = std::get_if<codec::PutRequest>(&op)) keys->emplace_back(put->key);
    if (const auto* deletion = std::get_if<codec::DeleteRangeRequest>(&op)) {
      if (deletion->range_end.empty()) keys->emplace_back(deletion->key);
    }
  }
}

/// Keys of which a transaction wants to know more than its writes do; most compare what they write.
void CollectComparedKeys(const std::vector<codec::Compare>& compares,
                         std::vector<std::string_view>* keys) {
  for (const codec::Compare& compare : compares) {
    if (!compare.range_end.empty() || compare.target == kCompareValue) continue;
    if (keys->empty() || keys->back() != compare.key) keys->emplace_back(compare.key);
  }
}

/// Of an entry that Prepare could not decode: no member can have proposed it.
Status Undecodable() { return Status(Code::kUnmarshal, "an entry's request is malformed"); }

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

void Runner::Prepare(std::span<RunEntry> entries, std::vector<std::string_view>* keys) {
  ids_.clear();
  for (const RunEntry& entry : entries) ids_.push_back(entry.request.header.id);
  tickets_->TakeMany(ids_, &taken_);
  for (size_t i = 0; i < entries.size(); ++i) {
    RunEntry& entry = entries[i];
    entry.ticket = taken_[i];
    const std::string_view body = entry.request.body;
    // What cannot be decoded is met again, and refused, when it is carried out.
    if (entry.request.field == intake::kFieldPut) {
      auto& put = entry.decoded.emplace<codec::PutRequest>();
      if (codec::Decode(body, &put).ok()) {
        keys->push_back(put.key);
      } else {
        entry.decoded.emplace<std::monostate>();
      }
    } else if (entry.request.field == intake::kFieldDeleteRange) {
      auto& deletion = entry.decoded.emplace<codec::DeleteRangeRequest>();
      if (!codec::Decode(body, &deletion).ok()) {
        entry.decoded.emplace<std::monostate>();
      } else if (deletion.range_end.empty()) {
        keys->push_back(deletion.key);
      }
    } else if (entry.request.field == intake::kFieldTxn) {
      auto& txn = entry.decoded.emplace<codec::TxnRequest>();
      if (codec::Decode(body, &txn).ok()) {
        CollectTxnKeys(txn.success, keys);
        CollectTxnKeys(txn.failure, keys);
        CollectComparedKeys(txn.compare, keys);
      } else {
        entry.decoded.emplace<std::monostate>();
      }
    }
  }
}

Status Runner::Execute(const RunEntry& entry, const HeaderInfo& header, CompletionBatch* batch) {
  switch (entry.request.field) {
    case intake::kFieldPut:
      return Put(entry, header, batch);
    case intake::kFieldDeleteRange:
      return DeleteRange(entry, header, batch);
    case intake::kFieldTxn:
      return Txn(entry, header, batch);
    case intake::kFieldCompaction:
      return Compact(entry, header, batch);
    case intake::kFieldLeaseGrant:
      return LeaseGrant(entry, header, batch);
    case intake::kFieldLeaseRevoke:
      return LeaseRevoke(entry, header, batch);
    case intake::kFieldLeaseCheckpoint:
      return LeaseCheckpoint(entry, batch);
    case intake::kFieldAlarm:
      return Alarm(entry, header, batch);
    default:
      return Status(Code::kInternal, "request field is not for native apply");
  }
}

void Runner::Answer(const RunEntry& entry, Code code, std::string_view reply,
                    CompletionBatch* batch) {
  outcome_ = code;
  reply_bytes_ = reply.size();
  if (entry.ticket.has_value()) batch->Result(*entry.ticket, code, reply);
}

template <typename Operation>
Status Runner::Write(const RunEntry& entry, CompletionBatch* batch, Operation operation) {
  const std::optional<intake::Ticket> ticket = entry.ticket;
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

Status Runner::Put(const RunEntry& entry, const HeaderInfo& header, CompletionBatch* batch) {
  const auto* put = std::get_if<codec::PutRequest>(&entry.decoded);
  if (put == nullptr) return Undecodable();
  return Write(entry, batch, [&](std::string* reply) -> Status {
    METASTORE_RETURN_IF_ERROR(CheckOf(entry).Put(*put, KeysOf(store_)));
    return store_->Put(*put, header, reply);
  });
}

Status Runner::DeleteRange(const RunEntry& entry, const HeaderInfo& header,
                           CompletionBatch* batch) {
  const auto* deletion = std::get_if<codec::DeleteRangeRequest>(&entry.decoded);
  if (deletion == nullptr) return Undecodable();
  return Write(entry, batch, [&](std::string* reply) -> Status {
    METASTORE_RETURN_IF_ERROR(CheckOf(entry).DeleteRange(*deletion));
    return store_->DeleteRange(*deletion, header, reply);
  });
}

Status Runner::Txn(const RunEntry& entry, const HeaderInfo& header, CompletionBatch* batch) {
  const auto* txn = std::get_if<codec::TxnRequest>(&entry.decoded);
  if (txn == nullptr) return Undecodable();
  return Write(entry, batch, [&](std::string* reply) -> Status {
    METASTORE_RETURN_IF_ERROR(CheckOf(entry).Txn(*txn, KeysOf(store_)));
    return store_->Txn(*txn, header, reply);
  });
}

Status Runner::Compact(const RunEntry& entry, const HeaderInfo& header, CompletionBatch* batch) {
  codec::CompactionRequest compaction;
  METASTORE_RETURN_IF_ERROR(codec::Decode(entry.request.body, &compaction));
  std::string reply;
  Status status = CheckOf(entry).Admin();
  if (status.ok()) status = store_->Compact(compaction, header, &reply);
  outcome_ = status.code();
  reply_bytes_ = reply.size();
  if (!status.ok() || !compaction.physical) {
    Answer(entry, status.code(), reply, batch);
  } else if (entry.ticket.has_value()) {
    batch->Held(*entry.ticket);
    held_.push_back({compaction.revision, *entry.ticket, std::move(reply)});
  }
  if (status.ok()) compacted_ = true;
  return IsStorageFailure(status.code()) ? std::move(status) : Status::Ok();
}

Status Runner::LeaseGrant(const RunEntry& entry, const HeaderInfo& header, CompletionBatch* batch) {
  codec::LeaseGrantRequest grant;
  METASTORE_RETURN_IF_ERROR(codec::Decode(entry.request.body, &grant));
  LeaseRow granted;
  Status status = Write(entry, batch, [&](std::string* reply) {
    return store_->LeaseGrant(grant, header, &granted, reply);
  });
  // Not the outcome decides: a grant that met the quota has taken effect all the same.
  if (granted.id != 0) batch->Lease(granted.id, granted.ttl_seconds);
  return status;
}

Status Runner::LeaseRevoke(const RunEntry& entry, const HeaderInfo& header,
                           CompletionBatch* batch) {
  codec::LeaseRevokeRequest revoke;
  METASTORE_RETURN_IF_ERROR(codec::Decode(entry.request.body, &revoke));
  bool done = false;
  Status status = Write(entry, batch, [&](std::string* reply) {
    Status outcome = CheckOf(entry).Lease(revoke.id, KeysOf(store_));
    if (outcome.ok()) outcome = store_->LeaseRevoke(revoke, header, reply);
    done = outcome.ok();
    return outcome;
  });
  if (done) batch->Lease(revoke.id, -1);
  return status;
}

/// Not guarded by alarms: it changes nothing that a client stored.
Status Runner::LeaseCheckpoint(const RunEntry& entry, CompletionBatch* batch) {
  codec::LeaseCheckpointRequest checkpoint;
  METASTORE_RETURN_IF_ERROR(codec::Decode(entry.request.body, &checkpoint));
  Status status = store_->LeaseCheckpoint(checkpoint);
  if (status.ok()) {
    for (const codec::LeaseCheckpoint& row : checkpoint.checkpoints) {
      batch->LeaseCheckpoint(row.id, row.remaining_ttl_seconds);
    }
  }
  Answer(entry, status.code(), {}, batch);
  return IsStorageFailure(status.code()) ? std::move(status) : Status::Ok();
}

Status Runner::Alarm(const RunEntry& entry, const HeaderInfo& header, CompletionBatch* batch) {
  codec::AlarmRequest alarm;
  METASTORE_RETURN_IF_ERROR(codec::Decode(entry.request.body, &alarm));
  scratch_.clear();
  Status status = store_->Alarm(alarm, header, &scratch_);
  if (status.ok() && alarm.alarm != 0 && alarm.action != kGet) {
    batch->Alarm(alarm.member_id, alarm.alarm, alarm.action == kActivate);
  }
  Answer(entry, status.code(), scratch_, batch);
  return IsStorageFailure(status.code()) ? std::move(status) : Status::Ok();
}

}  // namespace metastore::apply
