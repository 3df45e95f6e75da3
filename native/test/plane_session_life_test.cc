// What time brings and how things end: deadlines, cancelled calls, keep-alive, pings, idleness,
// draining, and a connection that is lost.
#include <gtest/gtest.h>

#include <string>

#include "test/support/plane_harness.h"

namespace metastore::test {
namespace {

constexpr char kPut[] = "/etcdserverpb.KV/Put";
constexpr char kWatch[] = "/etcdserverpb.Watch/Watch";

TEST(PlaneSessionLife, DeadlineEndsTheCall) {
  SessionHarness h;
  h.Start();
  h.Send(h.client.Unary(1, kPut, "x", {{"grpc-timeout", "100m"}}));
  h.Send(h.client.Unary(3, kPut, "x", {{"grpc-timeout", "50m"}}));
  h.Send(h.client.Unary(5, kPut, "x"));
  EXPECT_EQ(h.session->NextTimeNs(), h.now_ns + 50 * kMs);
  auto frames = h.Pass(50 * kMs);
  EXPECT_EQ(Story(frames, 3), "200 application/grpc 4 'context deadline exceeded' end");
  EXPECT_EQ(Story(frames, 1), "");
  EXPECT_EQ(h.owner.calls[1]->ends, 1);
  EXPECT_TRUE(h.owner.calls[1]->is_destroyed);
  EXPECT_EQ(h.session->NextTimeNs(), h.now_ns + 50 * kMs);
  frames = h.Pass(60 * kMs);
  EXPECT_EQ(Story(frames, 1), "200 application/grpc 4 'context deadline exceeded' end");
  EXPECT_EQ(h.session->NextTimeNs(), INT64_MAX);
  EXPECT_EQ(h.session->open_streams(), 1u);
}

TEST(PlaneSessionLife, DeadlineOfACallThatHasAnsweredDoesNotMatter) {
  SessionHarness h;
  h.owner.on_message = [](CallRecord* call, const std::string& message) {
    if (message == "send") call->wire->Send("one");
  };
  h.Start();
  auto frames = h.Send(h.client.Unary(1, kWatch, "send", {{"grpc-timeout", "1S"}}));
  EXPECT_EQ(Story(frames, 1), "200 application/grpc | data 8");
  frames = h.Pass(kSecond);
  EXPECT_EQ(Story(frames, 1), "4 'context deadline exceeded' end");
  h.Send(h.client.Unary(3, kPut, "x", {{"grpc-timeout", "1S"}}));
  h.owner.calls[1]->wire->Reply("in time");
  h.Take();
  EXPECT_EQ(h.session->NextTimeNs(), INT64_MAX);
  h.Pass(2 * kSecond);
  EXPECT_EQ(h.owner.calls[1]->ends, 0);
}

TEST(PlaneSessionLife, DeadlinesInAnyOrder) {
  SessionHarness h;
  h.Start();
  std::vector<int64_t> wanted;
  for (uint32_t i = 0; i < 500; ++i) {
    const uint32_t ms = (i * 7919) % 1000 + 1;
    h.Send(h.client.Unary(2 * i + 1, kPut, "x", {{"grpc-timeout", std::to_string(ms) + "m"}}));
  }
  // Half of them end before.
  for (size_t i = 0; i < 500; i += 2) h.owner.calls[i]->wire->Finish(0, "");
  h.Take();
  int64_t last = h.now_ns;
  for (int i = 0; i < 1000 && h.session->open_streams() > 0; ++i) {
    const int64_t next = h.session->NextTimeNs();
    ASSERT_GE(next, last);
    last = next;
    h.Pass(next - h.now_ns);
  }
  EXPECT_EQ(h.session->open_streams(), 0u);
  for (size_t i = 0; i < 500; ++i) EXPECT_EQ(h.owner.calls[i]->ends, i % 2 == 0 ? 0 : 1);
}

TEST(PlaneSessionLife, CancelTellsTheCall) {
  SessionHarness h;
  h.Start();
  h.Send(h.client.Headers(1, FrameClient::Grpc(kWatch)) + FrameClient::Data(1, Framed("x")));
  EXPECT_EQ(h.owner.calls[0]->ends, 0);
  h.Send(FrameClient::Reset(1, NGHTTP2_CANCEL));
  EXPECT_EQ(h.owner.calls[0]->ends, 1);
  EXPECT_TRUE(h.owner.calls[0]->is_destroyed);
  EXPECT_TRUE(h.is_open);
}

TEST(PlaneSessionLife, CancelWithAnswersUnderWay) {
  SessionHarness h;
  h.AnswerWith([](const std::string&) { return std::string(300000, 'x'); });
  h.Start();
  h.Send(h.client.Unary(1, kPut, "x"));
  EXPECT_EQ(h.session->open_streams(), 1u);
  h.Send(FrameClient::Reset(1, NGHTTP2_CANCEL));
  EXPECT_EQ(h.session->open_streams(), 0u);
  EXPECT_EQ(h.owner.calls[0]->ends, 0) << "it had ended itself";
  EXPECT_FALSE(h.session->HasOutput());
}

TEST(PlaneSessionLife, LostTellsEveryCall) {
  SessionHarness h;
  h.Start();
  for (uint32_t i = 0; i < 10; ++i) h.Send(h.client.Unary(2 * i + 1, kPut, "some bytes"));
  h.owner.calls[3]->wire->Finish(0, "");
  h.session->Lost();
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(h.owner.calls[i]->ends, i == 3 ? 0 : 1);
    EXPECT_TRUE(h.owner.calls[i]->is_destroyed);
  }
  EXPECT_EQ(h.session->open_streams(), 0u);
  EXPECT_FALSE(h.session->HasOutput());
  EXPECT_EQ(h.session->NextTimeNs(), INT64_MAX);
}

TEST(PlaneSessionLife, SilentClientsAreCutOff) {
  SessionHarness h;
  h.Make();
  h.Take();
  EXPECT_EQ(h.session->NextTimeNs(), h.now_ns + 10 * kSecond);
  h.Pass(10 * kSecond);
  EXPECT_FALSE(h.is_open);
}

TEST(PlaneSessionLife, KeepAlivePingsAndGivesUp) {
  SessionHarness h;
  h.options.keepalive_interval_ns = 100 * kSecond;
  h.options.keepalive_timeout_ns = 20 * kSecond;
  h.Start();
  EXPECT_EQ(h.session->NextTimeNs(), h.now_ns + 100 * kSecond);
  auto pings = Of(h.Pass(100 * kSecond), NGHTTP2_PING);
  ASSERT_EQ(pings.size(), 1u);
  // An answer, and the next interval begins.
  h.now_ns += kSecond;
  h.Send(FrameClient::Ping(true, pings[0].payload));
  EXPECT_EQ(h.session->NextTimeNs(), h.now_ns + 100 * kSecond);
  pings = Of(h.Pass(100 * kSecond), NGHTTP2_PING);
  ASSERT_EQ(pings.size(), 1u);
  EXPECT_EQ(h.session->NextTimeNs(), h.now_ns + 20 * kSecond);
  EXPECT_TRUE(Of(h.Pass(19 * kSecond), NGHTTP2_PING).empty());
  EXPECT_TRUE(h.is_open);
  h.Pass(kSecond);
  EXPECT_FALSE(h.is_open);
}

TEST(PlaneSessionLife, KeepAliveWaitsForSilence) {
  SessionHarness h;
  h.options.keepalive_interval_ns = 10 * kSecond;
  h.options.keepalive_timeout_ns = kSecond;
  h.Start();
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(Of(h.Pass(9 * kSecond), NGHTTP2_PING).empty());
    h.Send(FrameClient::WindowUpdate(0, 1));
  }
  EXPECT_EQ(Of(h.Pass(10 * kSecond), NGHTTP2_PING).size(), 1u);
}

TEST(PlaneSessionLife, PingsAreAnswered) {
  SessionHarness h;
  h.options.min_ping_ns = 5 * kSecond;
  h.Start();
  const auto frames = h.Send(FrameClient::Ping());
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].flags, NGHTTP2_FLAG_ACK);
  EXPECT_EQ(frames[0].payload, "12345678");
}

bool IsSentAway(const std::vector<Frame>& frames) {
  const auto goaways = Of(frames, NGHTTP2_GOAWAY);
  if (goaways.empty()) return false;
  EXPECT_EQ(goaways[0].Number(4), static_cast<uint32_t>(NGHTTP2_ENHANCE_YOUR_CALM));
  EXPECT_EQ(goaways[0].payload.substr(8), "too_many_pings");
  return true;
}

TEST(PlaneSessionLife, TooManyPingsEndTheConnection) {
  SessionHarness h;
  h.options.min_ping_ns = 5 * kSecond;
  h.Start();
  h.Send(h.client.Headers(1, FrameClient::Grpc(kWatch)));
  // The first is free, two strikes are forgiven, the third is not.
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(IsSentAway(h.Send(FrameClient::Ping())));
    h.now_ns += kSecond;
  }
  EXPECT_TRUE(IsSentAway(h.Send(FrameClient::Ping())));
  EXPECT_FALSE(h.is_open);
  EXPECT_TRUE(h.session->Done());
}

TEST(PlaneSessionLife, PatientPingsAreFine) {
  SessionHarness h;
  h.options.min_ping_ns = 5 * kSecond;
  h.Start();
  h.Send(h.client.Headers(1, FrameClient::Grpc(kWatch)));
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(IsSentAway(h.Send(FrameClient::Ping())));
    h.now_ns += 5 * kSecond;
  }
  // Without a call there is nothing to keep alive.
  h.Send(FrameClient::Reset(1, NGHTTP2_CANCEL));
  int pings = 1;
  while (pings < 10 && !IsSentAway(h.Send(FrameClient::Ping()))) {
    ++pings;
    h.now_ns += 60 * kSecond;
  }
  EXPECT_EQ(pings, 3);
}

TEST(PlaneSessionLife, PingsBetweenAnswersAreForgiven) {
  SessionHarness h;
  h.options.min_ping_ns = 5 * kSecond;
  h.AnswerWith([](const std::string& message) { return message; });
  h.Start();
  for (uint32_t i = 0; i < 50; ++i) {
    h.Send(h.client.Unary(2 * i + 1, kPut, "x"));
    EXPECT_FALSE(IsSentAway(h.Send(FrameClient::Ping())));
  }
}

TEST(PlaneSessionLife, PingsDuringALongAnswerAreForgiven) {
  SessionHarness h;
  h.options.min_ping_ns = 5 * kSecond;
  h.AnswerWith([](const std::string&) { return std::string(1 << 20, 'x'); });
  h.Start();
  h.Send(h.client.Unary(1, kPut, "x"));
  // Clients measure the way to them so: a ping for what comes in one round trip.
  for (int i = 0; i < 30; ++i) {
    h.Send(FrameClient::WindowUpdate(0, 16384) + FrameClient::WindowUpdate(1, 16384));
    ASSERT_FALSE(IsSentAway(h.Send(FrameClient::Ping()))) << i;
  }
}

TEST(PlaneSessionLife, IdleConnectionsAreDrained) {
  SessionHarness h;
  h.options.idle_ns = 60 * kSecond;
  h.Start();
  EXPECT_EQ(h.session->NextTimeNs(), h.now_ns + 60 * kSecond);
  h.Pass(30 * kSecond);
  h.Send(h.client.Headers(1, FrameClient::Grpc(kWatch)));
  EXPECT_EQ(h.session->NextTimeNs(), INT64_MAX);
  h.Pass(100 * kSecond);
  h.Send(FrameClient::Reset(1, NGHTTP2_CANCEL));
  EXPECT_EQ(h.session->NextTimeNs(), h.now_ns + 60 * kSecond);
  const auto goaways = Of(h.Pass(60 * kSecond), NGHTTP2_GOAWAY);
  ASSERT_EQ(goaways.size(), 1u);
  EXPECT_EQ(goaways[0].Number(), 1u);
  EXPECT_EQ(goaways[0].payload.substr(8), "max_idle");
  EXPECT_TRUE(h.session->Done());
}

TEST(PlaneSessionLife, DrainWithoutCallsIsOneStep) {
  SessionHarness h;
  h.Start();
  h.session->Drain();
  const auto frames = h.Take();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].type, NGHTTP2_GOAWAY);
  EXPECT_EQ(frames[0].Number(4), static_cast<uint32_t>(NGHTTP2_NO_ERROR));
  EXPECT_EQ(frames[0].payload.substr(8), "graceful_stop");
  EXPECT_TRUE(h.session->Done());
}

TEST(PlaneSessionLife, DrainLetsCallsEnd) {
  SessionHarness h;
  h.Start();
  h.Send(h.client.Unary(1, kPut, "x"));
  h.session->Drain();
  h.session->Drain();
  auto frames = h.Take();
  auto goaways = Of(frames, NGHTTP2_GOAWAY);
  ASSERT_EQ(goaways.size(), 1u);
  EXPECT_EQ(goaways[0].Number(), static_cast<uint32_t>(INT32_MAX));
  const auto pings = Of(frames, NGHTTP2_PING);
  ASSERT_EQ(pings.size(), 1u);
  // A request that crossed it is served.
  h.Send(h.client.Unary(3, kPut, "y"));
  ASSERT_EQ(h.owner.calls.size(), 2u);
  frames = h.Send(FrameClient::Ping(true, pings[0].payload));
  goaways = Of(frames, NGHTTP2_GOAWAY);
  ASSERT_EQ(goaways.size(), 1u);
  EXPECT_EQ(goaways[0].Number(), 3u);
  // One after the second is not, and harms nobody.
  frames = h.Send(h.client.Unary(5, kPut, "z"));
  EXPECT_EQ(h.owner.calls.size(), 2u);
  EXPECT_TRUE(h.is_open);
  EXPECT_FALSE(h.session->Done());
  h.owner.calls[0]->wire->Reply("1");
  h.owner.calls[1]->wire->Reply("2");
  frames = h.Take();
  EXPECT_EQ(Story(frames, 3), "200 application/grpc | data 6 | 0 '' end");
  EXPECT_TRUE(h.session->Done());
}

TEST(PlaneSessionLife, DrainGoesOnWithoutTheClientsAnswer) {
  SessionHarness h;
  h.Start();
  h.Send(h.client.Unary(1, kPut, "x"));
  h.session->Drain();
  h.Take();
  EXPECT_EQ(h.session->NextTimeNs(), h.now_ns + kSecond);
  EXPECT_EQ(Of(h.Pass(kSecond), NGHTTP2_GOAWAY).size(), 1u);
  h.owner.calls[0]->wire->Reply("1");
  h.Take();
  EXPECT_TRUE(h.session->Done());
}

TEST(PlaneSessionLife, GoawayOfTheClientLetsItsCallsEnd) {
  SessionHarness h;
  h.Start();
  h.Send(h.client.Unary(1, kPut, "x"));
  std::string payload(8, '\0');
  h.Send(MakeFrame(NGHTTP2_GOAWAY, 0, 0, payload));
  EXPECT_TRUE(h.is_open);
  h.owner.calls[0]->wire->Reply("1");
  EXPECT_EQ(Story(h.Take(), 1), "200 application/grpc | data 6 | 0 '' end");
}

}  // namespace
}  // namespace metastore::test
