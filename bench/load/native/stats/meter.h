// Meter: the window in which a worker's answers count, and what has been counted.
//
// Used by unary and watch workers alike. A closed loop counts what ends inside the window, an open
// one what should have been sent inside it, however late its answer comes.
#ifndef METASTORE_LOAD_STATS_METER_H_
#define METASTORE_LOAD_STATS_METER_H_

#include <cstdint>
#include <string>

#include "stats/board.h"
#include "stats/result.h"

namespace metastore::load {

class Meter {
 public:
  Meter(Board* board, bool by_intended) : board_(board), by_intended_(by_intended) {}

  void Begin(int64_t now_ns) { interval_from_ns_ = now_ns; }
  void StartMeasuring(int64_t now_ns);
  /// The window ends; answers may still be counted by when they should have been sent.
  void StopMeasuring(int64_t now_ns);
  /// The second is over.
  void CloseInterval(int64_t now_ns);

  bool Counts(int64_t intended_ns, int64_t now_ns) const {
    const int64_t at = by_intended_ ? intended_ns : now_ns;
    return at >= from_ns_ && at < to_ns_;
  }
  void Succeed(Op op, int64_t intended_ns, int64_t now_ns);
  void Fail(int64_t intended_ns, int64_t now_ns, const std::string& what,
            const std::string& sample);
  /// An event of a watch whose put should have been sent then; 0 when that is not known.
  void Event(int64_t intended_ns, int64_t now_ns);
  /// A write was acknowledged at this revision.
  void Wrote(int64_t revision);
  void Sent(size_t bytes) {
    if (is_measuring_) result.bytes_sent += bytes;
  }
  void Received(size_t bytes) {
    if (is_measuring_) result.bytes_received += bytes;
  }

  Result result;

 private:
  Board* board_;
  bool by_intended_;
  bool is_measuring_ = false;
  int64_t from_ns_ = INT64_MAX;
  int64_t to_ns_ = INT64_MAX;
  int64_t interval_from_ns_ = 0;
  double cpu_from_ = 0;
  Interval interval_;
};

}  // namespace metastore::load

#endif  // METASTORE_LOAD_STATS_METER_H_
