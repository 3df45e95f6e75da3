// Range; see range.h. Replies are built while scanning where the order allows it; what must be
// sorted is collected, never more than about twice the limit.
#include "mvcc/read/range.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "base/check.h"

namespace metastore::mvcc {
namespace {

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

bool HasFilters(const codec::RangeRequest& request) {
  return request.min_mod_revision != 0 || request.max_mod_revision != 0 ||
         request.min_create_revision != 0 || request.max_create_revision != 0;
}

bool PassesFilters(const codec::RangeRequest& request, const VersionView& version) {
  const auto within = [](int64_t value, int64_t least, int64_t most) {
    return (least == 0 || value >= least) && (most == 0 || value <= most);
  };
  return within(version.rev.main, request.min_mod_revision, request.max_mod_revision) &&
         within(version.create_revision, request.min_create_revision, request.max_create_revision);
}

/// What the scan of one request needs to know, worked out once.
struct Plan {
  KeySelector selector;
  int64_t at = kCurrent;
  int64_t limit = kUnlimited;
  bool values = true;  // read values (to return them or to sort by them)
  bool show_value = true;
  bool show_lease = true;
};

Status MakePlan(const Reader& reader, const codec::RangeRequest& request, Plan* plan) {
  if (request.revision > reader.revision()) return Code::kFutureRevision;
  if (request.revision > 0) {
    if (request.revision < reader.compact_revision()) return Code::kCompacted;
    if (request.revision != reader.revision()) plan->at = request.revision;
  }
  plan->selector = {request.key, request.range_end};
  if (request.limit > 0) plan->limit = request.limit;
  // Without values the answer comes from metadata, and the lease is not shown then.
  const bool by_value = request.sort_target == kSortByValue;
  plan->values = !request.keys_only || by_value;
  plan->show_value = !request.keys_only;
  plan->show_lease = plan->values;
  return Status::Ok();
}

void AppendRow(const Plan& plan, const VersionView& version, std::string* reply) {
  codec::KeyValue kv = ToKeyValue(version);
  if (!plan.show_value) kv.value = {};
  if (!plan.show_lease) kv.lease = 0;
  codec::AppendRangeKv(kv, reply);
}

Status CountSelected(const Reader& reader, const KeySelector& selector, int64_t at,
                     int64_t* count) {
  if (at == kCurrent && selector.everything()) {
    *count = reader.key_count();
    return Status::Ok();
  }
  int64_t counted = 0;
  const auto visit = [&counted](const VersionView&) {
    counted++;
    return true;
  };
  METASTORE_RETURN_IF_ERROR(ReadSelected(reader, selector, at, true, visit));
  *count = counted;
  return Status::Ok();
}

/// Visits the first `most` keys in key order, and counts all of the selection.
Status VisitAndCount(const Reader& reader, const Plan& plan, int64_t most,
                     FunctionRef<void(const VersionView&)> visit, int64_t* count) {
  METASTORE_CHECK(most > 0, "at least one key is visited");
  int64_t visited = 0;
  std::optional<std::string> rest_from;
  const auto each = [&](const VersionView& version) {
    if (visited == most) {
      rest_from.emplace(version.key);
      return false;
    }
    visited++;
    visit(version);
    return true;
  };
  METASTORE_RETURN_IF_ERROR(ReadSelected(reader, plan.selector, plan.at, !plan.values, each));
  *count = visited;
  if (!rest_from) return Status::Ok();
  METASTORE_CHECK(!plan.selector.single(), "one key has no rest");
  if (plan.at == kCurrent && plan.selector.everything()) {
    *count = reader.key_count();
    return Status::Ok();
  }
  int64_t rest = 0;
  const KeySelector behind = {*rest_from, plan.selector.range_end};
  METASTORE_RETURN_IF_ERROR(CountSelected(reader, behind, plan.at, &rest));
  *count = visited + rest;
  return Status::Ok();
}

// ---- Sorting. --------------------------------------------------------------------------------

int CompareBy(int32_t target, const VersionView& left, const VersionView& right) {
  const auto sign = [](auto a, auto b) { return a < b ? -1 : (b < a ? 1 : 0); };
  switch (target) {
    case kSortByVersion:
      return sign(left.version, right.version);
    case kSortByCreate:
      return sign(left.create_revision, right.create_revision);
    case kSortByMod:
      return sign(left.rev.main, right.rev.main);
    case kSortByValue:
      return sign(left.value, right.value);
    default:
      return sign(left.key, right.key);
  }
}

/// The total order of a sorted reply: by target, ties by ascending key.
struct RowOrder {
  int32_t target = kSortByKey;
  bool descending = false;
  bool operator()(const VersionView& left, const VersionView& right) const {
    const int sign = CompareBy(target, left, right);
    if (sign != 0) return descending ? sign > 0 : sign < 0;
    return left.key < right.key;
  }
};

/// Keeps the first `limit` rows of an order out of any number added, in memory for about twice as
/// many.
class FirstRows {
 public:
  FirstRows(RowOrder order, int64_t limit) : order_(order), limit_(limit) {}

  void Add(const VersionView& version, bool with_value) {
    added_++;
    if (worst_ && !order_(version, worst_->view())) return;
    VersionView copied = version;
    if (!with_value) copied.value = {};
    rows_.push_back(Version::Make(copied));
    if (limit_ < kBoundable && rows_.size() >= 2 * static_cast<size_t>(limit_) + kSlack) Shrink();
  }

  /// Sorted and cut to the limit.
  const std::vector<VersionRef>& Finish() {
    std::sort(rows_.begin(), rows_.end(), Less());
    if (static_cast<uint64_t>(limit_) < rows_.size()) rows_.resize(static_cast<size_t>(limit_));
    return rows_;
  }
  bool more() const { return added_ > limit_; }

 private:
  static constexpr int64_t kBoundable = int64_t{1} << 40;
  static constexpr size_t kSlack = 512;

  struct RefOrder {
    RowOrder order;
    bool operator()(const VersionRef& left, const VersionRef& right) const {
      return order(left->view(), right->view());
    }
  };
  RefOrder Less() const { return {order_}; }

  void Shrink() {
    const auto keep = static_cast<std::ptrdiff_t>(limit_);
    METASTORE_CHECK(keep > 0 && static_cast<size_t>(keep) < rows_.size(), "there is more");
    std::nth_element(rows_.begin(), rows_.begin() + keep - 1, rows_.end(), Less());
    rows_.resize(static_cast<size_t>(keep));
    worst_ = rows_.back();
  }

  RowOrder order_;
  int64_t limit_;
  int64_t added_ = 0;
  std::vector<VersionRef> rows_;
  VersionRef worst_;  // rows that do not come before it cannot be in the answer
};

Status SortedRange(const Reader& reader, const codec::RangeRequest& request, const Plan& plan,
                   std::string* reply) {
  const bool pushed_down = request.sort_order == kSortNone && !HasFilters(request);
  FirstRows rows({request.sort_target, request.sort_order == kSortDescend}, plan.limit);
  const auto add = [&](const VersionView& version) {
    if (PassesFilters(request, version)) rows.Add(version, plan.values);
  };
  const int64_t most = pushed_down && plan.limit < kUnlimited ? plan.limit + 1 : kUnlimited;
  int64_t count = 0;
  METASTORE_RETURN_IF_ERROR(VisitAndCount(reader, plan, most, add, &count));
  for (const VersionRef& row : rows.Finish()) AppendRow(plan, row->view(), reply);
  codec::AppendRangeEnd(rows.more(), count, reply);
  return Status::Ok();
}

/// Key order and nothing filtered: straight from the scan into the reply.
Status StreamedRange(const Reader& reader, const Plan& plan, std::string* reply) {
  int64_t count = 0;
  const auto append = [&](const VersionView& version) { AppendRow(plan, version, reply); };
  METASTORE_RETURN_IF_ERROR(VisitAndCount(reader, plan, plan.limit, append, &count));
  codec::AppendRangeEnd(count > plan.limit, count, reply);
  return Status::Ok();
}

Status AppendRange(const Reader& reader, const codec::RangeRequest& request, const Plan& plan,
                   std::string* reply) {
  if (request.count_only) {
    int64_t count = 0;
    METASTORE_RETURN_IF_ERROR(CountSelected(reader, plan.selector, plan.at, &count));
    codec::AppendRangeEnd(false, count, reply);
    return Status::Ok();
  }
  const bool key_order = request.sort_target == kSortByKey && request.sort_order != kSortDescend;
  if (key_order && !HasFilters(request)) return StreamedRange(reader, plan, reply);
  return SortedRange(reader, request, plan, reply);
}

}  // namespace

codec::KeyValue ToKeyValue(const VersionView& version) {
  return {version.key,     version.create_revision, version.rev.main,
          version.version, version.value,           version.lease};
}

Status Range(const Reader& reader, const codec::RangeRequest& request, codec::ResponseHeader header,
             std::string* reply) {
  Plan plan;
  ++reader.tally().ranges;
  METASTORE_RETURN_IF_ERROR(MakePlan(reader, request, &plan));
  const size_t start = reply->size();
  header.revision = reader.revision();
  codec::AppendHeader(header, reply);
  Status status = AppendRange(reader, request, plan, reply);
  if (!status.ok()) reply->resize(start);
  return status;
}

Status CheckTxnRange(const Reader& reader, const codec::RangeRequest& request) {
  if (request.revision == 0) return Status::Ok();
  if (request.revision > reader.revision()) return Code::kFutureRevision;
  if (request.revision < reader.compact_revision()) return Code::kCompacted;
  return Status::Ok();
}

}  // namespace metastore::mvcc
