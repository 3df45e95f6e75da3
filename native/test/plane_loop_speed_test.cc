// Speed of a lane by itself: unary echo calls over real TCP, as a benchmark that also runs small
// with the tests so that it does not rot. PLANE_SPEED_SECONDS sets its length; it reports calls per
// second and the CPU time of the lane for each.
#include <gtest/gtest.h>
#include <time.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "test/support/plane_service.h"

namespace metastore::test {
namespace {

/// Tells its lane's clock of CPU time to the test.
class ClockService final : public plane::Service {
 public:
  explicit ClockService(std::atomic<clockid_t>* clock) {
    clockid_t own = 0;
    pthread_getcpuclockid(pthread_self(), &own);
    clock->store(own);
  }
  std::unique_ptr<plane::Call> Make(plane::CallId, plane::Wire*) override { return nullptr; }
};

double Seconds(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

double Wanted() {
  const char* wanted = std::getenv("PLANE_SPEED_SECONDS");
  return wanted == nullptr ? 0.1 : std::atof(wanted);
}

/// A connection that keeps some calls under way, with frames made once: what is measured is the
/// server, and the client shares its cores.
class EchoClient {
 public:
  EchoClient(int descriptor, int depth, size_t message) : descriptor_(descriptor) {
    fcntl(descriptor_, F_SETFL, fcntl(descriptor_, F_GETFL) | O_NONBLOCK);
    std::string hello = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
                        FrameClient::Settings({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}});
    std::string window;
    AppendBig(1 << 30, 4, &window);
    hello += MakeFrame(NGHTTP2_WINDOW_UPDATE, 0, 0, window);
    // The first block fills the table; the second, all indexes, is what later ones look like.
    first_ = frames_.Block(FrameClient::Grpc("/test/Echo"));
    later_ = frames_.Block(FrameClient::Grpc("/test/Echo"));
    data_ = Framed(std::string(message, 'v'));
    out_ = hello;
    for (int i = 0; i < depth; ++i) Ask();
  }
  ~EchoClient() { close(descriptor_); }

  void Turn() {
    Write();
    char buffer[64 << 10];
    const ssize_t size = recv(descriptor_, buffer, sizeof buffer, 0);
    if (size > 0) Take(std::string_view(buffer, static_cast<size_t>(size)));
    Write();
  }
  int descriptor() const { return descriptor_; }
  uint64_t answered() const { return answered_; }

 private:
  void Ask() {
    const std::string& block = next_ == 1 ? first_ : later_;
    out_ += MakeFrame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, next_, block);
    out_ += MakeFrame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, next_, data_);
    next_ += 2;
  }
  void Write() {
    if (out_.empty()) return;
    const ssize_t sent = send(descriptor_, out_.data(), out_.size(), MSG_NOSIGNAL);
    if (sent > 0) out_.erase(0, static_cast<size_t>(sent));
  }
  void Take(std::string_view bytes) {
    in_.append(bytes);
    size_t at = 0;
    while (in_.size() - at >= 9) {
      const auto* head = reinterpret_cast<const uint8_t*>(in_.data() + at);
      const size_t size = static_cast<size_t>(head[0]) << 16 | head[1] << 8 | head[2];
      if (in_.size() - at < 9 + size) break;
      const bool is_end = head[3] == NGHTTP2_HEADERS && (head[4] & NGHTTP2_FLAG_END_STREAM) != 0;
      if (is_end) {
        ++answered_;
        Ask();
      }
      at += 9 + size;
    }
    in_.erase(0, at);
  }

  const int descriptor_;
  FrameClient frames_;
  std::string first_;
  std::string later_;
  std::string data_;
  std::string out_;
  std::string in_;
  uint32_t next_ = 1;
  uint64_t answered_ = 0;
};

void Measure(int connections, int depth, size_t message) {
  PlaneHarness harness;
  std::atomic<clockid_t> clock{0};
  harness.options.lanes = 1;
  harness.options.session.connection_window_bytes = 1 << 20;
  harness.plane = std::make_unique<plane::Plane>(harness.options, [] {});
  std::vector<plane::ServiceMaker> makers;
  makers.push_back([&](const plane::LaneView&) { return std::make_unique<ClockService>(&clock); });
  makers.push_back([&](const plane::LaneView& view) {
    return std::make_unique<TestService>(view, &harness.counts);
  });
  ASSERT_TRUE(harness.plane->Start(std::move(makers)).ok());
  std::vector<std::unique_ptr<EchoClient>> clients;
  std::vector<pollfd> waits;
  for (int i = 0; i < connections; ++i) {
    const auto [client, server] = harness.listener.Connect();
    ASSERT_GT(harness.plane->Adopt(server, "", {}, false), 0);
    close(server);
    clients.push_back(std::make_unique<EchoClient>(client, depth, message));
    clients.back()->Turn();
    waits.push_back({client, POLLIN, 0});
  }
  const auto answered = [&] {
    uint64_t sum = 0;
    for (const auto& client : clients) sum += client->answered();
    return sum;
  };
  const auto run = [&](double seconds) {
    const double end = Seconds(CLOCK_MONOTONIC) + seconds;
    while (Seconds(CLOCK_MONOTONIC) < end) {
      poll(waits.data(), waits.size(), 100);
      for (size_t i = 0; i < clients.size(); ++i) {
        if (waits[i].revents != 0) clients[i]->Turn();
      }
    }
  };
  run(Wanted() / 5);
  const uint64_t calls = answered();
  const double turns = harness.Count("turns");
  const double cpu = Seconds(clock);
  const double begun = Seconds(CLOCK_MONOTONIC);
  run(Wanted());
  const double elapsed = Seconds(CLOCK_MONOTONIC) - begun;
  const auto done = static_cast<double>(answered() - calls);
  EXPECT_GT(done, 100);
  std::printf(
      "%3d connections x %4d, %4zu bytes: %8.0f calls/s, %.2f us of lane CPU each, "
      "%.1f calls a turn\n",
      connections, depth, message, done / elapsed, (Seconds(clock) - cpu) / done * 1e6,
      done / (harness.Count("turns") - turns));
}

TEST(PlaneLoopSpeed, Echo) {
  Measure(1, 1, 64);
  Measure(10, 1, 64);
  Measure(10, 10, 64);
  Measure(10, 10, 300);
  Measure(10, 100, 64);
}

}  // namespace
}  // namespace metastore::test
