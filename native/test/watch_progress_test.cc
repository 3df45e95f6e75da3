// The watch API row by row: progress, and the life of streams.
#include <gtest/gtest.h>

#include "test/support/watch_harness.h"

namespace metastore::watch_test {
namespace {

struct WatchProgressTest : ::testing::Test {
  WatchProgressTest() { h.Open(1); }
  Harness h;
};

// ---- Progress. -------------------------------------------------------------------------------

TEST_F(WatchProgressTest, ProgressNeedsAWatcher) {
  h.Progress(1);
  EXPECT_TRUE(h.Quiet(1));
  h.Create(1, {.key = "a"});
  h.Must(1);
  h.Put("b", "1");
  h.Progress(1);
  const Response progress = h.Must(1);
  EXPECT_EQ(progress.watch_id, -1);
  EXPECT_EQ(progress.revision, 2);
  EXPECT_FALSE(progress.created || progress.canceled);
  EXPECT_TRUE(progress.events.empty());
  EXPECT_TRUE(h.Quiet(1));
}

TEST_F(WatchProgressTest, ProgressRightAfterCreate) {
  h.Create(1, {.key = "a"});
  h.Progress(1);
  h.Must(1);
  EXPECT_EQ(h.Must(1).revision, 1);
}

TEST_F(WatchProgressTest, ProgressWaitsForNobodyAhead) {
  h.Create(1, {.key = "a"});
  h.Create(1, {.key = "a", .start = 3});
  h.Must(1);
  h.Must(1);
  h.Put("b", "2");
  h.Progress(1);
  EXPECT_TRUE(h.Quiet(1));
  h.Put("b", "3");
  h.Progress(1);
  EXPECT_EQ(h.Must(1).revision, 3);
}

TEST_F(WatchProgressTest, ProgressOfAnUnsyncedStreamIsDropped) {
  for (int i = 0; i < 3; ++i) h.Put("a", "x");
  ASSERT_TRUE(h.hub->Request(1, CreateBytes({.key = "a", .start = 2})).ok());
  ASSERT_TRUE(h.hub->Request(1, ProgressBytes()).ok());
  h.Run();
  EXPECT_TRUE(h.Must(1).created);
  EXPECT_EQ(h.Must(1).events.size(), 3u);
  EXPECT_TRUE(h.Quiet(1));
  h.Progress(1);
  EXPECT_EQ(h.Must(1).revision, 4);
}

TEST(WatchProgressNotify, EveryIntervalUnlessThereWereEvents) {
  HubOptions options = ManualOptions();
  options.progress_notify_ms = 1000;
  uint64_t drawn = 0;
  options.random = [&] { return drawn; };
  Harness h(options);
  drawn = 50;  // of 101: 50 ms more
  h.Open(1);
  h.Create(1, {.key = "a", .progress = true, .id = 4});
  h.Create(1, {.key = "a"});
  h.Create(1, {.key = "b", .start = 100, .progress = true});
  for (int i = 0; i < 3; ++i) h.Must(1);
  h.Advance(1049);
  EXPECT_TRUE(h.Quiet(1));
  h.Advance(1);
  const Response first = h.Must(1);
  EXPECT_EQ(first.watch_id, 4);
  EXPECT_EQ(first.revision, 1);
  EXPECT_TRUE(first.events.empty());
  EXPECT_TRUE(h.Quiet(1));  // not the one that did not ask, not the one ahead
  h.Put("a", "1");
  h.Must(1);
  h.Must(1);
  h.Advance(1050);
  EXPECT_TRUE(h.Quiet(1));  // it got events in this interval
  h.Advance(1050);
  EXPECT_EQ(h.Must(1).revision, 2);
  h.Advance(10 * 1050);
  EXPECT_EQ(h.Count(1), 1u);  // missed intervals are not made up for
}

TEST(WatchProgressNotify, ShortIntervalsAreRaised) {
  HubOptions options = ManualOptions();
  options.progress_notify_ms = 1;
  Harness h(options);
  h.Open(1);
  h.Create(1, {.key = "a", .progress = true});
  h.Must(1);
  h.Advance(99);
  EXPECT_TRUE(h.Quiet(1));
  h.Advance(1);
  EXPECT_FALSE(h.Quiet(1));
}

TEST(WatchProgressNotify, NotForTheCompacted) {
  HubOptions options = ManualOptions();
  options.progress_notify_ms = 1000;
  Harness h(options);
  for (int i = 0; i < 4; ++i) h.Put("a", "x");
  h.Compact(4);
  h.Open(1);
  h.Create(1, {.key = "a", .start = 2, .progress = true});
  h.Must(1);
  EXPECT_EQ(h.Must(1).compact_revision, 4);
  h.Advance(1000);
  EXPECT_TRUE(h.Quiet(1));
}

// ---- Streams. --------------------------------------------------------------------------------

TEST_F(WatchProgressTest, ClosedStreamsHearNothing) {
  h.Create(1, {.key = "a"});
  h.Must(1);
  EXPECT_EQ(h.hub->stats().watchers, 1u);
  h.hub->Close(1);
  EXPECT_TRUE(h.hub->Request(1, CreateBytes({.key = "a"})).ok());
  h.hub->Credit(1, 10);
  h.hub->Close(1);
  h.Put("a", "1");
  EXPECT_TRUE(h.Quiet(1));
  EXPECT_EQ(h.hub->stats().watchers, 0u);
  EXPECT_EQ(h.hub->stats().streams, 0u);
  h.Open(1);  // the id may be used again
  h.Create(1, {.key = "a"});
  EXPECT_TRUE(h.Must(1).created);
}

TEST_F(WatchProgressTest, Stats) {
  h.Open(2);
  h.Create(1, {.key = "a"});
  h.Create(2, {.key = "a"});
  h.Create(2, {.key = "b", .end = "c"});
  h.store->Apply({{{"a", "1"}, {"b", "2"}}});
  EXPECT_EQ(h.hub->stats().pending_events, 2u);
  h.Run();
  const watch::HubStats stats = h.hub->stats();
  EXPECT_EQ(stats.pending_events, 0u);
  EXPECT_EQ(stats.streams, 2u);
  EXPECT_EQ(stats.watchers, 3u);
  EXPECT_EQ(stats.slow_watchers, 0u);
  EXPECT_EQ(stats.events_total, 3u);
}

TEST_F(WatchProgressTest, NothingAfterStop) {
  h.Create(1, {.key = "a"});
  h.Must(1);
  h.store->Apply({{{"a", "1"}}});
  h.hub->Stop();
  h.store->Apply({{{"a", "2"}}});
  h.hub->Tick();
  h.Run();
  EXPECT_TRUE(h.Quiet(1));
  h.store.reset();  // a stopped hub holds nothing of it
  h.hub->Credit(1, 1);
  h.Run();
}

}  // namespace
}  // namespace metastore::watch_test
