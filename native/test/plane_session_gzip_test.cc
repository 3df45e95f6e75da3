// Compressed messages, both ways: what is accepted, what is answered, and what a bomb costs.
#include <gtest/gtest.h>

#include <string>

#include "plane/grpc/message/gzip.h"
#include "test/support/plane_harness.h"

namespace metastore::test {
namespace {

using plane::Gzip;

constexpr char kPut[] = "/etcdserverpb.KV/Put";
constexpr char kWatch[] = "/etcdserverpb.Watch/Watch";
const Fields kGzip = {{"grpc-encoding", "gzip"}};

std::string Compressed(const std::string& message) {
  std::string out;
  Gzip::OfThread().Compress(message, &out);
  return out;
}

std::string Decompressed(const std::string& bytes) {
  std::string out;
  std::string_view why;
  EXPECT_EQ(Gzip::OfThread().Decompress(bytes, 1u << 30, &out, &why), Gzip::Outcome::kOk) << why;
  return out;
}

TEST(PlaneSessionGzip, RoundTrips) {
  for (size_t size : {size_t{1}, size_t{100}, size_t{16384}, size_t{16385}, size_t{1000000}}) {
    std::string message;
    for (size_t i = 0; i < size; ++i) message.push_back(static_cast<char>(i * i >> 3));
    EXPECT_EQ(Decompressed(Compressed(message)), message);
  }
  EXPECT_EQ(Decompressed(Compressed("one ") + Compressed("two")), "one two");
}

TEST(PlaneSessionGzip, AnswersAsItWasAsked) {
  SessionHarness h;
  h.AnswerWith([](const std::string& message) { return "re: " + message; });
  h.Start();
  auto frames = h.Send(h.client.Headers(1, FrameClient::Grpc(kPut, kGzip)) +
                       FrameClient::Data(1, Framed(Compressed("hello"), 1), true));
  EXPECT_EQ(Of(frames, NGHTTP2_HEADERS, 1)[0].Field("grpc-encoding"), "gzip");
  std::string body = Of(frames, NGHTTP2_DATA, 1)[0].payload;
  EXPECT_EQ(body[0], 1);
  EXPECT_EQ(Decompressed(body.substr(5)), "re: hello");
  // A message that is not compressed on a call that may be: the answer is.
  frames = h.Send(h.client.Unary(3, kPut, "plain", kGzip));
  body = Of(frames, NGHTTP2_DATA, 3)[0].payload;
  EXPECT_EQ(Decompressed(body.substr(5)), "re: plain");
}

TEST(PlaneSessionGzip, EmptyAnswersStayEmpty) {
  SessionHarness h;
  h.AnswerWith([](const std::string&) { return std::string(); });
  h.Start();
  const auto frames = h.Send(h.client.Unary(1, kPut, "x", kGzip));
  EXPECT_EQ(Of(frames, NGHTTP2_DATA, 1)[0].payload, Framed(""));
}

TEST(PlaneSessionGzip, StreamsCompressEveryMessageAndCountWhatWasGiven) {
  SessionHarness h;
  h.owner.on_message = [](CallRecord* call, const std::string& message) {
    call->wire->Send(message);
    call->wire->SendFramed(Framed("second") + Framed("") + Framed("third"));
  };
  h.Start();
  const std::string large(5000, 'x');
  const auto frames = h.Send(h.client.Unary(1, kWatch, large, kGzip));
  std::string body;
  for (const Frame& frame : Of(frames, NGHTTP2_DATA, 1)) body += frame.payload;
  std::vector<std::string> messages;
  for (size_t at = 0; at < body.size();) {
    const size_t length =
        static_cast<uint8_t>(body[at + 3]) * 256u + static_cast<uint8_t>(body[at + 4]);
    const std::string piece = body.substr(at + 5, length);
    messages.push_back(body[at] == 1 ? Decompressed(piece) : piece);
    at += 5 + length;
  }
  EXPECT_EQ(messages, (std::vector<std::string>{large, "second", "", "third"}));
  EXPECT_EQ(h.owner.calls[0]->written, 5000u + 11u + 5u + 10u);
}

std::string Asked(const std::string& payload, uint64_t most = 1000) {
  SessionHarness h;
  h.options.max_receive_bytes = most;
  h.AnswerWith([](const std::string&) { return std::string("ok"); });
  h.Start();
  std::string bytes = h.client.Headers(1, FrameClient::Grpc(kPut, kGzip));
  const std::string body = Framed(payload, 1);
  constexpr size_t kPiece = 16384;
  for (size_t at = 0; at < body.size(); at += kPiece) {
    const std::string piece = body.substr(at, kPiece);
    bytes += FrameClient::Data(1, piece, at + kPiece >= body.size());
  }
  return Story(h.Send(bytes), 1);
}

TEST(PlaneSessionGzip, BrokenMessages) {
  const std::string head = "200 application/grpc 13 'grpc: failed to ";
  const std::string good = Compressed("hello hello hello hello");
  EXPECT_EQ(Asked(""), head + "decompress the message: EOF' end");
  EXPECT_EQ(Asked("\x1f\x8b"), head + "decompress the message: unexpected EOF' end");
  EXPECT_EQ(Asked("this is no gzip at all"),
            head + "decompress the message: gzip: invalid header' end");
  EXPECT_EQ(Asked(good.substr(0, good.size() - 4)),
            head + "read decompressed data: unexpected EOF' end");
  EXPECT_EQ(Asked(good.substr(0, 12)), head + "read decompressed data: unexpected EOF' end");
  std::string bad_sum = good;
  bad_sum[bad_sum.size() - 8] ^= 1;
  EXPECT_EQ(Asked(bad_sum), head + "read decompressed data: gzip: invalid checksum' end");
  EXPECT_EQ(Asked(good + "trailing bytes"),
            head + "read decompressed data: gzip: invalid header' end");
  EXPECT_EQ(Asked(good + "short"), head + "read decompressed data: unexpected EOF' end");
  EXPECT_EQ(Asked(good.substr(0, 10) + std::string(30, '\xff')).substr(0, 60),
            (head + "read decompressed data: flate: corrupt input").substr(0, 60));
}

TEST(PlaneSessionGzip, BombsAreCutAtTheLimit) {
  const std::string bomb = Compressed(std::string(8u << 20, '\0'));
  ASSERT_LT(bomb.size(), 20000u);
  EXPECT_EQ(Asked(bomb, 100000),
            "200 application/grpc 8 'grpc: received message after decompression larger than max"
            " 100000' end");
  EXPECT_EQ(Asked(Compressed(std::string(1000, 'x')), 1000).substr(0, 20), "200 application/grpc");
  std::string out;
  std::string_view why;
  EXPECT_EQ(Gzip::OfThread().Decompress(bomb, 5000, &out, &why), Gzip::Outcome::kTooLarge);
  EXPECT_LE(out.size(), 5001u);
}

TEST(PlaneSessionGzip, NothingIsLeftOfOneMessageForTheNext) {
  EXPECT_NE(Asked(Compressed("hello").substr(0, 12)), "");
  EXPECT_EQ(Decompressed(Compressed("after")), "after");
}

}  // namespace
}  // namespace metastore::test
