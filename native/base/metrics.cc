// The bounds and the order of metrics.h.
#include "base/metrics.h"

#include <utility>

namespace metastore {
namespace {

// Bounds are those of the families that the numbers become, so that nothing is counted twice.
const Bounds kSeconds = ExponentialBounds(0.001, 2, 14);
const Bounds kApplySeconds = ExponentialBounds(0.0001, 2, 20);
const Bounds kTtlSeconds = ExponentialBounds(1, 2, 24);
const Bounds kBeginMs = ExponentialBounds(0.5, 2, 14);
const Bounds kPauseMs = ExponentialBounds(1, 2, 13);
const Bounds kCompactionMs = ExponentialBounds(100, 2, 14);
const Bounds kDefragSeconds = ExponentialBounds(0.1, 2, 13);
const Bounds kHashSeconds = ExponentialBounds(0.01, 2, 15);
const Bounds kEntries = ExponentialBounds(1, 2, 13);
const Bounds kStageSeconds = ExponentialBounds(0.00005, 2, 18);

/// As the label of the metric names them, in the order of ApplyOp.
constexpr const char* kOpNames[] = {
    "Put",         "DeleteRange",     "Txn",  "Compaction", "LeaseGrant",
    "LeaseRevoke", "LeaseCheckpoint", "Alarm"};
static_assert(std::size(kOpNames) == static_cast<size_t>(ApplyOp::kCount));

constexpr const char* kStageNames[] = {"queue", "propose", "log", "commit", "apply", "reply"};
static_assert(std::size(kStageNames) == static_cast<size_t>(Stage::kCount));

constexpr const char* kTruth[] = {"false", "true"};

std::array<Histogram, 2> ApplyPair() {
  return {Histogram(kApplySeconds), Histogram(kApplySeconds)};
}

template <size_t... kOps>
std::array<std::array<Histogram, 2>, sizeof...(kOps)> ApplyPairs(std::index_sequence<kOps...>) {
  return {((void)kOps, ApplyPair())...};
}

template <size_t... kStages>
std::array<Histogram, sizeof...(kStages)> StageHistograms(std::index_sequence<kStages...>) {
  return {((void)kStages, Histogram(kStageSeconds))...};
}

}  // namespace

Bounds ExponentialBounds(double start, double factor, int count) {
  Bounds bounds;
  for (int i = 0; i < count; ++i, start *= factor) bounds.push_back(start);
  return bounds;
}

Histogram::Histogram(const Bounds& bounds)
    : bounds_(bounds), counts_(new std::atomic<uint64_t>[bounds.size() + 1] {}) {}

void Histogram::Observe(double value, uint64_t times) {
  size_t bucket = 0;
  while (bucket < bounds_.size() && value > bounds_[bucket]) ++bucket;
  counts_[bucket].fetch_add(times, std::memory_order_relaxed);
  sum_.fetch_add(value * static_cast<double>(times), std::memory_order_relaxed);
}

Metrics::Metrics()
    : lease_ttl(kTtlSeconds),
      compaction_pause_ms(kPauseMs),
      compaction_begin_ms(kBeginMs),
      compaction_total_ms(kCompactionMs),
      commit_seconds(kSeconds),
      commit_write_seconds(kSeconds),
      defrag_seconds(kDefragSeconds),
      hash_seconds(kHashSeconds),
      hash_rev_seconds(kHashSeconds),
      apply_run_entries(kEntries),
      entry_operations(kEntries),
      wal_write_seconds(kSeconds),
      wal_sync_seconds(kSeconds),
      wal_batch_entries(kEntries),
      checkpoint_seconds(kSeconds),
      watch_control_seconds(kSeconds),
      watch_progress_seconds(kSeconds),
      watch_response_seconds(kSeconds),
      watch_event_seconds(kSeconds),
      apply_seconds_(ApplyPairs(std::make_index_sequence<static_cast<size_t>(ApplyOp::kCount)>())),
      range_seconds_(ApplyPair()),
      stage_seconds_(
          StageHistograms(std::make_index_sequence<static_cast<size_t>(Stage::kCount)>())) {}

Metrics* Metrics::Unread() {
  static Metrics metrics;
  return &metrics;
}

template <typename Visitor>
void Metrics::Visit(Visitor visit) const {
  visit("puts", puts);
  visit("putBytes", put_bytes);
  visit("deletes", deletes);
  visit("ranges", ranges);
  visit("txns", txns);
  visit("keys", keys);
  visit("leasesGranted", leases_granted);
  visit("leasesRevoked", leases_revoked);
  visit("leaseTtl", lease_ttl);
  visit("compactedKeys", compacted_keys);
  visit("compactionLast", compaction_last);
  visit("compactionPause", compaction_pause_ms);
  visit("indexCompactionPause", compaction_begin_ms);
  visit("compactionTotal", compaction_total_ms);
  visit("commitSeconds", commit_seconds);
  visit("commitWriteSeconds", commit_write_seconds);
  visit("defragInflight", defragmenting);
  visit("defragSeconds", defrag_seconds);
  visit("hashSeconds", hash_seconds);
  visit("hashRevSeconds", hash_rev_seconds);
  visit("openReads", open_reads);
  visit("slowApplies", slow_applies);
  visit("applyRunEntries", apply_run_entries);
  visit("entryOperations", entry_operations);
  visit("walBytes", wal_bytes);
  visit("walWriteSeconds", wal_write_seconds);
  visit("fsyncSeconds", wal_sync_seconds);
  visit("walBatchEntries", wal_batch_entries);
  visit("snapSaveSeconds", checkpoint_seconds);
  visit("pendingEvents", pending_events);
  visit("watchControlSeconds", watch_control_seconds);
  visit("watchProgressSeconds", watch_progress_seconds);
  visit("watchResponseSeconds", watch_response_seconds);
  visit("watchEventSeconds", watch_event_seconds);
  for (size_t op = 0; op < apply_seconds_.size(); ++op) {
    for (size_t success = 0; success < 2; ++success) {
      const std::string labels = std::string(kOpNames[op]) + "/" + kTruth[success];
      visit("applySeconds/v3/" + labels, apply_seconds_[op][success]);
    }
  }
  for (size_t success = 0; success < 2; ++success) {
    visit(std::string("rangeSeconds/") + kTruth[success], range_seconds_[success]);
  }
  for (size_t stage = 0; stage < stage_seconds_.size(); ++stage) {
    visit(std::string("stageSeconds/") + kStageNames[stage], stage_seconds_[stage]);
  }
}

std::vector<MetricRow> Metrics::Layout() {
  std::vector<MetricRow> rows;
  struct Name {
    std::vector<MetricRow>* rows;
    void operator()(std::string name, const Counter&) { rows->push_back({std::move(name)}); }
    void operator()(std::string name, const Histogram& histogram) {
      rows->push_back({std::move(name), &histogram.bounds()});
    }
  };
  Unread()->Visit(Name{&rows});
  return rows;
}

std::vector<double> Metrics::Values() const {
  std::vector<double> values;
  struct Read {
    std::vector<double>* values;
    void operator()(std::string_view, const Counter& counter) {
      values->push_back(static_cast<double>(counter.Get()));
    }
    void operator()(std::string_view, const Histogram& histogram) {
      for (size_t i = 0; i <= histogram.bounds().size(); ++i) {
        values->push_back(static_cast<double>(histogram.count(i)));
      }
      values->push_back(histogram.sum());
    }
  };
  Visit(Read{&values});
  return values;
}

}  // namespace metastore
