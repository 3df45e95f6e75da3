// Timers of microseconds for libuv loops; see pacer.h.
#include "loop/pacer.h"

#include <unistd.h>

#include <algorithm>

#include "base/check.h"
#include "loop/clock.h"

#ifdef __linux__
#include <sys/timerfd.h>
#endif

namespace metastore::load {

#ifdef __linux__

Pacer::Pacer(uv_loop_t* loop, std::function<void()> on_time)
    : on_time_(std::move(on_time)), poll_(new uv_poll_t) {
  descriptor_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  METASTORE_CHECK(descriptor_ >= 0, "no descriptor left for a timer");
  METASTORE_CHECK(uv_poll_init(loop, poll_, descriptor_) == 0, "a timerfd can be polled");
  poll_->data = this;
  uv_poll_start(poll_, UV_READABLE, [](uv_poll_t* poll, int, int) {
    auto* self = static_cast<Pacer*>(poll->data);
    uint64_t expirations = 0;
    if (::read(self->descriptor_, &expirations, sizeof(expirations)) > 0) self->on_time_();
  });
}

Pacer::~Pacer() {
  uv_poll_stop(poll_);
  uv_close(reinterpret_cast<uv_handle_t*>(poll_),
           [](uv_handle_t* closed) { delete reinterpret_cast<uv_poll_t*>(closed); });
  ::close(descriptor_);
}

void Pacer::Arm(int64_t at_ns) {
  // All zero would disarm it.
  at_ns = std::max<int64_t>(at_ns, 1);
  itimerspec when = {};
  when.it_value.tv_sec = at_ns / kSecondNs;
  when.it_value.tv_nsec = at_ns % kSecondNs;
  timerfd_settime(descriptor_, TFD_TIMER_ABSTIME, &when, nullptr);
}

#else

Pacer::Pacer(uv_loop_t* loop, std::function<void()> on_time)
    : on_time_(std::move(on_time)), timer_(new uv_timer_t) {
  METASTORE_CHECK(uv_timer_init(loop, timer_) == 0, "a timer cannot be refused");
  timer_->data = this;
}

Pacer::~Pacer() {
  uv_close(reinterpret_cast<uv_handle_t*>(timer_),
           [](uv_handle_t* closed) { delete reinterpret_cast<uv_timer_t*>(closed); });
}

void Pacer::Arm(int64_t at_ns) {
  const int64_t wait_ms = std::max<int64_t>(0, at_ns - NowNs() + 999'999) / 1'000'000;
  uv_timer_start(
      timer_, [](uv_timer_t* timer) { static_cast<Pacer*>(timer->data)->on_time_(); },
      static_cast<uint64_t>(wait_ms), 0);
}

#endif

}  // namespace metastore::load
