// Watch streams on lanes of their own threads, over a hub on its own: apply, streams that come and
// go, and clients that take their bytes in gulps, all at once. Meant for TSan and ASan.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "test/support/plane_streams.h"

namespace metastore::plane_test {
namespace {

using watch_test::CreateBytes;

constexpr int64_t kRevisions = 1500;
constexpr size_t kLanes = 2;
constexpr auto kPatience = std::chrono::seconds(60);

class LockedOffice final : public plane::PostOffice {
 public:
  size_t lanes() const override { return kLanes; }
  void Post(size_t lane, std::unique_ptr<plane::Mail> mail) override {
    std::lock_guard<std::mutex> lock(mutex_);
    waiting_[lane].push_back(std::move(mail));
    wake_[lane].notify_one();
  }
  std::vector<std::unique_ptr<plane::Mail>> Take(size_t lane, std::chrono::milliseconds patience) {
    std::unique_lock<std::mutex> lock(mutex_);
    wake_[lane].wait_for(lock, patience, [&] { return !waiting_[lane].empty(); });
    return std::exchange(waiting_[lane], {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_[kLanes];
  std::vector<std::unique_ptr<plane::Mail>> waiting_[kLanes];
};

class NoEvents final : public plane::StreamEvents {
 public:
  void KeepAlives(std::string_view) override {}
  void Caller(std::string_view) override {}
};

class Router final : public watch::StreamSink {
 public:
  void Route(watch::StreamSink* to) {
    std::lock_guard<std::mutex> lock(mutex_);
    to_ = to;
  }
  void Messages(watch::StreamMessages messages) override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (to_ != nullptr) to_->Messages(std::move(messages));
  }
  void Pause() override {
    std::lock_guard<std::mutex> lock(mutex_);
    if (to_ != nullptr) to_->Pause();
  }

 private:
  std::mutex mutex_;
  watch::StreamSink* to_ = nullptr;
};

/// One lane's thread: a long-lived stream with a watcher over every key, which must see each
/// revision once and in order, and short-lived streams beside it.
class Lane {
 public:
  Lane(plane::Streams* streams, LockedOffice* office, size_t lane)
      : office_(office), number_(lane), lane_(streams, lane), random_(lane) {}

  void Run() {
    const CallId watching = Open("k", "l");
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    int64_t next = 2;
    while (next <= kRevisions + 1) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "at revision " << next;
      auto mail = office_->Take(number_, std::chrono::milliseconds(2));
      for (auto& each : mail) each->Deliver(&calls_);
      lane_.OnTurnEnd();
      See(calls_.entries[watching].wire.get(), &next);
      if (random_() % 3 != 0) Write();
      if (random_() % 10 == 0) Open("k1", "");
      if (random_() % 12 == 0) LoseOne(watching);
    }
    for (auto& [id, entry] : calls_.entries) entry.call->OnEnd();
    calls_.entries.clear();
  }

 private:
  CallId Open(std::string key, std::string end) {
    const CallId id = ++count_ << plane::kLaneBits | number_;
    auto wire = std::make_unique<FakeWire>(kWatch);
    auto call = lane_.Make(id, wire.get());
    EXPECT_NE(call, nullptr);
    Call* made = call.get();
    calls_.entries[id] = {std::move(wire), std::move(call)};
    made->OnMessage(CreateBytes({.key = std::move(key), .end = std::move(end), .start = 2}));
    return id;
  }
  static void See(FakeWire* wire, int64_t* next) {
    while (const auto response = wire->Next()) {
      for (const watch_test::Event& event : response->events) {
        ASSERT_EQ(event.kv.mod_revision, *next);
        ++*next;
      }
    }
  }
  void Write() {
    for (auto& [id, entry] : calls_.entries) {
      if (entry.wire->unwritten == 0) continue;
      const uint64_t some = 1 + random_() % entry.wire->unwritten;
      entry.wire->unwritten -= some;
      entry.call->OnWritten(some);
    }
  }
  void LoseOne(CallId but) {
    for (auto at = calls_.entries.begin(); at != calls_.entries.end(); ++at) {
      if (at->first == but) continue;
      at->second.call->OnEnd();
      calls_.entries.erase(at);
      return;
    }
  }

  LockedOffice* office_;
  size_t number_;
  plane::LaneStreams lane_;
  FakeCalls calls_;
  std::mt19937_64 random_;
  CallId count_ = 0;
};

TEST(PlaneStreamsThreads, EveryRevisionOnceInOrder) {
  watch::HubOptions options;
  options.stream_credit_bytes = 2000;
  Router router;
  auto hub = watch::WatchHub::Create(options, &router);
  watch_test::TestStore store(hub.get());
  hub->Attach(store.store());
  plane::Gate gate;
  gate.Set(plane::kGateOpen);
  LockedOffice office;
  NoEvents events;
  plane::StreamParts parts{hub.get(), &gate, &office, &events,
                           [&router](watch::StreamSink* to) { router.Route(to); }};
  {
    plane::Streams streams(std::move(parts));
    std::vector<std::thread> threads;
    for (size_t lane = 0; lane < kLanes; ++lane) {
      threads.emplace_back([&, lane] { Lane(&streams, &office, lane).Run(); });
    }
    for (int64_t i = 0; i < kRevisions; ++i) {
      store.Apply({{watch_test::Change{"k" + std::to_string(i % 3), std::to_string(i)}}});
      if (i % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (i % 300 == 0) streams.Counts();
    }
    for (std::thread& thread : threads) thread.join();
  }
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (hub->stats().streams > 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(hub->stats().streams, 0u);
  hub->Stop();
}

}  // namespace
}  // namespace metastore::plane_test
