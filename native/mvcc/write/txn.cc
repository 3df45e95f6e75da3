// Transactions; see txn.h.
#include "mvcc/write/txn.h"

#include <algorithm>

#include "base/check.h"
#include "mvcc/read/compare.h"
#include "mvcc/read/range.h"
#include "mvcc/state/sizes.h"

namespace metastore::mvcc {
namespace {

using codec::RequestOp;
using Nested = std::unique_ptr<codec::TxnRequest>;

int64_t CostOf(const std::vector<RequestOp>& ops) {
  int64_t cost = 0;
  for (const RequestOp& op : ops) {
    if (const auto* put = std::get_if<codec::PutRequest>(&op)) cost += mvcc::CostOf(*put);
    if (const auto* nested = std::get_if<Nested>(&op)) cost += mvcc::CostOf(**nested);
  }
  return cost;
}

/// The decisions of ChoosePath, handed out in the order in which the recursion meets them.
class Path {
 public:
  explicit Path(const std::vector<bool>& taken) : taken_(taken) {}
  bool Next() {
    METASTORE_CHECK(next_ < taken_.size(), "the path covers every transaction on it");
    return taken_[next_++];
  }

 private:
  const std::vector<bool>& taken_;
  size_t next_ = 0;
};

const std::vector<RequestOp>& Branch(const codec::TxnRequest& request, bool succeeded) {
  return succeeded ? request.success : request.failure;
}

Status WriteWithoutRun() { return Status(Code::kInternal, "a write in a read-only transaction"); }

/// Whether a put wants to know what is there.
bool LooksFirst(const codec::PutRequest& put) {
  return put.prev_kv || put.ignore_value || put.ignore_lease;
}

class Transaction {
 public:
  Transaction(const Reader& reader, Run* run) : reader_(reader), run_(run) {}

  Status Check(const codec::TxnRequest& request, Path* path) {
    for (const RequestOp& op : Branch(request, path->Next())) {
      METASTORE_RETURN_IF_ERROR(CheckOp(op, path));
    }
    return Status::Ok();
  }

  /// Appends the elements of `responses`.
  Status Execute(const codec::TxnRequest& request, Path* path, bool* succeeded,
                 std::string* responses) {
    *succeeded = path->Next();
    for (const RequestOp& op : Branch(request, *succeeded)) {
      METASTORE_RETURN_IF_ERROR(ExecuteOp(op, path, responses));
    }
    return Status::Ok();
  }

 private:
  Status CheckOp(const RequestOp& op, Path* path) {
    if (const auto* range = std::get_if<codec::RangeRequest>(&op)) {
      return CheckTxnRange(reader_, *range);
    }
    if (const auto* nested = std::get_if<Nested>(&op)) return Check(**nested, path);
    if (const auto* put = std::get_if<codec::PutRequest>(&op)) {
      if (run_ == nullptr) return WriteWithoutRun();
      if (LooksFirst(*put)) ++run_->tally().ranges;
      return run_->CheckPut(*put);
    }
    if (std::holds_alternative<codec::DeleteRangeRequest>(op)) {
      return run_ == nullptr ? WriteWithoutRun() : Status::Ok();
    }
    return Code::kKeyNotFound;  // an operation with nothing set
  }

  Status ExecuteOp(const RequestOp& op, Path* path, std::string* responses) {
    constexpr codec::ResponseHeader kInner;  // responses inside carry the revision only
    std::string message;
    codec::ResponseKind kind = codec::ResponseKind::kRange;
    if (const auto* range = std::get_if<codec::RangeRequest>(&op)) {
      METASTORE_RETURN_IF_ERROR(Range(reader_, *range, kInner, &message));
    } else if (const auto* put = std::get_if<codec::PutRequest>(&op)) {
      kind = codec::ResponseKind::kPut;
      METASTORE_RETURN_IF_ERROR(ExecutePut(run_, *put, kInner, &message));
    } else if (const auto* erase = std::get_if<codec::DeleteRangeRequest>(&op)) {
      kind = codec::ResponseKind::kDeleteRange;
      METASTORE_RETURN_IF_ERROR(ExecuteDeleteRange(run_, *erase, kInner, &message));
    } else {
      kind = codec::ResponseKind::kTxn;
      bool succeeded = false;
      std::string inner;
      METASTORE_RETURN_IF_ERROR(Execute(*std::get<Nested>(op), path, &succeeded, &inner));
      codec::AppendTxnResponse(nullptr, succeeded, inner, &message);
    }
    codec::AppendResponseOp(kind, message, responses);
    return Status::Ok();
  }

  const Reader& reader_;
  Run* run_;
};

}  // namespace

int64_t CostOf(const codec::PutRequest& request) {
  return kPutOverheadBytes + static_cast<int64_t>(request.key.size() + request.value.size());
}

int64_t CostOf(const codec::TxnRequest& request) {
  return std::max(CostOf(request.success), CostOf(request.failure));
}

Status ExecutePut(Run* run, const codec::PutRequest& request, codec::ResponseHeader header,
                  std::string* reply) {
  VersionRef prev;
  if (LooksFirst(request)) ++run->tally().ranges;
  METASTORE_RETURN_IF_ERROR(run->Put(request, request.prev_kv ? &prev : nullptr));
  header.revision = run->revision();
  if (prev) {
    const codec::KeyValue kv = ToKeyValue(prev->view());
    codec::AppendPutResponse(header, &kv, reply);
  } else {
    codec::AppendPutResponse(header, nullptr, reply);
  }
  return Status::Ok();
}

Status ExecuteDeleteRange(Run* run, const codec::DeleteRangeRequest& request,
                          codec::ResponseHeader header, std::string* reply) {
  std::vector<Victim> victims;
  if (request.prev_kv) ++run->tally().ranges;
  ++run->tally().deletes;
  METASTORE_RETURN_IF_ERROR(
      run->FindVictims({request.key, request.range_end}, request.prev_kv, &victims));
  run->Delete(victims);
  header.revision = run->revision();
  codec::AppendDeleteRangeHead(header, static_cast<int64_t>(victims.size()), reply);
  if (!request.prev_kv) return Status::Ok();
  for (const Victim& victim : victims) {
    codec::AppendDeletedKv(ToKeyValue(victim.version->view()), reply);
  }
  return Status::Ok();
}

Status ExecuteTxn(const Reader& reader, Run* run, const codec::TxnRequest& request,
                  codec::ResponseHeader header, std::string* reply) {
  std::vector<bool> taken;
  METASTORE_RETURN_IF_ERROR(ChoosePath(reader, request, &taken));
  Transaction transaction(reader, run);
  Path check(taken);
  METASTORE_RETURN_IF_ERROR(transaction.Check(request, &check));
  // What decides and what is then done are counted apart, but where nothing is written.
  if (run != nullptr) run->tally().EndGroup();
  Path execute(taken);
  bool succeeded = false;
  std::string responses;
  METASTORE_RETURN_IF_ERROR(transaction.Execute(request, &execute, &succeeded, &responses));
  header.revision = reader.revision();
  codec::AppendTxnResponse(&header, succeeded, responses, reply);
  return Status::Ok();
}

}  // namespace metastore::mvcc
