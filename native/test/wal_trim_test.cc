// What a truncation has forgotten: gone for readers at once, let go of in small pieces between
// which writes go on, and all of it in the end, memory and files.
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "base/executor.h"
#include "test/support/wal_support.h"
#include "wal/replay/table.h"
#include "wal/wal.h"

namespace metastore::wal {
namespace {

constexpr uint64_t kMany = 2000;

Entry Numbered(uint64_t index) {
  return {index, 1, 0, std::make_shared<const std::string>(std::to_string(index))};
}

TEST(WalTrim, ATableForgetsAtOnceAndLetsGoByAndBy) {
  EntryTable table(uint64_t{64} << 20);
  for (uint64_t index = 1; index <= 10; ++index) table.Append(Numbered(index));
  for (uint64_t index = 1; index <= 8; ++index) table.Locate(index, 1, 100 * index);
  table.CutHead(6);
  EXPECT_EQ(table.start(), 6u);
  EXPECT_EQ(table.last(), 10u);
  EXPECT_FALSE(table.Contains(6));
  EntryTable::Payloads dropped;
  EXPECT_TRUE(table.Trim(4, &dropped));
  ASSERT_EQ(dropped.size(), 4u);
  EXPECT_EQ(*dropped.back(), "4");
  // In the middle of it everything finds its place.
  EXPECT_EQ(table.At(8).offset, 800u);
  std::shared_ptr<const std::string> payload;
  ASSERT_TRUE(table.Cached(7, &payload));
  EXPECT_EQ(*payload, "7");
  table.CutTail(10);
  table.Append(Numbered(10));
  table.Append(Numbered(11));
  table.Locate(9, 2, 900);
  EXPECT_EQ(table.At(9).offset, 900u);
  EXPECT_EQ(table.last(), 11u);
  table.CutHead(5);  // nothing comes back
  EXPECT_EQ(table.start(), 6u);
  EXPECT_FALSE(table.Trim(4, &dropped));
  EXPECT_EQ(dropped.size(), 6u);
  ASSERT_TRUE(table.Cached(11, &payload));
  EXPECT_EQ(*payload, "11");
  table.CutHead(11);
  EXPECT_FALSE(table.Trim(100, &dropped));
  EXPECT_EQ(dropped.size(), 11u);
  EXPECT_EQ(table.cached_bytes(), 0u);
}

TEST(WalTrim, ACacheOverItsLimitLosesTheForgottenFirst) {
  EntryTable table(200);
  for (uint64_t index = 1; index <= 4; ++index) table.Append(Numbered(index));
  for (uint64_t index = 1; index <= 4; ++index) table.Locate(index, 1, index);
  table.CutHead(2);
  table.Evict();
  EXPECT_LE(table.cached_bytes(), 200u);
  EntryTable::Payloads dropped;
  EXPECT_FALSE(table.Trim(100, &dropped));
  std::shared_ptr<const std::string> payload;
  ASSERT_TRUE(table.Cached(4, &payload));
  EXPECT_EQ(*payload, "4");
}

TEST(WalTrim, WritesGoOnBetweenThePieces) {
  TemporaryDirectory directory;
  ManualExecutor executor;
  WalOptions options = OptionsFor(directory.path());
  options.executor = &executor;
  Recovered recovered;
  auto wal = MustOpen(options, &recovered);
  ASSERT_NE(wal, nullptr);
  std::vector<std::weak_ptr<const std::string>> payloads;
  std::vector<Entry> entries;
  for (uint64_t index = 1; index <= kMany; ++index) {
    entries.push_back(Numbered(index));
    payloads.push_back(entries.back().payload);
  }
  const auto held = [&] {
    size_t count = 0;
    for (const auto& one : payloads) count += one.expired() ? 0 : 1;
    return count;
  };
  const HardState state = {1, 1, kMany};
  wal->Append(std::move(entries), &state, true, nullptr);
  while (executor.Step()) {
  }
  ASSERT_EQ(held(), kMany);
  bool cut = false;
  wal->Truncate(kMany, 1, [&](Status status) { cut = status.ok(); });
  while (!cut && executor.Step()) {
  }
  ASSERT_TRUE(cut);
  EXPECT_GT(held(), 0u) << "not all at once";
  // A write that comes now is durable before the rest is gone.
  bool durable = false;
  wal->Append({Numbered(kMany + 1)}, nullptr, true, [&](Status s) { durable = s.ok(); });
  while (!durable && executor.Step()) {
  }
  ASSERT_TRUE(durable);
  EXPECT_GT(held(), 0u);
  // And an idle log ends with it, and then rests.
  size_t steps = 0;
  while (executor.Step()) ASSERT_LT(++steps, kMany);
  EXPECT_EQ(held(), 0u);
  std::vector<Entry> read;
  ASSERT_TRUE(wal->Read(kMany + 1, kMany + 1, 100, &read).ok());
  EXPECT_EQ(*read[0].payload, std::to_string(kMany + 1));
  ASSERT_TRUE(wal->Close().ok());
}

#if defined(__linux__)
/// Files of the directory that are open and have no name any more.
size_t NamelessFiles(const std::string& directory) {
  size_t count = 0;
  for (const auto& link : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const std::string target = std::filesystem::read_symlink(link.path(), error).string();
    if (!error && target.starts_with(directory) && target.ends_with("(deleted)")) ++count;
  }
  return count;
}

TEST(WalTrim, RemovedSegmentsAreClosed) {
  TemporaryDirectory directory;
  Recovered recovered;
  auto wal = MustOpen(OptionsFor(directory.path(), 4096), &recovered);
  ASSERT_NE(wal, nullptr);
  HardState state = {1, 9, 0};
  for (uint64_t index = 1; index <= 100; ++index) {
    state.commit = index;
    ASSERT_TRUE(AppendNow(wal.get(), MakeEntries(index, index, 1, 300), &state).ok());
  }
  ASSERT_GT(wal->stats().segments, 8u);
  ASSERT_TRUE(TruncateNow(wal.get(), 100, 1).ok());
  ASSERT_LT(wal->stats().segments, 4u);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (NamelessFiles(directory.path()) != 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(NamelessFiles(directory.path()), 0u);
  ASSERT_TRUE(wal->Close().ok());
}
#endif

}  // namespace
}  // namespace metastore::wal
