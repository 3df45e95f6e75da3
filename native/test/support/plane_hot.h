// Lanes without sockets over a whole core: calls with wires that keep what is answered, mail that
// is delivered when a test says so. For the tests of plane/hot.
#ifndef METASTORE_TEST_SUPPORT_PLANE_HOT_H_
#define METASTORE_TEST_SUPPORT_PLANE_HOT_H_

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plane/hot/hot_lane.h"
#include "plane/hot/service.h"
#include "test/support/member_harness.h"

namespace metastore::hot_test {

using member_test::PutRequest;
using plane::CallId;
using wire_test::Bytes;
using wire_test::Number;

struct Answer {
  int status = 0;
  std::string text;
  std::string reply;
};

class HotWire final : public plane::Wire {
 public:
  const plane::RequestHead& head() const override { return head_; }
  const plane::Peer& peer() const override { return peer_; }
  void Reply(std::string_view message) override { End({0, "", std::string(message)}); }
  void Send(std::string) override { ADD_FAILURE() << "unary calls do not send"; }
  void SendFramed(std::string) override { ADD_FAILURE() << "unary calls do not send"; }
  using plane::Wire::Finish;
  void Finish(int status, std::string_view text) override { End({status, std::string(text), ""}); }
  void Accept(uint64_t bytes) override { accepted += bytes; }

  plane::RequestHead head_;
  plane::Peer peer_{"127.0.0.1:9", "", false, 1};
  std::optional<Answer> answer;
  uint64_t accepted = 0;

 private:
  void End(Answer ending) {
    EXPECT_FALSE(answer.has_value()) << "a call ends once";
    answer = std::move(ending);
  }
};

/// What came to TypeScript.
class ForeignCalls final : public plane::CallFactory {
 public:
  struct Seen {
    CallId id = 0;
    std::string message;
    bool half_closed = false;
    bool ended = false;
  };
  class Foreign final : public plane::Call {
   public:
    explicit Foreign(Seen* seen) : seen_(seen) {}
    void OnMessage(std::string message) override { seen_->message += message; }
    void OnHalfClose() override { seen_->half_closed = true; }
    void OnEnd() override { seen_->ended = true; }

   private:
    Seen* const seen_;
  };
  std::unique_ptr<plane::Call> Make(CallId id, plane::Wire*) override {
    seen.push_back(std::make_unique<Seen>());
    seen.back()->id = id;
    return std::make_unique<Foreign>(seen.back().get());
  }
  std::vector<std::unique_ptr<Seen>> seen;
};

class HotOffice final : public plane::PostOffice {
 public:
  size_t lanes() const override { return 2; }
  void Post(size_t lane, std::unique_ptr<plane::Mail> mail) override {
    std::lock_guard<std::mutex> lock(mutex_);
    waiting_[lane].push_back(std::move(mail));
  }
  std::vector<std::unique_ptr<plane::Mail>> Take(size_t lane) {
    std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(waiting_[lane], {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<plane::Mail>> waiting_[2];  // guarded by mutex_
};

/// Two lanes, driven by the test's thread, over a single voter.
class HotHarness {
 public:
  explicit HotHarness(member::EngineKind engine, plane::HotOptions options = {})
      : voter(member_test::OptionsFor(directory.path(), engine)) {
    EXPECT_TRUE(voter.Open().ok());
    gate.Set(plane::kGateOpen | plane::kGateLeader | plane::kGateSolo);
    service = std::make_unique<plane::HotService>(&voter.core(), &gate, &office, options);
    for (size_t i = 0; i < 2; ++i) {
      plane::LaneView view;
      view.lane = i;
      view.office = &office;
      view.calls = &lanes[i].calls;
      view.events = &events;
      view.foreign = &foreign;
      lanes[i].hot = service->MakeLane(view);
      lanes[i].hot->OnTurnBegin(now_ns);
    }
  }
  ~HotHarness() {
    for (auto& lane : lanes) {
      lane.calls.entries.clear();
      lane.hot.reset();
    }
    service->Detach();
  }

  struct Entry {
    std::unique_ptr<HotWire> wire;
    std::unique_ptr<plane::Call> call;
  };
  class Calls final : public plane::CallTable {
   public:
    plane::Call* Find(CallId id) override {
      const auto found = entries.find(id);
      return found == entries.end() ? nullptr : found->second.call->Target();
    }
    std::map<CallId, Entry> entries;
  };
  struct Lane {
    Calls calls;
    std::unique_ptr<plane::HotLane> hot;
  };

  /// A call of KV whose headers have come; not one of ours when the gate is closed.
  CallId Open(const std::string& method, plane::RequestHead head = {}, size_t lane = 0) {
    const CallId id = ++last_id << plane::kLaneBits | lane;
    Entry entry;
    entry.wire = std::make_unique<HotWire>();
    head.path = "/etcdserverpb.KV/" + method;
    entry.wire->head_ = std::move(head);
    entry.call = lanes[lane].hot->Make(id, entry.wire.get());
    if (entry.call == nullptr) return 0;
    lanes[lane].calls.entries[id] = std::move(entry);
    return id;
  }
  /// A whole call.
  CallId Send(const std::string& method, const std::string& request, plane::RequestHead head = {},
              size_t lane = 0) {
    const CallId id = Open(method, std::move(head), lane);
    EXPECT_NE(id, 0u);
    Entry& entry = lanes[lane].calls.entries[id];
    entry.call->OnMessage(request);
    entry.call->OnHalfClose();
    return id;
  }
  HotWire& wire(CallId id) { return *lanes[plane::LaneOf(id)].calls.entries.at(id).wire; }
  plane::Call& call(CallId id) { return *lanes[plane::LaneOf(id)].calls.entries.at(id).call; }
  const std::optional<Answer>& answer(CallId id) { return wire(id).answer; }

  void Turn() {
    for (size_t i = 0; i < 2; ++i) {
      lanes[i].hot->OnTurnBegin(now_ns);
      for (auto& mail : office.Take(i)) mail->Deliver(&lanes[i].calls);
      lanes[i].hot->OnTurnEnd();
    }
  }
  /// Drives the voter and the lanes until the call has its answer.
  Answer Wait(CallId id) {
    EXPECT_TRUE(voter.DriveUntil([&] {
      Turn();
      return answer(id).has_value();
    }));
    return answer(id).value_or(Answer{-1, "none", ""});
  }
  Answer Call(const std::string& method, const std::string& request, plane::RequestHead head = {}) {
    return Wait(Send(method, request, std::move(head)));
  }
  void Advance(int64_t ms) { now_ns += ms * 1000000; }

  member_test::ScratchDirectory directory;
  member_test::TinyVoter voter;
  plane::Gate gate;
  HotOffice office;
  plane::EventQueue events{[] {}};
  ForeignCalls foreign;
  std::unique_ptr<plane::HotService> service;
  Lane lanes[2];
  int64_t now_ns = 1000000000;
  uint64_t last_id = 0;
};

inline std::string RangeOf(const std::string& key) { return Bytes(1, key); }
inline std::string Serializable(const std::string& key) { return Bytes(1, key) + Number(7, 1); }
inline plane::RequestHead WithHeader(const std::string& name, const std::string& value) {
  plane::RequestHead head;
  head.metadata.emplace_back(name, value);
  return head;
}

}  // namespace metastore::hot_test

#endif  // METASTORE_TEST_SUPPORT_PLANE_HOT_H_
