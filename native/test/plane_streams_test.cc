// Watch and LeaseKeepAlive on a lane: what reaches hub, wire and TypeScript, and in which order.
#include "test/support/plane_streams.h"

#include <gtest/gtest.h>

namespace metastore::plane_test {
namespace {

using plane::Asking;
using watch_test::CancelBytes;
using watch_test::CreateBytes;
using watch_test::ManualOptions;
using watch_test::ProgressBytes;

// Numbers of calls: the low three bits name the lane.
constexpr CallId kA = 8;
constexpr CallId kB = 16;
constexpr CallId kOtherLane = 9;

constexpr int kCanceled = 1;
constexpr int kInternal = 13;
constexpr int kUnavailable = 14;

/// Places of counts.h.
enum Place : size_t { kStarted, kReceived, kSent, kReceivedBytes, kSentBytes, kHandled };

// ---- Watch. ----------------------------------------------------------------------------------

TEST(PlaneWatch, EventsOnTheWire) {
  StreamsHarness h;
  FakeWire* wire = h.Open(kA, kWatch);
  FakeWire* other = h.Open(kOtherLane, kWatch);
  ASSERT_NE(wire, nullptr);
  const std::string create = CreateBytes({.key = "a"});
  h.Say(kA, create);
  h.Say(kA, create);
  h.Say(kOtherLane, create);
  EXPECT_EQ(wire->accepted, 2 * create.size());
  EXPECT_TRUE(wire->Next()->created);
  EXPECT_EQ(wire->Next()->watch_id, 1);
  EXPECT_TRUE(other->Next()->created);
  const int buffers = wire->buffers;
  h.Put("a", "1");
  EXPECT_EQ(wire->buffers, buffers + 1) << "one buffer for both watchers";
  const auto first = wire->Next(), second = wire->Next();
  EXPECT_EQ(first->watch_id, 0);
  EXPECT_EQ(second->watch_id, 1);
  EXPECT_EQ(first->events, second->events);
  EXPECT_EQ(other->Next()->events[0].kv.value, "1");
  EXPECT_TRUE(wire->messages.empty());
}

TEST(PlaneWatch, CreditComesBackAsBytesLeave) {
  watch::HubOptions options = ManualOptions();
  options.stream_credit_bytes = 1;
  StreamsHarness h(options);
  FakeWire* wire = h.Open(kA, kWatch);
  h.Say(kA, CreateBytes({.key = "a"}));
  h.Written(kA);
  wire->messages.clear();
  for (const char* value : {"1", "2", "3"}) h.Put("a", value);
  EXPECT_EQ(wire->messages.size(), 1u) << "the rest waits for credit";
  // Part of a buffer returns nothing; the rest of it returns all.
  h.Find(kA)->OnWritten(3);
  h.Run();
  EXPECT_EQ(wire->messages.size(), 1u);
  wire->unwritten -= 3;
  h.Written(kA);
  ASSERT_EQ(wire->messages.size(), 2u);
  EXPECT_EQ(wire->Next()->events.size(), 1u);
  EXPECT_EQ(wire->Next()->events.size(), 2u);
  // Many buffers under way at once keep their order.
  h.Written(kA);
  for (int i = 0; i < 200; ++i) {
    h.Put("a", "x");
    h.Written(kA);
  }
  EXPECT_EQ(wire->messages.size(), 200u);
}

TEST(PlaneWatch, HalfCloseKeepsTheStreamAndTheEndClosesIt) {
  StreamsHarness h;
  FakeWire* wire = h.Open(kA, kWatch);
  h.Say(kA, CreateBytes({.key = "a"}));
  h.Find(kA)->OnHalfClose();
  h.Put("a", "1");
  EXPECT_EQ(wire->messages.size(), 2u);
  EXPECT_FALSE(wire->status.has_value());
  EXPECT_EQ(h.hub->stats().streams, 1u);
  h.Lose(kA);
  EXPECT_EQ(h.hub->stats().streams, 0u);
  h.Put("a", "2");  // nobody is there
  EXPECT_EQ(h.Count(true, kStarted), 1);
  EXPECT_EQ(h.Count(true, kReceived), 2);
  EXPECT_EQ(h.Count(true, kSent), 2);
  EXPECT_EQ(h.Count(true, kHandled + kCanceled), 1);
}

TEST(PlaneWatch, MessagesForACallThatIsGoneAreDropped) {
  StreamsHarness h;
  h.Open(kA, kWatch);
  h.Say(kA, CreateBytes({.key = "a"}));
  h.store->Apply({{watch_test::Change{"a", "1"}}});
  while (h.executor.Step()) {
  }
  EXPECT_EQ(h.office.waiting[0].size(), 1u) << "on its way";
  h.Lose(kA);
  EXPECT_EQ(h.hub->stats().streams, 0u);
}

TEST(PlaneWatch, BadRequestsEndTheStream) {
  StreamsHarness h;
  FakeWire* wire = h.Open(kA, kWatch);
  h.Say(kA, "\x0a\xff");
  ASSERT_TRUE(wire->status.has_value());
  EXPECT_EQ(wire->status->first, kInternal);
  EXPECT_EQ(h.hub->stats().streams, 0u);
  // What still comes is passed by.
  h.Say(kA, CreateBytes({.key = "a"}));
  h.Find(kA)->OnHalfClose();
  h.Find(kA)->OnWritten(0);
  h.Find(kA)->OnEnd();
  EXPECT_TRUE(wire->messages.empty());
  EXPECT_EQ(h.Count(true, kHandled + kInternal), 1);
  EXPECT_EQ(h.Count(true, kHandled + kCanceled), 0);
}

TEST(PlaneWatch, AClientThatAsksWithoutReadingIsEnded) {
  watch::HubOptions options = ManualOptions();
  options.stream_requests = 3;
  options.stream_credit_bytes = 1;
  StreamsHarness h(options);
  FakeWire* wire = h.Open(kA, kWatch);
  for (int i = 0; i < 5; ++i) h.Say(kA, CreateBytes({.key = "a"}));
  ASSERT_TRUE(wire->status.has_value());
  EXPECT_EQ(wire->status->second, CodeText(Code::kTooManyRequests));
}

// ---- Who calls. ------------------------------------------------------------------------------

TEST(PlaneWatch, CreatesWaitForTheirCaller) {
  StreamsHarness h;
  h.gate.Set(h.gate.flags() | plane::kGateAuth);
  h.common_name = "cn";
  FakeWire* wire = h.Open(kA, kWatch, {{"token", "t.1"}, {"other", "x"}});
  h.Say(kA, CreateBytes({.key = "a"}));
  h.Say(kA, ProgressBytes());
  h.Say(kA, CreateBytes({.key = "b"}));
  ASSERT_EQ(h.events.questions.size(), 1u) << "one at a time";
  std::string expected;
  AppendLittle64(&expected, std::bit_cast<uint64_t>(8.0));
  expected.push_back(static_cast<char>(Asking::kWatcher));
  for (const std::string_view text : {"", "token", "t.1", "cn", "at"}) {
    AppendLittle32(&expected, text.empty() ? 1 : static_cast<uint32_t>(text.size()));
    expected.append(text);
  }
  EXPECT_EQ(h.events.questions[0], expected);
  EXPECT_TRUE(wire->messages.empty());
  EXPECT_EQ(wire->accepted, 0u);
  h.streams->WatchCaller(kA, {"somebody", 7, Code::kOk});
  h.Run();
  EXPECT_TRUE(wire->Next()->created);
  EXPECT_EQ(wire->Next()->watch_id, -1) << "progress, in its place";
  ASSERT_EQ(h.events.questions.size(), 2u);
  h.streams->WatchCaller(kA, {"", 0, Code::kInvalidAuthToken});
  h.streams->WatchCaller(kA, {"", 0, Code::kOk});  // not asked for
  h.streams->WatchCaller(kB, {"", 0, Code::kOk});  // nobody's
  h.Run();
  const auto refused = wire->Next();
  EXPECT_TRUE(refused->created && refused->canceled);
  EXPECT_EQ(refused->cancel_reason,
            "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token");
  EXPECT_TRUE(wire->messages.empty());
  // Cancels and progress need no caller.
  h.Say(kA, CancelBytes(0));
  EXPECT_TRUE(wire->Next()->canceled);
  EXPECT_EQ(h.events.questions.size(), 2u);
}

TEST(PlaneWatch, ACallerWhoSaysWhoHeIsIsAskedForAtAnyTime) {
  StreamsHarness h;
  h.Open(kA, kWatch, {{"token", "t.1"}});
  h.common_name = "cn";
  h.Open(kB, kWatch);
  for (const CallId id : {kA, kB}) h.Say(id, CreateBytes({.key = "a"}));
  EXPECT_EQ(h.events.questions.size(), 2u);
}

TEST(PlaneWatch, ACallThatEndsWhileItsCallerIsAskedFor) {
  StreamsHarness h;
  h.gate.Set(h.gate.flags() | plane::kGateAuth);
  FakeWire* wire = h.Open(kA, kWatch);
  h.Say(kA, CreateBytes({.key = "a"}));
  h.streams->EndAll(Code::kStopped, false);
  h.streams->WatchCaller(kA, {"somebody", 7, Code::kOk});
  h.Run();
  EXPECT_EQ(wire->status->second, CodeText(Code::kStopped));
  EXPECT_TRUE(wire->messages.empty());
}

// ---- Which streams, and their end. -----------------------------------------------------------

TEST(PlaneStreams, OnlyOrdinaryCallsAreServed) {
  StreamsHarness h;
  auto serves = [&h, next = CallId{800}](StreamsHarness::Metadata metadata,
                                         std::string_view path = kWatch) mutable {
    return h.Open(next += 8, path, std::move(metadata)) != nullptr;
  };
  EXPECT_TRUE(serves({}));
  EXPECT_TRUE(serves({}, kKeepAlive));
  EXPECT_FALSE(serves({}, "/etcdserverpb.KV/Put"));
  EXPECT_FALSE(serves({}, "/etcdserverpb.Watch/WatchX"));
  EXPECT_TRUE(serves({{"client-api-version", "3.7"}}));
  EXPECT_TRUE(serves({{"client-api-version", ""}}));
  EXPECT_FALSE(serves({{"client-api-version", "\xff"}}));
  EXPECT_FALSE(serves({{"client-api-version", std::string(65, '3')}}));
  EXPECT_TRUE(serves({{"hasleader", "true"}}));
  h.gate.Set(plane::kGateOpen);
  EXPECT_FALSE(serves({{"hasleader", "true"}}));
  EXPECT_TRUE(serves({{"hasleader", "false"}}));
  EXPECT_TRUE(serves({{"hasleader", "false"}, {"hasleader", "true"}})) << "the first value counts";
  h.gate.Set(plane::kGateLeader);
  EXPECT_FALSE(serves({}));
  EXPECT_FALSE(serves({}, kKeepAlive));
  ASSERT_EQ(h.events.opened.size(), 7u);
  EXPECT_EQ(h.events.opened[0].size(), 9u) << "no version";
  EXPECT_EQ(h.events.opened[2].substr(13), "3.7");
  EXPECT_EQ(h.events.opened[3].size(), 13u) << "an empty version";
}

TEST(PlaneStreams, EndWithTheMemberOrForWantOfALeader) {
  StreamsHarness h;
  FakeWire* any = h.Open(kA, kWatch);
  FakeWire* led = h.Open(kB, kWatch, {{"hasleader", "true"}});
  FakeWire* far = h.Open(kOtherLane, kKeepAlive, {{"hasleader", "true"}});
  h.streams->EndAll(Code::kNoLeader, true);
  h.Run();
  EXPECT_FALSE(any->status.has_value());
  EXPECT_EQ(led->status, std::make_pair(kUnavailable, std::string("etcdserver: no leader")));
  EXPECT_EQ(far->status, led->status);
  EXPECT_NE(h.Open(kA + 128, kWatch, {{"hasleader", "true"}}), nullptr);
  h.streams->EndAll(Code::kStopped, false);
  h.streams->EndAll(Code::kStopped, false);
  h.Run();
  EXPECT_EQ(any->status->first, kUnavailable);
  EXPECT_EQ(h.Open(kA + 64, kWatch), nullptr) << "later ones are TypeScript's to refuse";
  EXPECT_EQ(h.hub->stats().streams, 0u);
  EXPECT_EQ(h.Count(true, kHandled + kUnavailable), 3);
  EXPECT_EQ(h.Count(false, kHandled + kUnavailable), 1);
}

// ---- Keep-alives. ----------------------------------------------------------------------------

std::string RenewBytes(int64_t lease) {
  std::string out;
  codec::AppendInt64Field(1, lease, &out);
  return out;
}

std::string AnswerBytes(int64_t lease, int64_t ttl) {
  std::string out;
  codec::AppendMessageField(1, "\x18\x05", &out);
  codec::AppendInt64Field(2, lease, &out);
  codec::AppendInt64Field(3, ttl, &out);
  return out;
}

using Items = std::vector<std::pair<CallId, int64_t>>;

TEST(PlaneKeepAlive, ATurnsRenewalsAreOneBatch) {
  StreamsHarness h;
  FakeWire* a = h.Open(kA, kKeepAlive);
  FakeWire* b = h.Open(kB, kKeepAlive);
  h.Find(kA)->OnMessage(RenewBytes(1));
  h.Find(kB)->OnMessage(RenewBytes(-2));
  h.Run();
  ASSERT_EQ(h.events.batches.size(), 1u);
  EXPECT_EQ(h.events.batches[0], (Items{{kA, 1}, {kB, -2}}));
  // What comes meanwhile waits for the next batch.
  h.Say(kA, RenewBytes(3));
  h.Say(kA, RenewBytes(4));
  EXPECT_EQ(h.events.batches.size(), 1u);
  EXPECT_EQ(a->accepted, 0u);
  h.Answer({{kB, 0}, {kA, 60}});
  EXPECT_EQ(a->messages, (std::deque<std::string>{AnswerBytes(1, 60)}));
  EXPECT_EQ(b->messages, (std::deque<std::string>{AnswerBytes(-2, 0)}));
  EXPECT_EQ(a->accepted, RenewBytes(1).size());
  ASSERT_EQ(h.events.batches.size(), 2u);
  EXPECT_EQ(h.events.batches[1], (Items{{kA, 3}, {kA, 4}}));
  h.Answer({{kA, 30}});
  h.Answer({{kA, 40}, {kA, 50}, {CallId{8000}, 1}});  // more than was asked for
  EXPECT_EQ(a->messages.size(), 3u);
  EXPECT_EQ(a->messages.back(), AnswerBytes(4, 40));
  EXPECT_EQ(h.Count(false, kReceived), 4);
  EXPECT_EQ(h.Count(false, kSent), 4);
}

TEST(PlaneKeepAlive, ErrorsEndTheStream) {
  StreamsHarness h;
  FakeWire* a = h.Open(kA, kKeepAlive);
  FakeWire* b = h.Open(kB, kKeepAlive);
  h.Find(kA)->OnMessage(RenewBytes(1));
  h.Find(kA)->OnMessage(RenewBytes(2));
  h.Run();
  h.Answer({{kA, -static_cast<double>(Code::kNotPrimaryLessor)}, {kA, 60}});
  EXPECT_EQ(a->status, std::make_pair(2, std::string("not a primary lessor")));
  EXPECT_TRUE(a->messages.empty());
  h.Say(kB, "\x08");
  EXPECT_EQ(b->status->first, kInternal);
  EXPECT_EQ(h.Count(false, kHandled + 2), 1);
  EXPECT_EQ(h.Count(false, kHandled + kInternal), 1);
}

TEST(PlaneKeepAlive, HalfCloseEndsItBehindTheLastAnswer) {
  StreamsHarness h;
  FakeWire* a = h.Open(kA, kKeepAlive);
  FakeWire* b = h.Open(kB, kKeepAlive);
  h.Say(kA, RenewBytes(1));
  h.Say(kA, RenewBytes(2));
  h.Find(kA)->OnHalfClose();
  h.Find(kB)->OnHalfClose();
  EXPECT_EQ(b->status->first, 0);
  h.Answer({{kA, 60}});
  EXPECT_FALSE(a->status.has_value());
  h.Answer({{kA, 60}});
  EXPECT_EQ(a->messages.size(), 2u);
  EXPECT_EQ(a->status->first, 0);
}

TEST(PlaneKeepAlive, WithUsersEachRenewalIsItsCallers) {
  StreamsHarness h;
  FakeWire* a = h.Open(kA, kKeepAlive, {{"authorization", "Bearer x"}});
  for (const int64_t lease : {1, 2, 3}) h.Say(kA, RenewBytes(lease));
  h.Answer({{kA, 60}});
  ASSERT_EQ(h.events.batches.size(), 2u);
  EXPECT_EQ(h.events.batches[1], (Items{{kA, 2}, {kA, 3}}));
  // Users have been switched on meanwhile.
  h.Answer({{kA, plane::kAskAgain}, {kA, plane::kAskAgain}});
  EXPECT_EQ(a->messages.size(), 1u);
  ASSERT_EQ(h.events.questions.size(), 1u);
  const std::string& question = h.events.questions[0];
  EXPECT_EQ(question[8], static_cast<char>(Asking::kRenewal));
  EXPECT_EQ(GetLittle64(question.data() + 9), 2u);
  EXPECT_NE(question.find("Bearer x"), std::string::npos);
  h.Answer({{kA, 50}});
  EXPECT_EQ(h.events.batches.size(), 2u);
  ASSERT_EQ(h.events.questions.size(), 2u);
  EXPECT_EQ(GetLittle64(h.events.questions[1].data() + 9), 3u);
  EXPECT_EQ(a->messages.back(), AnswerBytes(2, 50));
}

TEST(PlaneKeepAlive, AnswersThatAreNoneAreRefused) {
  StreamsHarness h;
  for (const std::string& bytes :
       {std::string(), std::string("\x05\0\0\0ab", 6), std::string("\0\0\0\0abc", 7)}) {
    EXPECT_FALSE(h.streams->KeepAlivesDone(bytes));
  }
  const auto one = [&h](double call, double answer) {
    std::string bytes(4, '\0');
    AppendLittle64(&bytes, std::bit_cast<uint64_t>(call));
    AppendLittle64(&bytes, std::bit_cast<uint64_t>(answer));
    return h.streams->KeepAlivesDone(bytes);
  };
  EXPECT_TRUE(one(8, 1));
  EXPECT_FALSE(one(-1, 1));
  EXPECT_FALSE(one(7, 1)) << "there is no such lane";
  EXPECT_FALSE(one(8, std::numeric_limits<double>::quiet_NaN()));
  EXPECT_FALSE(one(1e300, 1));
}

}  // namespace
}  // namespace metastore::plane_test
