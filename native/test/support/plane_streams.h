// A lane without sockets: calls over wires that keep what is said, mail that is delivered by hand,
// and events that are kept. For the tests of plane/streams.
#ifndef METASTORE_TEST_SUPPORT_PLANE_STREAMS_H_
#define METASTORE_TEST_SUPPORT_PLANE_STREAMS_H_

#include <gtest/gtest.h>

#include <bit>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "plane/streams/stream_call.h"
#include "plane/streams/streams.h"
#include "test/support/watch_harness.h"

namespace metastore::plane_test {

using plane::Call;
using plane::CallId;

inline constexpr std::string_view kWatch = "/etcdserverpb.Watch/Watch";
inline constexpr std::string_view kKeepAlive = "/etcdserverpb.Lease/LeaseKeepAlive";

class FakeWire final : public plane::Wire {
 public:
  explicit FakeWire(std::string_view path) { head_.path = path; }
  const plane::RequestHead& head() const override { return head_; }
  const plane::Peer& peer() const override { return peer_; }
  void Reply(std::string_view) override { ADD_FAILURE() << "a stream does not reply"; }
  void Send(std::string message) override {
    unwritten += message.size();
    messages.push_back(std::move(message));
  }
  void SendFramed(std::string frames) override {
    unwritten += frames.size();
    ++buffers;
    watch::ForEachFrame(frames, [&](std::string_view each) { messages.emplace_back(each); });
  }
  using plane::Wire::Finish;
  void Finish(int grpc_status, std::string_view text) override {
    EXPECT_FALSE(status.has_value()) << "a call ends once";
    status = {grpc_status, std::string(text)};
  }
  void Accept(uint64_t bytes) override { accepted += bytes; }

  /// The oldest message as a WatchResponse.
  std::optional<watch_test::Response> Next() {
    if (messages.empty()) return std::nullopt;
    auto response = watch_test::DecodeResponse(messages.front());
    messages.pop_front();
    return response;
  }

  plane::RequestHead head_;
  plane::Peer peer_;
  std::deque<std::string> messages;
  std::optional<std::pair<int, std::string>> status;
  uint64_t unwritten = 0;
  uint64_t accepted = 0;
  int buffers = 0;
};

class FakeEvents final : public plane::StreamEvents {
 public:
  void KeepAlives(std::string_view items) override {
    auto& batch = batches.emplace_back();
    ByteReader reader(items);
    uint64_t call = 0;
    uint64_t lease = 0;
    while (reader.ReadLittle64(&call) && reader.ReadLittle64(&lease)) {
      batch.emplace_back(static_cast<CallId>(std::bit_cast<double>(call)),
                         static_cast<int64_t>(lease));
    }
    EXPECT_TRUE(reader.AtEnd());
  }
  void Caller(std::string_view record) override {
    ASSERT_GT(record.size(), 8u);
    const auto kind = static_cast<plane::Asking>(record[8]);
    auto& list = kind == plane::Asking::kOpened ? opened : questions;
    list.emplace_back(record);
  }
  std::vector<std::vector<std::pair<CallId, int64_t>>> batches;
  std::vector<std::string> questions;
  std::vector<std::string> opened;
};

class FakeOffice final : public plane::PostOffice {
 public:
  size_t lanes() const override { return 2; }
  void Post(size_t lane, std::unique_ptr<plane::Mail> mail) override {
    ASSERT_LT(lane, 2u);
    waiting[lane].push_back(std::move(mail));
  }
  std::vector<std::unique_ptr<plane::Mail>> waiting[2];
};

/// Calls of one lane with their wires.
class FakeCalls final : public plane::CallTable {
 public:
  struct Entry {
    std::unique_ptr<FakeWire> wire;
    std::unique_ptr<Call> call;
  };
  Call* Find(CallId id) override {
    const auto found = entries.find(id);
    return found == entries.end() ? nullptr : found->second.call.get();
  }
  std::map<CallId, Entry> entries;
};

/// Two lanes over a hub, stepped by hand.
struct StreamsHarness {
  explicit StreamsHarness(watch::HubOptions options = watch_test::ManualOptions()) {
    options.executor = &executor;
    hub = watch::WatchHub::Create(options, &router);
    store = std::make_unique<watch_test::TestStore>(hub.get());
    hub->Attach(store->store());
    hub->SetHeader({11, 22, 3});
    gate.Set(plane::kGateOpen | plane::kGateLeader);
    plane::StreamParts parts;
    parts.hub = hub.get();
    parts.gate = &gate;
    parts.office = &office;
    parts.events = &events;
    parts.route = [this](watch::StreamSink* sink) { router.to = sink; };
    streams = std::make_unique<plane::Streams>(std::move(parts));
    for (size_t lane = 0; lane < 2; ++lane) {
      lanes.push_back(std::make_unique<plane::LaneStreams>(streams.get(), lane));
    }
    Run();
  }
  ~StreamsHarness() {
    for (FakeCalls& each : calls) each.entries.clear();
    lanes.clear();
    streams.reset();
    EXPECT_EQ(router.to, nullptr);
    hub->Stop();
  }

  struct Router final : public watch::StreamSink {
    void Messages(watch::StreamMessages messages) override { to->Messages(std::move(messages)); }
    void Pause() override { to->Pause(); }
    watch::StreamSink* to = nullptr;
  };

  using Metadata = std::vector<std::pair<std::string, std::string>>;

  /// Null when the call is not served here.
  FakeWire* Open(CallId id, std::string_view path, Metadata metadata = {}) {
    auto wire = std::make_unique<FakeWire>(path);
    wire->head_.metadata = std::move(metadata);
    wire->peer_.common_name = common_name;
    wire->peer_.address = "at";
    const size_t lane = plane::LaneOf(id);
    auto call = lanes[lane]->Make(id, wire.get());
    if (call == nullptr) return nullptr;
    FakeWire* made = wire.get();
    calls[lane].entries[id] = {std::move(wire), std::move(call)};
    Run();
    return made;
  }
  Call* Find(CallId id) { return calls[plane::LaneOf(id)].Find(id); }
  void Say(CallId id, std::string message) {
    Find(id)->OnMessage(std::move(message));
    Run();
  }
  /// Everything that was sent has left.
  void Written(CallId id) {
    FakeWire* wire = calls[plane::LaneOf(id)].entries[id].wire.get();
    Find(id)->OnWritten(std::exchange(wire->unwritten, 0));
    Run();
  }
  /// The client is gone.
  void Lose(CallId id) {
    Find(id)->OnEnd();
    calls[plane::LaneOf(id)].entries.erase(id);
    Run();
  }
  /// Turns of hub and lanes until nothing happens any more.
  void Run() {
    for (int round = 0; round < 1000; ++round) {
      bool worked = false;
      while (executor.Step()) worked = true;
      for (size_t lane = 0; lane < lanes.size(); ++lane) {
        auto mail = std::exchange(office.waiting[lane], {});
        for (auto& each : mail) each->Deliver(&calls[lane]);
        worked = worked || !mail.empty();
        lanes[lane]->OnTurnEnd();
      }
      if (!worked) return;
    }
    FAIL() << "no rest";
  }
  void Put(std::string key, std::string value) {
    store->Apply({{watch_test::Change{std::move(key), std::move(value)}}});
    Run();
  }
  void Answer(const std::vector<std::pair<CallId, double>>& answers,
              std::string_view header = "\x18\x05") {
    std::string bytes;
    AppendLittle32(&bytes, static_cast<uint32_t>(header.size()));
    bytes.append(header);
    for (const auto& [call, answer] : answers) {
      AppendLittle64(&bytes, std::bit_cast<uint64_t>(static_cast<double>(call)));
      AppendLittle64(&bytes, std::bit_cast<uint64_t>(answer));
    }
    EXPECT_TRUE(streams->KeepAlivesDone(bytes));
    Run();
  }
  /// Of one method, by the place that counts.h gives it.
  double Count(bool watch, size_t place) const {
    const std::vector<double> numbers = streams->Counts();
    return numbers[(watch ? 0 : numbers.size() / 2) + place];
  }

  /// Of the certificates of calls to come.
  std::string common_name;
  ManualExecutor executor;
  Router router;
  plane::Gate gate;
  FakeOffice office;
  FakeEvents events;
  FakeCalls calls[2];
  std::unique_ptr<watch_test::TestStore> store;
  std::unique_ptr<watch::WatchHub> hub;
  std::unique_ptr<plane::Streams> streams;
  std::vector<std::unique_ptr<plane::LaneStreams>> lanes;
};

}  // namespace metastore::plane_test

#endif  // METASTORE_TEST_SUPPORT_PLANE_STREAMS_H_
