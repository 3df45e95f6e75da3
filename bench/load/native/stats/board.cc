// Progress once a second; see board.h.
#include "stats/board.h"

#include <algorithm>
#include <cstdio>

#include "report/format.h"

namespace metastore::load {

void Board::Post(size_t second, const Interval& interval, bool is_warm_up) {
  if (!shows_ || interval.seconds <= 0) return;
  const std::lock_guard lock(mutex_);
  if (seconds_.size() <= second) seconds_.resize(second + 1);
  Second& entry = seconds_[second];
  entry.posts++;
  entry.sum.seconds = std::max(entry.sum.seconds, interval.seconds);
  entry.sum.done += interval.done;
  entry.sum.errors += interval.errors;
  entry.sum.latency.Merge(interval.latency);
  if (entry.posts != workers_) return;
  const Interval& sum = entry.sum;
  const double rate = static_cast<double>(sum.done) / sum.seconds;
  std::fprintf(
      stderr, "%4zu s  %12s %s/s  p50 %9s  p99 %9s  max %9s  errors %s%s\n", second + 1,
      Grouped(rate).c_str(), unit_.c_str(), Milliseconds(sum.latency.Quantile(0.5)).c_str(),
      Milliseconds(sum.latency.Quantile(0.99)).c_str(), Milliseconds(sum.latency.max()).c_str(),
      Grouped(static_cast<double>(sum.errors)).c_str(), is_warm_up ? "  (warm-up)" : "");
  entry.sum.latency = Histogram();
}

}  // namespace metastore::load
