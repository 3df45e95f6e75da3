// Floods against a session: bombs of headers, frames that cost nothing to send, resets, and clients
// that do not read what they provoke. Each ends with the connection, before memory grows.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "test/support/plane_harness.h"

namespace metastore::test {
namespace {

constexpr char kPut[] = "/etcdserverpb.KV/Put";
constexpr char kWatch[] = "/etcdserverpb.Watch/Watch";

TEST(PlaneSessionFloods, HeaderBombs) {
  // A field that fills the compressor's table, then named by one byte each.
  SessionHarness h;
  h.Start();
  h.client.indexes = false;
  std::string block = h.client.Block(FrameClient::Grpc(kPut));
  block += std::string("\x40\x01x\x7f\xa1\x1e", 6) + std::string(4000, 'b');
  block += std::string(8000, '\xbe');
  ASSERT_LT(block.size(), 16384u);
  const auto frames = h.Send(MakeFrame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, block));
  EXPECT_EQ(Story(frames, 1), "reset 6") << "FRAME_SIZE_ERROR, and the connection goes on";
  EXPECT_TRUE(h.is_open);
  EXPECT_TRUE(h.owner.calls.empty());
  h.AnswerWith([](const std::string&) { return std::string("ok"); });
  EXPECT_EQ(Story(h.Send(h.client.Unary(3, kPut, "x")), 3),
            "200 application/grpc | data 7 | 0 '' end");
}

TEST(PlaneSessionFloods, HeadersThatNeverEnd) {
  SessionHarness h;
  h.Start();
  FrameClient client;
  std::string piece = client.Block({{"x", std::string(100, 'y')}});
  h.Send(MakeFrame(NGHTTP2_HEADERS, 0, 1, client.Block(FrameClient::Grpc(kPut))));
  int sent = 0;
  for (; sent < 100000 && h.is_open; ++sent) {
    h.Send(MakeFrame(NGHTTP2_CONTINUATION, 0, 1, piece));
  }
  EXPECT_LT(sent, 100000);
}

/// How many of these a client may send before it is sent away with ENHANCE_YOUR_CALM.
int Flood(SessionHarness* h, const std::function<std::string(int)>& make, int most) {
  for (int i = 0; i < most; ++i) {
    const auto frames = h->Send(make(i));
    if (h->is_open) continue;
    EXPECT_EQ(Goaway(frames), NGHTTP2_ENHANCE_YOUR_CALM) << i;
    return i;
  }
  return most;
}

TEST(PlaneSessionFloods, FloodsOfIdleFrames) {
  const std::string empty_data = FrameClient::Data(1, "");
  const std::string priority = MakeFrame(NGHTTP2_PRIORITY, 0, 1, std::string(5, '\0'));
  for (const std::string& frame :
       {FrameClient::Settings({}), priority, empty_data, MakeFrame(0x77, 0, 0, "")}) {
    SessionHarness h;
    h.Start();
    h.Send(h.client.Headers(1, FrameClient::Grpc(kWatch)));
    const int sent = Flood(
        &h, [&](int) { return frame; }, 20000);
    EXPECT_GT(sent, 5000);
    EXPECT_LT(sent, 20000);
  }
  // Spread over time they are nothing.
  SessionHarness h;
  h.Start();
  h.Send(h.client.Headers(1, FrameClient::Grpc(kWatch)));
  for (int i = 0; i < 30000; ++i) {
    h.now_ns += 2 * kMs;
    h.Send(empty_data);
    ASSERT_TRUE(h.is_open);
  }
}

TEST(PlaneSessionFloods, ResetFloods) {
  SessionHarness h;
  h.Start();
  const int sent = Flood(
      &h,
      [&](int i) {
        const uint32_t id = 2 * static_cast<uint32_t>(i) + 1;
        return h.client.Headers(id, FrameClient::Grpc(kWatch)) + FrameClient::Reset(id, 8);
      },
      60000);
  EXPECT_GE(sent, 20000);
  EXPECT_LT(sent, 60000);
  EXPECT_EQ(h.session->open_streams(), 0u);
}

TEST(PlaneSessionFloods, ClientsThatProvokeResetsAndDoNotRead) {
  SessionHarness h;
  h.Start();
  int sent = 0;
  for (; sent < 100000; ++sent) {
    const uint32_t id = 2 * static_cast<uint32_t>(sent) + 1;
    Fields bad = FrameClient::Grpc(kPut);
    bad.emplace_back("connection", "close");
    // What is said back is never taken.
    if (!h.session->Receive(h.client.Headers(id, bad, true), h.now_ns)) break;
  }
  EXPECT_LE(sent, 25000);
  EXPECT_EQ(Goaway(h.Take()), NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST(PlaneSessionFloods, PingsThatAreNotRead) {
  SessionHarness h;
  h.Start();
  int sent = 0;
  while (sent < 100000 && h.session->Receive(FrameClient::Ping(), h.now_ns)) ++sent;
  EXPECT_LE(sent, 25000);
}

TEST(PlaneSessionFloods, LateFrameFloodsEndTheConnection) {
  SessionHarness h;
  h.AnswerWith([](const std::string&) { return std::string(); });
  h.Start();
  h.Send(h.client.Unary(1, kPut, "x"));
  EXPECT_LT(Flood(
                &h, [](int) { return FrameClient::Data(1, "late"); }, 20000),
            20000);
}

}  // namespace
}  // namespace metastore::test
