// The contract that every engine keeps, case by case; see engine_contract.h. What takes random
// operations or threads is in engine_random_test.cc.
#include "test/engine_contract.h"

namespace metastore::test {
namespace {

TEST_P(EngineContract, EmptyEngineShowsNothing) {
  const auto snapshot = engine_->Pin(1);
  EXPECT_EQ(snapshot->revision, 1);
  EXPECT_TRUE(ScanAll(engine_.get(), *snapshot, Everything(), 1).empty());
  EXPECT_TRUE(RevisionsOf(engine_.get(), *snapshot, Revision{0, 0}, INT64_MAX).empty());
  EXPECT_FALSE(GetAt(engine_.get(), *snapshot, "k", 1).has_value());
  EXPECT_TRUE(AttachedTo(engine_.get(), *snapshot, 7).empty());
  std::optional<std::string> value = "before";
  ASSERT_TRUE(engine_->GetMeta(*snapshot, "row", &value).ok());
  EXPECT_FALSE(value.has_value());
  EXPECT_FALSE(engine_->Stats().empty());
  EXPECT_TRUE(engine_->Flush().ok());
}

TEST_P(EngineContract, PutOverwriteDeleteAndPutAgain) {
  script_->Next().Put("k", "one").Commit();
  script_->Next().Put("k", "two", 5).Commit();
  script_->Next().Delete("k").Commit();
  script_->Next().Put("other", "x").Commit();
  script_->Next().Put("k", "three").Commit();
  script_->ExpectSame();
  const auto snapshot = script_->Pin();
  const auto again = GetAt(engine_.get(), *snapshot, "k", 6);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->create_revision, 6);
  EXPECT_EQ(again->version, 1);
  EXPECT_EQ(again->prev.main, 0);
  EXPECT_FALSE(GetAt(engine_.get(), *snapshot, "k", 4).has_value());
  EXPECT_FALSE(GetAt(engine_.get(), *snapshot, "k", 5).has_value());
}

TEST_P(EngineContract, OddKeysAndValues) {
  const std::string zero(1, '\0'), top(1, '\xff');
  script_->Next();
  for (const std::string& key : {std::string("a"),
                                 "a" + zero,
                                 "a" + zero + zero,
                                 "a" + zero + "b",
                                 "a" + top,
                                 "a" + top + zero,
                                 "a" + zero + top,
                                 "a" + zero + "\x01",
                                 std::string("aa"),
                                 std::string("ab"),
                                 zero,
                                 top,
                                 zero + top,
                                 top + top,
                                 std::string(40, '\0'),
                                 std::string(3000, '\xff'),
                                 std::string("a\x01"),
                                 std::string("prefix"),
                                 std::string("prefix/longer"),
                                 std::string("prefix0")}) {
    script_->Put(key, "value of " + key);
  }
  script_->Commit();
  script_->Next().Put("empty value", "").Put("large", std::string(1 << 20, 'v')).Commit();
  script_->Next().Put("a" + zero, std::string("\0\xff\0", 3)).Delete("a").Delete(top).Commit();
  script_->Next().Put("a", "").Put("a" + zero, "newer").Commit();
  script_->ExpectSame();
}

TEST_P(EngineContract, RangesHaveBounds) {
  script_->Next();
  for (const char* key : {"a", "ab", "b", "ba", "c", "d"}) script_->Put(key, key);
  script_->Commit();
  const auto snapshot = script_->Pin();
  const auto keys = [&](std::string_view start, std::string_view end, bool unbounded) {
    std::string all;
    KeyRange range;
    range.start = start;
    range.end = end;
    range.unbounded = unbounded;
    for (const Row& row : ScanAll(engine_.get(), *snapshot, range, snapshot->revision)) {
      all += row.key + " ";
    }
    return all;
  };
  EXPECT_EQ(keys("a", "b", false), "a ab ");
  EXPECT_EQ(keys("ab", "c", false), "ab b ba ");
  EXPECT_EQ(keys("aa", "aa", false), "");
  EXPECT_EQ(keys("c", "a", false), "");
  EXPECT_EQ(keys("", "", false), "");
  EXPECT_EQ(keys("b", "", true), "b ba c d ");
  EXPECT_EQ(keys("d", std::string_view("d\0", 2), false), "d ");
  EXPECT_EQ(keys("e", "", true), "");
}

TEST_P(EngineContract, ShortRangesAreResident) {
  script_->Next();
  const auto key = [](int i) { return "k" + std::to_string(100 + i); };
  for (int i = 0; i < 80; ++i) script_->Put(key(i), "old");
  script_->Next();
  for (int i = 0; i < 40; ++i) script_->Put(key(i), key(i));
  for (int i = 40; i < 80; ++i) script_->Delete(key(i));
  script_->Commit();
  const auto snapshot = script_->Pin();
  // False when it is not served; else it has to be what Scan shows.
  const auto served = [&](const std::string& start, const std::string& end, int64_t at) {
    const KeyRange range{start, end, false};
    std::vector<Row> rows;
    const bool whole =
        engine_->ScanResident(*snapshot, range, at, 32, [&](const VersionView& view) {
          rows.push_back(RowOf(view));
          return true;
        });
    if (!whole) return false;
    EXPECT_EQ(rows, ScanAll(engine_.get(), *snapshot, range, at)) << start << " " << end;
    return true;
  };
  for (const int count : {0, 1, 10, 31, 32}) {
    EXPECT_TRUE(served(key(3), key(3 + count), snapshot->revision)) << count;
  }
  EXPECT_TRUE(served(key(5), key(3), snapshot->revision));
  EXPECT_TRUE(served("x", "y", snapshot->revision));
  // One key too many, and keys that do not show: they take time as well.
  EXPECT_FALSE(served(key(3), key(36), snapshot->revision));
  EXPECT_FALSE(served(key(45), key(79), snapshot->revision));
  served(key(3), key(13), snapshot->revision - 1);
  // Who has seen enough does not need the rest.
  int seen = 0;
  const auto three = [&](const VersionView&) { return ++seen < 3; };
  EXPECT_TRUE(engine_->ScanResident(*snapshot, Everything(), snapshot->revision, 32, three));
  EXPECT_EQ(seen, 3);
  // Out of files it may take the disk, or not; what is served is right.
  ASSERT_TRUE(engine_->Flush().ok());
  served(key(3), key(13), snapshot->revision);
}

TEST_P(EngineContract, VisitorsStopScans) {
  script_->Next();
  for (int i = 0; i < 2000; ++i) script_->Put("k" + std::to_string(10000 + i), "v");
  script_->Meta("m1", "a").Meta("m2", "b").Attach(1, "x").Attach(1, "y").Commit();
  const auto snapshot = script_->Pin();
  for (const int stop : {1, 2, 31, 32, 33, 96, 500, 1999}) {
    int seen = 0;
    const auto count = [&](const VersionView&) { return ++seen < stop; };
    ASSERT_TRUE(engine_->Scan(*snapshot, Everything(), 2, false, count).ok());
    EXPECT_EQ(seen, stop);
    seen = 0;
    ASSERT_TRUE(engine_->ScanRevisions(*snapshot, Revision{0, 0}, 2, count).ok());
    EXPECT_EQ(seen, stop);
  }
  int seen = 0;
  ASSERT_TRUE(engine_->ScanMeta(*snapshot, "", [&](auto, auto) { return ++seen < 1; }).ok());
  EXPECT_EQ(seen, 1);
  ASSERT_TRUE(engine_->ScanAttached(*snapshot, 1, [&](auto) { return ++seen < 2; }).ok());
  EXPECT_EQ(seen, 2);
}

TEST_P(EngineContract, KeysOnlyShowsEverythingButValues) {
  for (int i = 0; i < 5; ++i) script_->Next().Put("k", std::to_string(i), i).Put("l", "x").Commit();
  const auto snapshot = script_->Pin();
  for (int64_t at = 2; at <= script_->revision(); ++at) {
    auto whole = ScanAll(engine_.get(), *snapshot, Everything(), at);
    auto keys = ScanAll(engine_.get(), *snapshot, Everything(), at, true);
    ASSERT_EQ(whole.size(), 2u);
    for (auto* rows : {&whole, &keys}) {
      for (Row& row : *rows) row.value.clear();
    }
    EXPECT_EQ(whole, keys);
  }
}

TEST_P(EngineContract, OneKeyManyTimesInOneRevisionAndOneBatch) {
  script_->Next().Put("k", "a").Put("k", "b").Delete("k").Put("k", "c").Put("k", "d");
  script_->Next().Delete("k").Put("k", "e");
  script_->Next().Put("k", "f").Delete("k").Put("twice", "1").Put("twice", "2").Commit();
  script_->ExpectSame();
  script_->Next().Put("k", "g").Commit();
  script_->ExpectSame();
}

TEST_P(EngineContract, RevisionScansHaveBounds) {
  for (int i = 0; i < 6; ++i) script_->Next().Put("a", "1").Put("b", "2").Delete("a").Commit();
  const auto snapshot = script_->Pin();
  const auto name = [&](Revision from, int64_t to) {
    std::string all;
    for (const Row& row : RevisionsOf(engine_.get(), *snapshot, from, to)) {
      all += std::to_string(row.rev.main) + "." + std::to_string(row.rev.sub) + " ";
    }
    return all;
  };
  EXPECT_EQ(name({3, 1}, 4), "3.1 3.2 4.0 4.1 4.2 ");
  EXPECT_EQ(name({3, 3}, 3), "");
  EXPECT_EQ(name({4, 0}, 3), "");
  EXPECT_EQ(name({7, 2}, INT64_MAX), "7.2 ");
  EXPECT_EQ(name({8, 0}, INT64_MAX), "");
  EXPECT_EQ(name({0, 0}, 1), "");
  int visits = 0;
  const auto count = [&](const VersionView&) { return ++visits > 0; };
  ASSERT_TRUE(engine_->GetRevision(*snapshot, Revision{3, 7}, count).ok());
  ASSERT_TRUE(engine_->GetRevision(*snapshot, Revision{99, 0}, count).ok());
  EXPECT_EQ(visits, 0);
}

TEST_P(EngineContract, MetaRowsAndAttachments) {
  const std::string binary("\0row\xff", 5);
  script_->Meta("b", "2").Meta("a", "").Meta(binary, binary).Meta("ab", "3").Commit();
  script_->Meta("b", "4").Meta("a", std::nullopt).Meta("absent", std::nullopt);
  script_->Meta("same", "first").Meta("same", "last").Meta("gone", "x").Meta("gone", std::nullopt);
  script_->Commit();
  for (const int64_t lease : {int64_t{1}, int64_t{256}, INT64_MAX, int64_t{-5}, INT64_MIN}) {
    script_->Attach(lease, "z").Attach(lease, binary).Attach(lease, "a").Attach(lease, "ab");
  }
  script_->Attach(1, "z", false).Attach(1, "never", false).Attach(1, "a", false).Attach(1, "a");
  script_->Commit();
  script_->ExpectSame();
  const auto snapshot = script_->Pin();
  std::vector<std::string> names;
  const auto note = [&](std::string_view key, std::string_view) {
    names.emplace_back(key);
    return true;
  };
  ASSERT_TRUE(engine_->ScanMeta(*snapshot, "a", note).ok());
  EXPECT_EQ(names, std::vector<std::string>({"ab"}));
  std::optional<std::string> value;
  ASSERT_TRUE(engine_->GetMeta(*snapshot, "same", &value).ok());
  EXPECT_EQ(value, "last");
  EXPECT_EQ(AttachedTo(engine_.get(), *snapshot, 1), std::vector<std::string>({binary, "a", "ab"}));
  EXPECT_TRUE(AttachedTo(engine_.get(), *snapshot, 2).empty());
}

TEST_P(EngineContract, RemovalsDropVersionsEverywhere) {
  for (int i = 0; i < 50; ++i) script_->Next().Put("hot", std::to_string(i)).Commit();
  script_->Next().Put("gone", "x").Commit();
  script_->Next().Delete("gone").Commit();
  script_->Next().Put("back", "x").Delete("back").Put("back", "y").Commit();
  script_->Compact(30).Commit();
  script_->ExpectSame();
  script_->Compact(script_->revision()).Commit();
  script_->ExpectSame();
  EXPECT_EQ(script_->rows().size(), 2u);
  script_->Next().Put("gone", "again").Put("hot", "more").Commit();
  script_->ExpectSame();
  // Removing what has gone is no error: an interrupted compaction starts over.
  Batch again;
  again.removals.push_back(VersionRemoval{"hot", Revision{2, 0}, false});
  again.removals.push_back(VersionRemoval{"unknown", Revision{3, 0}, true});
  again.revision = script_->revision();
  ASSERT_TRUE(engine_->Commit(again).ok());
  script_->ExpectSame();
}

/// Generations of one key of all lengths around the strides of the rocksdb engine's history, some
/// revisions with two changes of it, and another key that never rests in between.
void FillGenerations(Script* script) {
  for (const int puts : {1, 2, 15, 16, 17, 18, 31, 32, 33, 50}) {
    for (int i = 0; i < puts; ++i) {
      script->Next().Put("key", std::to_string(i));
      if (i % 5 == 4) script->Put("key", "twice");
      if (i % 3 == 0) script->Put(std::string("key\0", 4), "beside");
      script->Put("steady", std::to_string(i)).Commit();
    }
    script->Next().Delete("key");
    if (puts % 2 == 0) script->Put("key", "at once");
    script->Commit();
  }
}

TEST_P(EngineContract, EveryRevisionOfLongHistoriesIsRead) {
  FillGenerations(script_.get());
  script_->ExpectSame();
  script_->Compact(script_->revision() - 90).Commit();
  script_->ExpectSame();
  for (int i = 0; i < 40; ++i) script_->Next().Put("key", "more").Put("new", "x").Commit();
  script_->Compact(script_->revision() - 17).Commit();
  script_->ExpectSame();
}

TEST_P(EngineContract, HistoriesAreReadWhereverACompactionCutsThem) {
  FillGenerations(script_.get());
  const int64_t last = script_->revision();
  for (int64_t at = 5; at < last; at += at < 60 ? 7 : 31) {
    EngineSnapshotRef old = script_->Pin();
    const auto before = ScanAll(engine_.get(), *old, Everything(), at - 3);
    // An engine that removes in place wants nobody below the compaction.
    if (!engine_->persistent()) old.reset();
    script_->Compact(at).Commit();
    if (old) {
      EXPECT_EQ(ScanAll(engine_.get(), *old, Everything(), at - 3), before);
    }
    const EngineSnapshotRef now = script_->Pin();
    for (int64_t seen = at; seen <= last; seen += 3) script_->ExpectSameAt(*now, seen);
  }
}

TEST_P(EngineContract, RemovalAndNewVersionInOneBatch) {
  script_->Next().Put("k", "1").Commit();
  script_->Next().Delete("k").Commit();
  script_->Compact(3).Next().Put("k", "2").Commit();
  script_->ExpectSame();
}

TEST_P(EngineContract, SnapshotsDoNotChange) {
  script_->Next().Put("a", "1").Put("b", "1").Meta("m", "1").Attach(9, "a").Commit();
  const auto snapshot = script_->Pin();
  script_->Next().Put("a", "2").Delete("b").Put("c", "1").Meta("m", "2").Meta("n", "1");
  script_->Attach(9, "a", false).Attach(9, "c").Commit();
  const auto rows = ScanAll(engine_.get(), *snapshot, Everything(), 2);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].value, "1");
  EXPECT_EQ(rows[1].key, "b");
  EXPECT_EQ(RevisionsOf(engine_.get(), *snapshot, Revision{0, 0}, INT64_MAX).size(), 2u);
  int visits = 0;
  const auto count = [&](const VersionView&) { return ++visits > 0; };
  ASSERT_TRUE(engine_->GetRevision(*snapshot, Revision{3, 0}, count).ok());
  EXPECT_EQ(visits, 0);
  std::optional<std::string> value;
  ASSERT_TRUE(engine_->GetMeta(*snapshot, "m", &value).ok());
  EXPECT_EQ(value, "1");
  ASSERT_TRUE(engine_->GetMeta(*snapshot, "n", &value).ok());
  EXPECT_FALSE(value.has_value());
  EXPECT_EQ(AttachedTo(engine_.get(), *snapshot, 9), std::vector<std::string>({"a"}));
  script_->ExpectSame();
}

INSTANTIATE_TEST_SUITE_P(Memory, EngineContract,
                         testing::Values(EngineKind{
                             "memory", [](const std::string&) { return NewMemoryEngine(); }}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace metastore::test
