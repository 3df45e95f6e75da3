// What a check of permissions costs: one user among a thousand, with a thousand intervals. Prints
// figures; fails only on wrong verdicts, since times depend on the machine.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "auth/check.h"
#include "auth/slot.h"
#include "test/support/auth_tables.h"

namespace metastore::auth {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kUsers = 1000;
constexpr size_t kIntervals = 1000;
constexpr size_t kChecks = 200'000;

std::string Numbered(const char* prefix, size_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "%s%06zu", prefix, number);
  return text;
}

/// Every second prefix belongs to the user.
auth_test::Ranges EverySecond() {
  auth_test::Ranges ranges;
  for (size_t i = 0; i < kIntervals; ++i) {
    ranges.emplace_back(Numbered("/registry/tenant-", 2 * i),
                        Numbered("/registry/tenant-", 2 * i + 1));
  }
  return ranges;
}

template <typename Work>
double NanosecondsEach(Work work) {
  const auto before = Clock::now();
  for (size_t i = 0; i < kChecks; ++i) work(i);
  return std::chrono::duration<double, std::nano>(Clock::now() - before).count() / kChecks;
}

TEST(AuthSpeed, ThousandUsersWithThousandIntervals) {
  std::vector<auth_test::TestUser> users;
  for (size_t i = 0; i < kUsers; ++i) users.push_back({Numbered("user-", i)});
  users[kUsers / 2].read = users[kUsers / 2].write = EverySecond();
  const std::string name = users[kUsers / 2].name;
  const std::string bytes = auth_test::TableBytes(true, 5, users);
  const auto begin = Clock::now();
  auto table = Table::Parse(bytes);
  const double parse_us = std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
  ASSERT_TRUE(table.ok());
  TableSlot slot;
  const Caller caller{name, kCurrentAuthRevision};
  std::vector<std::string> keys;
  for (size_t i = 0; i < 2 * kIntervals; ++i) {
    keys.push_back(Numbered("/registry/tenant-", i) + "/pods/default/some-pod");
  }

  size_t passed = 0;
  const double off = NanosecondsEach([&](size_t i) {
    passed += Check(slot.Get().get(), caller).Write(keys[i % keys.size()], {}) == Code::kOk;
  });
  EXPECT_EQ(passed, kChecks);
  slot.Set(*table);
  passed = 0;
  const double key = NanosecondsEach([&](size_t i) {
    passed += Check(slot.Get().get(), caller).Write(keys[i % keys.size()], {}) == Code::kOk;
  });
  EXPECT_EQ(passed, kChecks / 2);
  passed = 0;
  const double range = NanosecondsEach([&](size_t i) {
    const std::string& from = keys[i % keys.size()];
    passed += Check(slot.Get().get(), caller).Read(from, keys[(i + 1) % keys.size()]) == Code::kOk;
  });
  EXPECT_EQ(passed, 0u) << "each range reaches into the next tenant's";
  std::printf(
      "table of %zu kB parsed in %.0f us; a check: off %.1f ns, key %.0f ns, range %.0f ns\n",
      bytes.size() / 1024, parse_us, off, key, range);
}

}  // namespace
}  // namespace metastore::auth
