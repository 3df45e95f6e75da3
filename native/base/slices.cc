// The system calls of slices.h.
#include "base/slices.h"

#include <sched.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <cstdint>

namespace metastore {
#if defined(SYS_sched_setattr)
namespace {

/// The shortest that Linux grants.
constexpr uint64_t kShortSliceNs = 100000;

/// The kernel's struct sched_attr in its first version, which older C libraries do not declare.
struct SchedulingAttributes {
  uint32_t size = sizeof(SchedulingAttributes);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime_ns = 0;
  uint64_t deadline_ns = 0;
  uint64_t period_ns = 0;
};

bool ReadAttributes(SchedulingAttributes* attributes) {
  return syscall(SYS_sched_getattr, 0, attributes, sizeof *attributes, 0) == 0;
}

}  // namespace
#endif

bool PreferShortSlices() {
#if defined(SYS_sched_setattr)
  // All else stays as the operator has set it.
  SchedulingAttributes attributes;
  if (!ReadAttributes(&attributes) || attributes.policy != SCHED_OTHER) return false;
  attributes.runtime_ns = kShortSliceNs;
  if (syscall(SYS_sched_setattr, 0, &attributes, 0) != 0) return false;
  // Where slices cannot be chosen the call succeeds, and the wish is forgotten.
  SchedulingAttributes now;
  return ReadAttributes(&now) && now.runtime_ns == kShortSliceNs;
#else
  return false;
#endif
}

}  // namespace metastore
