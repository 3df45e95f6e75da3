// The clock of the measurements, and what a thread has cost. Everything is in monotonic nanoseconds
// from one source, so that times taken by different threads can be compared.
#ifndef METASTORE_LOAD_LOOP_CLOCK_H_
#define METASTORE_LOAD_LOOP_CLOCK_H_

#include <sys/resource.h>
#include <time.h>

#include <cstdint>

namespace metastore::load {

inline constexpr int64_t kSecondNs = 1'000'000'000;

inline int64_t NowNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * kSecondNs + now.tv_nsec;
}

/// CPU time of this thread (of the process where threads are not told apart) in microseconds.
inline double CpuMicros() {
  rusage usage;
#ifdef RUSAGE_THREAD
  getrusage(RUSAGE_THREAD, &usage);
#else
  getrusage(RUSAGE_SELF, &usage);
#endif
  auto micros = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return micros(usage.ru_utime) + micros(usage.ru_stime);
}

}  // namespace metastore::load

#endif  // METASTORE_LOAD_LOOP_CLOCK_H_
