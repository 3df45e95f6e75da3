// Input in any pieces, and requests that are not gRPC on connections that share.
#include <gtest/gtest.h>

#include <string>

#include "test/support/plane_harness.h"

namespace metastore::test {
namespace {

constexpr char kPut[] = "/etcdserverpb.KV/Put";
constexpr char kWatch[] = "/etcdserverpb.Watch/Watch";

/// Two unary calls, a stream of three messages, a refusal, and a ping: all that a client does.
std::string Conversation(FrameClient* client) {
  std::string bytes = FrameClient::Preface();
  bytes += client->Unary(1, kPut, "first", {{"token", "secret"}, {"grpc-timeout", "5S"}});
  bytes += client->Headers(3, FrameClient::Grpc(kWatch));
  bytes += FrameClient::Data(3, Framed("a") + Framed("") + Framed("bcd").substr(0, 6));
  bytes += FrameClient::Ping();
  bytes += client->Headers(5, FrameClient::Grpc(kPut, {{"grpc-encoding", "snappy"}}));
  bytes += FrameClient::Data(3, "cd", true);
  bytes += client->Unary(7, kPut, std::string(400, 'z'));
  return bytes;
}

/// What came back, by stream, whatever the frames were cut into.
std::string Told(const std::vector<Frame>& frames) {
  std::string told;
  for (uint32_t stream = 0; stream <= 7; ++stream) {
    std::string body;
    std::string rest;
    for (const Frame& frame : frames) {
      if (frame.stream != stream) continue;
      if (frame.type == NGHTTP2_DATA) {
        body += frame.payload;
      } else if (frame.type == NGHTTP2_HEADERS) {
        for (const auto& [name, value] : frame.fields) rest += name + "=" + value + ";";
      } else if (frame.type != NGHTTP2_WINDOW_UPDATE && frame.type != NGHTTP2_RST_STREAM) {
        rest += "frame " + std::to_string(frame.type) + ";";
      }
    }
    told += std::to_string(stream) + ": " + rest + body + "\n";
  }
  return told;
}

std::string Play(const std::vector<size_t>& cuts) {
  SessionHarness h;
  h.owner.on_message = [](CallRecord* call, const std::string& message) {
    if (call->wire->head().path == kPut) {
      call->wire->Reply("re: " + message);
    } else {
      call->wire->Send("got " + message);
      call->wire->Accept(message.size());
    }
  };
  h.owner.on_half_close = [](CallRecord* call) { call->wire->Finish(0, ""); };
  h.Make();
  auto frames = h.Take();
  const std::string bytes = Conversation(&h.client);
  size_t at = 0;
  for (const size_t cut : cuts) {
    if (cut >= bytes.size()) break;
    const auto more = h.Send(std::string_view(bytes).substr(at, cut - at));
    frames.insert(frames.end(), more.begin(), more.end());
    at = cut;
  }
  const auto more = h.Send(std::string_view(bytes).substr(at));
  frames.insert(frames.end(), more.begin(), more.end());
  EXPECT_TRUE(h.is_open);
  EXPECT_EQ(h.owner.calls.size(), 3u);
  EXPECT_EQ(h.session->open_streams(), 0u);
  return Told(frames);
}

TEST(PlaneSessionPieces, AnyTwoPiecesAreAsOne) {
  FrameClient client;
  const size_t size = Conversation(&client).size();
  const std::string whole = Play({});
  EXPECT_NE(whole.find("re: first"), std::string::npos);
  EXPECT_NE(whole.find("got bcd"), std::string::npos);
  EXPECT_NE(whole.find("snappy"), std::string::npos);
  for (size_t cut = 1; cut < size; ++cut) ASSERT_EQ(Play({cut}), whole) << "cut at " << cut;
}

TEST(PlaneSessionPieces, ByteByByte) {
  FrameClient client;
  std::vector<size_t> cuts;
  for (size_t cut = 1; cut < Conversation(&client).size(); ++cut) cuts.push_back(cut);
  EXPECT_EQ(Play(cuts), Play({}));
}

Fields Get(const std::string& path) {
  return {{":method", "GET"},
          {":scheme", "https"},
          {":path", path},
          {":authority", "localhost"},
          {"accept", "text/plain"}};
}

TEST(PlaneSessionHttp, SharedConnectionsServeBoth) {
  SessionHarness h;
  h.options.shares_http = true;
  h.owner.on_message = [](CallRecord* call, const std::string& message) {
    if (call->wire != nullptr) call->wire->Reply(message);
  };
  h.owner.on_half_close = [](CallRecord* call) {
    if (call->http == nullptr) return;
    call->http->Respond(200, {{"content-type", "text/plain"}, {"content-length", "2"}});
    call->http->Send("ok");
    call->http->Finish();
  };
  h.Start();
  auto frames = h.Send(h.client.Headers(1, Get("/health"), true));
  EXPECT_EQ(Story(frames, 1), "200 text/plain 2 | data 2 end");
  EXPECT_EQ(h.owner.calls[0]->written, 0u) << "it has ended itself";
  frames = h.Send(h.client.Unary(3, kPut, "x"));
  EXPECT_EQ(Story(frames, 3), "200 application/grpc | data 6 | 0 '' end");
}

TEST(PlaneSessionHttp, HeadIsPassedOnWhole) {
  SessionHarness h;
  h.options.shares_http = true;
  plane::HttpHead head;
  h.owner.on_half_close = [&](CallRecord* call) {
    head = call->http->head();
    call->http->Respond(404, {});
    call->http->Finish();
  };
  h.Start();
  Fields fields = Get("/v3/kv/put");
  fields[0].second = "POST";
  fields.emplace_back("content-type", "application/json");
  fields.emplace_back("te", "trailers");
  fields.emplace_back("x-bin", "!!!");
  fields.emplace_back("grpc-timeout", "nonsense");
  const auto frames = h.Send(h.client.Headers(1, fields, true));
  EXPECT_EQ(Story(frames, 1), "404 | data 0 end");
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.path, "/v3/kv/put");
  EXPECT_EQ(head.authority, "localhost");
  std::map<std::string, std::string> headers(head.headers.begin(), head.headers.end());
  EXPECT_EQ(headers["content-type"], "application/json");
  EXPECT_EQ(headers["accept"], "text/plain");
  EXPECT_EQ(headers["x-bin"], "!!!");
  EXPECT_EQ(headers["grpc-timeout"], "nonsense");
}

TEST(PlaneSessionHttp, BodiesComeAsTheyArriveAndWaitForAccept) {
  SessionHarness h;
  h.options.shares_http = true;
  h.Start();
  Fields fields = Get("/upload");
  fields[0].second = "POST";
  h.Send(h.client.Headers(1, fields));
  for (int i = 0; i < 3; ++i) h.Send(FrameClient::Data(1, std::string(16000, 'x')));
  CallRecord* call = h.owner.calls[0].get();
  EXPECT_EQ(call->messages.size(), 3u);
  EXPECT_GE(h.held.load(), 44000u);
  call->http->Accept(48000);
  EXPECT_EQ(Of(h.Take(), NGHTTP2_WINDOW_UPDATE, 1)[0].Number(), 48000u);
  call->http->Respond(200, {});
  call->http->Send("part");
  EXPECT_EQ(Story(h.Take(), 1), "200 | data 4");
  EXPECT_EQ(call->written, 4u);
  call->http->Reset();
  EXPECT_EQ(Story(h.Take(), 1), "reset 2");
  EXPECT_EQ(call->ends, 0);
}

TEST(PlaneSessionHttp, AnswerBeforeTheEndOfTheBody) {
  SessionHarness h;
  h.options.shares_http = true;
  h.owner.on_message = [](CallRecord* call, const std::string&) {
    call->http->Respond(413, {});
    call->http->Finish();
    call->http->Send("dropped");
  };
  h.Start();
  Fields fields = Get("/upload");
  fields[0].second = "POST";
  const auto frames = h.Send(h.client.Headers(1, fields) + FrameClient::Data(1, "x"));
  EXPECT_EQ(Story(frames, 1), "413 | data 0 end | reset 0");
}

TEST(PlaneSessionHttp, ContentTypesLikeGrpcAreNotShared) {
  SessionHarness h;
  h.options.shares_http = true;
  h.Start();
  Fields fields = FrameClient::Grpc(kPut);
  fields[4].second = "application/grpc-web";
  EXPECT_EQ(Story(h.Send(h.client.Headers(1, fields, true)), 1),
            "415 application/grpc 3 'invalid gRPC request content-type \"application/grpc-web\"'"
            " end");
}

}  // namespace
}  // namespace metastore::test
