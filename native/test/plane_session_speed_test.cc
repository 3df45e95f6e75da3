// What one small unary request costs in the session, with a client of nghttp2 that keeps ten
// streams open. Only the server's side is timed: bytes in, call, reply, bytes out.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "plane/http2/session.h"
#include "test/support/plane_http2_client.h"

namespace metastore::test {
namespace {

/// Answers every message at once with as many bytes as a small Range would.
class EchoOwner final : public plane::SessionOwner {
 public:
  size_t served = 0;

  plane::CallId NextCallId() override { return ++last_; }
  std::unique_ptr<plane::Call> MakeCall(plane::CallId, plane::Wire* wire) override {
    return std::make_unique<EchoCall>(this, wire);
  }
  std::unique_ptr<plane::Call> MakeHttp(plane::CallId, plane::HttpWire*) override {
    return nullptr;
  }
  void Closed(plane::CallId) override {}

 private:
  class EchoCall final : public plane::Call {
   public:
    EchoCall(EchoOwner* owner, plane::Wire* wire) : owner_(owner), wire_(wire) {}
    void OnMessage(std::string message) override {
      ++owner_->served;
      wire_->Reply(message);
    }
    void OnHalfClose() override {}
    void OnEnd() override {}

   private:
    EchoOwner* const owner_;
    plane::Wire* const wire_;
  };

  plane::CallId last_ = 0;
};

TEST(PlaneSessionSpeed, SmallUnaryRequest) {
  const char* wanted = std::getenv("METASTORE_SPEED_ROUNDS");
  const int rounds = wanted == nullptr ? 500 : std::atoi(wanted);
  constexpr int kStreams = 10;
  std::atomic<uint64_t> held{0};
  plane::SessionOptions options;
  options.held_bytes = &held;
  EchoOwner owner;
  const plane::Peer peer;
  Http2Client client;
  auto session = plane::Session::Create(options, &owner, &peer, 1);
  const Fields fields = FrameClient::Grpc("/etcdserverpb.KV/Range", {{"grpc-timeout", "5S"}});
  const std::string body = Framed(std::string(300, 'v'));
  std::chrono::nanoseconds spent{0};
  std::string out;
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < kStreams; ++i) client.Call(fields, body);
    const std::string in = client.Produce();
    const auto start = std::chrono::steady_clock::now();
    ASSERT_TRUE(session->Receive(in, round));
    out.clear();
    session->Produce(&out, 256u << 10, round);
    spent += std::chrono::steady_clock::now() - start;
    ASSERT_TRUE(client.Receive(out));
    ASSERT_EQ(client.closed, static_cast<size_t>((round + 1) * kStreams));
    for (const auto& [id, answer] : client.answers) {
      ASSERT_EQ(answer.body.size(), body.size());
      ASSERT_EQ(answer.grpc_status, "0");
    }
    client.answers.clear();
  }
  session->Lost();
  const double requests = static_cast<double>(rounds) * kStreams;
  EXPECT_EQ(owner.served, static_cast<size_t>(requests));
  std::printf("session: %.0f requests, %.0f ns each\n", requests,
              static_cast<double>(spent.count()) / requests);
}

}  // namespace
}  // namespace metastore::test
