// Metrics: what the native side counts of itself, read by one call per scrape.
//
// One object per member; the parts add to it from their own threads with relaxed atomics, since a
// scrape wants numbers and no order between them. Names and bounds are exported to TypeScript by
// Metrics::Layout, in the order of Metrics::Values; there they become families for Prometheus.
#ifndef METASTORE_BASE_METRICS_H_
#define METASTORE_BASE_METRICS_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace metastore {

/// A number that only grows, or that is set.
class Counter {
 public:
  void Add(uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
  void Subtract(uint64_t amount) { value_.fetch_sub(amount, std::memory_order_relaxed); }
  void Set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

using Bounds = std::vector<double>;

/// `count` bounds from `start` on, each `factor` times the one before.
Bounds ExponentialBounds(double start, double factor, int count);

/// Counts of values by bucket; a value that equals a bound belongs below it.
class Histogram {
 public:
  explicit Histogram(const Bounds& bounds);
  void Observe(double value) { Observe(value, 1); }
  /// The same value, `times` times.
  void Observe(double value, uint64_t times);

  const Bounds& bounds() const { return bounds_; }
  /// Of one bucket alone; the last has no bound.
  uint64_t count(size_t bucket) const { return counts_[bucket].load(std::memory_order_relaxed); }
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const Bounds& bounds_;  // static
  std::unique_ptr<std::atomic<uint64_t>[]> counts_;
  std::atomic<double> sum_{0};
};

/// Seconds since it was made or last read.
class Stopwatch {
 public:
  double Lap() {
    const auto now = std::chrono::steady_clock::now();
    const std::chrono::duration<double> taken = now - begun_;
    begun_ = now;
    return taken.count();
  }

 private:
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

/// Nanoseconds of the clock that Stopwatch reads, to be kept where threads meet; never 0.
inline int64_t MonotonicNs() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

/// Since when something waits, told by one thread and asked by another.
class Since {
 public:
  /// From now on, unless it is set already.
  void Begin() {
    int64_t none = 0;
    if (at_ns_.load(std::memory_order_relaxed) == 0) {
      at_ns_.compare_exchange_strong(none, MonotonicNs(), std::memory_order_relaxed);
    }
  }
  /// Seconds since then, and forgets it; below 0 when nothing waited.
  double End() {
    if (at_ns_.load(std::memory_order_relaxed) == 0) return -1;
    const int64_t at_ns = at_ns_.exchange(0, std::memory_order_relaxed);
    return at_ns == 0 ? -1 : static_cast<double>(MonotonicNs() - at_ns) * 1e-9;
  }

 private:
  std::atomic<int64_t> at_ns_{0};
};

/// What the entries of the log that native code applies ask for.
enum class ApplyOp : uint8_t {
  kPut,
  kDeleteRange,
  kTxn,
  kCompaction,
  kLeaseGrant,
  kLeaseRevoke,
  kLeaseCheckpoint,
  kAlarm,
  kCount,
};

/// What a write passes through, in this order. Times are of batches: of the oldest in it.
enum class Stage : uint8_t {
  kQueue,    // until Raft is told of it
  kPropose,  // until the log has it to write
  kLog,      // until it is durable here
  kCommit,   // until it is known to be committed
  kApply,    // until its effects can be read
  kReply,    // until its transport has the answer
  kCount,
};

struct MetricRow {
  std::string name;
  const Bounds* bounds = nullptr;  // null: a single number
};

class Metrics {
 public:
  Metrics();
  Metrics(const Metrics&) = delete;

  /// What parts add to that nobody has given one: never read.
  static Metrics* Unread();

  /// Names, in the order of Values. Those of histograms with labels have them behind slashes.
  static std::vector<MetricRow> Layout();
  /// A number for each counter; for each histogram its buckets' counts, each alone, and the sum.
  std::vector<double> Values() const;

  void Applied(ApplyOp op, bool success, double seconds) {
    apply_seconds_[static_cast<size_t>(op)][success ? 1 : 0].Observe(seconds);
  }
  void Ranged(bool success, double seconds) { range_seconds_[success ? 1 : 0].Observe(seconds); }
  /// Many at once that took about the same time.
  void Ranged(bool success, double seconds, uint64_t times) {
    range_seconds_[success ? 1 : 0].Observe(seconds, times);
  }

  void Passed(Stage stage, double seconds) {
    stage_seconds_[static_cast<size_t>(stage)].Observe(seconds);
  }

  // The store.
  Counter puts;
  Counter put_bytes;
  Counter deletes;
  Counter ranges;
  Counter txns;  // of more than one operation
  Counter keys;
  Counter leases_granted;
  Counter leases_revoked;
  Histogram lease_ttl;
  Counter compacted_keys;
  Counter compaction_last;  // unix seconds
  Histogram compaction_pause_ms;
  Histogram compaction_begin_ms;  // of the entry itself
  Histogram compaction_total_ms;
  Histogram commit_seconds;
  Histogram commit_write_seconds;
  Counter defragmenting;
  Histogram defrag_seconds;
  Histogram hash_seconds;
  Histogram hash_rev_seconds;
  Counter open_reads;
  Counter slow_applies;
  Histogram apply_run_entries;
  Histogram entry_operations;  // of entries that hold several

  // The log and checkpoints.
  Counter wal_bytes;
  Histogram wal_write_seconds;
  Histogram wal_sync_seconds;
  Histogram wal_batch_entries;
  Histogram checkpoint_seconds;

  // Watches.
  Counter pending_events;
  Histogram watch_control_seconds;
  Histogram watch_progress_seconds;
  Histogram watch_response_seconds;
  Histogram watch_event_seconds;

 private:
  using Pair = std::array<Histogram, 2>;  // failed, succeeded
  template <typename Visitor>
  void Visit(Visitor visit) const;

  std::array<Pair, static_cast<size_t>(ApplyOp::kCount)> apply_seconds_;
  Pair range_seconds_;
  std::array<Histogram, static_cast<size_t>(Stage::kCount)> stage_seconds_;
};

}  // namespace metastore

#endif  // METASTORE_BASE_METRICS_H_
