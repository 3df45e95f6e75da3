// What a run has measured: latencies by operation, errors by what they were, seconds by seconds.
// Every worker fills its own; the reports are made of their sum.
#ifndef METASTORE_LOAD_STATS_RESULT_H_
#define METASTORE_LOAD_STATS_RESULT_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "stats/histogram.h"
#include "work/options.h"

namespace metastore::load {

/// What happened in one second (the last may be shorter).
struct Interval {
  double seconds = 0;
  uint64_t done = 0;
  uint64_t errors = 0;
  Histogram latency;
};

struct Errors {
  uint64_t count = 0;
  /// The first one's text.
  std::string sample;
};

struct Result {
  std::array<Histogram, kOps> latency;
  /// By what went wrong: `UNAVAILABLE`, `wrong answer`, `connection lost`, ...
  std::map<std::string, Errors> errors;
  /// One each second, warm-up included; `warm_up_intervals` of them are not in `latency`.
  std::vector<Interval> intervals;
  size_t warm_up_intervals = 0;
  double seconds = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  /// CPU time of the generator's threads while it measured.
  double cpu_micros = 0;
  /// Writes that were acknowledged, warm-up included, and the revisions that they came with: there
  /// cannot be fewer revisions than writes.
  uint64_t writes = 0;
  int64_t revision_low = INT64_MAX;
  int64_t revision_high = 0;
  /// Watch runs: events, and the time from a put to each of its events.
  uint64_t events = 0;
  Histogram event_latency;

  void AddError(const std::string& what, const std::string& sample) {
    Errors& entry = errors[what];
    if (entry.count++ == 0) entry.sample = sample;
  }
  uint64_t done() const;
  uint64_t failed() const;
  Histogram AllLatencies() const;
  /// Adds another worker's; intervals are added second by second.
  void Merge(const Result& other);
};

}  // namespace metastore::load

#endif  // METASTORE_LOAD_STATS_RESULT_H_
