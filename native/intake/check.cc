// The rules of check.h. Sets of touched keys hold views into the request's bytes, so that a
// transaction of any size is checked in n log n without copying keys.
#include "intake/check.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace metastore::intake {
namespace {

using codec::DeleteRangeRequest;
using codec::PutRequest;
using codec::RangeRequest;
using codec::RequestOp;
using codec::TxnRequest;

constexpr int32_t kSortOrders = 3;   // NONE, ASCEND, DESCEND
constexpr int32_t kSortTargets = 5;  // KEY, VERSION, CREATE, MOD, VALUE

using KeySet = std::unordered_set<std::string_view>;

/// Keys that deletions of one level cover: points, and disjoint half-open intervals by their start.
class DeletedKeys {
 public:
  void Add(const DeleteRangeRequest& request) {
    if (request.range_end.empty()) {
      points_.insert(request.key);
    } else {
      AddInterval(request.key, request.range_end);
    }
  }

  void Merge(const DeletedKeys& other) {
    points_.insert(other.points_.begin(), other.points_.end());
    for (const auto& [start, end] : other.intervals_) AddInterval(start, end);
  }

  bool Covers(std::string_view key) const {
    if (points_.contains(key)) return true;
    auto after = intervals_.upper_bound(key);
    return after != intervals_.begin() && key < std::prev(after)->second;
  }

 private:
  /// An inverted interval covers nothing; that includes "\0" as the end, which everywhere else
  /// means "to the last key": clients rely on such a deletion passing beside a put.
  void AddInterval(std::string_view start, std::string_view end) {
    if (end <= start) return;
    auto it = intervals_.upper_bound(start);
    if (it != intervals_.begin() && std::prev(it)->second >= start) {
      --it;
      start = it->first;
    }
    while (it != intervals_.end() && it->first <= end) {
      end = std::max(end, it->second);
      it = intervals_.erase(it);
    }
    intervals_.emplace(start, end);
  }

  KeySet points_;
  std::map<std::string_view, std::string_view> intervals_;
};

struct Touched {
  KeySet puts;
  DeletedKeys deleted;
};

Code CheckDuplicates(const std::vector<RequestOp>& ops, Touched* out);

/// Adds a branch's puts to `puts`. A key that is there already is a duplicate, unless `sibling`,
/// the other branch of the same transaction, has put it: only one of the two runs.
Code AddPuts(const KeySet& branch, const KeySet* sibling, Touched* out) {
  for (std::string_view key : branch) {
    const bool excused = sibling != nullptr && sibling->contains(key);
    if (out->puts.contains(key) && !excused) return Code::kDuplicateKey;
    if (out->deleted.Covers(key)) return Code::kDuplicateKey;
  }
  out->puts.insert(branch.begin(), branch.end());
  return Code::kOk;
}

Code AddNested(const TxnRequest& txn, Touched* out) {
  Touched success;
  Touched failure;
  Code code = CheckDuplicates(txn.success, &success);
  if (code != Code::kOk) return code;
  code = CheckDuplicates(txn.failure, &failure);
  if (code != Code::kOk) return code;
  code = AddPuts(success.puts, nullptr, out);
  if (code != Code::kOk) return code;
  code = AddPuts(failure.puts, &success.puts, out);
  if (code != Code::kOk) return code;
  // Deletions join after the puts were checked: a nested put before a nested deletion of its key
  // passes, the other order does not.
  out->deleted.Merge(success.deleted);
  out->deleted.Merge(failure.deleted);
  return Code::kOk;
}

/// One level: its own deletions first, then nested transactions in order, then its own puts.
Code CheckDuplicates(const std::vector<RequestOp>& ops, Touched* out) {
  for (const RequestOp& op : ops) {
    if (const auto* request = std::get_if<DeleteRangeRequest>(&op)) out->deleted.Add(*request);
  }
  for (const RequestOp& op : ops) {
    if (const auto* nested = std::get_if<std::unique_ptr<TxnRequest>>(&op)) {
      const Code code = AddNested(**nested, out);
      if (code != Code::kOk) return code;
    }
  }
  for (const RequestOp& op : ops) {
    const auto* put = std::get_if<PutRequest>(&op);
    if (put == nullptr) continue;
    if (out->deleted.Covers(put->key) || !out->puts.insert(put->key).second) {
      return Code::kDuplicateKey;
    }
  }
  return Code::kOk;
}

Code CheckOps(const TxnRequest& request, int64_t max_ops);

Code CheckOp(const RequestOp& op, int64_t nested_ops) {
  if (const auto* range = std::get_if<RangeRequest>(&op)) return CheckRange(*range);
  if (const auto* put = std::get_if<PutRequest>(&op)) return CheckPut(*put);
  if (const auto* deletion = std::get_if<DeleteRangeRequest>(&op)) {
    return CheckDeleteRange(*deletion);
  }
  if (const auto* nested = std::get_if<std::unique_ptr<TxnRequest>>(&op)) {
    return CheckOps(**nested, nested_ops);
  }
  return Code::kKeyNotFound;  // nothing set: the documented, if surprising, answer
}

/// Everything but duplicates; recursion is bounded by the decoder's nesting limit.
Code CheckOps(const TxnRequest& request, int64_t max_ops) {
  const size_t widest =
      std::max({request.compare.size(), request.success.size(), request.failure.size()});
  const auto ops = static_cast<int64_t>(widest);
  if (ops > max_ops) return Code::kTooManyOps;
  for (const codec::Compare& compare : request.compare) {
    if (compare.key.empty()) return Code::kEmptyKey;
  }
  for (const auto* branch : {&request.success, &request.failure}) {
    for (const RequestOp& op : *branch) {
      const Code code = CheckOp(op, max_ops - ops);
      if (code != Code::kOk) return code;
    }
  }
  return Code::kOk;
}

int64_t BranchCost(const std::vector<RequestOp>& ops) {
  int64_t cost = 0;
  for (const RequestOp& op : ops) {
    if (const auto* put = std::get_if<PutRequest>(&op)) cost += PutCost(*put);
    if (const auto* nested = std::get_if<std::unique_ptr<TxnRequest>>(&op)) {
      cost += TxnCost(**nested);
    }
  }
  return cost;
}

}  // namespace

Code CheckRange(const RangeRequest& request) {
  if (request.key.empty()) return Code::kEmptyKey;
  if (request.sort_order < 0 || request.sort_order >= kSortOrders) return Code::kInvalidSortOption;
  if (request.sort_target < 0 || request.sort_target >= kSortTargets) {
    return Code::kInvalidSortOption;
  }
  return Code::kOk;
}

Code CheckPut(const PutRequest& request) {
  if (request.key.empty()) return Code::kEmptyKey;
  if (request.ignore_value && !request.value.empty()) return Code::kValueProvided;
  if (request.ignore_lease && request.lease != 0) return Code::kLeaseProvided;
  return Code::kOk;
}

Code CheckDeleteRange(const DeleteRangeRequest& request) {
  return request.key.empty() ? Code::kEmptyKey : Code::kOk;
}

Code CheckTxn(const TxnRequest& request, int64_t max_ops) {
  const Code code = CheckOps(request, max_ops);
  if (code != Code::kOk) return code;
  Touched success;
  const Code first = CheckDuplicates(request.success, &success);
  if (first != Code::kOk) return first;
  Touched failure;
  return CheckDuplicates(request.failure, &failure);
}

int64_t PutCost(const PutRequest& request) {
  constexpr int64_t kOverheadBytes = 256;
  return kOverheadBytes + static_cast<int64_t>(request.key.size() + request.value.size());
}

int64_t TxnCost(const TxnRequest& request) {
  return std::max(BranchCost(request.success), BranchCost(request.failure));
}

bool IsReadOnly(const TxnRequest& request) {
  const auto is_range = [](const RequestOp& op) {
    return std::holds_alternative<RangeRequest>(op);
  };
  return std::all_of(request.success.begin(), request.success.end(), is_range) &&
         std::all_of(request.failure.begin(), request.failure.end(), is_range);
}

bool IsSerializable(const TxnRequest& request) {
  const auto is_serializable = [](const RequestOp& op) {
    const auto* range = std::get_if<RangeRequest>(&op);
    return range != nullptr && range->serializable;
  };
  return std::all_of(request.success.begin(), request.success.end(), is_serializable) &&
         std::all_of(request.failure.begin(), request.failure.end(), is_serializable);
}

}  // namespace metastore::intake
