// Counting within a window; see meter.h.
#include "stats/meter.h"

#include <algorithm>

#include "loop/clock.h"

namespace metastore::load {

void Meter::StartMeasuring(int64_t now_ns) {
  CloseInterval(now_ns);
  result.warm_up_intervals = result.intervals.size();
  from_ns_ = now_ns;
  is_measuring_ = true;
  cpu_from_ = CpuMicros();
}

void Meter::StopMeasuring(int64_t now_ns) {
  CloseInterval(now_ns);
  to_ns_ = now_ns;
  is_measuring_ = false;
  result.seconds = static_cast<double>(now_ns - from_ns_) / kSecondNs;
  result.cpu_micros = CpuMicros() - cpu_from_;
}

void Meter::CloseInterval(int64_t now_ns) {
  interval_.seconds = static_cast<double>(now_ns - interval_from_ns_) / kSecondNs;
  interval_from_ns_ = now_ns;
  // What a timer that fires right after the window's begin would make.
  constexpr double kTooShort = 0.02;
  if (interval_.seconds < kTooShort) return;
  board_->Post(result.intervals.size(), interval_, !is_measuring_);
  result.intervals.push_back(interval_);
  interval_ = Interval();
}

void Meter::Succeed(Op op, int64_t intended_ns, int64_t now_ns) {
  interval_.done++;
  interval_.latency.Add(now_ns - intended_ns);
  if (Counts(intended_ns, now_ns)) {
    result.latency[static_cast<size_t>(op)].Add(now_ns - intended_ns);
  }
}

void Meter::Fail(int64_t intended_ns, int64_t now_ns, const std::string& what,
                 const std::string& sample) {
  interval_.errors++;
  if (Counts(intended_ns, now_ns)) result.AddError(what, sample);
}

void Meter::Event(int64_t intended_ns, int64_t now_ns) {
  interval_.done++;
  interval_.latency.Add(now_ns - intended_ns);
  if (!Counts(intended_ns, now_ns)) return;
  result.events++;
  result.event_latency.Add(now_ns - intended_ns);
}

void Meter::Wrote(int64_t revision) {
  result.writes++;
  result.revision_low = std::min(result.revision_low, revision);
  result.revision_high = std::max(result.revision_high, revision);
}

}  // namespace metastore::load
