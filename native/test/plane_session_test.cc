// Session on the ordinary path: unary calls and streams, as a client of gRPC makes them.
#include <gtest/gtest.h>

#include <string>

#include "test/support/plane_harness.h"

namespace metastore::test {
namespace {

constexpr char kPut[] = "/etcdserverpb.KV/Put";
constexpr char kWatch[] = "/etcdserverpb.Watch/Watch";

TEST(PlaneSession, FirstFramesAnnounceOnlyTheFrameSize) {
  SessionHarness h;
  const auto frames = h.Start();
  ASSERT_GE(frames.size(), 3u);
  EXPECT_EQ(frames[0].type, NGHTTP2_SETTINGS);
  EXPECT_EQ(frames[0].payload, std::string("\0\x05\0\0\x40\0", 6));
  const auto windows = Of(frames, NGHTTP2_WINDOW_UPDATE, 0);
  ASSERT_EQ(windows.size(), 1u);
  EXPECT_EQ(windows[0].Number(), (1u << 20) - 65535);
  EXPECT_TRUE(h.is_open);
}

TEST(PlaneSession, SettingsCarryTheConfiguredLimits) {
  SessionHarness h;
  h.options.max_concurrent_streams = 7;
  h.options.stream_window_bytes = 1 << 20;
  const auto frames = h.Start();
  EXPECT_EQ(frames[0].payload, std::string("\0\x05\0\0\x40\0\0\x04\0\x10\0\0\0\x03\0\0\0\x07", 18));
}

TEST(PlaneSession, UnaryCallIsAnswered) {
  SessionHarness h;
  h.AnswerWith([](const std::string& message) { return "re: " + message; });
  h.Start();
  const auto frames = h.Send(h.client.Unary(1, kPut, "hello", {{"token", "abc"}}));
  EXPECT_EQ(Story(frames, 1), "200 application/grpc | data 14 | 0 '' end");
  EXPECT_EQ(Of(frames, NGHTTP2_DATA)[0].payload, Framed("re: hello"));
  ASSERT_EQ(h.owner.calls.size(), 1u);
  EXPECT_EQ(h.owner.calls[0]->messages, std::vector<std::string>{"hello"});
  EXPECT_EQ(h.owner.calls[0]->ends, 0);
  EXPECT_TRUE(h.owner.calls[0]->is_destroyed);
  EXPECT_EQ(h.session->open_streams(), 0u);
}

TEST(PlaneSession, HeadTellsPathTypeAndMetadata) {
  SessionHarness h;
  plane::RequestHead head;
  h.owner.on_message = [&](CallRecord* call, const std::string&) {
    head = call->wire->head();
    call->wire->Reply("");
  };
  h.Start();
  Fields fields = FrameClient::Grpc(kPut, {{"token", "a"}, {"token", "b"}, {"x-bin", "AAA="}});
  fields[4].second = "application/grpc+proto";
  const auto frames = h.Send(h.client.Headers(1, fields) + FrameClient::Data(1, Framed("x"), true));
  EXPECT_EQ(Story(frames, 1), "200 application/grpc+proto | data 5 | 0 '' end");
  EXPECT_EQ(head.path, kPut);
  EXPECT_EQ(head.content_type, "application/grpc+proto");
  EXPECT_EQ(head.authority, "localhost:2379");
  EXPECT_EQ(head.timeout_ns, -1);
  const Fields wanted = {{"token", "a"}, {"token", "b"}, {"x-bin", "AAA="}};
  EXPECT_EQ(head.metadata, wanted);
}

TEST(PlaneSession, StreamExchangesMessages) {
  SessionHarness h;
  h.owner.on_message = [](CallRecord* call, const std::string& message) {
    call->wire->Send(message + "!");
    call->wire->Send(message + "?");
    call->wire->Accept(message.size());
  };
  h.owner.on_half_close = [](CallRecord* call) { call->wire->Finish(0, ""); };
  h.Start();
  auto frames = h.Send(h.client.Headers(1, FrameClient::Grpc(kWatch)));
  EXPECT_EQ(Story(frames, 1), "");
  frames = h.Send(FrameClient::Data(1, Framed("ab")));
  EXPECT_EQ(Story(frames, 1), "200 application/grpc | data 16");
  EXPECT_EQ(Of(frames, NGHTTP2_DATA)[0].payload, Framed("ab!") + Framed("ab?"));
  EXPECT_EQ(h.owner.calls[0]->written, 6u);
  frames = h.Send(FrameClient::Data(1, Framed("c")));
  EXPECT_EQ(Story(frames, 1), "data 14");
  frames = h.Send(FrameClient::Data(1, "", true));
  EXPECT_EQ(Story(frames, 1), "0 '' end");
  EXPECT_EQ(h.owner.calls[0]->ends, 0);
}

TEST(PlaneSession, FinishBehindMessagesSendsThemFirst) {
  SessionHarness h;
  h.owner.on_half_close = [](CallRecord* call) {
    call->wire->Send("one");
    call->wire->SendFramed(Framed("two") + Framed("three"));
    call->wire->Finish(14, "etcdserver: no leader");
    call->wire->Send("dropped");
    call->wire->Finish(0, "");
  };
  h.Start();
  const auto frames = h.Send(h.client.Headers(1, FrameClient::Grpc(kWatch), true));
  EXPECT_EQ(Story(frames, 1), "200 application/grpc | data 26 | 14 'etcdserver: no leader' end");
  EXPECT_EQ(Of(frames, NGHTTP2_DATA)[0].payload, Framed("one") + Framed("two") + Framed("three"));
}

TEST(PlaneSession, StatusWithoutMessageIsOneFrame) {
  SessionHarness h;
  h.owner.on_message = [](CallRecord* call, const std::string&) {
    call->wire->Finish(3, "100% of \xC3\xA4\nand \xFF");
  };
  h.Start();
  const auto frames = h.Send(h.client.Unary(1, kPut, "x"));
  EXPECT_EQ(Story(frames, 1), "200 application/grpc 3 '100%25 of %C3%A4%0Aand %EF%BF%BD' end");
}

TEST(PlaneSession, AnswerBeforeTheEndOfTheRequestResetsTheRest) {
  SessionHarness h;
  h.owner.on_message = [](CallRecord* call, const std::string&) { call->wire->Finish(8, "no"); };
  h.Start();
  auto frames =
      h.Send(h.client.Headers(1, FrameClient::Grpc(kWatch)) + FrameClient::Data(1, Framed("x")));
  EXPECT_EQ(Story(frames, 1), "200 application/grpc 8 'no' end | reset 0");
  EXPECT_EQ(h.session->open_streams(), 0u);
  // What was on its way is not an error.
  frames = h.Send(FrameClient::Data(1, Framed("more")));
  EXPECT_TRUE(h.is_open);
  EXPECT_TRUE(Of(frames, NGHTTP2_GOAWAY).empty());
}

TEST(PlaneSession, ManyCallsOnOneConnectionInAnyOrder) {
  SessionHarness h;
  h.Start();
  std::string bytes;
  for (uint32_t i = 0; i < 200; ++i) bytes += h.client.Unary(2 * i + 1, kPut, std::to_string(i));
  h.Send(bytes);
  ASSERT_EQ(h.owner.calls.size(), 200u);
  EXPECT_EQ(h.session->open_streams(), 200u);
  for (size_t i = 200; i-- > 0;) {
    h.owner.calls[i]->wire->Reply(h.owner.calls[i]->messages[0]);
  }
  const auto frames = h.Take();
  for (uint32_t i = 0; i < 200; ++i) {
    const auto data = Of(frames, NGHTTP2_DATA, 2 * i + 1);
    ASSERT_EQ(data.size(), 1u);
    EXPECT_EQ(data[0].payload, Framed(std::to_string(i)));
  }
  EXPECT_EQ(h.session->open_streams(), 0u);
}

}  // namespace
}  // namespace metastore::test
