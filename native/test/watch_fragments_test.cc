// Messages of watch streams by size: fragments, large events, and what requests of a stream that
// does not read may hold.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "test/support/watch_harness.h"

namespace metastore::watch_test {
namespace {

// ---- Fragments. ------------------------------------------------------------------------------

TEST(WatchFragments, CutBelowTheLimit) {
  HubOptions options = ManualOptions();
  options.fragment_bytes = 400;
  Harness h(options);
  h.Open(1);
  h.Create(1, {.key = "", .end = kZero, .id = 3, .fragment = true});
  h.Create(1, {.key = "", .end = kZero, .id = 4});
  h.Must(1);
  h.Must(1);
  Transaction big;
  for (int i = 0; i < 20; ++i) {
    big.push_back({"k" + std::to_string(100 + i), std::string(static_cast<size_t>(i * 7), 'v')});
  }
  h.Apply({big});
  std::vector<Event> cut, whole;
  std::vector<Response> pieces;
  while (const auto next = h.Next(1)) {
    EXPECT_EQ(next->revision, 2);
    if (next->watch_id == 4) {
      EXPECT_FALSE(next->fragment);
      EXPECT_TRUE(whole.empty()) << "one message without fragments";
      whole = next->events;
    } else {
      pieces.push_back(*next);
      cut.insert(cut.end(), next->events.begin(), next->events.end());
    }
  }
  EXPECT_EQ(cut.size(), 20u);
  EXPECT_EQ(cut, whole);
  ASSERT_GT(pieces.size(), 3u);
  for (size_t i = 0; i < pieces.size(); ++i) {
    EXPECT_EQ(pieces[i].fragment, i + 1 < pieces.size());
    EXPECT_LT(pieces[i].size_bytes, 400u);
    if (i + 1 == pieces.size()) break;
    // No piece could have taken the next one's first event too.
    const size_t next = pieces[i + 1].events[0].kv.value.size() + 20;
    EXPECT_GE(pieces[i].size_bytes + next, 400u);
  }
}

TEST(WatchFragments, LargeEventsStandAlone) {
  HubOptions options = ManualOptions();
  options.fragment_bytes = 100;
  Harness h(options);
  h.Open(1);
  h.Create(1, {.key = "", .end = kZero, .fragment = true});
  h.Must(1);
  h.Apply({{{"a", std::string(500, 'x')}}});
  EXPECT_FALSE(h.Must(1).fragment);  // one event is never cut
  h.Apply({{{"a", std::string(500, 'x')}, {"b", "y"}, {"c", std::string(500, 'z')}}});
  const Response first = h.Must(1), second = h.Must(1), third = h.Must(1);
  EXPECT_TRUE(first.fragment && second.fragment);
  EXPECT_FALSE(third.fragment);
  EXPECT_EQ(first.events.size() + second.events.size() + third.events.size(), 3u);
  EXPECT_TRUE(h.Quiet(1));
}

TEST(WatchFragments, TheLimitItselfIsCut) {
  // Find the size of a response of two events, then put the limit there and one above.
  size_t size = 0;
  for (int round = 0; round < 3; ++round) {
    HubOptions options = ManualOptions();
    if (round > 0) options.fragment_bytes = size + (round == 2 ? 1 : 0);
    Harness h(options);
    h.Open(1);
    h.Create(1, {.key = "", .end = kZero, .fragment = true});
    h.Must(1);
    h.Apply({{{"a", "1"}, {"b", "2"}}});
    EXPECT_EQ(h.Count(1), round == 1 ? 2u : 1u);
    if (round == 0) size = h.Must(1).size_bytes;
  }
}

TEST(WatchFragments, WaitForCreditAndLetNothingIn) {
  HubOptions options = ManualOptions();
  options.fragment_bytes = 1;
  options.stream_credit_bytes = 1;
  Harness h(options);
  h.Open(1);
  h.Create(1, {.key = "a", .end = "d", .fragment = true});
  h.Create(1, {.key = "x"});
  h.Must(1);
  h.Must(1);
  h.auto_credit = false;
  h.Apply({{{"a", "1"}, {"b", "2"}, {"c", "3"}}});
  h.Put("x", "4");
  h.Cancel(1, 0);
  EXPECT_EQ(h.Count(1), 1u);
  h.hub->Credit(1, 1000);
  h.Run();
  EXPECT_EQ(h.Count(1), 2u);
  h.auto_credit = true;
  h.Run();
  for (int i = 0; i < 3; ++i) {
    const Response piece = h.Must(1);
    EXPECT_EQ(piece.watch_id, 0);
    EXPECT_EQ(piece.fragment, i < 2);
  }
  EXPECT_TRUE(h.Must(1).canceled);
  EXPECT_EQ(h.Must(1).events[0].kv.key, "x");
}

// ---- Bounds and sizes. -----------------------------------------------------------------------

TEST(WatchBounds, RequestsOfAStreamThatDoesNotRead) {
  HubOptions options = ManualOptions();
  options.stream_credit_bytes = 0;
  options.stream_requests = 10;
  Harness h(options);
  h.Open(1);
  h.Open(2);
  h.auto_credit = false;
  h.Create(1, {.key = "a"});
  int accepted = 0;
  while (accepted < 100 && h.hub->Request(1, CreateBytes({.key = "a"})).ok()) ++accepted;
  EXPECT_EQ(accepted, 10);
  EXPECT_EQ(h.hub->Request(1, ProgressBytes()).code(), Code::kTooManyRequests);
  EXPECT_TRUE(h.hub->Request(2, ProgressBytes()).ok());
  h.auto_credit = true;
  h.Run();
  EXPECT_EQ(h.Count(1), 11u);
  EXPECT_TRUE(h.hub->Request(1, ProgressBytes()).ok());
}

TEST(WatchBounds, RequestBytesOfAStreamThatDoesNotRead) {
  HubOptions options = ManualOptions();
  options.stream_credit_bytes = 0;
  options.stream_request_bytes = 1000;
  Harness h(options);
  h.Open(1);
  h.auto_credit = false;
  h.Create(1, {.key = "a"});
  const std::string large = CreateBytes({.key = std::string(900, 'k')});
  EXPECT_TRUE(h.hub->Request(1, large).ok());
  EXPECT_EQ(h.hub->Request(1, large).code(), Code::kTooManyRequests);
  h.auto_credit = true;
  h.Run();
  // One request passes whatever its size.
  EXPECT_TRUE(h.hub->Request(1, CreateBytes({.key = std::string(5000, 'k')})).ok());
}

TEST(WatchBounds, LargeAndBinaryValues) {
  Harness h;
  h.Open(1);
  std::string key(1000, '\0');
  for (size_t i = 0; i < key.size(); ++i) key[i] = static_cast<char>(i);
  h.Create(1, {.key = key, .prev_kv = true});
  h.Must(1);
  const std::string large(1536u << 10, '\xff');
  h.Put(key, large);
  h.Put(key, "");
  const Response first = h.Must(1), second = h.Must(1);
  EXPECT_EQ(first.events[0].kv.key, key);
  EXPECT_EQ(first.events[0].kv.value, large);
  EXPECT_EQ(second.events[0].kv.value, "");
  EXPECT_EQ(second.events[0].prev->value, large);
}

}  // namespace
}  // namespace metastore::watch_test
