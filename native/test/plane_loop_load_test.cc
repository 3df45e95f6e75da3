// The plane under load and against clients that behave badly: it stays bounded, nobody is
// forgotten, and it can be stopped at any moment. The counts are small enough for every run, also
// under the thread sanitizer; METASTORE_PLANE_LOAD multiplies them.
#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <thread>

#include "test/support/plane_service.h"

namespace metastore::test {
namespace {

using plane::EventKind;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr double kStopSeconds = 10;  // everything takes several times as long then
#else
constexpr double kStopSeconds = 1;
#endif

int Scale() {
  const char* wanted = std::getenv("METASTORE_PLANE_LOAD");
  return wanted == nullptr ? 1 : std::max(1, std::atoi(wanted));
}

int OpenFiles() {
  int count = 0;
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

double ResidentMb() {
  FILE* file = fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  double total = 0;
  double resident = 0;
  const int read = fscanf(file, "%lf %lf", &total, &resident);
  fclose(file);
  return read == 2 ? resident * 4096 / 1e6 : 0;
}

TEST(PlaneLoopLoad, ThousandsOfConnectionsComeAndGo) {
  // libuv keeps a pipe for signals, from the first loop of a process on.
  {
    PlaneHarness first;
    first.Start();
  }
  const int before = OpenFiles();
  PlaneHarness harness;
  harness.Start(3);
  const int rounds = 300 * Scale();
  std::atomic<int> answered{0};
  std::vector<std::thread> clients;
  std::mutex connecting;
  for (int t = 0; t < 4; ++t) {
    clients.emplace_back([&, t] {
      for (int i = 0; i < rounds; ++i) {
        std::unique_ptr<GrpcClient> client;
        {
          std::lock_guard<std::mutex> lock(connecting);
          client = harness.Connect();
        }
        const std::string text = std::to_string(t) + "/" + std::to_string(i);
        const char* path = i % 3 == 0 ? "/test/Spawn" : i % 3 == 1 ? "/test/Mail" : "/test/Echo";
        if (i % 7 == 0) client->Start("/test/Hold", Framed("never"));
        if (client->Ask(path, text).Messages() == std::vector<std::string>{text}) ++answered;
        if (i % 5 == 0) client->Vanish();
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(answered, 4 * rounds);
  EXPECT_TRUE(PlaneHarness::Eventually([&] { return harness.plane->open_connections() == 0; }));
  EXPECT_EQ(harness.Count("connections"), 4 * rounds);
  EXPECT_EQ(harness.counts.destroyed, harness.counts.made);
  EXPECT_EQ(harness.Count("heldBytes"), 0);
  int closed = 0;
  while (harness.Poll()) closed += harness.Next().kind == EventKind::kClosed ? 1 : 0;
  EXPECT_EQ(closed, 4 * rounds) << "each connection is told to be closed once";
  harness.plane->Stop();
  EXPECT_LE(OpenFiles(), before + 1) << "descriptors are left";
}

TEST(PlaneLoopLoad, AClientThatNeverReadsCostsABoundedAmount) {
  PlaneHarness harness;
  harness.Start();
  auto bad = harness.Connect(false, 4096);
  auto good = harness.Connect();
  const double before = ResidentMb();
  // As many requests as the plane will read, each with an answer of 1,000 bytes.
  int started = 0;
  std::vector<int32_t> streams;
  for (int stalled = 0; stalled < 20 && started < 400000;) {
    const double read = harness.Count("readBytes");
    for (int i = 0; i < 200; ++i) {
      streams.push_back(bad->Start("/test/Large", Framed("1000")));
      ++started;
    }
    ASSERT_TRUE(bad->Write());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    stalled = harness.Count("readBytes") == read ? stalled + 1 : 0;
  }
  EXPECT_LT(started, 400000) << "the plane never stopped reading";
  // What it has read but not answered is bounded by its own buffers, not by the client's will.
  EXPECT_LT(ResidentMb() - before, 150);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(good->Ask("/test/Echo", "x").grpc_status, 0);
  // It reads after all: every request is answered.
  size_t closed = 0;
  bad->on_close = [&](int32_t) { ++closed; };
  EXPECT_TRUE(bad->Run([&] { return closed == streams.size() || bad->is_lost(); }, 60000));
  EXPECT_FALSE(bad->is_lost());
  EXPECT_EQ(closed, streams.size());
}

TEST(PlaneLoopLoad, AClientThatNeverReadsCanBeSentAway) {
  PlaneHarness harness;
  harness.Start();
  auto bad = harness.Connect(false, 4096);
  for (int i = 0; i < 2000; ++i) bad->Start("/test/Large", Framed("100000"));
  bad->Run([] { return false; }, 50);
  harness.plane->DrainConnections();
  const auto begun = std::chrono::steady_clock::now();
  harness.plane->Stop();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begun;
  EXPECT_LT(taken.count(), kStopSeconds);
  EXPECT_EQ(harness.counts.destroyed, harness.counts.made);
}

TEST(PlaneLoopLoad, TheBudgetHoldsClientsBackAndLetsThemGoOn) {
  PlaneHarness harness;
  harness.options.session.held_bytes_most = 256 << 10;
  harness.options.session.stream_window_bytes = 64 << 10;
  harness.options.session.connection_window_bytes = 64 << 10;
  harness.Start(2);
  // Calls that TypeScript does not ask for keep what they hold.
  std::vector<std::unique_ptr<GrpcClient>> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(harness.Connect());
    const int32_t stream = clients.back()->Start("/pkg.Service/Stream", "", false);
    for (int k = 0; k < 64; ++k)
      clients.back()->More(stream, Framed(std::string(4000, 'x')), false);
    clients.back()->Run([] { return false; }, 20);
  }
  const double held = harness.Count("heldBytes");
  EXPECT_GT(held, 200 << 10);
  EXPECT_LT(held, 12 * (96 << 10)) << "windows bound what is held";
  // Everything is asked for: with room in the budget windows are given back, and all arrives.
  std::map<uint64_t, size_t> received;
  size_t total = 0;
  const size_t wanted = 12 * 64 * 4000;
  for (int i = 0; i < 20000 && total < wanted; ++i) {
    for (auto& client : clients) {
      client->Write();
      client->Read();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    while (harness.Poll()) {
      Event event = harness.Next();
      const uint64_t call = event.Id();
      if (event.kind != EventKind::kMessage) continue;
      total += event.Rest().size();
      harness.plane->Ask(call);
    }
  }
  EXPECT_EQ(total, wanted);
}

TEST(PlaneLoopLoad, StopsUnderLoad) {
  for (int round = 0; round < 5 * Scale(); ++round) {
    PlaneHarness harness;
    harness.Start(3);
    std::atomic<bool> over{false};
    std::vector<std::thread> clients;
    std::vector<std::unique_ptr<GrpcClient>> connections;
    for (int t = 0; t < 4; ++t) connections.push_back(harness.Connect());
    for (int t = 0; t < 4; ++t) {
      clients.emplace_back([&, t] {
        GrpcClient& client = *connections[t];
        while (!over && !client.is_lost()) {
          for (int i = 0; i < 20; ++i) {
            client.Start(i % 2 == 0 ? "/test/Spawn" : "/pkg.Service/Foreign", Framed("x"));
          }
          client.Run([&] { return over.load(); }, 5);
        }
      });
    }
    // TypeScript's side: answers what it can, from another thread than the one that stops.
    std::thread foreign([&] {
      while (!over) {
        while (harness.Poll()) {
          Event event = harness.Next();
          if (event.kind == EventKind::kCall) harness.plane->Reply(event.Id(), "reply");
        }
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      }
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + 10 * round));
    std::thread second([&] { harness.plane->Stop(); });
    harness.plane->Stop();
    second.join();
    over = true;
    for (auto& client : clients) client.join();
    foreign.join();
    EXPECT_EQ(harness.counts.destroyed, harness.counts.made);
    EXPECT_EQ(harness.counts.services, 0);
    EXPECT_EQ(harness.plane->open_connections(), 0u);
  }
}

TEST(PlaneLoopLoad, StopsWithManyIdleConnections) {
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  const int wanted = Scale() > 1 ? 10000 : 2000;
  // Three descriptors each: the client's, the server's, the plane's, of which one is closed.
  const int count = std::min<int>(wanted, static_cast<int>(files.rlim_cur - 200) / 2);
  PlaneHarness harness;
  harness.Start(2);
  std::vector<int> clients;
  for (int i = 0; i < count; ++i) {
    const auto [client, server] = harness.listener.Connect();
    ASSERT_GT(harness.plane->Adopt(server, FrameClient::Preface(), {}, false), 0);
    close(server);
    clients.push_back(client);
  }
  ASSERT_TRUE(PlaneHarness::Eventually(
      [&] { return harness.Count("connections") == count && harness.Count("writes") >= count; }));
  const auto begun = std::chrono::steady_clock::now();
  harness.plane->DrainConnections();
  harness.plane->Stop();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begun;
  EXPECT_LT(taken.count(), kStopSeconds) << count << " connections";
  // Each was told before it was closed.
  std::string said(64 << 10, '\0');
  const ssize_t size = recv(clients.back(), said.data(), said.size(), 0);
  ASSERT_GT(size, 0);
  FrameClient reader;
  said.resize(static_cast<size_t>(size));
  bool goaway = false;
  for (const Frame& frame : reader.Take(&said)) goaway |= frame.type == NGHTTP2_GOAWAY;
  EXPECT_TRUE(goaway);
  for (const int client : clients) close(client);
}

}  // namespace
}  // namespace metastore::test
