// Board: where workers post each second, and what is shown of it while the load runs.
//
// Workers post from their threads; a line is written to standard error once all of them have posted
// the second, so that a line is always about the whole load.
#ifndef METASTORE_LOAD_STATS_BOARD_H_
#define METASTORE_LOAD_STATS_BOARD_H_

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "stats/result.h"

namespace metastore::load {

class Board {
 public:
  /// `unit` is what is counted, `requests` or `events`. Nothing is written unless `shows`.
  Board(uint32_t workers, std::string unit, bool shows)
      : workers_(workers), unit_(std::move(unit)), shows_(shows) {}

  void Post(size_t second, const Interval& interval, bool is_warm_up);

 private:
  struct Second {
    uint32_t posts = 0;
    Interval sum;
  };

  uint32_t workers_;
  std::string unit_;
  bool shows_;
  std::mutex mutex_;
  std::vector<Second> seconds_;
};

}  // namespace metastore::load

#endif  // METASTORE_LOAD_STATS_BOARD_H_
