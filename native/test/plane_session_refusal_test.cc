// What the session refuses by itself: status, code and text as gRPC's own servers write them, and
// the frame in which it is said.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "test/support/plane_harness.h"

namespace metastore::test {
namespace {

constexpr char kPut[] = "/etcdserverpb.KV/Put";
constexpr char kWatch[] = "/etcdserverpb.Watch/Watch";
constexpr char kSnapshot[] = "/etcdserverpb.Maintenance/Snapshot";

Fields With(Fields fields, const std::string& name, const std::string& value) {
  for (auto& field : fields) {
    if (field.first == name) field.second = value;
  }
  return fields;
}

Fields Without(const Fields& fields, const std::string& name) {
  Fields kept;
  for (const auto& field : fields) {
    if (field.first != name) kept.push_back(field);
  }
  return kept;
}

/// The story of a request with these fields and an empty message.
std::string Asked(const Fields& fields) {
  SessionHarness h;
  h.AnswerWith([](const std::string&) { return std::string("ok"); });
  h.Start();
  const auto frames = h.Send(h.client.Headers(1, fields) + FrameClient::Data(1, Framed(""), true));
  EXPECT_TRUE(h.is_open);
  EXPECT_EQ(h.session->open_streams(), 0u);
  return Story(frames, 1);
}

const Fields kPlain = FrameClient::Grpc(kPut);
constexpr char kServed[] = "200 application/grpc | data 7 | 0 '' end";

TEST(PlaneSessionRefusal, TeIsNotNeeded) { EXPECT_EQ(Asked(Without(kPlain, "te")), kServed); }

TEST(PlaneSessionRefusal, RefusalsStopTheRestOfTheRequest) {
  SessionHarness h;
  h.Start();
  auto frames = h.Send(h.client.Headers(1, With(kPlain, "content-type", "text/plain")));
  EXPECT_EQ(
      Story(frames, 1),
      "415 application/grpc 3 'invalid gRPC request content-type \"text/plain\"' end | reset 0");
  frames = h.Send(FrameClient::Data(1, Framed("on its way"), true));
  EXPECT_TRUE(h.is_open);
  EXPECT_EQ(Story(frames, 1), "");
  EXPECT_TRUE(h.owner.calls.empty());
}

TEST(PlaneSessionRefusal, ContentTypes) {
  EXPECT_EQ(Asked(With(kPlain, "content-type", "application/json")),
            "415 application/grpc 3 'invalid gRPC request content-type \"application/json\"' end");
  EXPECT_EQ(Asked(Without(kPlain, "content-type")),
            "415 application/grpc 3 'invalid gRPC request content-type \"\"' end");
  EXPECT_EQ(Asked(With(kPlain, "content-type", "application/grpcx")),
            "415 application/grpc 3 'invalid gRPC request content-type \"application/grpcx\"' end");
  EXPECT_EQ(Asked(With(kPlain, "content-type", "application/grpc+proto")),
            "200 application/grpc+proto | data 7 | 0 '' end");
  EXPECT_EQ(Asked(With(kPlain, "content-type", "application/grpc+")), kServed);
}

TEST(PlaneSessionRefusal, MethodsOtherThanPost) {
  EXPECT_EQ(Asked(With(kPlain, ":method", "GET")),
            "405 application/grpc 13 'Received a HEADERS frame with :method \"GET\" which should be"
            " POST' end");
}

TEST(PlaneSessionRefusal, Timeouts) {
  const auto asked = [](const std::string& timeout) {
    return Asked(FrameClient::Grpc(kPut, {{"grpc-timeout", timeout}}));
  };
  const auto refused = [](const std::string& why) {
    return "400 application/grpc 13 'malformed grpc-timeout: " + why + "' end";
  };
  EXPECT_EQ(asked("xx"), refused("transport: timeout unit is not recognized: \"xx\""));
  EXPECT_EQ(asked("S"), refused("transport: timeout string is too short: \"S\""));
  EXPECT_EQ(asked(""), refused("transport: timeout string is too short: \"\""));
  EXPECT_EQ(asked("123456789S"), refused("transport: timeout string is too long: \"123456789S\""));
  EXPECT_EQ(asked("1x2S"), refused("strconv.ParseUint: parsing \"1x2\": invalid syntax"));
  EXPECT_EQ(asked("-1S"), refused("strconv.ParseUint: parsing \"-1\": invalid syntax"));
  for (const char* good : {"1H", "1M", "1S", "1000m", "1000000u", "99999999n", "99999999H"}) {
    EXPECT_EQ(asked(good), kServed) << good;
  }
  EXPECT_EQ(asked("0S"), "200 application/grpc 4 'context deadline exceeded' end");
}

TEST(PlaneSessionRefusal, BinaryMetadata) {
  const auto asked = [](const std::string& value) {
    return Asked(FrameClient::Grpc(kPut, {{"x-bin", value}}));
  };
  const auto refused = [](const std::string& value, int at) {
    return "400 application/grpc 13 'malformed binary metadata \"" + value +
           "\" in header \"x-bin\": illegal base64 data at input byte " + std::to_string(at) +
           "' end";
  };
  EXPECT_EQ(asked("!!!"), refused("!!!", 0));
  EXPECT_EQ(asked("AA!A"), refused("AA!A", 2));
  EXPECT_EQ(asked("AAAAA"), refused("AAAAA", 5));
  EXPECT_EQ(asked("A==="), refused("A===", 1));
  EXPECT_EQ(asked("AA=A"), refused("AA=A", 2));
  for (const char* good : {"", "AA", "AA==", "AAA", "AAA=", "AAAA", "+/+/"}) {
    EXPECT_EQ(asked(good), kServed) << good;
  }
}

TEST(PlaneSessionRefusal, Encodings) {
  EXPECT_EQ(Asked(FrameClient::Grpc(kPut, {{"grpc-encoding", "deflate"}})),
            "200 application/grpc 12 'grpc: Decompressor is not installed for grpc-encoding"
            " \"deflate\"' end");
  EXPECT_EQ(Asked(FrameClient::Grpc(kPut, {{"grpc-encoding", "identity"}})), kServed);
  EXPECT_EQ(Asked(FrameClient::Grpc(kPut, {{"grpc-accept-encoding", "gzip"}})), kServed);
}

TEST(PlaneSessionRefusal, TwoHosts) {
  EXPECT_EQ(Asked(FrameClient::Grpc(kPut, {{"host", "a"}, {"host", "b"}})),
            "400 application/grpc 13 'num values of :authority: 1, num values of host: 2, both must"
            " only have 1 value as per HTTP/2 spec' end");
  EXPECT_EQ(Asked(FrameClient::Grpc(kPut, {{"host", "a"}})), kServed);
}

/// The story of a request whose body is these bytes, ended by the client.
std::string Sent(const std::string& path, const std::string& body, bool is_end = true) {
  SessionHarness h;
  h.options.max_receive_bytes = 1000;
  h.AnswerWith([](const std::string&) { return std::string("ok"); });
  h.Start();
  auto frames = h.Send(h.client.Headers(1, FrameClient::Grpc(path)));
  const auto more = h.Send(FrameClient::Data(1, body, is_end));
  frames.insert(frames.end(), more.begin(), more.end());
  EXPECT_TRUE(h.is_open);
  const bool was_told = !h.owner.calls.empty() && h.owner.calls[0]->ends == 1;
  return Story(frames, 1) + (was_told ? " (told)" : "");
}

TEST(PlaneSessionRefusal, MessagesCutShort) {
  const std::string unary = "200 application/grpc 2 'unexpected EOF' end (told)";
  const std::string stream = "200 application/grpc 13 'unexpected EOF' end (told)";
  EXPECT_EQ(Sent(kPut, Framed("hello").substr(0, 8)), unary);
  EXPECT_EQ(Sent(kPut, Framed("hello").substr(0, 5)), unary);
  EXPECT_EQ(Sent(kWatch, Framed("hello").substr(0, 8)), stream);
  EXPECT_EQ(Sent(kSnapshot, Framed("hello").substr(0, 9)), stream);
  EXPECT_EQ(Sent(kPut, Framed("hello").substr(0, 3)), "") << "as without a message";
}

TEST(PlaneSessionRefusal, HalfCloseWithoutMessageIsTheCallsMatter) {
  SessionHarness h;
  h.owner.on_half_close = [](CallRecord* call) { call->wire->Finish(2, "EOF"); };
  h.Start();
  const auto frames = h.Send(h.client.Headers(1, FrameClient::Grpc(kPut), true));
  EXPECT_EQ(Story(frames, 1), "200 application/grpc 2 'EOF' end");
}

TEST(PlaneSessionRefusal, ServerStreamsTakeOneMessage) {
  EXPECT_EQ(Sent(kSnapshot, ""),
            "200 application/grpc 13 'cardinality violation: received no request message from"
            " non-client-streaming RPC' end (told)");
  EXPECT_EQ(Sent(kSnapshot, Framed("a") + Framed("b")),
            "200 application/grpc 13 'cardinality violation: received multiple request messages for"
            " non-client-streaming RPC' end (told)");
  EXPECT_EQ(Sent(kSnapshot, Framed("a")), "200 application/grpc | data 7 | 0 '' end");
  EXPECT_EQ(Sent(kSnapshot, Framed("a"), false), "") << "served with the end of the request";
}

TEST(PlaneSessionRefusal, UnaryCallsLookAtOneMessageOnly) {
  EXPECT_EQ(Sent(kPut, Framed("a") + Framed("b")), "200 application/grpc | data 7 | 0 '' end");
  EXPECT_EQ(Sent(kPut, Framed("a") + "\x07garbage"), "200 application/grpc | data 7 | 0 '' end");
  EXPECT_EQ(Sent(kPut, Framed("a"), false), "200 application/grpc | data 7 | 0 '' end | reset 0");
}

TEST(PlaneSessionRefusal, TooLargeMessages) {
  EXPECT_EQ(Sent(kPut, Framed(std::string(1001, 'x'))),
            "200 application/grpc 8 'grpc: received message larger than max (1001 vs. 1000)' end"
            " (told)");
  // Said as soon as the prefix is there, before anything is kept.
  EXPECT_EQ(Sent(kWatch, std::string("\0\xff\xff\xff\xff", 5), false),
            "200 application/grpc 8 'grpc: received message larger than max (4294967295 vs. 1000)'"
            " end | reset 0 (told)");
  EXPECT_EQ(Sent(kPut, Framed(std::string(1000, 'x'))), "200 application/grpc | data 7 | 0 '' end");
}

TEST(PlaneSessionRefusal, PayloadFormats) {
  EXPECT_EQ(Sent(kPut, Framed("a", 1)),
            "200 application/grpc 13 'grpc: compressed flag set with identity or empty encoding'"
            " end (told)");
  EXPECT_EQ(Sent(kPut, Framed("a", 2)),
            "200 application/grpc 13 'grpc: received unexpected payload format 2' end (told)");
  EXPECT_EQ(Sent(kPut, Framed("", 255)),
            "200 application/grpc 13 'grpc: received unexpected payload format 255' end (told)");
}

TEST(PlaneSessionRefusal, MessagesTooLargeToSend) {
  SessionHarness h;
  h.options.max_send_bytes = 10;
  h.owner.on_message = [](CallRecord* call, const std::string& message) {
    call->wire->Send(message);
    EXPECT_EQ(call->ends, 0) << "a call is not told inside of what it says";
    call->wire->Send("after");
  };
  h.Start();
  auto frames = h.Send(h.client.Unary(1, kPut, "12345678901"));
  EXPECT_EQ(
      Story(frames, 1),
      "200 application/grpc 8 'grpc: trying to send message larger than max (11 vs. 10)' end");
  EXPECT_EQ(h.owner.calls[0]->ends, 1);
  frames = h.Send(h.client.Unary(3, kWatch, "12345678901"));
  EXPECT_EQ(Story(frames, 3),
            "200 application/grpc 8 'trying to send message larger than max (11 vs. 10)' end");
  frames = h.Send(h.client.Unary(5, kWatch, "1234567890"));
  EXPECT_EQ(Story(frames, 5), "200 application/grpc | data 25");
}

TEST(PlaneSessionRefusal, LongTextsAreCut) {
  const std::string story = Asked(With(kPlain, "content-type", std::string(10000, 'x')));
  EXPECT_LT(story.size(), 9000u);
  EXPECT_EQ(story.substr(0, 30), "415 application/grpc 3 'invali");
}

}  // namespace
}  // namespace metastore::test
