// The hub on its own threads: apply, several clients and credit at once. Meant for TSan and ASan.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "test/support/watch_harness.h"

namespace metastore::watch_test {
namespace {

constexpr int64_t kRevisions = 3000;
constexpr auto kPatience = std::chrono::seconds(60);

/// Keeps messages until a client takes them.
class LockedSink final : public MessageSink {
 public:
  void Message(StreamId stream, std::string bytes) override {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      messages_[stream].push_back(std::move(bytes));
    }
    wake_.notify_all();
  }
  std::optional<std::string> Take(StreamId stream, std::chrono::milliseconds patience) {
    std::unique_lock<std::mutex> lock(mutex_);
    auto& queue = messages_[stream];
    if (!wake_.wait_for(lock, patience, [&] { return !queue.empty(); })) return std::nullopt;
    std::string bytes = std::move(queue.front());
    queue.pop_front();
    return bytes;
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<StreamId, std::deque<std::string>> messages_;
};

/// A client with one long-lived watcher (id 0) over every key, whose each revision changes one key,
/// and short-lived ones beside it.
class Client {
 public:
  Client(WatchHub* hub, LockedSink* sink, StreamId stream) : hub_(hub), sink_(sink), id_(stream) {}

  void Run() {
    std::mt19937_64 random(id_);
    hub_->Open(id_);
    EXPECT_TRUE(hub_->Request(id_, CreateBytes({.key = "k", .end = "l", .start = 2})).ok());
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    uint64_t owed = 0;
    while (next_ <= kRevisions && !compacted_) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "at revision " << next_;
      if (random() % 20 == 0) Disturb(&random);
      const auto bytes = sink_->Take(id_, std::chrono::milliseconds(5));
      if (bytes) {
        owed += bytes->size();
        See(DecodeResponse(*bytes));
      }
      // A client that reads in gulps falls behind in between.
      if (!bytes || random() % 8 == 0) hub_->Credit(id_, std::exchange(owed, 0));
      if (random() % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    hub_->Close(id_);
  }
  bool compacted() const { return compacted_; }

 private:
  void Disturb(std::mt19937_64* random) {
    const uint64_t what = (*random)() % 4;
    if (what == 0) {
      EXPECT_TRUE(hub_->Request(id_, CreateBytes({.key = "k1", .prev_kv = true})).ok());
    } else if (what == 1) {
      const auto id = static_cast<int64_t>(1 + (*random)() % 20);
      EXPECT_TRUE(hub_->Request(id_, CancelBytes(id)).ok());
    } else if (what == 2) {
      EXPECT_TRUE(hub_->Request(id_, ProgressBytes()).ok());
    } else {
      const auth::Caller refused{.refusal = Code::kPermissionDenied};
      EXPECT_TRUE(hub_->Request(id_, CreateBytes({.key = "k1"}), refused).ok());
    }
  }

  void See(const Response& response) {
    if (response.created && response.watch_id != -1) {
      ASSERT_TRUE(alive_.emplace(response.watch_id, true).second);
    } else if (response.canceled && !response.created) {
      if (response.watch_id == 0) compacted_ = true;
      alive_.erase(response.watch_id);
    } else if (response.watch_id == -1 && !response.created) {
      ASSERT_GE(next_, response.revision + 1) << "progress before the events it covers";
    } else if (!response.events.empty()) {
      ASSERT_TRUE(alive_.contains(response.watch_id));
      if (response.watch_id != 0) return;
      for (const Event& event : response.events) ASSERT_EQ(event.kv.mod_revision, next_++);
    }
  }

  WatchHub* hub_;
  LockedSink* sink_;
  StreamId id_;
  std::map<int64_t, bool> alive_;
  int64_t next_ = 2;
  bool compacted_ = false;
};

void Write(TestStore* store, WatchHub* hub, bool compact) {
  std::mt19937_64 random(1);
  int64_t written = 1;
  while (written < kRevisions) {
    std::vector<Transaction> run;
    for (uint64_t left = 1 + random() % 5; left > 0 && written < kRevisions; --left, ++written) {
      run.push_back({{"k" + std::to_string(random() % 3), std::string(random() % 100, 'v')}});
    }
    const bool now = compact && random() % 40 == 0 && written > 1600;
    store->Apply(run, now ? written - 1500 : 0);
    if (compact && random() % 20 == 0) store->RemoveRows();
    if (random() % 50 == 0) hub->SetHeader({1, 2, random() % 9});
    if (random() % 30 == 0) (void)hub->stats();
    if (random() % 10 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));
  }
}

void RunAll(bool compact) {
  LockedSink sink;
  HubOptions options;
  options.stream_credit_bytes = 4000;
  options.catch_up_revisions = 50;
  options.queued_bytes = 20000;
  options.progress_notify_ms = 100;
  auto hub = WatchHub::Create(options, &sink);
  TestStore store(hub.get());
  hub->Attach(store.store());
  std::vector<std::unique_ptr<Client>> clients;
  for (StreamId stream = 1; stream <= 4; ++stream) {
    clients.push_back(std::make_unique<Client>(hub.get(), &sink, stream));
  }
  std::vector<std::thread> threads;
  for (auto& client : clients) threads.emplace_back([&client] { client->Run(); });
  std::thread writer([&] { Write(&store, hub.get(), compact); });
  writer.join();
  for (std::thread& thread : threads) thread.join();
  for (auto& client : clients) EXPECT_TRUE(compact || !client->compacted());
  hub->Stop();
  hub->Publish({store.store()->Pin(), {}});  // late calls do nothing
  hub.reset();
}

TEST(WatchThreads, EveryClientSeesEveryRevision) { RunAll(false); }

TEST(WatchThreads, WithCompactionsBehind) { RunAll(true); }

TEST(WatchThreads, StopWhileBusy) {
  for (int round = 0; round < 20; ++round) {
    LockedSink sink;
    auto hub = WatchHub::Create(HubOptions{}, &sink);
    TestStore store(hub.get());
    hub->Attach(store.store());
    hub->Open(1);
    EXPECT_TRUE(hub->Request(1, CreateBytes({.key = "k", .end = "l", .start = 1})).ok());
    std::atomic<bool> stop{false};
    std::thread client([&] {
      while (!stop.load()) hub->Credit(1, 1 << 20);
    });
    for (int i = 0; i < 200; ++i) {
      store.Apply({{{"k" + std::to_string(i % 7), "v"}}});
      if (i == 100 + round) hub->Stop();
    }
    stop.store(true);
    client.join();
  }
}

}  // namespace
}  // namespace metastore::watch_test
