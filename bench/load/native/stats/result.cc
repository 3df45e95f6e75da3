// Sums of results; see result.h.
#include "stats/result.h"

namespace metastore::load {

uint64_t Result::done() const {
  uint64_t sum = 0;
  for (const Histogram& one : latency) sum += one.total();
  return sum;
}

uint64_t Result::failed() const {
  uint64_t sum = 0;
  for (const auto& [what, entry] : errors) sum += entry.count;
  return sum;
}

Histogram Result::AllLatencies() const {
  Histogram all;
  for (const Histogram& one : latency) all.Merge(one);
  return all;
}

void Result::Merge(const Result& other) {
  for (size_t op = 0; op < kOps; op++) latency[op].Merge(other.latency[op]);
  for (const auto& [what, entry] : other.errors) {
    Errors& own = errors[what];
    if (own.count == 0) own.sample = entry.sample;
    own.count += entry.count;
  }
  if (intervals.size() < other.intervals.size()) intervals.resize(other.intervals.size());
  for (size_t at = 0; at < other.intervals.size(); at++) {
    intervals[at].seconds = std::max(intervals[at].seconds, other.intervals[at].seconds);
    intervals[at].done += other.intervals[at].done;
    intervals[at].errors += other.intervals[at].errors;
    intervals[at].latency.Merge(other.intervals[at].latency);
  }
  warm_up_intervals = std::max(warm_up_intervals, other.warm_up_intervals);
  seconds = std::max(seconds, other.seconds);
  bytes_sent += other.bytes_sent;
  bytes_received += other.bytes_received;
  cpu_micros += other.cpu_micros;
  writes += other.writes;
  revision_low = std::min(revision_low, other.revision_low);
  revision_high = std::max(revision_high, other.revision_high);
  events += other.events;
  event_latency.Merge(other.event_latency);
}

}  // namespace metastore::load
