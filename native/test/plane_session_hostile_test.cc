// What a hostile or broken client may try: every attempt ends in the right error, with bounded
// memory, and never in a crash. RFC 9113 by section.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "test/support/plane_harness.h"

namespace metastore::test {
namespace {

constexpr char kPut[] = "/etcdserverpb.KV/Put";
constexpr char kWatch[] = "/etcdserverpb.Watch/Watch";

/// What becomes of a connection that says this after its preface: the error, and closed.
int64_t Said(const std::string& bytes) {
  SessionHarness h;
  h.Start();
  auto frames = h.Send(bytes);
  if (h.is_open) {
    const auto more = h.Pass(0);
    frames.insert(frames.end(), more.begin(), more.end());
  }
  const int64_t error = Goaway(frames);
  EXPECT_EQ(error >= 0, !h.is_open) << "GOAWAY closes, and nothing else does";
  if (!h.is_open) {
    EXPECT_TRUE(h.session->Done());
    EXPECT_TRUE(h.Send(FrameClient::Ping()).empty()) << "nothing is said after it";
    EXPECT_FALSE(h.is_open);
  }
  return error;
}

TEST(PlaneSessionHostile, WrongPrefaces) {
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\n\r\n, and more than a preface"),
        std::string("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"), std::string(24, '\0'),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + FrameClient::Ping()}) {
    SessionHarness h;
    h.Make();
    const auto frames = h.Send(bytes);
    const auto more = h.Pass(0);
    EXPECT_FALSE(h.is_open) << bytes;
    EXPECT_EQ(std::max(Goaway(frames), Goaway(more)), NGHTTP2_PROTOCOL_ERROR);
  }
}

TEST(PlaneSessionHostile, FrameSizes) {
  EXPECT_EQ(Said(MakeFrame(NGHTTP2_PING, 0, 0, "1234567")), NGHTTP2_FRAME_SIZE_ERROR);
  EXPECT_EQ(Said(MakeFrame(NGHTTP2_PING, 0, 0, "")), NGHTTP2_FRAME_SIZE_ERROR);
  EXPECT_EQ(Said(MakeFrame(NGHTTP2_SETTINGS, 0, 0, "12345")), NGHTTP2_FRAME_SIZE_ERROR);
  EXPECT_EQ(Said(MakeFrame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "123456")),
            NGHTTP2_FRAME_SIZE_ERROR);
  EXPECT_EQ(Said(MakeFrame(NGHTTP2_WINDOW_UPDATE, 0, 0, "123")), NGHTTP2_FRAME_SIZE_ERROR);
  EXPECT_EQ(Said(MakeFrame(NGHTTP2_GOAWAY, 0, 0, "1234567")), NGHTTP2_FRAME_SIZE_ERROR);
  EXPECT_EQ(Said(MakeFrame(NGHTTP2_RST_STREAM, 0, 1, "")), NGHTTP2_FRAME_SIZE_ERROR);
  EXPECT_EQ(Said(MakeFrame(NGHTTP2_PRIORITY, 0, 1, "1234")), NGHTTP2_FRAME_SIZE_ERROR);
  EXPECT_EQ(Said(MakeFrame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, std::string(16385, 0))),
            NGHTTP2_FRAME_SIZE_ERROR);
}

TEST(PlaneSessionHostile, FramesOnTheWrongStream) {
  EXPECT_EQ(Said(FrameClient::Data(0, "x")), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(Said(FrameClient::Data(1, "x")), NGHTTP2_PROTOCOL_ERROR) << "idle";
  EXPECT_EQ(Said(FrameClient::Reset(1, 0)), NGHTTP2_PROTOCOL_ERROR) << "idle";
  EXPECT_EQ(Said(FrameClient::WindowUpdate(1, 5)), NGHTTP2_PROTOCOL_ERROR) << "idle";
  EXPECT_EQ(Said(MakeFrame(NGHTTP2_PING, 0, 1, "12345678")), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(Said(MakeFrame(NGHTTP2_SETTINGS, 0, 1, "")), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(Said(MakeFrame(NGHTTP2_GOAWAY, 0, 1, std::string(8, 0))), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(Said(MakeFrame(NGHTTP2_PUSH_PROMISE, NGHTTP2_FLAG_END_HEADERS, 1, "1234")),
            NGHTTP2_PROTOCOL_ERROR);
  FrameClient client;
  EXPECT_EQ(Said(client.Headers(2, FrameClient::Grpc(kPut))), NGHTTP2_PROTOCOL_ERROR) << "even";
  FrameClient other;
  EXPECT_EQ(Said(other.Headers(0, FrameClient::Grpc(kPut))), NGHTTP2_PROTOCOL_ERROR);
}

TEST(PlaneSessionHostile, UnknownFramesAreIgnored) {
  EXPECT_EQ(Said(MakeFrame(0x77, 0xff, 0, "whatever") + MakeFrame(0x0d, 0, 1, "")), -1);
}

TEST(PlaneSessionHostile, Settings) {
  EXPECT_EQ(Said(FrameClient::Settings({{NGHTTP2_SETTINGS_ENABLE_PUSH, 2}})),
            NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(Said(FrameClient::Settings({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1u << 31}})),
            NGHTTP2_FLOW_CONTROL_ERROR);
  EXPECT_EQ(Said(FrameClient::Settings({{NGHTTP2_SETTINGS_MAX_FRAME_SIZE, 16383}})),
            NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(Said(FrameClient::Settings({{0xabc, 7}})), -1);
  EXPECT_EQ(Said(FrameClient::Settings(std::vector<std::pair<uint16_t, uint32_t>>(
                100, {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 4096}))),
            NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST(PlaneSessionHostile, InterleavedContinuation) {
  FrameClient client;
  const std::string block = client.Block(FrameClient::Grpc(kPut));
  const std::string begun = MakeFrame(NGHTTP2_HEADERS, 0, 1, block.substr(0, 5));
  const std::string rest =
      MakeFrame(NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 1, block.substr(5));
  EXPECT_EQ(Said(begun + rest), -1);
  EXPECT_EQ(Said(begun + FrameClient::Ping() + rest), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(Said(begun + MakeFrame(0x77, 0, 0, "")), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(Said(begun + MakeFrame(NGHTTP2_CONTINUATION, 4, 3, block.substr(5))),
            NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(Said(MakeFrame(NGHTTP2_CONTINUATION, 4, 1, block)), NGHTTP2_PROTOCOL_ERROR);
}

TEST(PlaneSessionHostile, BrokenCompression) {
  EXPECT_EQ(Said(MakeFrame(NGHTTP2_HEADERS, 4, 1, std::string(20, '\xff'))),
            NGHTTP2_COMPRESSION_ERROR);
  EXPECT_EQ(Said(MakeFrame(NGHTTP2_HEADERS, 4, 1, std::string("\x80", 1))),
            NGHTTP2_COMPRESSION_ERROR);
}

TEST(PlaneSessionHostile, Windows) {
  EXPECT_EQ(Said(FrameClient::WindowUpdate(0, 0)), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(Said(FrameClient::WindowUpdate(0, INT32_MAX)), NGHTTP2_FLOW_CONTROL_ERROR);
  SessionHarness h;
  h.Start();
  h.Send(h.client.Headers(1, FrameClient::Grpc(kWatch)));
  const auto frames = h.Send(FrameClient::WindowUpdate(1, INT32_MAX));
  EXPECT_EQ(Story(frames, 1), "reset 3") << "only the stream";
  EXPECT_TRUE(h.is_open);
}

TEST(PlaneSessionHostile, MoreDataThanTheWindow) {
  SessionHarness h;
  h.Start();
  h.Send(h.client.Headers(1, FrameClient::Grpc(kWatch)));
  // A call that accepts nothing: the window is 65535 bytes, whatever the client thinks.
  std::vector<Frame> frames;
  for (int i = 0; i < 10 && h.is_open; ++i) {
    const auto more = h.Send(FrameClient::Data(1, Framed(std::string(16000, 'x'))));
    frames.insert(frames.end(), more.begin(), more.end());
  }
  EXPECT_TRUE(Goaway(frames) == NGHTTP2_FLOW_CONTROL_ERROR || Story(frames, 1) == "reset 3");
  EXPECT_LE(h.held.load(), 100000u);
}

std::string Reset(const Fields& fields, const std::string& body = Framed("")) {
  SessionHarness h;
  h.AnswerWith([](const std::string&) { return std::string("ok"); });
  h.Start();
  const auto frames = h.Send(h.client.Headers(1, fields) + FrameClient::Data(1, body, true));
  EXPECT_TRUE(h.is_open);
  return Story(frames, 1);
}

TEST(PlaneSessionHostile, MalformedRequests) {
  const Fields good = FrameClient::Grpc(kPut);
  const auto with = [&](const std::string& name, const std::string& value) {
    Fields fields = good;
    fields.emplace_back(name, value);
    return Reset(fields);
  };
  const std::string malformed = "reset 1";
  EXPECT_EQ(with("Upper", "x"), malformed);
  EXPECT_EQ(with("", "x"), malformed);
  EXPECT_EQ(with("sp ace", "x"), malformed);
  EXPECT_EQ(with("x", std::string("a\0b", 3)), malformed);
  EXPECT_EQ(with("x", "a\nb"), malformed);
  EXPECT_EQ(with("connection", "close"), malformed);
  EXPECT_EQ(with("keep-alive", "1"), malformed);
  EXPECT_EQ(with("proxy-connection", "1"), malformed);
  EXPECT_EQ(with("transfer-encoding", "chunked"), malformed);
  EXPECT_EQ(with("upgrade", "h2c"), malformed);
  EXPECT_EQ(with("te", "gzip"), malformed);
  EXPECT_EQ(with(":path", "/late"), malformed);
  EXPECT_EQ(with("content-length", "x"), malformed);
  EXPECT_EQ(with("content-length", ""), malformed);
  EXPECT_EQ(with("content-length", "99999999999999999999"), malformed);
  EXPECT_EQ(with("content-length", "4"), malformed);
  EXPECT_EQ(with("content-length", "6"), malformed);
  EXPECT_EQ(with("content-length", "5"), "200 application/grpc | data 7 | 0 '' end");
  for (size_t i = 0; i < 3; ++i) {
    Fields missing = good;
    missing.erase(missing.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_EQ(Reset(missing), malformed) << good[i].first;
    Fields twice = good;
    twice.insert(twice.begin(), good[i]);
    EXPECT_EQ(Reset(twice), malformed) << good[i].first;
    Fields empty = good;
    empty[i].second.clear();
    EXPECT_EQ(Reset(empty), malformed) << good[i].first;
  }
  Fields unknown = good;
  unknown.insert(unknown.begin(), {":status", "200"});
  EXPECT_EQ(Reset(unknown), malformed);
}

TEST(PlaneSessionHostile, OddAuthoritiesAreTaken) {
  for (const char* authority :
       {"", "http://localhost:2379", "#initially=[http://127.0.0.1:2379]"}) {
    Fields fields = FrameClient::Grpc(kPut);
    fields[3].second = authority;
    EXPECT_EQ(Reset(fields), "200 application/grpc | data 7 | 0 '' end") << authority;
  }
  Fields without = FrameClient::Grpc(kPut);
  without.erase(without.begin() + 3);
  EXPECT_EQ(Reset(without), "200 application/grpc | data 7 | 0 '' end");
}

TEST(PlaneSessionHostile, Trailers) {
  const auto after = [](const Fields& trailers, bool is_end) {
    SessionHarness h;
    h.owner.on_half_close = [](CallRecord* call) { call->wire->Finish(0, ""); };
    h.Start();
    h.Send(h.client.Headers(1, FrameClient::Grpc(kWatch)));
    const auto frames = h.Send(h.client.Headers(1, trailers, is_end));
    EXPECT_TRUE(h.is_open);
    return Story(frames, 1);
  };
  EXPECT_EQ(after({{"x", "y"}}, true), "200 application/grpc 0 '' end");
  EXPECT_EQ(after({{"x", "y"}}, false), "reset 1");
  EXPECT_EQ(after({{":path", "/"}}, true), "reset 1");
  EXPECT_EQ(after({{"Upper", "y"}}, true), "reset 1");
}

TEST(PlaneSessionHostile, LateFramesOfStreamsThatTheClientEnded) {
  SessionHarness h;
  h.AnswerWith([](const std::string&) { return std::string(); });
  h.Start();
  h.Send(h.client.Unary(1, kPut, "x"));
  h.Send(h.client.Headers(3, FrameClient::Grpc(kWatch)) + FrameClient::Reset(3, NGHTTP2_CANCEL));
  auto frames = h.Send(FrameClient::Data(1, "late") + FrameClient::Data(3, "late"));
  EXPECT_EQ(Story(frames, 1), "reset 5");
  EXPECT_EQ(Story(frames, 3), "reset 5");
  EXPECT_EQ(Story(h.Send(FrameClient::Data(1, "late")), 1), "") << "it has been told";
  EXPECT_TRUE(h.is_open);
  frames = h.Send(FrameClient::WindowUpdate(1, 1) + FrameClient::Reset(1, 0));
  EXPECT_TRUE(frames.empty()) << "these may cross our end";
  h.Send(h.client.Headers(5, FrameClient::Grpc(kWatch)) + FrameClient::Reset(5, NGHTTP2_CANCEL));
  EXPECT_EQ(Goaway(h.Send(h.client.Headers(5, FrameClient::Grpc(kWatch)))), NGHTTP2_STREAM_CLOSED);
  EXPECT_FALSE(h.is_open);
}

TEST(PlaneSessionHostile, LateFramesOfStreamsThatBothHaveEnded) {
  SessionHarness h;
  h.owner.on_message = [](CallRecord* call, const std::string&) { call->wire->Finish(0, ""); };
  h.Start();
  auto frames =
      h.Send(h.client.Headers(1, FrameClient::Grpc(kWatch)) + FrameClient::Data(1, Framed("x")));
  EXPECT_EQ(Story(frames, 1), "200 application/grpc 0 '' end | reset 0");
  EXPECT_EQ(Story(h.Send(FrameClient::Data(1, "crossed")), 1), "");
  frames = h.Send(FrameClient::Reset(1, NGHTTP2_CANCEL) + FrameClient::Data(1, "late"));
  EXPECT_EQ(Story(frames, 1), "reset 5");
}

TEST(PlaneSessionHostile, LateFramesAreAnsweredBehindTheResetOfTheirStream) {
  SessionHarness h;
  h.Start();
  h.Send(h.client.Headers(1, FrameClient::Grpc(kWatch)));
  // The window grows over what is possible, which resets the stream; that has not been written
  // when the client resets it too, and goes on.
  const auto frames = h.Send(FrameClient::WindowUpdate(1, 0x7fffffff) +
                             FrameClient::Reset(1, NGHTTP2_CANCEL) + FrameClient::Data(1, "late"));
  EXPECT_EQ(Story(frames, 1), "reset 3 | reset 5");
  EXPECT_TRUE(h.is_open);
}

TEST(PlaneSessionHostile, SettingsComeBeforeAnswersToTheFirstBytes) {
  const auto first_of = [](const std::function<std::string(FrameClient*)>& bytes) {
    SessionHarness h;
    h.options.max_concurrent_streams = 7;
    h.Make();
    const auto frames = h.Send(bytes(&h.client));
    EXPECT_GE(frames.size(), 2u) << "something was answered";
    if (frames.empty()) return std::string();
    EXPECT_EQ(frames[0].type, NGHTTP2_SETTINGS);
    return frames[0].payload;
  };
  const std::string settings = first_of([](FrameClient* client) {
    // Data of a stream that the client has ended is late.
    return FrameClient::Preface() + client->Headers(1, FrameClient::Grpc(kWatch)) +
           FrameClient::Reset(1, NGHTTP2_CANCEL) + FrameClient::Data(1, "late");
  });
  const std::string streams("\0\3\0\0\0\7", 6);
  EXPECT_NE(settings.find(streams), std::string::npos) << "also with what is written in";
  first_of([](FrameClient*) { return FrameClient::Preface() + FrameClient::Data(1, "x"); });
  first_of([](FrameClient*) { return std::string("GET / HTTP/1.1\r\n\r\n, and more"); });
}

TEST(PlaneSessionHostile, StreamNumbersThatGoBack) {
  SessionHarness h;
  h.Start();
  h.Send(h.client.Headers(5, FrameClient::Grpc(kWatch)));
  EXPECT_EQ(Goaway(h.Send(h.client.Headers(3, FrameClient::Grpc(kWatch)))), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_FALSE(h.is_open);
}

TEST(PlaneSessionHostile, FramesThatCrossOurResetAreHarmless) {
  SessionHarness h;
  h.options.max_concurrent_streams = 1;
  h.Start();
  h.Send(h.client.Headers(1, FrameClient::Grpc(kWatch)));
  auto frames = h.Send(h.client.Headers(3, FrameClient::Grpc(kWatch)));
  EXPECT_EQ(Story(frames, 3), "reset 7") << "refused, one stream alone";
  frames = h.Send(FrameClient::Data(3, Framed("x")) + h.client.Headers(3, {{"x", "y"}}, true));
  EXPECT_EQ(Story(frames, 3), "");
  EXPECT_TRUE(h.is_open);
  EXPECT_EQ(h.owner.calls.size(), 1u);
  h.Send(FrameClient::Reset(1, NGHTTP2_CANCEL));
  h.Send(h.client.Headers(5, FrameClient::Grpc(kWatch)));
  EXPECT_EQ(h.owner.calls.size(), 2u) << "there is room again";
}

TEST(PlaneSessionHostile, RandomBytesNeverBreakAnything) {
  uint64_t state = 12345;
  const auto next = [&] {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<uint32_t>(state >> 33);
  };
  for (int round = 0; round < 2000; ++round) {
    SessionHarness h;
    h.AnswerWith([](const std::string& message) { return message; });
    h.Start();
    std::string bytes = h.client.Unary(1, kPut, std::string(next() % 300, 'x'));
    bytes += h.client.Headers(3, FrameClient::Grpc(kWatch)) + FrameClient::Data(3, Framed("abc"));
    for (uint32_t i = next() % 8 + 1; i > 0; --i) {
      bytes[next() % bytes.size()] = static_cast<char>(next());
    }
    h.Send(bytes);
    h.Send(bytes.substr(next() % bytes.size()));
    h.Pass(kSecond);
  }
}

}  // namespace
}  // namespace metastore::test
