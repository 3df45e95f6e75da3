// The log's contract on sound disks: what was reported durable is read back, in this process and
// after a restart, over rotation, replaced tails, truncation and reset.
#include "wal/wal.h"

#include <atomic>

#include "base/executor.h"
#include "test/support/wal_support.h"

namespace metastore::wal {
namespace {

constexpr auto kTermOne = [](uint64_t) -> uint64_t { return 1; };

TEST(Wal, CreatesAnEmptyLog) {
  TemporaryDirectory directory;
  Recovered recovered;
  auto wal = MustOpen(OptionsFor(directory.path() + "/a/b"), &recovered);
  ASSERT_NE(wal, nullptr);
  EXPECT_TRUE(recovered.created);
  EXPECT_EQ(recovered.identity.member_id, kIdentity.member_id);
  EXPECT_EQ(wal->start_index(), 0u);
  EXPECT_EQ(wal->last_index(), 0u);
  std::vector<Entry> entries;
  EXPECT_EQ(wal->Read(1, 1, 10, &entries).code(), Code::kInternal);
  EXPECT_TRUE(wal->Close().ok());

  wal = MustOpen(OptionsFor(directory.path() + "/a/b"), &recovered);
  ASSERT_NE(wal, nullptr);
  EXPECT_FALSE(recovered.created);
  EXPECT_EQ(recovered.last_index, 0u);
  EXPECT_EQ(recovered.torn_bytes, 0u);
  EXPECT_TRUE(wal->Close().ok());
}

TEST(Wal, RoundTripOfEveryKindOfEntry) {
  TemporaryDirectory directory;
  Recovered recovered;
  std::vector<Entry> written = {
      {1, 1, 0, nullptr},
      {2, 1, 0, Payload("")},
      {3, 1, 1, Payload(std::string("\0\xff", 2))},
      {4, 2, 2, Payload(PatternOf(4, 2, 3 << 19))},
      {5, 3, 0, nullptr},
  };
  HardState state = {3, 77, 4};
  {
    auto wal = MustOpen(OptionsFor(directory.path()), &recovered);
    ASSERT_NE(wal, nullptr);
    ASSERT_TRUE(AppendNow(wal.get(), written, &state).ok());
    ASSERT_TRUE(wal->Close().ok());
  }
  for (const uint64_t cache_bytes : {uint64_t{0}, uint64_t{64} << 20}) {
    WalOptions options = OptionsFor(directory.path());
    options.cache_bytes = cache_bytes;
    auto wal = MustOpen(options, &recovered);
    ASSERT_NE(wal, nullptr);
    EXPECT_EQ(recovered.hard_state.term, 3u);
    EXPECT_EQ(recovered.hard_state.vote, 77u);
    EXPECT_EQ(recovered.hard_state.commit, 4u);
    EXPECT_EQ(recovered.last_index, 5u);
    std::vector<Entry> read;
    ASSERT_TRUE(wal->Read(1, 5, UINT64_MAX, &read).ok());
    std::vector<EntryInfo> infos;
    ASSERT_TRUE(wal->Infos(1, 5, &infos).ok());
    ASSERT_EQ(read.size(), 5u);
    for (size_t n = 0; n < 5; ++n) {
      EXPECT_EQ(read[n].index, written[n].index);
      EXPECT_EQ(read[n].term, written[n].term);
      EXPECT_EQ(read[n].type, written[n].type);
      ASSERT_EQ(read[n].payload == nullptr, written[n].payload == nullptr);
      if (read[n].payload) {
        EXPECT_TRUE(*read[n].payload == *written[n].payload);
      }
      EXPECT_EQ(infos[n].term, written[n].term);
      EXPECT_EQ(infos[n].type, written[n].type);
      EXPECT_EQ(infos[n].has_data, written[n].payload != nullptr);
      EXPECT_EQ(infos[n].size_bytes, written[n].payload ? written[n].payload->size() : 0);
    }
    ASSERT_TRUE(wal->Close().ok());
  }
}

TEST(Wal, ReadStopsAtMaxBytesButNotBeforeOneEntry) {
  TemporaryDirectory directory;
  Recovered recovered;
  auto wal = MustOpen(OptionsFor(directory.path()), &recovered);
  ASSERT_NE(wal, nullptr);
  ASSERT_TRUE(AppendNow(wal.get(), MakeEntries(1, 10, 1, 100)).ok());
  std::vector<Entry> entries;
  ASSERT_TRUE(wal->Read(3, 10, 0, &entries).ok());
  EXPECT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].index, 3u);
  ASSERT_TRUE(wal->Read(3, 10, 300, &entries).ok());
  EXPECT_EQ(entries.size(), 3u);
  ASSERT_TRUE(wal->Read(3, 10, 399, &entries).ok());
  EXPECT_EQ(entries.size(), 3u);
  EXPECT_EQ(wal->Read(3, 11, 399, &entries).code(), Code::kInternal);
  EXPECT_EQ(wal->Read(0, 3, 399, &entries).code(), Code::kInternal);
  EXPECT_EQ(wal->Read(4, 3, 399, &entries).code(), Code::kInternal);
  std::vector<EntryInfo> infos;
  EXPECT_EQ(wal->Infos(0, 3, &infos).code(), Code::kInternal);
  EXPECT_TRUE(wal->Close().ok());
}

TEST(Wal, HundredThousandSmallEntriesOverManySegments) {
  TemporaryDirectory directory;
  Recovered recovered;
  constexpr uint64_t kCount = 100000;
  WalOptions options = OptionsFor(directory.path(), 1 << 20);
  options.cache_bytes = 100 << 10;
  {
    auto wal = MustOpen(options, &recovered);
    ASSERT_NE(wal, nullptr);
    Waiter waiter;
    int appends = 0;
    for (uint64_t index = 1; index <= kCount; index += 100, ++appends) {
      wal->Append(MakeEntries(index, index + 99, 1, index % 40), nullptr, true, waiter.Done());
    }
    ASSERT_TRUE(waiter.Wait(appends).ok());
    const WalStats stats = wal->stats();
    EXPECT_EQ(stats.entries, kCount);
    EXPECT_GT(stats.segments, 3u);
    EXPECT_GE(stats.groups, 1u);
    EXPECT_EQ(stats.batch_entries_sum, static_cast<double>(kCount));
    EXPECT_EQ(stats.sync_seconds_buckets.size(), 14u);
    ASSERT_TRUE(wal->Close().ok());
  }
  auto wal = MustOpen(options, &recovered);
  ASSERT_NE(wal, nullptr);
  EXPECT_EQ(recovered.last_index, kCount);
  for (uint64_t index = 1; index <= kCount; index += 100) {
    ASSERT_NO_FATAL_FAILURE(ExpectEntries(wal.get(), index, index + 99, index % 40, kTermOne));
  }
  ASSERT_TRUE(wal->Close().ok());
}

TEST(Wal, ReplacedTailsAreForgotten) {
  TemporaryDirectory directory;
  Recovered recovered;
  const auto term_of = [](uint64_t index) -> uint64_t { return index < 6 ? 1 : index < 8 ? 2 : 5; };
  for (const uint64_t segment_bytes : {512u, 65536u}) {
    const std::string path = directory.path() + "/" + std::to_string(segment_bytes);
    WalOptions options = OptionsFor(path, segment_bytes);
    options.cache_bytes = 0;
    {
      auto wal = MustOpen(options, &recovered);
      ASSERT_NE(wal, nullptr);
      HardState state = {1, 0, 3};
      Waiter waiter;
      // All in the queue at once, so that replaced entries are still waiting to be written.
      wal->Append(MakeEntries(1, 9, 1, 50), &state, true, waiter.Done());
      state.term = 2;
      wal->Append(MakeEntries(6, 12, 2, 50), &state, true, waiter.Done());
      state = {5, 1, 7};
      wal->Append(MakeEntries(8, 9, 5, 50), &state, true, waiter.Done());
      EXPECT_EQ(wal->last_index(), 9u);
      ASSERT_TRUE(waiter.Wait(3).ok());
      ASSERT_NO_FATAL_FAILURE(ExpectEntries(wal.get(), 1, 9, 50, term_of));
      ASSERT_TRUE(AppendNow(wal.get(), MakeEntries(10, 10, 5, 50)).ok());
      ASSERT_TRUE(wal->Close().ok());
    }
    auto wal = MustOpen(options, &recovered);
    ASSERT_NE(wal, nullptr);
    EXPECT_EQ(recovered.last_index, 10u);
    EXPECT_EQ(recovered.hard_state.commit, 7u);
    ASSERT_NO_FATAL_FAILURE(ExpectEntries(wal.get(), 1, 10, 50, term_of));
    ASSERT_TRUE(wal->Close().ok());
  }
}

TEST(Wal, ReplacedWhileOlderOnesAreBeingWritten) {
  // More than one group takes, so that the replacing append still waits when the first is written.
  TemporaryDirectory directory(TemporaryDirectory::kMemory);
  ManualExecutor executor;
  WalOptions options = OptionsFor(directory.path());
  options.cache_bytes = 0;
  options.executor = &executor;
  Recovered recovered;
  auto wal = MustOpen(options, &recovered);
  ASSERT_NE(wal, nullptr);
  const auto large = Payload(std::string(17 << 20, 'x'));
  wal->Append({{1, 1, 0, large}, {2, 1, 0, large}}, nullptr, true, nullptr);
  wal->Append({{2, 2, 0, Payload("two")}}, nullptr, true, nullptr);
  ASSERT_TRUE(executor.Step());
  std::vector<Entry> entries;
  const Status status = wal->Read(2, 2, 100, &entries);
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(entries[0].term, 2u);
  EXPECT_EQ(*entries[0].payload, "two");
  while (executor.Step()) {
  }
  ASSERT_TRUE(wal->Read(1, 2, UINT64_MAX, &entries).ok());
  EXPECT_TRUE(*entries[0].payload == *large);
  EXPECT_EQ(*entries[1].payload, "two");
  ASSERT_TRUE(wal->Close().ok());
}

TEST(Wal, TruncateRemovesSegmentsAndSurvives) {
  TemporaryDirectory directory;
  Recovered recovered;
  WalOptions options = OptionsFor(directory.path(), 4096);
  {
    auto wal = MustOpen(options, &recovered);
    ASSERT_NE(wal, nullptr);
    HardState state = {1, 9, 0};
    for (uint64_t index = 1; index <= 100; ++index) {
      state.commit = index;
      ASSERT_TRUE(AppendNow(wal.get(), MakeEntries(index, index, 1, 300), &state).ok());
    }
    const uint64_t before = wal->stats().segments;
    ASSERT_GT(before, 8u);
    ASSERT_TRUE(TruncateNow(wal.get(), 90, 1).ok());
    EXPECT_LT(wal->stats().segments, 4u);
    EXPECT_EQ(wal->start_index(), 90u);
    // Again, and to an older place: nothing happens, and it is reported.
    ASSERT_TRUE(TruncateNow(wal.get(), 90, 1).ok());
    ASSERT_TRUE(TruncateNow(wal.get(), 5, 1).ok());
    std::vector<Entry> entries;
    EXPECT_EQ(wal->Read(90, 91, 1, &entries).code(), Code::kInternal);
    ASSERT_NO_FATAL_FAILURE(ExpectEntries(wal.get(), 91, 100, 300, kTermOne));
    ASSERT_TRUE(wal->Close().ok());
  }
  auto wal = MustOpen(options, &recovered);
  ASSERT_NE(wal, nullptr);
  EXPECT_EQ(recovered.start_index, 90u);
  EXPECT_EQ(recovered.start_term, 1u);
  EXPECT_EQ(recovered.last_index, 100u);
  EXPECT_EQ(recovered.hard_state.commit, 100u);
  EXPECT_EQ(recovered.hard_state.vote, 9u);
  ASSERT_NO_FATAL_FAILURE(ExpectEntries(wal.get(), 91, 100, 300, kTermOne));
  // Everything may go; the next entry continues.
  ASSERT_TRUE(TruncateNow(wal.get(), 100, 1).ok());
  EXPECT_EQ(wal->stats().segments, 1u);
  ASSERT_TRUE(AppendNow(wal.get(), MakeEntries(101, 101, 2, 300)).ok());
  ASSERT_TRUE(wal->Close().ok());
  wal = MustOpen(options, &recovered);
  ASSERT_NE(wal, nullptr);
  EXPECT_EQ(recovered.start_index, 100u);
  EXPECT_EQ(recovered.last_index, 101u);
  ASSERT_TRUE(wal->Close().ok());
}

TEST(Wal, ResetStartsAnewAtASnapshot) {
  TemporaryDirectory directory;
  Recovered recovered;
  WalOptions options = OptionsFor(directory.path(), 4096);
  {
    auto wal = MustOpen(options, &recovered);
    ASSERT_NE(wal, nullptr);
    ASSERT_TRUE(AppendNow(wal.get(), MakeEntries(1, 50, 1, 300)).ok());
    Waiter waiter;
    wal->Append(MakeEntries(51, 55, 1, 300), nullptr, true, waiter.Done());
    wal->Reset(1000, 7, waiter.Done());
    EXPECT_EQ(wal->last_index(), 1000u);
    HardState state = {7, 0, 1001};
    wal->Append(MakeEntries(1001, 1002, 7, 20), &state, true, waiter.Done());
    ASSERT_TRUE(waiter.Wait(3).ok());
    EXPECT_LT(wal->stats().segments, 4u);
    ASSERT_TRUE(wal->Close().ok());
  }
  auto wal = MustOpen(options, &recovered);
  ASSERT_NE(wal, nullptr);
  EXPECT_EQ(recovered.start_index, 1000u);
  EXPECT_EQ(recovered.start_term, 7u);
  EXPECT_EQ(recovered.last_index, 1002u);
  EXPECT_EQ(recovered.hard_state.commit, 1001u);
  ASSERT_NO_FATAL_FAILURE(
      ExpectEntries(wal.get(), 1001, 1002, 20, [](uint64_t) -> uint64_t { return 7; }));
  // A reset may also leave a log shorter than it was, and the commit index never lies behind it.
  ASSERT_TRUE(ResetNow(wal.get(), 1001, 7).ok());
  ASSERT_TRUE(ResetNow(wal.get(), 5000, 8).ok());
  ASSERT_TRUE(wal->Close().ok());
  wal = MustOpen(options, &recovered);
  ASSERT_NE(wal, nullptr);
  EXPECT_EQ(recovered.start_index, 5000u);
  EXPECT_EQ(recovered.last_index, 5000u);
  EXPECT_EQ(recovered.hard_state.commit, 5000u);
  ASSERT_TRUE(wal->Close().ok());
}

TEST(Wal, IdentityIsCheckedWhenGiven) {
  TemporaryDirectory directory;
  Recovered recovered;
  const WalOptions options = OptionsFor(directory.path());
  ASSERT_TRUE(MustOpen(options, &recovered)->Close().ok());
  EXPECT_EQ(Wal::Open(options, {0x1234, 0xabce}, &recovered).status().code(), Code::kWrongFormat);
  EXPECT_EQ(Wal::Open(options, {0x1235, 0xabcd}, &recovered).status().code(), Code::kWrongFormat);
  auto wal = Wal::Open(options, {0, 0}, &recovered);
  ASSERT_TRUE(wal.ok());
  EXPECT_EQ(recovered.identity.cluster_id, kIdentity.cluster_id);
  EXPECT_EQ(recovered.identity.member_id, kIdentity.member_id);
  EXPECT_TRUE((*wal)->Close().ok());
}

TEST(Wal, DoneRunsInCallOrderAndMayAppend) {
  TemporaryDirectory directory;
  Recovered recovered;
  auto wal = MustOpen(OptionsFor(directory.path()), &recovered);
  ASSERT_NE(wal, nullptr);
  std::mutex mutex;
  std::vector<int> order;
  Waiter waiter;
  auto all = waiter.Done();
  for (int n = 0; n < 100; ++n) {
    std::vector<Entry> entries;
    if (n % 3 == 0) entries = MakeEntries(wal->last_index() + 1, wal->last_index() + 2, 1, 10);
    const HardState state = {1, 0, wal->last_index() + entries.size()};
    wal->Append(std::move(entries), n % 2 == 0 ? &state : nullptr, n % 5 == 0, [&, n](Status s) {
      std::lock_guard<std::mutex> lock(mutex);
      order.push_back(n);
      all(std::move(s));
    });
  }
  ASSERT_TRUE(waiter.Wait(100).ok());
  for (int n = 0; n < 100; ++n) EXPECT_EQ(order[static_cast<size_t>(n)], n);
  // The callback runs on the writer thread and may queue more (only one thread calls at a time).
  Waiter second;
  wal->Append(MakeEntries(69, 69, 1, 5), nullptr, true, [&](Status) {
    wal->Append(MakeEntries(70, 70, 1, 5), nullptr, true, second.Done());
  });
  ASSERT_TRUE(second.Wait().ok());
  EXPECT_EQ(wal->last_index(), 70u);
  ASSERT_TRUE(wal->Close().ok());
}

TEST(Wal, CloseWritesWhatIsQueued) {
  TemporaryDirectory directory;
  Recovered recovered;
  auto wal = MustOpen(OptionsFor(directory.path()), &recovered);
  ASSERT_NE(wal, nullptr);
  std::atomic<int> done = 0;
  for (uint64_t index = 1; index <= 500; ++index) {
    wal->Append(MakeEntries(index, index, 1, 100), nullptr, true, [&](Status s) {
      if (s.ok()) ++done;
    });
  }
  ASSERT_TRUE(wal->Close().ok());
  EXPECT_EQ(done, 500);
  wal = MustOpen(OptionsFor(directory.path()), &recovered);
  ASSERT_NE(wal, nullptr);
  EXPECT_EQ(recovered.last_index, 500u);
  EXPECT_EQ(recovered.torn_bytes, 0u);
  ASSERT_TRUE(wal->Close().ok());
}

}  // namespace
}  // namespace metastore::wal
