// The memory engine's parts against plain models: index, entries, revision log, persistent rows,
// versions.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "engine/memory/key_table.h"
#include "engine/memory/revision_log.h"
#include "engine/tables/index/key_index.h"
#include "engine/tables/row_tree.h"

namespace metastore {
namespace {

VersionRef MakeVersion(int64_t main, int64_t sub = 0, std::string_view key = "k") {
  VersionView view;
  view.rev = Revision{main, sub};
  view.key = key;
  view.value = "value";
  view.version = 1;
  view.create_revision = main;
  return Version::Make(view);
}

using Entries = std::map<std::string, KeyEntry::Owner, std::less<>>;

void ExpectSameKeys(const KeyIndex& index, const Entries& model) {
  index.CheckInvariants();
  ASSERT_EQ(index.size(), model.size());
  auto cursor = index.LowerBound("");
  for (const auto& [key, entry] : model) {
    ASSERT_TRUE(cursor.Valid());
    ASSERT_EQ(cursor.entry(), entry.get());
    cursor.Next();
  }
  EXPECT_FALSE(cursor.Valid());
  const auto last = index.Last();
  ASSERT_EQ(last.Valid(), !model.empty());
  if (last.Valid()) {
    ASSERT_EQ(last.entry(), model.rbegin()->second.get());
  }
}

void ExpectSameBounds(const KeyIndex& index, const Entries& model,
                      const std::vector<std::string>& probes) {
  for (const std::string& probe : probes) {
    const auto wanted = model.lower_bound(probe);
    const auto cursor = index.LowerBound(probe);
    ASSERT_EQ(cursor.Valid(), wanted != model.end());
    if (cursor.Valid()) {
      ASSERT_EQ(cursor.entry(), wanted->second.get());
    }
    const auto below = index.LastBelow(probe);
    ASSERT_EQ(below.Valid(), wanted != model.begin());
    if (below.Valid()) {
      ASSERT_EQ(below.entry(), std::prev(wanted)->second.get());
    }
  }
}

/// Grows to `most` keys and shrinks again, several times.
void Churn(uint32_t seed, size_t most, const std::function<std::string(std::mt19937&)>& make_key) {
  std::mt19937 random(seed);
  KeyIndex index;
  Entries model;
  for (int round = 0; round < 3; ++round) {
    while (model.size() < most) {
      const std::string key = make_key(random);
      if (model.contains(key)) continue;
      auto entry = KeyEntry::Make(key, HashBytes(key));
      index.Insert(entry.get());
      model.emplace(key, std::move(entry));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectSameKeys(index, model));
    std::vector<std::string> probes = {"", "\xff\xff\xff\xff", "key/"};
    for (int i = 0; i < 300; ++i) {
      std::string probe = make_key(random);
      probes.push_back(probe);
      probes.push_back(probe + std::string(1, '\0'));
      probe.resize(random() % (probe.size() + 1));
      probes.push_back(probe);
    }
    ASSERT_NO_FATAL_FAILURE(ExpectSameBounds(index, model, probes));
    const size_t keep = round == 2 ? 0 : model.size() / (round == 0 ? 3 : 50);
    while (model.size() > keep) {
      auto victim = model.lower_bound(make_key(random));
      if (victim == model.end()) victim = model.begin();
      index.Erase(victim->second.get());
      model.erase(victim);
      if (model.size() % 997 == 0) index.CheckInvariants();
    }
    ASSERT_NO_FATAL_FAILURE(ExpectSameKeys(index, model));
  }
}

TEST(KeyIndex, ShortKeysOverAFewBytes) {
  Churn(1, 4000, [](std::mt19937& random) {
    std::string key;
    for (size_t length = 1 + random() % 8; length > 0; --length) {
      key.push_back("\0\1a\xff"[random() % 4]);
    }
    return key;
  });
}

TEST(KeyIndex, LongSharedPrefixes) {
  Churn(2, 6000, [](std::mt19937& random) {
    return "/registry/" + std::string(random() % 3 == 0 ? "pods" : "leases") + "/default/" +
           std::to_string(random() % 100000) + "/tail";
  });
}

TEST(KeyIndex, RandomBytesOfAnyLength) {
  Churn(3, 20000, [](std::mt19937& random) {
    std::string key;
    for (size_t length = 1 + random() % 30; length > 0; --length) {
      key.push_back(static_cast<char>(random()));
    }
    return key;
  });
}

TEST(KeyIndex, AscendingAndDescendingLoads) {
  for (const bool ascending : {true, false}) {
    KeyIndex index;
    Entries model;
    for (int i = 0; i < 20000; ++i) {
      char key[32];
      std::snprintf(key, sizeof key, "key/%08d", ascending ? i : 20000 - i);
      auto entry = KeyEntry::Make(key, HashBytes(key));
      index.Insert(entry.get());
      model.emplace(key, std::move(entry));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectSameKeys(index, model));
    while (!model.empty()) {
      index.Erase(model.begin()->second.get());
      model.erase(model.begin());
      if (model.size() % 1999 == 0) index.CheckInvariants();
    }
    EXPECT_FALSE(index.LowerBound("").Valid());
  }
}

TEST(KeyIndexDeathTest, RefusesASecondEntryOfOneKey) {
  KeyIndex index;
  const auto first = KeyEntry::Make("k", 1), second = KeyEntry::Make("k", 1);
  index.Insert(first.get());
  EXPECT_DEATH(index.Insert(second.get()), "a key occurs once");
}

TEST(KeyEntry, VersionsAgainstAModel) {
  std::mt19937 random(5);
  for (int round = 0; round < 20; ++round) {
    const auto entry = KeyEntry::Make("k", 0);
    std::set<Revision> model;
    int64_t main = 1;
    for (int step = 0; step < 400; ++step) {
      if (random() % 5 < 3) {
        main += random() % 3;
        const Revision rev{main, model.empty() ? 0 : model.rbegin()->sub + 1};
        entry->Append(MakeVersion(rev.main, rev.sub));
        model.insert(rev);
      } else if (!model.empty()) {
        auto victim = model.begin();
        if (random() % 4 == 0) std::advance(victim, random() % model.size());
        const VersionRef removed = entry->Remove(*victim);
        ASSERT_TRUE(removed);
        EXPECT_EQ(removed->rev(), *victim);
        EXPECT_FALSE(entry->Remove(*victim));
        model.erase(victim);
      }
      EXPECT_EQ(entry->empty(), model.empty());
      const int64_t at = static_cast<int64_t>(random() % (main + 2));
      const auto after = model.upper_bound(Revision{at, INT64_MAX});
      const Version* found = entry->NewestAt(at);
      ASSERT_EQ(found != nullptr, after != model.begin());
      if (found != nullptr) {
        EXPECT_EQ(found->rev(), *std::prev(after));
      }
    }
  }
}

TEST(RevisionLog, AgainstAModel) {
  std::mt19937 random(9);
  RevisionLog log;
  std::set<Revision> model;
  int64_t main = 1;
  const auto collect = [&](Revision from, int64_t to) {
    std::vector<Revision> seen;
    log.Scan(from, to, [&](const VersionView& view) {
      seen.push_back(view.rev);
      return true;
    });
    return seen;
  };
  for (int round = 0; round < 120; ++round) {
    std::vector<VersionWrite> writes;
    for (size_t count = random() % 400; count > 0; --count) {
      ++main;
      for (int64_t sub = 0; sub <= static_cast<int64_t>(random() % 3); ++sub) {
        writes.push_back(VersionWrite{MakeVersion(main, sub), VersionMeta()});
        model.insert(Revision{main, sub});
      }
    }
    log.Append(writes);
    std::vector<VersionRemoval> removals;
    // Thin out everywhere, sparse survivors included, and sometimes all.
    const uint32_t keep_one_in = 1 + random() % 9;
    for (auto it = model.begin(); it != model.end();) {
      if (random() % 8 == 0 || (round % 40 == 39) || random() % keep_one_in > 2) {
        removals.push_back(VersionRemoval{"k", *it, false});
        it = model.erase(it);
      } else {
        ++it;
      }
    }
    removals.push_back(VersionRemoval{"k", Revision{main + 5, 0}, false});
    removals.push_back(VersionRemoval{"k", Revision{1, 0}, false});
    std::vector<VersionRef> removed;
    log.Remove(removals, &removed);
    EXPECT_EQ(removed.size(), removals.size() - 2);
    ASSERT_EQ(log.size(), model.size());
    ASSERT_EQ(collect(Revision{0, 0}, INT64_MAX),
              std::vector<Revision>(model.begin(), model.end()));
    const Revision from{static_cast<int64_t>(random() % main), static_cast<int64_t>(random() % 2)};
    const int64_t to = from.main + static_cast<int64_t>(random() % 300);
    EXPECT_EQ(collect(from, to), std::vector<Revision>(model.lower_bound(from),
                                                       model.lower_bound(Revision{to + 1, 0})));
    for (int i = 0; i < 20; ++i) {
      const Revision rev{static_cast<int64_t>(random() % main), 0};
      EXPECT_EQ(static_cast<bool>(log.Find(rev)), model.contains(rev));
    }
  }
}

TEST(RowTree, CopiesKeepWhatTheyShow) {
  std::mt19937 random(4);
  RowTree tree;
  std::map<std::string, std::string> model;
  std::vector<std::pair<RowTree, std::map<std::string, std::string>>> copies;
  const auto check = [](const RowTree& rows, const std::map<std::string, std::string>& wanted) {
    std::map<std::string, std::string> seen;
    std::string last;
    rows.Scan("", [&](std::string_view key, std::string_view value) {
      EXPECT_TRUE(seen.empty() || last < key);
      last = key;
      seen.emplace(key, value);
      return true;
    });
    EXPECT_EQ(seen, wanted);
    EXPECT_EQ(rows.size(), wanted.size());
  };
  for (int step = 0; step < 5000; ++step) {
    const std::string key = "row/" + std::to_string(random() % 700);
    if (random() % 3 == 0) {
      EXPECT_EQ(tree.Erase(key), model.erase(key) > 0);
    } else {
      const std::string value = std::to_string(step);
      tree.Put(key, value);
      model[key] = value;
    }
    const std::string* found = tree.Find(key);
    EXPECT_EQ(found != nullptr, model.contains(key));
    if (step % 500 == 0) copies.emplace_back(tree, model);
  }
  check(tree, model);
  for (const auto& [rows, wanted] : copies) check(rows, wanted);
}

TEST(RowTree, PrefixesAreExact) {
  RowTree tree;
  for (const std::string& key : {std::string("a"), std::string("ab"), std::string("ab\0", 3),
                                 std::string("ab\xff"), std::string("abc"), std::string("ac")}) {
    tree.Put(key, "");
  }
  int seen = 0;
  EXPECT_TRUE(tree.Scan("ab", [&](auto, auto) { return ++seen > 0; }));
  EXPECT_EQ(seen, 4);
  EXPECT_FALSE(tree.Scan("a", [&](auto, auto) { return false; }));
  seen = 0;
  EXPECT_TRUE(tree.Scan("abcd", [&](auto, auto) { return ++seen > 0; }));
  EXPECT_EQ(seen, 0);
}

TEST(Version, OwnsItsBytesAndKnowsItsSize) {
  std::string key = "key", value = "value";
  VersionView view;
  view.rev = Revision{5, 1};
  view.prev = Revision{4, 0};
  view.prev_size_bytes = 77;
  view.create_revision = 3;
  view.version = 2;
  view.lease = -9;
  view.key = key;
  view.value = value;
  const VersionRef version = Version::Make(view);
  key = "xxx";
  value.clear();
  EXPECT_EQ(version->key(), "key");
  EXPECT_EQ(version->value(), "value");
  EXPECT_EQ(version->view().prev, (Revision{4, 0}));
  const VersionMeta meta = version->meta();
  EXPECT_EQ(meta.rev, version->rev());
  EXPECT_EQ(meta.lease, -9);
  EXPECT_EQ(meta.size_bytes, 17 + 40 + 3 + 5u);
  EXPECT_EQ(AccountedSize(SIZE_MAX / 4, 0), UINT32_MAX);
}

TEST(VersionDeathTest, TombstonesCarryNothing) {
  VersionView view;
  view.rev.main = 1;
  view.tombstone = true;
  view.value = "v";
  EXPECT_DEATH(Version::Make(view), "a tombstone carries nothing");
}

}  // namespace
}  // namespace metastore
