// The log with several threads at it, for ThreadSanitizer, and what group commit gives: entries
// that wait together are written together.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>

#include "test/support/wal_support.h"

namespace metastore::wal {
namespace {

TEST(WalThreads, ReadsFromOtherThreadsWhileAppending) {
  TemporaryDirectory directory;
  Recovered recovered;
  WalOptions options = OptionsFor(directory.path(), 64 << 10);
  options.cache_bytes = 16 << 10;
  auto wal = MustOpen(options, &recovered);
  ASSERT_NE(wal, nullptr);
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> reads = 0;
  std::vector<std::thread> readers;
  for (int n = 0; n < 3; ++n) {
    readers.emplace_back([&, n] {
      std::mt19937_64 random(static_cast<uint64_t>(n));
      while (!stop) {
        const uint64_t from = wal->start_index() + 1;
        const uint64_t to = wal->last_index();
        if (from > to) continue;
        const uint64_t at = from + random() % (to - from + 1);
        std::vector<Entry> entries;
        if (!wal->Read(at, std::min(to, at + 20), 1 << 20, &entries).ok()) continue;  // truncated
        for (const Entry& entry : entries) {
          ASSERT_TRUE(*entry.payload == PatternOf(entry.index, 1, 100)) << entry.index;
        }
        std::vector<EntryInfo> infos;
        (void)wal->Infos(at, to, &infos).ok();
        reads += wal->stats().segments > 0;
      }
    });
  }
  uint64_t index = 0;
  for (int round = 0; round < 150; ++round) {
    const Status status = AppendNow(wal.get(), MakeEntries(index + 1, index + 50, 1, 100));
    ASSERT_TRUE(status.ok()) << status.ToString();
    index += 50;
    if (round % 20 == 19) {
      ASSERT_TRUE(TruncateNow(wal.get(), index - 500, 1).ok());
    }
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(reads, 0u);
  ASSERT_TRUE(wal->Close().ok());
}

TEST(WalThreads, ThroughputWithAThousandInFlight) {
  TemporaryDirectory directory;
  Recovered recovered;
  auto wal = MustOpen(OptionsFor(directory.path(), 64 << 20), &recovered);
  ASSERT_NE(wal, nullptr);
  constexpr uint64_t kCount = 50000;
  const auto payload = Payload(std::string(256, 'x'));
  std::mutex mutex;
  std::condition_variable wake;
  uint64_t durable = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (uint64_t index = 1; index <= kCount; ++index) {
    {
      std::unique_lock<std::mutex> lock(mutex);
      wake.wait(lock, [&] { return index - durable <= 1000; });
    }
    std::vector<Entry> one(1, Entry{index, 1, 0, payload});
    wal->Append(std::move(one), nullptr, true, [&](Status status) {
      std::lock_guard<std::mutex> lock(mutex);
      if (status.ok()) ++durable;
      wake.notify_one();
    });
  }
  {
    std::unique_lock<std::mutex> lock(mutex);
    wake.wait(lock, [&] { return durable == kCount; });
  }
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  const WalStats stats = wal->stats();
  std::printf("%.0f entries/s, %.0f groups/s, %.1f entries a group, %.0f us a sync\n",
              static_cast<double>(kCount) / taken.count(),
              static_cast<double>(stats.groups) / taken.count(),
              stats.batch_entries_sum / static_cast<double>(stats.groups),
              stats.sync_seconds_sum / static_cast<double>(stats.syncs) * 1e6);
  EXPECT_LT(stats.groups, kCount) << "entries that wait together are written together";
  ASSERT_TRUE(wal->Close().ok());
}

}  // namespace
}  // namespace metastore::wal
