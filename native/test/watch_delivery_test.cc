// How events reach watchers: credit, falling behind and catching up.
#include <gtest/gtest.h>

#include <algorithm>

#include "test/support/watch_harness.h"

namespace metastore::watch_test {
namespace {

/// Every event of the stream's messages so far, as revisions, and the messages' sizes.
struct Received {
  std::vector<int64_t> revisions;
  std::vector<size_t> sizes;
};

Received ReceiveAll(Harness* h, StreamId stream) {
  Received received;
  while (const auto next = h->Next(stream)) {
    received.sizes.push_back(next->size_bytes);
    for (const Event& event : next->events) received.revisions.push_back(event.kv.mod_revision);
  }
  return received;
}

std::vector<int64_t> Sequence(int64_t from, int64_t to) {
  std::vector<int64_t> out;
  for (int64_t at = from; at <= to; ++at) out.push_back(at);
  return out;
}

// ---- Credit. ---------------------------------------------------------------------------------

TEST(WatchCredit, WakesTheHubOnlyForAStreamThatWaits) {
  HubOptions options = ManualOptions();
  options.stream_credit_bytes = 1;
  Harness h(options);
  h.auto_credit = false;
  h.Open(1);
  h.Create(1, {.key = "a"});
  h.Must(1);
  h.hub->Credit(1, 1u << 20);
  EXPECT_FALSE(h.executor.Step()) << "nobody waits for it";
  // It counts nevertheless, as soon as the hub has anything to do.
  h.Put("a", "1");
  EXPECT_EQ(h.Must(1).events[0].kv.value, "1");
  h.Put("a", "2");
  h.Put("a", "3");
  EXPECT_TRUE(h.Quiet(1));
  h.hub->Credit(1, 1u << 20);
  EXPECT_TRUE(h.executor.Step()) << "the stream waits for it";
  h.Run();
  EXPECT_EQ(h.Must(1).events.size(), 2u);
  // A watcher that a pass over history leaves without credit waits as well.
  h.Put("a", "4");
  h.hub->Credit(1, 1u << 20);
  h.Run();
  EXPECT_EQ(h.Must(1).events[0].kv.value, "4");
}

TEST(WatchCredit, WhatAClosedStreamWasToBeSentIsDropped) {
  Harness h;
  for (const StreamId stream : {1, 2, 3}) {
    h.Open(stream);
    h.Create(stream, {.key = "a"});
    h.Must(stream);
  }
  // All in one turn of the hub: messages are collected by stream, and then streams go.
  h.store->Apply({{Change{"a", "1"}}});
  h.hub->Close(1);
  h.hub->Close(3);
  h.store->Apply({{Change{"a", "2"}}});
  h.Run();
  EXPECT_TRUE(h.Quiet(1));
  EXPECT_TRUE(h.Quiet(3));
  EXPECT_EQ(h.Must(2).events[0].kv.value, "1");
  EXPECT_EQ(h.Must(2).events[0].kv.value, "2");
  EXPECT_TRUE(h.Quiet(2));
}

TEST(WatchCredit, NothingIsQueuedBeyondCreditAndOneMessage) {
  HubOptions options = ManualOptions();
  options.stream_credit_bytes = 300;
  Harness h(options);
  h.Open(1);
  h.Create(1, {.key = "a"});
  h.auto_credit = false;
  for (int i = 0; i < 100; ++i) h.Put("a", std::string(50, 'x'));
  const Received first = ReceiveAll(&h, 1);
  uint64_t before_last = 0;
  for (size_t i = 0; i + 1 < first.sizes.size(); ++i) before_last += first.sizes[i];
  EXPECT_LT(before_last, 300u);
  EXPECT_GT(first.revisions.size(), 1u);
  EXPECT_EQ(h.hub->stats().slow_watchers, 1u);
  h.Put("a", "more");
  EXPECT_TRUE(h.Quiet(1));
  h.auto_credit = true;
  h.Run();
  Received rest = ReceiveAll(&h, 1);
  std::vector<int64_t> all = first.revisions;
  all.insert(all.end(), rest.revisions.begin(), rest.revisions.end());
  EXPECT_EQ(all, Sequence(2, 102));
  EXPECT_EQ(h.hub->stats().slow_watchers, 0u);
  h.Put("a", "live again");
  EXPECT_EQ(ReceiveAll(&h, 1).revisions, Sequence(103, 103));
}

TEST(WatchCredit, OneMessageAlwaysPasses) {
  for (const uint64_t credit : {uint64_t{0}, uint64_t{1}}) {
    HubOptions options = ManualOptions();
    options.stream_credit_bytes = credit;
    Harness h(options);
    h.Open(1);
    h.Create(1, {.key = "a"});
    h.auto_credit = false;
    h.Put("a", std::string(1u << 20, 'x'));
    EXPECT_EQ(ReceiveAll(&h, 1).revisions, Sequence(2, 2));
    h.Put("a", "y");
    EXPECT_TRUE(h.Quiet(1));
    h.hub->Credit(1, 1u << 30);  // a transport that counts too much does no harm
    h.Run();
    EXPECT_EQ(ReceiveAll(&h, 1).revisions, Sequence(3, 3));
  }
}

TEST(WatchCredit, OneStreamsSlownessIsItsOwn) {
  HubOptions options = ManualOptions();
  options.stream_credit_bytes = 10;
  Harness h(options);
  h.Open(1);
  h.Open(2);
  h.Create(1, {.key = "a"});
  h.Create(2, {.key = "a"});
  h.auto_credit = false;
  for (int i = 0; i < 5; ++i) {
    h.Put("a", "x");
    h.hub->Credit(2, 1000);
    h.Run();
  }
  EXPECT_EQ(ReceiveAll(&h, 1).revisions, Sequence(2, 2));
  EXPECT_EQ(ReceiveAll(&h, 2).revisions, Sequence(2, 6));
}

TEST(WatchCredit, TheTotalBoundLeavesEachStreamOneMessage) {
  HubOptions options = ManualOptions();
  options.total_credit_bytes = 1000;
  Harness h(options);
  for (StreamId stream = 1; stream <= 20; ++stream) {
    h.Open(stream);
    h.Create(stream, {.key = "a"});
    h.Must(stream);
  }
  h.auto_credit = false;
  for (int i = 0; i < 10; ++i) h.Put("a", std::string(100, 'x'));
  uint64_t outstanding = 0;
  for (StreamId stream = 1; stream <= 20; ++stream) {
    EXPECT_GE(h.Count(stream), 1u);
    outstanding += h.sink.outstanding[stream];
  }
  EXPECT_LT(outstanding, 1000u + 20u * 150u);
  h.auto_credit = true;
  h.Run();
  for (StreamId stream = 1; stream <= 20; ++stream) {
    EXPECT_EQ(ReceiveAll(&h, stream).revisions, Sequence(2, 11));
  }
}

TEST(WatchCredit, RequestsWaitInOrder) {
  HubOptions options = ManualOptions();
  options.stream_credit_bytes = 0;
  Harness h(options);
  h.Open(1);
  h.auto_credit = false;
  h.Create(1, {.key = "a"});  // passes and uses up the credit
  h.Create(1, {.key = "b"});
  h.Cancel(1, 0);
  h.Cancel(1, 7);
  h.Progress(1);
  h.Put("a", "missed by a canceled watcher");
  EXPECT_EQ(h.Count(1), 1u);
  h.auto_credit = true;
  h.Run();
  EXPECT_EQ(h.Must(1).watch_id, 0);
  EXPECT_TRUE(h.Must(1).created);
  const Response canceled = h.Must(1);
  EXPECT_TRUE(canceled.canceled);
  EXPECT_EQ(canceled.watch_id, 0);
  EXPECT_EQ(h.Must(1).watch_id, -1);
  EXPECT_TRUE(h.Quiet(1));
}

TEST(WatchCredit, ProgressNotifyWaitsForCredit) {
  HubOptions options = ManualOptions();
  options.stream_credit_bytes = 1;
  options.progress_notify_ms = 1000;
  Harness h(options);
  h.Open(1);
  h.Create(1, {.key = "a", .progress = true});
  h.Must(1);
  h.auto_credit = false;
  h.Put("a", "x");
  h.Must(1);
  h.Advance(1000);
  h.Advance(100);
  EXPECT_TRUE(h.Quiet(1));
  h.auto_credit = true;
  h.Run();
  h.Advance(100);
  EXPECT_TRUE(h.Quiet(1));  // it had events in that interval
  h.Advance(900);
  EXPECT_EQ(h.Must(1).revision, 2);
}

// ---- Catch-up. -------------------------------------------------------------------------------

TEST(WatchCatchUp, ResponsesAreBoundedInRevisions) {
  HubOptions options = ManualOptions();
  options.catch_up_revisions = 3;
  Harness h(options);
  for (int i = 0; i < 10; ++i) h.Apply({{{"a", "x"}, {"b", "y"}, {"z", "z"}}});
  h.Open(1);
  h.Create(1, {.key = "a", .end = "c", .start = 2});
  h.Must(1);
  std::vector<size_t> counts;
  while (const auto next = h.Next(1)) {
    EXPECT_EQ(next->revision, 11);
    counts.push_back(next->events.size());
  }
  EXPECT_EQ(counts, (std::vector<size_t>{6, 6, 6, 2}));
}

TEST(WatchCatchUp, ResponsesAreBoundedInBytesAtRevisions) {
  HubOptions options = ManualOptions();
  options.response_bytes = 100;
  Harness h(options);
  h.Open(1);
  h.Create(1, {.key = "a", .end = "c"});
  std::vector<Transaction> run(
      4, Transaction{{"a", std::string(60, 'x')}, {"b", std::string(60, 'x')}});
  h.Apply(run);
  h.Create(1, {.key = "a", .end = "c", .start = 2});
  int created = 0, full = 0;
  while (const auto next = h.Next(1)) {
    if (next->created) {
      ++created;
      continue;
    }
    ASSERT_EQ(next->events.size(), 2u);
    EXPECT_EQ(next->events[0].kv.mod_revision, next->events[1].kv.mod_revision);
    ++full;
  }
  EXPECT_EQ(created, 2);
  EXPECT_EQ(full, 8);
}

TEST(WatchCatchUp, NewChangesWhileCatchingUp) {
  HubOptions options = ManualOptions();
  options.catch_up_revisions = 2;
  Harness h(options);
  for (int i = 0; i < 20; ++i) h.Put("a", "x");
  h.Open(1);
  ASSERT_TRUE(h.hub->Request(1, CreateBytes({.key = "a", .start = 2})).ok());
  for (int i = 0; i < 20; ++i) {
    h.Step(1);
    h.store->Apply({{{"a", "y"}}});
  }
  h.Run();
  EXPECT_EQ(ReceiveAll(&h, 1).revisions, Sequence(2, 41));
}

TEST(WatchCatchUp, ManyWatchersFromManyRevisions) {
  HubOptions options = ManualOptions();
  options.catch_up_revisions = 7;
  Harness h(options);
  for (int i = 0; i < 50; ++i) h.Put("a", "x");
  for (StreamId stream = 1; stream <= 50; ++stream) {
    h.hub->Open(stream);
    const auto start = static_cast<int64_t>(2 + (stream * 37) % 50);
    ASSERT_TRUE(h.hub->Request(stream, CreateBytes({.key = "a", .start = start})).ok());
  }
  h.Run();
  for (StreamId stream = 1; stream <= 50; ++stream) {
    const auto start = static_cast<int64_t>(2 + (stream * 37) % 50);
    EXPECT_EQ(ReceiveAll(&h, stream).revisions, Sequence(start, 51));
  }
  EXPECT_EQ(h.hub->stats().slow_watchers, 0u);
}

TEST(WatchCatchUp, CompactionOvertakesAStarvedWatcher) {
  HubOptions options = ManualOptions();
  options.stream_credit_bytes = 1;
  Harness h(options);
  h.Open(1);
  h.Create(1, {.key = "a"});
  h.Create(1, {.key = "b"});
  h.Must(1);
  h.Must(1);
  h.auto_credit = false;
  for (int i = 0; i < 5; ++i) h.Put("a", "x");  // the first passes
  h.Compact(5);
  h.auto_credit = true;
  h.Run();
  EXPECT_EQ(h.Must(1).events.size(), 1u);
  const Response canceled = h.Must(1);
  EXPECT_TRUE(canceled.canceled);
  EXPECT_EQ(canceled.watch_id, 0);
  EXPECT_EQ(canceled.compact_revision, 5);
  EXPECT_EQ(canceled.revision, 0);
  h.Put("a", "x");
  EXPECT_TRUE(h.Quiet(1));
  h.Put("b", "x");
  EXPECT_EQ(h.Must(1).watch_id, 1);
}

TEST(WatchCatchUp, CompactionUpToWhatIsMissingDoesNoHarm) {
  HubOptions options = ManualOptions();
  options.stream_credit_bytes = 1;
  Harness h(options);
  h.Open(1);
  h.Create(1, {.key = "a"});
  h.Must(1);
  h.auto_credit = false;
  for (int i = 0; i < 5; ++i) h.Put("a", "x");
  h.Compact(3);  // revision 3 is the first that was missed
  h.auto_credit = true;
  h.Run();
  EXPECT_EQ(ReceiveAll(&h, 1).revisions, Sequence(2, 6));
}

TEST(WatchCatchUp, MissedPublicationsAreReadFromHistory) {
  Harness h;
  h.Open(1);
  h.Create(1, {.key = "a", .prev_kv = true});
  h.Create(1, {.key = "a", .start = 6});
  h.Must(1);
  h.Must(1);
  h.store->set_sink(nullptr);
  for (int i = 0; i < 3; ++i) h.Put("a", std::to_string(i));
  h.store->set_sink(h.hub.get());
  h.Put("a", "3");
  const Response all = h.Must(1);
  ASSERT_EQ(all.events.size(), 4u);
  EXPECT_EQ(all.events[3].prev->value, "2");
  EXPECT_TRUE(h.Quiet(1));
  h.Put("a", "4");
  EXPECT_EQ(h.Count(1), 2u);
}

TEST(WatchCatchUp, AttachedAgain) {
  Harness h;
  h.Open(1);
  h.Create(1, {.key = "a"});
  h.Must(1);
  h.Put("a", "1");
  h.Must(1);
  TestStore other(nullptr);  // a snapshot with more history
  for (int i = 0; i < 5; ++i) other.Apply({{{"a", "other"}}});
  h.hub->Attach(other.store());
  h.Run();
  EXPECT_EQ(ReceiveAll(&h, 1).revisions, Sequence(3, 6));
  other.set_sink(h.hub.get());
  other.Apply({{{"a", "live"}}});
  h.Run();
  EXPECT_EQ(ReceiveAll(&h, 1).revisions, Sequence(7, 7));
  h.hub->Stop();  // before the other store goes
}

TEST(WatchCatchUp, ChangesBeyondTheQueuesBoundAreReadFromHistory) {
  HubOptions options = ManualOptions();
  options.queued_bytes = 1000;
  Harness h(options);
  h.Open(1);
  h.Create(1, {.key = "a", .end = "c"});
  h.Must(1);
  for (int i = 0; i < 100; ++i) h.store->Apply({{{"a", "x"}, {"b", std::string(100, 'y')}}});
  EXPECT_LT(h.hub->stats().pending_events, 10u);
  h.Run();
  std::vector<int64_t> wanted;
  for (int64_t at = 2; at <= 101; ++at) wanted.insert(wanted.end(), 2, at);
  EXPECT_EQ(ReceiveAll(&h, 1).revisions, wanted);
}

}  // namespace
}  // namespace metastore::watch_test
