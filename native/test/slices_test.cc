// Time slices: what a thread has asked for is its own, and nothing else of it changes.
#include "base/slices.h"

#include <gtest/gtest.h>

#include <thread>
#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#endif

namespace metastore {
namespace {

#if defined(SYS_sched_getattr)
struct Attributes {
  uint32_t size = sizeof(Attributes);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime_ns = 0;
  uint64_t deadline_ns = 0;
  uint64_t period_ns = 0;
};

Attributes OfThisThread() {
  Attributes attributes;
  EXPECT_EQ(syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0), 0);
  return attributes;
}

bool SystemHasSlices() {
  utsname names;
  int major = 0;
  int minor = 0;
  const bool known = uname(&names) == 0 && sscanf(names.release, "%d.%d", &major, &minor) == 2;
  return known && (major > 6 || (major == 6 && minor >= 12));
}

TEST(Slices, AThreadGetsShortOnesAndKeepsItsPlace) {
  bool granted = false;
  Attributes before, after;
  std::thread([&] {
    before = OfThisThread();
    granted = PreferShortSlices();
    after = OfThisThread();
  }).join();
  EXPECT_EQ(after.policy, before.policy);
  EXPECT_EQ(after.nice, before.nice);
  if (!granted) {
    EXPECT_EQ(after.runtime_ns, before.runtime_ns);
    EXPECT_FALSE(before.policy == SCHED_OTHER && SystemHasSlices());
    return;
  }
  EXPECT_EQ(after.runtime_ns, 100000u);
  // Another thread has what it had.
  std::thread([&] { EXPECT_EQ(OfThisThread().runtime_ns, before.runtime_ns); }).join();
}
#endif

}  // namespace
}  // namespace metastore
