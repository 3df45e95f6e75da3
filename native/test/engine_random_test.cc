// The contract that every engine keeps, beside random operations and with readers on threads of
// their own; see engine_contract.h.
#include <atomic>
#include <chrono>
#include <mutex>
#include <random>
#include <thread>

#include "test/engine_contract.h"

namespace metastore::test {
namespace {

TEST_P(EngineContract, SeededRandomOperationsAgainstTheModel) {
  for (const uint32_t seed : {1u, 2u, 3u}) {
    TemporaryDirectory directory;
    const auto engine = GetParam().make(directory.path());
    Script script(engine.get());
    std::mt19937 random(seed);
    std::vector<std::string> pool;
    for (int i = 0; i < 40; ++i) {
      std::string key;
      const size_t length = 1 + random() % 5;
      while (key.size() < length)
        key.push_back(
            "\0\x01\xff"
            "ab"[random() % 5]);
      pool.push_back(key);
    }
    const auto any = [&]() -> const std::string& { return pool[random() % pool.size()]; };
    for (int batch = 0; batch < 60; ++batch) {
      const int requests = 1 + static_cast<int>(random() % 3);
      for (int request = 0; request < requests; ++request) {
        script.Next();
        const int operations = 1 + static_cast<int>(random() % 6);
        for (int i = 0; i < operations; ++i) {
          const std::string& key = any();
          if (random() % 3 == 0) {
            script.Delete(key);
          } else {
            script.Put(key, std::string(random() % 50, 'v'), random() % 4);
          }
        }
      }
      if (random() % 4 == 0) script.Attach(random() % 3, any(), random() % 3 != 0);
      if (random() % 4 == 0) script.Meta(any(), any());
      script.Commit();
      if (batch % 15 == 7) {
        const int64_t low = std::max<int64_t>(1, script.compacted());
        script.Compact(low + static_cast<int64_t>(random()) % (script.revision() - low + 1));
        script.Commit();
      }
      if (batch % 15 == 9) {
        ASSERT_TRUE(engine->Flush().ok());
      }
      if (batch % 10 == 0) script.ExpectSame();
    }
    script.ExpectSame();
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
}

/// Every revision writes the same number under all keys, so a reader can tell a torn state.
TEST_P(EngineContract, ReadersSeeWholeRevisionsWhileTheWriterGoesOn) {
  constexpr int kKeys = 40;
  constexpr int kRevisions = 300;
  std::mutex mutex;
  EngineSnapshotRef published;
  int64_t compacted = 0;  // guarded by mutex
  std::map<int64_t, int> held;
  std::atomic<bool> done{false};
  std::atomic<int64_t> reads{0};
  const auto reader = [&](uint32_t seed) {
    std::mt19937 random(seed);
    while (!done.load()) {
      EngineSnapshotRef snapshot;
      int64_t at = 0;
      {
        std::lock_guard guard(mutex);
        snapshot = published;
        if (snapshot == nullptr) continue;
        const int64_t low = std::max<int64_t>(2, compacted);
        at = low + static_cast<int64_t>(random()) % (snapshot->revision - low + 1);
        ++held[at];
      }
      const auto rows = ScanAll(engine_.get(), *snapshot, Everything(), at);
      EXPECT_EQ(rows.size(), static_cast<size_t>(kKeys));
      for (const Row& row : rows) EXPECT_EQ(row.value, std::to_string(at));
      const auto one = GetAt(engine_.get(), *snapshot, "key/7", at);
      EXPECT_TRUE(one.has_value() && one->value == std::to_string(at));
      EXPECT_EQ(RevisionsOf(engine_.get(), *snapshot, Revision{at, 0}, at).size(),
                static_cast<size_t>(kKeys));
      std::optional<std::string> mark;
      EXPECT_TRUE(engine_->GetMeta(*snapshot, "mark", &mark).ok());
      EXPECT_EQ(mark, std::to_string(snapshot->revision));
      EXPECT_EQ(AttachedTo(engine_.get(), *snapshot, snapshot->revision).size(), 1u);
      ++reads;
      std::lock_guard guard(mutex);
      if (--held[at] == 0) held.erase(at);
    }
  };
  std::thread first(reader, 1), second(reader, 2);
  for (int revision = 0; revision < kRevisions; ++revision) {
    script_->Next();
    const std::string value = std::to_string(script_->revision());
    for (int i = 0; i < kKeys; ++i) script_->Put("key/" + std::to_string(i), value);
    script_->Meta("mark", value).Attach(script_->revision(), "k");
    script_->Commit();
    auto pinned = script_->Pin();
    std::unique_lock guard(mutex);
    published = std::move(pinned);
    if (revision % 20 != 19) continue;
    // As the store does: a compaction waits for reads below it.
    const int64_t oldest = held.empty() ? script_->revision() : held.begin()->first;
    const int64_t target = std::min(oldest, script_->revision() - 5);
    if (target <= compacted) continue;
    compacted = target;
    guard.unlock();
    script_->Compact(target).Commit();
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (reads.load() < 20 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  done = true;
  first.join();
  second.join();
  EXPECT_GE(reads.load(), 20);
  script_->ExpectSame();
}

}  // namespace
}  // namespace metastore::test
