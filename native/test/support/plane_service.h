// A plane for tests: its service answers, holds or streams by path, and events are taken apart.
#ifndef METASTORE_TEST_SUPPORT_PLANE_SERVICE_H_
#define METASTORE_TEST_SUPPORT_PLANE_SERVICE_H_

#include <atomic>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "plane/loop/plane.h"
#include "test/support/plane_client.h"

namespace metastore::test {

struct ServiceCounts {
  std::atomic<int> made{0};
  std::atomic<int> destroyed{0};
  std::atomic<int> ended{0};
  std::atomic<int> services{0};
};

/// /test/Echo answers with the message, /test/Large with as many bytes as the message says,
/// /test/Hold never, /test/Take answers to the last of several messages, /test/Mail by mail from
/// inside a turn, /test/Spawn by mail of another thread; other paths are for TypeScript.
class TestService final : public plane::Service {
 public:
  TestService(const plane::LaneView& view, ServiceCounts* counts) : view_(view), counts_(counts) {
    ++counts_->services;
  }
  ~TestService() override { --counts_->services; }

  std::unique_ptr<plane::Call> Make(plane::CallId id, plane::Wire* wire) override {
    if (wire->head().path.rfind("/test/", 0) != 0) return nullptr;
    ++counts_->made;
    return std::make_unique<TestCall>(this, id, wire);
  }

 private:
  class Answering final : public plane::Mail {
   public:
    Answering(plane::CallId id, std::string reply) : id_(id), reply_(std::move(reply)) {}
    void Deliver(plane::CallTable* calls) override {
      plane::Call* call = calls->Find(id_);
      if (call != nullptr) call->OnResult(Code::kOk, reply_);
    }

   private:
    const plane::CallId id_;
    const std::string reply_;
  };

  class TestCall final : public plane::Call {
   public:
    TestCall(TestService* service, plane::CallId id, plane::Wire* wire)
        : service_(service), id_(id), wire_(wire), path_(wire->head().path.substr(6)) {}
    ~TestCall() override { ++service_->counts_->destroyed; }
    void OnMessage(std::string message) override {
      bytes_ += message.size();
      last_ = std::move(message);
      if (path_ == "Echo") Answer(last_);
      if (path_ == "Large") Answer(std::string(std::stoul(last_), 'x'));
      if (path_ == "Mail") Post(last_);
      if (path_ == "Spawn") {
        auto* office = service_->view_.office;
        std::thread([office, id = id_, reply = last_] {
          office->Post(plane::LaneOf(id), std::make_unique<Answering>(id, reply));
        }).detach();
      }
    }
    void OnHalfClose() override {
      if (path_ == "Take") Answer(last_);
    }
    void OnEnd() override { ++service_->counts_->ended; }
    void OnResult(Code, std::string_view reply) override { Answer(std::string(reply)); }

   private:
    void Answer(const std::string& reply) {
      wire_->Accept(std::exchange(bytes_, 0));
      wire_->Reply(reply);
    }
    void Post(std::string reply) {
      service_->view_.office->Post(plane::LaneOf(id_),
                                   std::make_unique<Answering>(id_, std::move(reply)));
    }

    TestService* const service_;
    const plane::CallId id_;
    plane::Wire* const wire_;
    const std::string path_;
    std::string last_;
    uint64_t bytes_ = 0;
  };

  const plane::LaneView view_;
  ServiceCounts* const counts_;
};

/// One event, its fields read as they are asked for.
struct Event {
  plane::EventKind kind = plane::EventKind::kLog;
  std::string fields;
  size_t at = 0;

  double Number() {
    const double value = std::bit_cast<double>(GetLittle64(fields.data() + at));
    at += 8;
    return value;
  }
  uint64_t Id() { return static_cast<uint64_t>(Number()); }
  int Byte() { return static_cast<uint8_t>(fields.at(at++)); }
  std::string Text() {
    const uint32_t size = GetLittle32(fields.data() + at);
    at += 4 + size;
    return fields.substr(at - size, size);
  }
  Fields Pairs() {
    Fields pairs(GetLittle32(fields.data() + at));
    at += 4;
    for (auto& [name, value] : pairs) {
      name = Text();
      value = Text();
    }
    return pairs;
  }
  std::string Rest() const { return fields.substr(at); }
};

class PlaneHarness {
 public:
  plane::PlaneOptions options;
  ServiceCounts counts;
  Listener listener;
  std::unique_ptr<plane::Plane> plane;

  ~PlaneHarness() {
    if (plane != nullptr) plane->Stop();
  }

  void Start(size_t lanes = 1) {
    options.lanes = lanes;
    plane = std::make_unique<plane::Plane>(options, [this] {
      std::lock_guard<std::mutex> lock(mutex_);
      ++wakes_;
      waiting_.notify_all();
    });
    std::vector<plane::ServiceMaker> makers;
    makers.push_back([this](const plane::LaneView& view) {
      return std::make_unique<TestService>(view, &counts);
    });
    METASTORE_CHECK(plane->Start(std::move(makers)).ok(), "the plane starts");
  }

  /// A client over TCP, served by the plane.
  std::unique_ptr<GrpcClient> Connect(bool shares_http = false, int receive_bytes = 0) {
    const auto [client, server] = listener.Connect(receive_bytes);
    plane::Peer peer;
    peer.address = "127.0.0.1:1";
    number = plane->Adopt(server, "", std::move(peer), shares_http);
    close(server);
    METASTORE_CHECK(number > 0, "the plane adopts");
    return std::make_unique<GrpcClient>(client);
  }

  /// The next event, waiting for it.
  Event Next(int timeout_ms = 10000) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    while (!Poll()) {
      std::unique_lock<std::mutex> lock(mutex_);
      const bool woken = waiting_.wait_until(lock, end, [this] { return wakes_ > 0; });
      METASTORE_CHECK(woken, "an event comes in time");
      wakes_ = 0;
    }
    Event event = std::move(events_.front());
    events_.pop_front();
    return event;
  }
  /// Whether an event is there already.
  bool Poll() {
    const std::string records = plane->events().Drain();
    for (size_t at = 0; at < records.size();) {
      const uint32_t size = GetLittle32(records.data() + at);
      Event event;
      event.kind = static_cast<plane::EventKind>(records.at(at + 4));
      event.fields = records.substr(at + 5, size - 1);
      events_.push_back(std::move(event));
      at += 4 + size;
    }
    return !events_.empty();
  }
  /// Waits until it holds; false when it does not in time.
  static bool Eventually(const std::function<bool()>& holds, int timeout_ms = 10000) {
    for (int i = 0; i < timeout_ms; ++i) {
      if (holds()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return holds();
  }
  double Count(const std::string& name) const {
    const auto& names = plane::Plane::NumberNames();
    for (size_t i = 0; i < names.size(); ++i) {
      if (names[i] == name) return plane->Numbers()[i];
    }
    METASTORE_CHECK(false, "the plane has such a number");
    return 0;
  }

  int64_t number = 0;  // of the last connection

 private:
  std::mutex mutex_;
  std::condition_variable waiting_;
  int wakes_ = 0;  // guarded by mutex_
  std::deque<Event> events_;
};

}  // namespace metastore::test

#endif  // METASTORE_TEST_SUPPORT_PLANE_SERVICE_H_
