// The whole native side under load, without Node: sockets, lanes, KV and Watch on them, and a
// MemberCore whose Raft is a single voter. Every write is read back and watched. Meant for TSan and
// ASan; METASTORE_PLANE_LOAD multiplies its length.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <protozero/pbf_reader.hpp>
#include <set>
#include <thread>

#include "plane/hot/hot_lane.h"
#include "plane/hot/service.h"
#include "plane/loop/plane.h"
#include "plane/streams/stream_call.h"
#include "plane/streams/streams.h"
#include "test/support/member_harness.h"
#include "test/support/plane_client.h"

namespace metastore::test {
namespace {

using member_test::OptionsFor;
using member_test::ScratchDirectory;
using member_test::TinyVoter;
using wire_test::Bytes;
using wire_test::Number;

constexpr char kPut[] = "/etcdserverpb.KV/Put";
constexpr char kRange[] = "/etcdserverpb.KV/Range";
constexpr char kWatch[] = "/etcdserverpb.Watch/Watch";
constexpr uint32_t kServing = plane::kGateOpen | plane::kGateLeader | plane::kGateLessor;

class StreamService final : public plane::Service {
 public:
  StreamService(plane::Streams* streams, size_t lane) : streams_(streams, lane) {}
  std::unique_ptr<plane::Call> Make(plane::CallId id, plane::Wire* wire) override {
    return streams_.Make(id, wire);
  }
  void OnTurnEnd() override { streams_.OnTurnEnd(); }

 private:
  plane::LaneStreams streams_;
};

class NoStreamEvents final : public plane::StreamEvents {
 public:
  void KeepAlives(std::string_view) override {}
  void Caller(std::string_view) override {}
};

/// Everything of one member; made and ended in the order in which the addon does.
class Server {
 public:
  explicit Server(size_t lanes) : voter(OptionsFor(scratch_.path(), member::EngineKind::kMemory)) {
    METASTORE_CHECK(voter.Open().ok(), "the core opens");
    METASTORE_CHECK(voter.Put("first", "of the term").code == Code::kOk, "a first write");
    plane::PlaneOptions options;
    options.lanes = lanes;
    plane_ = std::make_unique<plane::Plane>(options, [] {});
    hot_ = std::make_unique<plane::HotService>(&voter.core(), &plane_->gate(), plane_.get(),
                                               plane::HotOptions());
    plane::StreamParts parts;
    parts.hub = &voter.core().hub();
    parts.gate = &plane_->gate();
    parts.office = plane_.get();
    parts.events = &stream_events_;
    parts.route = [this](watch::StreamSink* sink) { voter.core().RouteStreams(sink); };
    streams_ = std::make_unique<plane::Streams>(std::move(parts));
    std::vector<plane::ServiceMaker> makers;
    makers.push_back([this](const plane::LaneView& view) { return hot_->MakeLane(view); });
    makers.push_back([this](const plane::LaneView& view) {
      return std::make_unique<StreamService>(streams_.get(), view.lane);
    });
    METASTORE_CHECK(plane_->Start(std::move(makers)).ok(), "the plane starts");
  }
  ~Server() { Stop(); }

  void Stop() {
    if (streams_ == nullptr) return;
    plane_->Stop();
    streams_.reset();
    hot_->Detach();
    EXPECT_TRUE(voter.core().Close().ok());
  }
  std::unique_ptr<GrpcClient> Connect() {
    const auto [client, server] = listener_.Connect();
    METASTORE_CHECK(plane_->Adopt(server, "", {}, false) > 0, "adopted");
    close(server);
    return std::make_unique<GrpcClient>(client);
  }
  void Allow(uint32_t flags) { plane_->gate().Set(flags); }
  double foreign_calls() const {
    const auto& names = plane::Plane::NumberNames();
    const auto place = std::find(names.begin(), names.end(), "foreignCalls") - names.begin();
    return plane_->Numbers().at(static_cast<size_t>(place));
  }

 private:
  ScratchDirectory scratch_;

 public:
  TinyVoter voter;

 private:
  Listener listener_;
  NoStreamEvents stream_events_;
  std::unique_ptr<plane::Plane> plane_;
  std::unique_ptr<plane::HotService> hot_;
  std::unique_ptr<plane::Streams> streams_;
};

std::string ValueIn(const std::string& range_response) {
  protozero::pbf_reader response(range_response);
  while (response.next(2)) {
    protozero::pbf_reader row = response.get_message();
    while (row.next(5)) return row.get_string();
  }
  return {};
}

/// Writes keys of its own in groups, and reads each group back.
void WriteAndRead(GrpcClient* client, const std::string& prefix, int groups,
                  std::atomic<int>* good) {
  constexpr int kGroup = 8;
  for (int group = 0; group < groups; ++group) {
    for (const bool writes : {true, false}) {
      std::map<int32_t, std::string> values;
      for (int i = 0; i < kGroup; ++i) {
        const std::string key = prefix + std::to_string(i);
        const std::string value = prefix + std::to_string(group);
        const std::string request = writes ? Bytes(1, key) + Bytes(2, value) : Bytes(1, key);
        values[client->Start(writes ? kPut : kRange, Framed(request))] = value;
      }
      client->Run([&] {
        for (const auto& [stream, value] : values) {
          if (!client->answer(stream).is_closed) return false;
        }
        return true;
      });
      for (const auto& [stream, value] : values) {
        const Answer& answer = client->answer(stream);
        const auto messages = answer.Messages();
        if (answer.grpc_status != 0 || messages.size() != 1) continue;
        if (writes || ValueIn(messages[0]) == value) ++*good;
        client->Forget(stream);
      }
    }
  }
}

/// Watches all keys from "w" on until it has seen as many writes, each revision once and in order.
int64_t WatchAll(GrpcClient* client, int wanted, const std::atomic<bool>* over,
                 std::atomic<bool>* created) {
  const std::string create = Bytes(1, Bytes(1, "w") + Bytes(2, "x"));
  const int32_t stream = client->Start(kWatch, Framed(create), false);
  int64_t last = 0;
  int seen = 0;
  client->Run(
      [&] {
        for (const std::string& message : client->answer(stream).Messages()) {
          protozero::pbf_reader response(message);
          while (response.next()) {
            if (response.tag() == 3)
              *created = response.get_bool();
            else if (response.tag() != 11)
              response.skip();
            else {
              protozero::pbf_reader event = response.get_message();
              while (event.next(2)) {
                protozero::pbf_reader row = event.get_message();
                while (row.next(3)) {
                  const int64_t revision = row.get_int64();
                  EXPECT_GT(revision, last);
                  last = revision;
                  ++seen;
                }
              }
            }
          }
        }
        client->answer(stream).body.clear();
        return seen >= wanted || over->load();
      },
      60000);
  return seen;
}

void Serve(uint32_t flags) {
  const char* scale = std::getenv("METASTORE_PLANE_LOAD");
  const int groups = 40 * (scale == nullptr ? 1 : std::max(1, std::atoi(scale)));
  constexpr int kClients = 3;
  Server server(2);
  server.Allow(flags);
  const int writes = kClients * groups * 8;
  std::atomic<bool> over{false};
  std::atomic<bool> created{false};
  std::atomic<int> good{0};
  std::atomic<int> finished{0};
  auto watching = server.Connect();
  int64_t seen = 0;
  std::thread watcher([&] {
    seen = WatchAll(watching.get(), writes, &over, &created);
    ++finished;
  });
  ASSERT_TRUE(server.voter.DriveUntil([&] { return created.load(); }));
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i, client = std::shared_ptr<GrpcClient>(server.Connect())] {
      WriteAndRead(client.get(), "w" + std::to_string(i) + "-", groups, &good);
      ++finished;
    });
  }
  EXPECT_TRUE(server.voter.DriveUntil([&] { return finished == kClients + 1; }));
  over = true;
  watcher.join();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 2 * writes);
  EXPECT_EQ(seen, writes);
  EXPECT_EQ(server.foreign_calls(), 0) << "something was not served natively";
}

TEST(PlaneMember, WritesAreReadBackAndWatched) { Serve(kServing); }

TEST(PlaneMember, ReadsOfTheOnlyVoterNeedNoRound) { Serve(kServing | plane::kGateSolo); }

TEST(PlaneMember, StopsInTheMiddle) {
  for (int round = 0; round < 4; ++round) {
    Server server(2);
    server.Allow(kServing | (round % 2 == 0 ? uint32_t{plane::kGateSolo} : 0u));
    std::atomic<bool> over{false};
    std::atomic<bool> created{false};
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&, i, client = std::shared_ptr<GrpcClient>(server.Connect())] {
        while (!over && !client->is_lost()) WriteAndRead(client.get(), std::to_string(i), 1, &good);
      });
    }
    threads.emplace_back([&, client = std::shared_ptr<GrpcClient>(server.Connect())] {
      WatchAll(client.get(), INT32_MAX, &over, &created);
    });
    EXPECT_TRUE(server.voter.DriveUntil([&] { return good > 100 * (round + 1); }));
    server.Stop();
    over = true;
    for (auto& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace metastore::test
