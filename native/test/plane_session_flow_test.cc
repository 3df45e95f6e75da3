// Windows and bounds: what a client may send ahead, what is withheld for a call or for the budget,
// and what waits for a client that does not read.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "test/support/plane_harness.h"

namespace metastore::test {
namespace {

constexpr char kPut[] = "/etcdserverpb.KV/Put";
constexpr char kWatch[] = "/etcdserverpb.Watch/Watch";
constexpr size_t kFrame = 16384;

uint64_t Given(const std::vector<Frame>& frames, uint32_t stream) {
  uint64_t bytes = 0;
  for (const Frame& frame : Of(frames, NGHTTP2_WINDOW_UPDATE, stream)) bytes += frame.Number();
  return bytes;
}

std::string BodyOf(const std::vector<Frame>& frames, uint32_t stream) {
  std::string body;
  for (const Frame& frame : Of(frames, NGHTTP2_DATA, stream)) body += frame.payload;
  return body;
}

void Append(std::vector<Frame>* all, const std::vector<Frame>& more) {
  all->insert(all->end(), more.begin(), more.end());
}

/// Sends a body as a client does that keeps to its windows; answers all that came back. Stops when
/// no window is left.
std::vector<Frame> SendBody(SessionHarness* h, uint32_t stream, const std::string& body,
                            int64_t* connection, bool ends = true, size_t* sent = nullptr) {
  std::vector<Frame> all;
  int64_t window = 65535;
  size_t at = 0;
  while (at < body.size()) {
    const int64_t room = std::min({window, *connection, static_cast<int64_t>(kFrame),
                                   static_cast<int64_t>(body.size() - at)});
    if (room <= 0) break;
    const auto n = static_cast<size_t>(room);
    const bool is_last = at + n == body.size();
    const auto frames = h->Send(FrameClient::Data(stream, body.substr(at, n), ends && is_last));
    at += n;
    window += static_cast<int64_t>(Given(frames, stream)) - room;
    *connection += static_cast<int64_t>(Given(frames, 0)) - room;
    Append(&all, frames);
  }
  if (sent != nullptr) *sent = at;
  return all;
}

TEST(PlaneSessionFlow, LargeMessageComesWholeOverSmallWindows) {
  SessionHarness h;
  std::string got;
  h.owner.on_message = [&](CallRecord* call, const std::string& message) {
    got = message;
    call->wire->Finish(0, "");
  };
  h.Start();
  int64_t connection = 1 << 20;
  const std::string message(2000000, 'm');
  h.Send(h.client.Headers(1, FrameClient::Grpc(kPut)));
  const auto frames = SendBody(&h, 1, Framed(message), &connection);
  EXPECT_EQ(Story(frames, 1).substr(0, 6), "window");
  EXPECT_TRUE(got == message);
  EXPECT_EQ(h.session->open_streams(), 0u);
  EXPECT_GT(connection, (1 << 20) / 4) << "the connection's window comes back";
}

TEST(PlaneSessionFlow, ConnectionWindowSurvivesManyRequests) {
  SessionHarness h;
  h.AnswerWith([](const std::string&) { return std::string(); });
  h.Start();
  int64_t connection = 1 << 20;
  const std::string body = Framed(std::string(30000, 'x'));
  for (uint32_t i = 0; i < 500; ++i) {
    h.Send(h.client.Headers(2 * i + 1, FrameClient::Grpc(kPut)));
    SendBody(&h, 2 * i + 1, body, &connection);
    ASSERT_GT(connection, 0) << "after " << i;
  }
  EXPECT_EQ(h.owner.calls.size(), 500u);
}

TEST(PlaneSessionFlow, RefusedRequestsGiveTheConnectionsWindowBack) {
  SessionHarness h;
  h.options.max_receive_bytes = 10;
  h.Start();
  int64_t connection = 1 << 20;
  for (uint32_t i = 0; i < 300; ++i) {
    const uint32_t id = 2 * i + 1;
    // Refused by its prefix; what follows is on its way already.
    auto frames = h.Send(h.client.Headers(id, FrameClient::Grpc(kWatch)) +
                         FrameClient::Data(id, Framed(std::string(10000, 'x'))));
    Append(&frames, h.Send(FrameClient::Data(id, std::string(10000, 'x'))));
    connection += static_cast<int64_t>(Given(frames, 0)) - 20005;
    ASSERT_GT(connection, 0) << "after " << i;
    ASSERT_TRUE(h.is_open);
  }
}

TEST(PlaneSessionFlow, PaddingCountsAndComesBack) {
  SessionHarness h;
  h.AnswerWith([](const std::string&) { return std::string(); });
  h.Start();
  int64_t connection = 1 << 20;
  for (uint32_t i = 0; i < 10000; ++i) {
    const uint32_t id = 2 * i + 1;
    const std::string padded = std::string(1, '\xff') + Framed("x") + std::string(255, '\0');
    const auto frames =
        h.Send(h.client.Headers(id, FrameClient::Grpc(kPut)) +
               MakeFrame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_END_STREAM, id, padded));
    connection += static_cast<int64_t>(Given(frames, 0)) - static_cast<int64_t>(padded.size());
    ASSERT_GT(connection, 0) << "after " << i;
  }
  EXPECT_EQ(h.owner.calls.size(), 10000u);
}

TEST(PlaneSessionFlow, StreamWindowWaitsUntilTheCallAccepts) {
  SessionHarness h;
  h.Start();
  int64_t connection = 1 << 20;
  h.Send(h.client.Headers(1, FrameClient::Grpc(kWatch)));
  std::string body;
  for (int i = 0; i < 300; ++i) body += Framed(std::string(995, 'x'));
  size_t sent = 0;
  auto frames = SendBody(&h, 1, body, &connection, false, &sent);
  EXPECT_EQ(Given(frames, 1), 0u);
  EXPECT_EQ(sent, 65535u);
  CallRecord* call = h.owner.calls[0].get();
  EXPECT_EQ(call->messages.size(), 65u);
  EXPECT_GE(h.held.load() + 4096, 65u * 995);
  call->wire->Accept(64 * 995);
  EXPECT_EQ(Given(h.Take(), 1), 0u) << "one message is not dealt with yet";
  call->wire->Accept(995);
  frames = h.Take();
  EXPECT_GE(Given(frames, 1), 65000u);
  EXPECT_LT(h.held.load(), 5000u);
}

TEST(PlaneSessionFlow, BudgetWithholdsWindowsAndRelaxGivesThemBack) {
  SessionHarness h;
  h.options.held_bytes_most = 1000000;
  h.Start();
  h.held = 2000000;  // other connections'
  h.Send(h.client.Headers(1, FrameClient::Grpc(kPut)));
  int64_t connection = 1 << 20;
  size_t sent = 0;
  const auto frames = SendBody(&h, 1, Framed(std::string(1000000, 'x')), &connection, true, &sent);
  EXPECT_EQ(sent, 65535u);
  EXPECT_EQ(Given(frames, 0) + Given(frames, 1), 0u);
  EXPECT_EQ(h.owner.withheld, 1);
  h.session->Relax();
  EXPECT_EQ(h.owner.withheld, 2) << "still above the budget: it is told again";
  EXPECT_EQ(Given(h.Take(), 1), 0u);
  h.held -= 2000000;
  h.session->Relax();
  EXPECT_GE(Given(h.Take(), 1), 40000u);
  EXPECT_EQ(h.owner.withheld, 2);
}

TEST(PlaneSessionFlow, MessagesThatStarveAreRefusedAndFreeTheBudget) {
  SessionHarness h;
  h.options.held_bytes_most = 100000;
  h.Start();
  h.Send(h.client.Headers(1, FrameClient::Grpc(kPut)));
  h.Send(h.client.Headers(3, FrameClient::Grpc(kPut)));
  int64_t connection = 1 << 20;
  size_t sent = 0;
  SendBody(&h, 1, Framed(std::string(1000000, 'x')), &connection, true, &sent);
  SendBody(&h, 3, Framed(std::string(1000000, 'x')), &connection, true, &sent);
  EXPECT_LT(sent, 200000u);
  EXPECT_GT(h.held.load(), 100000u);
  EXPECT_LE(h.session->NextTimeNs(), h.now_ns + 5 * kSecond);
  auto frames = h.Pass(4 * kSecond);
  EXPECT_TRUE(Of(frames, NGHTTP2_HEADERS).empty());
  frames = h.Pass(2 * kSecond);
  EXPECT_EQ(Story(frames, 1).find("200 application/grpc 8 'etcdserver: too many requests' end"),
            0u);
  EXPECT_EQ(h.owner.calls[0]->ends, 1);
  EXPECT_LT(h.held.load(), 5000u);
  EXPECT_EQ(h.session->open_streams(), 0u);
}

TEST(PlaneSessionFlow, AnswersKeepToTheClientsWindows) {
  SessionHarness h;
  const std::string large(200000, 'y');
  h.AnswerWith([&](const std::string&) { return large; });
  h.Start();
  auto frames = h.Send(h.client.Unary(1, kPut, "x"));
  EXPECT_EQ(BodyOf(frames, 1).size(), 65535u);
  EXPECT_FALSE(h.session->HasOutput());
  std::string body = BodyOf(frames, 1);
  frames = h.Send(FrameClient::WindowUpdate(1, 1000000));
  EXPECT_EQ(BodyOf(frames, 1), "") << "the connection's window is used up as well";
  frames = h.Send(FrameClient::WindowUpdate(0, 1000000));
  body += BodyOf(frames, 1);
  EXPECT_TRUE(body == Framed(large));
  EXPECT_EQ(Of(frames, NGHTTP2_HEADERS, 1).back().Field("grpc-status"), "0");
  EXPECT_EQ(h.session->open_streams(), 0u);
}

TEST(PlaneSessionFlow, ProduceStopsNearWhatIsWanted) {
  SessionHarness h;
  h.AnswerWith([](const std::string&) { return std::string(60000, 'y'); });
  h.Start();
  h.is_open = h.session->Receive(h.client.Unary(1, kPut, "x"), h.now_ns);
  std::string all;
  int rounds = 0;
  while (h.session->HasOutput() && rounds < 100) {
    std::string out;
    h.session->Produce(&out, 1000, h.now_ns);
    EXPECT_LE(out.size(), 1000 + kFrame + 100);
    all += out;
    ++rounds;
  }
  EXPECT_GE(rounds, 4);
  EXPECT_EQ(BodyOf(h.client.Take(&all), 1).size(), 60005u);
}

TEST(PlaneSessionFlow, WrittenIsToldByMessageAndInOrder) {
  SessionHarness h;
  std::vector<uint64_t> told;
  h.owner.on_written = [&](CallRecord*, uint64_t bytes) { told.push_back(bytes); };
  h.owner.on_message = [](CallRecord* call, const std::string&) {
    call->wire->Send(std::string(60000, 'a'));
    call->wire->Send(std::string(10000, 'b'));
    call->wire->SendFramed(Framed(std::string(20000, 'c')));
    call->wire->Send("");
  };
  h.Start();
  h.Send(h.client.Headers(1, FrameClient::Grpc(kWatch)) + FrameClient::Data(1, Framed("x")));
  EXPECT_EQ(told, std::vector<uint64_t>{60000}) << "the second has left in part only";
  h.Send(FrameClient::WindowUpdate(0, 100000) + FrameClient::WindowUpdate(1, 100000));
  uint64_t sum = 0;
  for (const uint64_t bytes : told) sum += bytes;
  EXPECT_EQ(sum, 60000u + 10000u + 20005u);
}

TEST(PlaneSessionFlow, CallsMaySayMoreWhenTheyHearThatItHasLeft) {
  SessionHarness h;
  int more = 5;
  h.owner.on_message = [](CallRecord* call, const std::string&) { call->wire->Send("first"); };
  h.owner.on_written = [&](CallRecord* call, uint64_t) {
    if (more-- > 0) {
      call->wire->Send("more");
    } else {
      call->wire->Finish(0, "");
    }
  };
  h.Start();
  const auto frames = h.Send(h.client.Unary(1, kWatch, "x"));
  EXPECT_EQ(BodyOf(frames, 1).size(), 10u + 5 * 9);
  EXPECT_EQ(Of(frames, NGHTTP2_HEADERS, 1).back().Field("grpc-status"), "0");
}

TEST(PlaneSessionFlow, ManySmallMessagesToAClientThatReadsSlowly) {
  SessionHarness h;
  h.Start();
  h.Send(h.client.Headers(1, FrameClient::Grpc(kWatch)));
  CallRecord* call = h.owner.calls[0].get();
  std::string expected;
  std::string got;
  for (int i = 0; i < 50000; ++i) {
    const std::string message =
        "message " + std::to_string(i) + std::string(i % 97 == 0 ? 5000 : 0, 'z');
    expected += Framed(message);
    call->wire->Send(message);
  }
  got += BodyOf(h.Take(), 1);
  for (int i = 0; i < 10000 && got.size() < expected.size(); ++i) {
    got +=
        BodyOf(h.Send(FrameClient::WindowUpdate(0, 7777) + FrameClient::WindowUpdate(1, 7777)), 1);
  }
  EXPECT_TRUE(got == expected);
  h.Send(FrameClient::Reset(1, NGHTTP2_CANCEL));
}

TEST(PlaneSessionFlow, NewRequestsAreRefusedWhileAnswersAreNotRead) {
  SessionHarness h;
  h.options.unsent_bytes_most = 1u << 30;  // more than one connection may have
  const std::string large(2000000, 'y');
  h.AnswerWith([&](const std::string&) { return large; });
  h.Start();
  uint32_t refused = 0;
  for (uint32_t i = 0; i < 200; ++i) {
    const auto frames = h.Send(h.client.Unary(2 * i + 1, kPut, "x"));
    if (Story(frames, 2 * i + 1) == "reset 7") ++refused;
  }
  EXPECT_GE(refused, 60u);
  EXPECT_LE(refused, 70u) << "256 MiB may wait";
}

}  // namespace
}  // namespace metastore::test
