// The caches of engines against plain models: metadata of keys for writes, and hot keys for readers
// on other threads, which must never see what is old.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>

#include "base/hash.h"
#include "engine/tables/hot_map.h"
#include "engine/tables/meta_cache.h"

namespace metastore {
namespace {

TEST(MetaCache, NeverStaleAndNeverOverItsBudget) {
  constexpr uint64_t kCapacity = 64 * 1024;
  MetaCache cache(kCapacity);
  std::mt19937 random(6);
  std::map<std::string, int64_t> model;
  size_t hits = 0;
  for (int step = 0; step < 50000; ++step) {
    const std::string key = "key/" + std::to_string(random() % 2000);
    const uint64_t hash = HashBytes(key);
    if (random() % 2 == 0) {
      VersionMeta meta;
      meta.rev.main = random() % 5 == 0 ? 0 : step + 1;
      cache.Put(key, hash, meta);
      model[key] = meta.rev.main;
    }
    const VersionMeta* found = cache.Find(key, hash);
    if (found != nullptr) {
      ++hits;
      ASSERT_EQ(found->rev.main, model.at(key));
    }
    ASSERT_LE(cache.bytes(), kCapacity);
  }
  EXPECT_GT(hits, 10000u);
  EXPECT_GT(cache.entries(), 100u);
}

TEST(MetaCache, KeepsWhatIsUsed) {
  MetaCache cache(256 * 1024);
  VersionMeta meta;
  meta.rev.main = 1;
  for (int i = 0; i < 100; ++i) {
    const std::string key = "hot/" + std::to_string(i);
    cache.Put(key, HashBytes(key), meta);
  }
  int kept = 0;
  for (int i = 0; i < 100000; ++i) {
    const std::string cold = "cold/" + std::to_string(i);
    cache.Put(cold, HashBytes(cold), meta);
    const std::string hot = "hot/" + std::to_string(i % 100);
    if (cache.Find(hot, HashBytes(hot)) != nullptr) ++kept;
  }
  EXPECT_GT(kept, 99000);
}

TEST(MetaCache, AnEntryLargerThanTheCacheIsForgotten) {
  MetaCache cache(64 * 100);
  VersionMeta meta;
  meta.rev.main = 1;
  const std::string large(1000, 'x');
  cache.Put(large, HashBytes(large), meta);
  EXPECT_EQ(cache.Find(large, HashBytes(large)), nullptr);
  EXPECT_EQ(cache.bytes(), 0u);
}

VersionRef MakeValue(int64_t main, std::string_view key, std::string_view value) {
  VersionView view;
  view.rev = Revision{main, 0};
  view.key = key;
  view.value = value;
  return Version::Make(view);
}

VersionRef MakeTombstone(int64_t main, std::string_view key) {
  VersionView view;
  view.rev = Revision{main, 0};
  view.key = key;
  view.tombstone = true;
  return Version::Make(view);
}

TEST(HotMap, ShowsWhatIsVisibleAndFollowsCommits) {
  HotMap map(1 << 20);
  const uint64_t hash = HashBytes("k");
  EXPECT_FALSE(map.Find("k", hash, 100));
  map.Commit(MakeValue(5, "k", "five"), hash);  // only what is read comes in
  EXPECT_FALSE(map.Find("k", hash, 100));
  map.Offer(MakeValue(5, "k", "five")->view(), hash, 5);
  ASSERT_TRUE(map.Find("k", hash, 5));
  EXPECT_EQ(map.Find("k", hash, 7)->value(), "five");
  EXPECT_FALSE(map.Find("k", hash, 4));  // not yet written then
  map.Commit(MakeValue(8, "k", "eight"), hash);
  EXPECT_FALSE(map.Find("k", hash, 7));
  EXPECT_EQ(map.Find("k", hash, 8)->value(), "eight");
  map.Commit(MakeTombstone(9, "k"), hash);
  EXPECT_FALSE(map.Find("k", hash, 9));
  EXPECT_EQ(map.bytes(), 0u);
  EXPECT_EQ(map.hits(), 3u);
}

TEST(HotMap, RefusesWhatMayBeOldByNow) {
  HotMap map(1 << 20);
  const uint64_t hash = HashBytes("k");
  const VersionRef old = MakeValue(5, "k", "old");
  // A reader pinned revision 5 and read; before it offers, revision 6 is committed.
  map.Commit(MakeValue(6, "k", "new"), hash);
  map.Offer(old->view(), hash, 5);
  EXPECT_FALSE(map.Find("k", hash, 6));
  // The same when revision 6 deleted the key.
  map.Commit(MakeTombstone(7, "k"), hash);
  map.Offer(old->view(), hash, 6);
  EXPECT_FALSE(map.Find("k", hash, 7));
  map.Offer(old->view(), hash, 7);
  EXPECT_TRUE(map.Find("k", hash, 7));
  // A second offer changes nothing.
  map.Offer(MakeValue(5, "k", "other")->view(), hash, 7);
  EXPECT_EQ(map.Find("k", hash, 7)->value(), "old");
}

TEST(HotMap, StaysWithinItsBudget) {
  constexpr uint64_t kCapacity = 1 << 20;
  HotMap map(kCapacity);
  std::mt19937 random(8);
  size_t found = 0;
  for (int64_t step = 1; step < 60000; ++step) {
    const std::string key = "key/" + std::to_string(random() % 5000);
    const uint64_t hash = HashBytes(key);
    const VersionRef version = MakeValue(step, key, std::string(random() % 900, 'v'));
    switch (random() % 8) {
      case 0:
        map.Commit(version, hash);
        break;
      case 1:
        map.Commit(MakeTombstone(step, key), hash);
        break;
      case 2:
        map.Offer(MakeValue(step, key, std::string(kCapacity / 64, 'v'))->view(), hash, step);
        break;
      default:
        map.Offer(version->view(), hash, step);
    }
    if (map.Find(key, hash, step)) ++found;
    ASSERT_LE(map.bytes(), kCapacity);
  }
  EXPECT_GT(found, 10000u);
  EXPECT_GT(map.bytes(), kCapacity / 2);
}

/// Revision m writes key m % kKeys, so what a reader at r must see can be told without a database.
TEST(HotMap, ReadersNeverSeeAnOldVersion) {
  constexpr int64_t kKeys = 16;
  constexpr int64_t kRevisions = 20000;
  constexpr int kTurnsMost = 10'000'000;
  HotMap map(1 << 20);
  std::atomic<int64_t> published{kKeys};
  std::atomic<size_t> found{0};
  const auto reader = [&](uint32_t seed) {
    std::mt19937 random(seed);
    // A reader that came too late to meet the writer still meets what it has left.
    int64_t revision = 0;
    for (int turn = 0; revision < kRevisions || (found.load() == 0 && turn < kTurnsMost); ++turn) {
      revision = published.load(std::memory_order_acquire);
      const int64_t k = static_cast<int64_t>(random() % kKeys);
      const int64_t wanted = revision - (revision - k) % kKeys;
      const std::string key = "key/" + std::to_string(k);
      const uint64_t hash = HashBytes(key);
      if (const VersionRef hot = map.Find(key, hash, revision)) {
        ASSERT_EQ(hot->rev().main, wanted);
        found.fetch_add(1);
      } else {
        map.Offer(MakeValue(wanted, key, "v")->view(), hash, revision);
      }
    }
  };
  std::thread first(reader, 1), second(reader, 2);
  for (int64_t revision = kKeys + 1; revision <= kRevisions; ++revision) {
    const std::string key = "key/" + std::to_string(revision % kKeys);
    map.Commit(MakeValue(revision, key, "v"), HashBytes(key));
    published.store(revision, std::memory_order_release);
    if (revision % 64 == 0) std::this_thread::yield();
  }
  first.join();
  second.join();
  EXPECT_GT(found.load(), 0u);
}

}  // namespace
}  // namespace metastore
