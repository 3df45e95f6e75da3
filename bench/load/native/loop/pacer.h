// Pacer: wakes a libuv loop at a time given in nanoseconds, for loads of a fixed rate.
//
// libuv's own timers count milliseconds, which would send a fast load in lumps. On Linux a timerfd
// is exact to some microseconds; elsewhere the loop's timer has to do, and lumps are the price.
#ifndef METASTORE_LOAD_LOOP_PACER_H_
#define METASTORE_LOAD_LOOP_PACER_H_

#include <uv.h>

#include <cstdint>
#include <functional>

namespace metastore::load {

class Pacer {
 public:
  Pacer(uv_loop_t* loop, std::function<void()> on_time);
  ~Pacer();
  Pacer(const Pacer&) = delete;
  Pacer& operator=(const Pacer&) = delete;

  /// Wakes once, at this monotonic time or at once when it has passed; replaces what was armed.
  void Arm(int64_t at_ns);

 private:
  std::function<void()> on_time_;
  uv_poll_t* poll_ = nullptr;
  uv_timer_t* timer_ = nullptr;
  int descriptor_ = -1;
};

}  // namespace metastore::load

#endif  // METASTORE_LOAD_LOOP_PACER_H_
