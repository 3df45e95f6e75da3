// The watch API row by row: requests, answers, start revisions.
#include <gtest/gtest.h>

#include <limits>

#include "test/support/watch_harness.h"

namespace metastore::watch_test {
namespace {

void ExpectCreated(const Response& response, int64_t id, int64_t revision) {
  EXPECT_TRUE(response.has_header);
  EXPECT_TRUE(response.created);
  EXPECT_FALSE(response.canceled);
  EXPECT_EQ(response.watch_id, id);
  EXPECT_EQ(response.revision, revision);
  EXPECT_EQ(response.cancel_reason, "");
  EXPECT_TRUE(response.events.empty());
}

void ExpectRefused(const Response& response, int64_t revision, std::string_view reason) {
  EXPECT_TRUE(response.created);
  EXPECT_TRUE(response.canceled);
  EXPECT_EQ(response.watch_id, -1);
  EXPECT_EQ(response.revision, revision);
  EXPECT_EQ(response.cancel_reason, reason);
  EXPECT_EQ(response.compact_revision, 0);
}

struct WatchHubTest : ::testing::Test {
  WatchHubTest() { h.Open(1); }
  /// Keys and revisions of the next message's events.
  std::string NextEvents() {
    const auto next = h.Next(1);
    if (!next) return "none";
    std::string out;
    for (const Event& event : next->events) {
      out += (event.type == 0 ? "+" : "-") + event.kv.key + "@" +
             std::to_string(event.kv.mod_revision) + " ";
    }
    return out;
  }
  Harness h;
};

TEST_F(WatchHubTest, CreatedThenEventsWithFullHeaders) {
  h.Create(1, {.key = "a"});
  const Response created = h.Must(1);
  ExpectCreated(created, 0, 1);
  EXPECT_EQ(created.cluster_id, 11u);
  EXPECT_EQ(created.member_id, 22u);
  EXPECT_EQ(created.raft_term, 3u);
  h.hub->SetHeader({11, 22, 4});
  h.store->GrantLease(77);
  h.Apply({{Change{"a", "v", 77}}});
  const Response put = h.Must(1);
  EXPECT_EQ(put.raft_term, 4u);
  EXPECT_EQ(put.revision, 2);
  ASSERT_EQ(put.events.size(), 1u);
  EXPECT_EQ(put.events[0], (Event{0, {"a", "v", 2, 2, 1, 77}, std::nullopt}));
  h.Put("b", "other");
  EXPECT_TRUE(h.Quiet(1));
  h.Delete("a");
  const Response deletion = h.Must(1);
  ASSERT_EQ(deletion.events.size(), 1u);
  EXPECT_EQ(deletion.events[0], (Event{1, {"a", "", 0, 4, 0, 0}, std::nullopt}));
}

TEST_F(WatchHubTest, EmptyKeyIsTheZeroKey) {
  h.Create(1, {.key = ""});
  ExpectCreated(h.Must(1), 0, 1);
  h.Put(kZero, "zero");
  h.Put("a", "not");
  EXPECT_EQ(NextEvents(), "+" + kZero + "@2 ");
  EXPECT_TRUE(h.Quiet(1));
}

TEST_F(WatchHubTest, RangeEndZeroIsFromKeyOn) {
  h.Create(1, {.key = "b", .end = kZero});
  h.Create(1, {.key = "", .end = kZero});
  ExpectCreated(h.Must(1), 0, 1);
  ExpectCreated(h.Must(1), 1, 1);
  h.Put("a", "1");
  EXPECT_EQ(h.Must(1).watch_id, 1);
  h.Put(std::string("\xff\xff\0", 3), "2");
  EXPECT_EQ(h.Count(1), 2u);
}

TEST_F(WatchHubTest, RangesAreHalfOpen) {
  h.Create(1, {.key = "b", .end = "d"});
  h.Must(1);
  h.Apply({{{"a", "1"}, {"b", "1"}, {"c", "1"}, {std::string("c\xff"), "1"}, {"d", "1"}}});
  EXPECT_EQ(NextEvents(), "+b@2 +c@2 +c\xff@2 ");
}

TEST_F(WatchHubTest, RangeOfOneKey) {
  h.Create(1, {.key = "b", .end = "b" + kZero});
  h.Must(1);
  h.Apply({{{"b", "1"}, {"b" + kZero, "1"}}});
  EXPECT_EQ(NextEvents(), "+b@2 ");
}

TEST_F(WatchHubTest, EmptyAndInvertedRanges) {
  for (const char* end : {"b", "a"}) {
    h.Create(1, {.key = "b", .end = end});
    ExpectRefused(h.Must(1), 1, "mvcc: watcher range is empty");
  }
  h.Create(1, {.key = "a", .end = "a" + kZero});
  ExpectCreated(h.Must(1), 0, 1);
}

TEST_F(WatchHubTest, NegativeStartIsCheckedFirst) {
  h.Put("x", "1");
  constexpr auto kLeast = std::numeric_limits<int64_t>::min();
  for (const int64_t start : {int64_t{-1}, kLeast}) {
    h.Create(1, {.key = "b", .end = "a", .start = start, .id = 5});
    ExpectRefused(h.Must(1), 2, "etcdserver: mvcc: required revision has been compacted");
  }
}

TEST_F(WatchHubTest, EmptyRangeIsCheckedBeforeTheId) {
  h.Create(1, {.key = "b", .id = 5});
  ExpectCreated(h.Must(1), 5, 1);
  h.Create(1, {.key = "b", .end = "b", .id = 5});
  ExpectRefused(h.Must(1), 1, "mvcc: watcher range is empty");
  h.Create(1, {.key = "b", .id = 5});
  ExpectRefused(h.Must(1), 1, "mvcc: duplicate watch ID provided on the WatchStream");
  h.Put("b", "1");  // the stream goes on
  EXPECT_EQ(h.Must(1).watch_id, 5);
}

TEST_F(WatchHubTest, IdsArePickedUpward) {
  h.Create(1, {.key = "a", .id = 1});
  ExpectCreated(h.Must(1), 1, 1);
  h.Create(1, {.key = "a"});
  ExpectCreated(h.Must(1), 0, 1);
  h.Create(1, {.key = "a"});
  ExpectCreated(h.Must(1), 2, 1);  // 1 is in use
  h.Cancel(1, 0);
  h.Cancel(1, 2);
  EXPECT_EQ(h.Count(1), 2u);
  h.Must(1);
  h.Must(1);
  h.Create(1, {.key = "a"});
  ExpectCreated(h.Must(1), 3, 1);  // picked ids are not picked again
  h.Create(1, {.key = "a", .id = 2});
  ExpectCreated(h.Must(1), 2, 1);  // but may be asked for
  h.Open(2);
  h.Create(2, {.key = "a"});
  ExpectCreated(h.Must(2), 0, 1);  // ids are the stream's own
}

TEST_F(WatchHubTest, NegativeIds) {
  constexpr auto kLeast = std::numeric_limits<int64_t>::min();
  for (const int64_t id : {int64_t{-1}, kLeast}) {
    h.Create(1, {.key = "a", .id = id});
    ExpectCreated(h.Must(1), id, h.revision());
    h.Put("a", "1");
    EXPECT_EQ(h.Must(1).watch_id, id);
    h.Cancel(1, id);
    EXPECT_TRUE(h.Must(1).canceled);
  }
}

TEST_F(WatchHubTest, CancelAnswersAndEndsEvents) {
  h.Create(1, {.key = "a"});
  h.Must(1);
  h.Put("a", "1");
  h.Must(1);
  h.Cancel(1, 0);
  const Response canceled = h.Must(1);
  EXPECT_TRUE(canceled.canceled);
  EXPECT_FALSE(canceled.created);
  EXPECT_EQ(canceled.watch_id, 0);
  EXPECT_EQ(canceled.revision, 2);
  EXPECT_EQ(canceled.compact_revision, 0);
  EXPECT_EQ(canceled.cancel_reason, "");
  h.Put("a", "2");
  h.Cancel(1, 0);
  h.Cancel(1, 99);
  EXPECT_TRUE(h.Quiet(1));
}

TEST_F(WatchHubTest, NothingSetIsIgnored) {
  h.Send(1, "");
  h.Send(1, std::string_view("\x38\x01", 2));  // an unknown field
  EXPECT_TRUE(h.Quiet(1));
}

TEST_F(WatchHubTest, MalformedBytes) {
  for (const std::string& bytes :
       {std::string("\x0a\x05zz", 4), std::string("\x0a", 1), std::string("\x00", 1),
        std::string("\x0f\x01", 2), std::string("\x0a\x02\x18\xff", 4)}) {
    EXPECT_EQ(h.hub->Request(1, bytes).code(), Code::kUnmarshal);
  }
  h.Run();
  EXPECT_TRUE(h.Quiet(1));
}

TEST_F(WatchHubTest, RefusalsKeepTheStreamsOrder) {
  const std::string reason =
      "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token";
  const auth::Caller refused{.refusal = Code::kInvalidAuthToken};
  ASSERT_TRUE(h.hub->Request(1, CreateBytes({.key = "a"})).ok());
  ASSERT_TRUE(h.hub->Request(1, CreateBytes({.key = "a"}), refused).ok());
  ASSERT_TRUE(h.hub->Request(1, CreateBytes({.key = "b"})).ok());
  h.Run();
  ExpectCreated(h.Must(1), 0, 1);
  ExpectRefused(h.Must(1), 1, reason);
  ExpectCreated(h.Must(1), 1, 1);
}

// ---- Start revisions. ------------------------------------------------------------------------

TEST_F(WatchHubTest, StartZeroIsAfterTheCreatedRevision) {
  h.Put("a", "1");
  h.Create(1, {.key = "a"});
  ExpectCreated(h.Must(1), 0, 2);
  EXPECT_TRUE(h.Quiet(1));
  h.Put("a", "2");
  EXPECT_EQ(NextEvents(), "+a@3 ");
}

TEST_F(WatchHubTest, StartZeroKnowsChangesThatAreOnTheirWay) {
  // The store shows revision 2 to readers before the hub has sequenced it.
  HeldPublications on_their_way;
  h.store->set_sink(&on_their_way);
  h.store->Apply({{{"a", "1"}}});
  h.Create(1, {.key = "a"});
  ExpectCreated(h.Must(1), 0, 2);
  h.Create(1, {.key = "a", .start = 2});
  ExpectCreated(h.Must(1), 1, 2);
  h.Progress(1);
  EXPECT_TRUE(h.Quiet(1));  // revision 2 has not been told to all
  h.hub->Publish(std::move(on_their_way.held[0]));
  h.Run();
  EXPECT_EQ(h.Must(1).watch_id, 1);
  EXPECT_TRUE(h.Quiet(1));
}

TEST_F(WatchHubTest, PastStartIsInclusiveAndInOrder) {
  for (int i = 0; i < 5; ++i) h.Put("a", std::to_string(i));
  h.Create(1, {.key = "a", .start = 3});
  ExpectCreated(h.Must(1), 0, 6);
  const Response caught_up = h.Must(1);
  EXPECT_EQ(caught_up.revision, 6);  // the store's at send time
  ASSERT_EQ(caught_up.events.size(), 4u);
  EXPECT_EQ(caught_up.events[0].kv.mod_revision, 3);
  h.Put("a", "next");
  EXPECT_EQ(NextEvents(), "+a@7 ");
}

TEST_F(WatchHubTest, StartAtTheCurrentRevision) {
  h.Put("a", "1");
  h.Create(1, {.key = "a", .start = 2});
  h.Must(1);
  EXPECT_EQ(NextEvents(), "+a@2 ");
  h.Create(1, {.key = "a", .start = 1});
  h.Must(1);
  EXPECT_EQ(NextEvents(), "+a@2 ");
}

TEST_F(WatchHubTest, FutureStartIsSilentUntilReached) {
  h.Create(1, {.key = "a", .start = 4});
  ExpectCreated(h.Must(1), 0, 1);
  h.Create(1, {.key = "a", .start = std::numeric_limits<int64_t>::max()});
  ExpectCreated(h.Must(1), 1, 1);
  h.Put("a", "2");
  h.Put("a", "3");
  EXPECT_TRUE(h.Quiet(1));
  h.Apply({{{"a", "4"}}, {{"a", "5"}}});
  EXPECT_EQ(NextEvents(), "+a@4 +a@5 ");
  EXPECT_TRUE(h.Quiet(1));
}

TEST_F(WatchHubTest, FutureStartInsideAPublication) {
  h.Create(1, {.key = "a", .start = 3});
  h.Create(1, {.key = "a"});
  h.Must(1);
  h.Must(1);
  h.Apply({{{"a", "2"}}, {{"a", "3"}}, {{"a", "4"}}});
  EXPECT_EQ(NextEvents(), "+a@3 +a@4 ");
  EXPECT_EQ(NextEvents(), "+a@2 +a@3 +a@4 ");
}

TEST_F(WatchHubTest, CompactedStartIsCreatedThenCanceled) {
  for (int i = 0; i < 5; ++i) h.Put("a", std::to_string(i));
  h.Compact(4);
  h.Create(1, {.key = "a", .start = 3, .id = 7});
  ExpectCreated(h.Must(1), 7, 6);
  const Response canceled = h.Must(1);
  EXPECT_TRUE(canceled.canceled);
  EXPECT_FALSE(canceled.created);
  EXPECT_EQ(canceled.watch_id, 7);
  EXPECT_EQ(canceled.compact_revision, 4);
  EXPECT_EQ(canceled.revision, 0);
  EXPECT_EQ(canceled.cluster_id, 11u);
  EXPECT_EQ(canceled.cancel_reason, "");
  // Its id stays in use, and the stream's progress unanswered, until the client cancels it.
  h.Create(1, {.key = "a", .id = 7});
  ExpectRefused(h.Must(1), 6, "mvcc: duplicate watch ID provided on the WatchStream");
  h.Create(1, {.key = "b"});
  h.Must(1);
  h.Progress(1);
  EXPECT_TRUE(h.Quiet(1));
  h.Put("a", "no more");
  EXPECT_TRUE(h.Quiet(1));
  h.Cancel(1, 7);
  EXPECT_TRUE(h.Must(1).canceled);
  h.Progress(1);
  EXPECT_EQ(h.Must(1).watch_id, -1);
}

TEST_F(WatchHubTest, StartAtTheCompactRevisionIsServed) {
  h.Put("a", "2");
  h.Put("b", "3");
  h.Delete("a");
  h.Put("a", "5");
  h.Compact(4);
  h.Create(1, {.key = "", .end = kZero, .start = 4});
  h.Must(1);
  EXPECT_EQ(NextEvents(), "-a@4 +a@5 ");
}

}  // namespace
}  // namespace metastore::watch_test
