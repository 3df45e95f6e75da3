// Compaction, its resumption, and the hashes that go with it.
#include <gtest/gtest.h>

#include "mvcc/read/hash.h"
#include "test/support/mvcc_fixture.h"

namespace metastore::testing {
namespace {

constexpr uint32_t kEmptyHashKv = 1084519789;

/// Every stored row as "main.sub key", tombstones with a minus.
std::vector<std::string> Rows(const MvccHarness& h) {
  std::vector<std::string> rows;
  const auto visit = [&rows](const VersionView& view) {
    rows.push_back(std::to_string(view.rev.main) + "." + std::to_string(view.rev.sub) + " " +
                   (view.tombstone ? "-" : "") + std::string(view.key));
    return true;
  };
  EXPECT_TRUE(h.engine->ScanRevisions(*h.store->Pin()->snapshot, {0, 0}, INT64_MAX, visit).ok());
  return rows;
}

using List = std::vector<std::string>;

TEST(MvccCompact, RevisionRules) {
  MvccHarness h;
  EXPECT_EQ(h.store->Pin()->compact_revision, -1);
  EXPECT_EQ(h.Compact(-1).code(), Code::kCompacted);
  EXPECT_EQ(h.Compact(INT64_MIN).code(), Code::kCompacted);
  EXPECT_EQ(h.Compact(2).code(), Code::kFutureRevision);
  ASSERT_TRUE(h.Compact(0).ok());
  EXPECT_EQ(h.Compact(0).code(), Code::kCompacted);
  ASSERT_TRUE(h.Compact(1).ok());
  EXPECT_EQ(h.reply.header.revision, 1);
  EXPECT_EQ(h.Compact(1).code(), Code::kCompacted);
  EXPECT_EQ(h.Compact(INT64_MAX).code(), Code::kFutureRevision);
  EXPECT_EQ(h.store->CompactionDone(), -1);
  ASSERT_TRUE(h.FinishCompaction());
  EXPECT_EQ(h.store->CompactionDone(), 1);
}

TEST(MvccCompact, DropsWhatIsSuperseded) {
  MvccHarness h;
  ASSERT_TRUE(h.Put("a", "1").ok());  // 2
  ASSERT_TRUE(h.Put("a", "2").ok());  // 3
  ASSERT_TRUE(h.Put("b", "1").ok());  // 4
  ASSERT_TRUE(h.Delete("b").ok());    // 5
  ASSERT_TRUE(h.Put("c", "1").ok());  // 6
  ASSERT_TRUE(h.Delete("c").ok());    // 7
  ASSERT_TRUE(h.Put("c", "2").ok());  // 8
  ASSERT_TRUE(h.Put("a", "3").ok());  // 9
  ASSERT_TRUE(h.Compact(7).ok());
  EXPECT_EQ(Rows(h).size(), 8u) << "logical at once, physical later";
  ASSERT_TRUE(h.FinishCompaction());
  EXPECT_EQ(Rows(h), (List{"3.0 a", "7.0 -c", "8.0 c", "9.0 a"}));
  ASSERT_TRUE(h.Range(kZero, kZero, 7).ok());
  EXPECT_EQ(h.Keys(), "a");
  ASSERT_TRUE(h.Range(kZero, kZero).ok());
  EXPECT_EQ(h.Keys(), "a c");
  ASSERT_TRUE(h.Compact(9).ok());
  ASSERT_TRUE(h.FinishCompaction());
  EXPECT_EQ(Rows(h), (List{"8.0 c", "9.0 a"}));
  EXPECT_EQ(h.store->CompactionDone(), 9);
  EXPECT_EQ(h.store->sizes().db_size_in_use_bytes, 20480 + 4096);
}

TEST(MvccCompact, SizesComeBackToWhatIsStored) {
  MvccHarness h;
  const std::string value(4096, 'x');
  for (int i = 0; i < 50; i++) ASSERT_TRUE(h.Put("k" + std::to_string(i % 5), value).ok());
  ASSERT_TRUE(h.Delete("k", "l").ok());
  ASSERT_TRUE(h.Compact(h.store->revision()).ok());
  ASSERT_TRUE(h.FinishCompaction());
  EXPECT_EQ(Rows(h).size(), 5u);
  EXPECT_EQ(h.store->sizes().db_size_in_use_bytes, 20480 + 4096);
  ASSERT_TRUE(h.Put("z", "1").ok());
  ASSERT_TRUE(h.Delete("z").ok());
  ASSERT_TRUE(h.Put("y", "1").ok());
  ASSERT_TRUE(h.Delete("y").ok());
  ASSERT_TRUE(h.Put("y", "1").ok());
  ASSERT_TRUE(h.Delete("y").ok());
  ASSERT_TRUE(h.Compact(h.store->revision()).ok());
  ASSERT_TRUE(h.FinishCompaction());
  EXPECT_EQ(Rows(h).size(), 1u);
}

TEST(MvccCompact, BothChangesOfOneRevision) {
  MvccHarness h;
  ASSERT_TRUE(h.Put("x", "1").ok());
  codec::TxnRequest txn;
  txn.success.emplace_back(codec::DeleteRangeRequest{"a", kZero, false});
  txn.success.emplace_back(PutOf("x", "2"));
  ASSERT_TRUE(h.Txn(txn).ok());  // 3: deletion at sub 0, put at sub 1
  codec::TxnRequest reverse;
  reverse.success.emplace_back(PutOf("y", "1"));
  reverse.success.emplace_back(codec::DeleteRangeRequest{"y", kZero, false});
  ASSERT_TRUE(h.Txn(reverse).ok());  // 4: put and deletion
  ASSERT_TRUE(h.Compact(3).ok());
  ASSERT_TRUE(h.FinishCompaction());
  EXPECT_EQ(Rows(h), (List{"3.0 -x", "3.1 x", "4.0 y", "4.1 -y"}));
  ASSERT_TRUE(h.Range("x", {}, 3).ok());
  EXPECT_EQ(h.reply.kvs[0].value, "2");
  ASSERT_TRUE(h.Compact(4).ok());
  ASSERT_TRUE(h.FinishCompaction());
  EXPECT_EQ(Rows(h), (List{"3.1 x", "4.1 -y"}));
}

TEST(MvccCompact, WaitsForReadersBelow) {
  MvccHarness h;
  ASSERT_TRUE(h.Put("a", "1").ok());
  ASSERT_TRUE(h.Put("a", "2").ok());
  ViewRef old = h.store->Pin();
  h.sink.publications.clear();
  ASSERT_TRUE(h.Compact(3).ok());
  h.sink.publications.clear();
  bool more = false;
  for (int i = 0; i < 3; i++) {
    ASSERT_TRUE(h.store->CompactStep(&more).ok());
    EXPECT_TRUE(more);
  }
  EXPECT_EQ(Rows(h).size(), 2u);
  std::string bytes;
  codec::RangeRequest request = RangeOf("a");
  request.revision = 2;
  ASSERT_TRUE(h.store->Range(*old, request, h.header, &bytes).ok());
  EXPECT_EQ(ParseRange(bytes).kvs[0].value, "1");
  old.reset();
  const ViewRef young = h.store->Pin();
  ASSERT_TRUE(h.store->CompactStep(&more).ok());
  EXPECT_FALSE(more);
  EXPECT_EQ(Rows(h).size(), 1u);
  ASSERT_TRUE(h.store->CompactStep(&more).ok());
  EXPECT_FALSE(more);
}

TEST(MvccCompact, ResumesAfterACrashBetweenSteps) {
  for (int crash_after = 0; crash_after < 12; crash_after++) {
    StoreOptions options;
    options.compaction_batch_limit = 4;
    MvccHarness h(options);
    for (int i = 0; i < 40; i++) {
      ASSERT_TRUE(h.Put("k" + std::to_string(i % 7), std::string(100, 'x')).ok());
      if (i % 5 == 4) {
        ASSERT_TRUE(h.Delete("k" + std::to_string(i % 3)).ok());
      }
    }
    ASSERT_TRUE(h.Compact(20).ok());
    ASSERT_TRUE(h.Compact(41).ok());
    h.sink.publications.clear();
    bool more = true;
    for (int i = 0; i < crash_after && more; i++) {
      ASSERT_TRUE(h.store->CompactStep(&more).ok());
    }
    h.Open();
    EXPECT_EQ(h.Range("k1", {}, 40).code(), Code::kCompacted);
    ASSERT_TRUE(h.FinishCompaction());
    EXPECT_EQ(h.store->CompactionDone(), 41);
    MvccHarness straight;
    for (int i = 0; i < 40; i++) {
      ASSERT_TRUE(straight.Put("k" + std::to_string(i % 7), std::string(100, 'x')).ok());
      if (i % 5 == 4) {
        ASSERT_TRUE(straight.Delete("k" + std::to_string(i % 3)).ok());
      }
    }
    ASSERT_TRUE(straight.Compact(41).ok());
    ASSERT_TRUE(straight.FinishCompaction());
    EXPECT_EQ(Rows(h), Rows(straight)) << crash_after;
    EXPECT_EQ(h.store->sizes().db_size_in_use_bytes, straight.store->sizes().db_size_in_use_bytes);
    EXPECT_EQ(h.HashKv(0).hash, straight.HashKv(0).hash);
    EXPECT_EQ(*h.store->Hash(*h.store->Pin()), *straight.store->Hash(*straight.store->Pin()));
  }
}

TEST(MvccHash, EmptyAndNegative) {
  MvccHarness h;
  EXPECT_EQ(h.HashKv(0).hash, kEmptyHashKv);
  EXPECT_EQ(h.HashKv(0).hash_revision, 1);
  EXPECT_EQ(h.HashKv(0).compact_revision, -1);
  ASSERT_TRUE(h.Put("a", "1").ok());
  EXPECT_NE(h.HashKv(0).hash, kEmptyHashKv);
  EXPECT_EQ(h.HashKv(-5).hash, kEmptyHashKv);
  EXPECT_EQ(h.HashKv(-5).hash_revision, -5);
  EXPECT_EQ(h.HashKv(1).hash, kEmptyHashKv);
  EXPECT_EQ(h.store->HashKv(*h.store->Pin(), 3).status().code(), Code::kFutureRevision);
}

/// A history whose numbers were taken from etcd 3.7.1.
TEST(MvccHash, AgreesWithEtcd) {
  MvccHarness h;
  ASSERT_TRUE(h.Put("a", "a").ok());
  EXPECT_EQ(h.HashKv(0).hash, 3407656708u);
  ASSERT_TRUE(h.Compact(0).ok());
  ASSERT_TRUE(h.FinishCompaction());
  // The remembered hash of the compaction to 0 answers for 0 from now on.
  EXPECT_EQ(h.HashKv(0).hash, kEmptyHashKv);
  EXPECT_EQ(h.HashKv(0).compact_revision, -1);
  EXPECT_EQ(h.HashKv(0).hash_revision, 0);
  EXPECT_EQ(h.HashKv(2).hash, 3407656708u);
  EXPECT_EQ(h.HashKv(2).compact_revision, 0);
  ASSERT_TRUE(h.Compact(1).ok());
  ASSERT_TRUE(h.FinishCompaction());
  EXPECT_EQ(h.HashKv(1).hash, kEmptyHashKv);
  EXPECT_EQ(h.HashKv(1).compact_revision, 0);
  EXPECT_EQ(h.HashKv(2).compact_revision, 1);
  ASSERT_TRUE(h.Grant(-7, 2).ok());
  ASSERT_TRUE(h.Put("x", "x").ok());  // 3
  codec::TxnRequest both;
  both.success.emplace_back(codec::DeleteRangeRequest{"a", kZero, true});
  both.success.emplace_back(PutOf("x", "y"));
  ASSERT_TRUE(h.Txn(both).ok());       // 4
  ASSERT_TRUE(h.Put("y", "y").ok());   // 5
  ASSERT_TRUE(h.Put("a", "zz").ok());  // 6
  // Here the recorded run had put y, read and nested in one transaction: the same change.
  ASSERT_TRUE(h.Grant(11, 100).ok());
  ASSERT_TRUE(h.Put("l2", "zz", 11).ok());  // 7
  ASSERT_TRUE(h.Put("l1", "zz", 11).ok());  // 8
  ASSERT_TRUE(h.Revoke(11).ok());           // 9
  ASSERT_TRUE(h.Compact(8).ok());
  ASSERT_TRUE(h.FinishCompaction());
  EXPECT_EQ(h.HashKv(8).hash, 630487966u);
  EXPECT_EQ(h.HashKv(8).compact_revision, 1);
  EXPECT_EQ(h.HashKv(9).hash, 290823053u);
  EXPECT_EQ(h.HashKv(9).compact_revision, 8);
}

TEST(MvccHash, PhysicalProgressDoesNotShow) {
  StoreOptions options;
  options.compaction_batch_limit = 3;
  MvccHarness h(options);
  for (int i = 0; i < 60; i++) {
    ASSERT_TRUE(h.Put("k" + std::to_string(i % 9), "v" + std::to_string(i)).ok());
    if (i % 4 == 3) {
      ASSERT_TRUE(h.Delete("k" + std::to_string(i % 5)).ok());
    }
  }
  ASSERT_TRUE(h.Compact(50).ok());
  ASSERT_TRUE(h.store->PrepareCompaction().ok());
  h.sink.publications.clear();
  std::vector<uint32_t> before;
  for (int64_t revision = 51; revision <= h.store->revision(); revision++) {
    before.push_back(h.HashKv(revision).hash);
  }
  bool more = true;
  for (int step = 0; more && step < 1000; step++) {
    ASSERT_TRUE(h.store->CompactStep(&more).ok());
    for (size_t i = 0; i < before.size(); i++) {
      EXPECT_EQ(h.HashKv(51 + static_cast<int64_t>(i)).hash, before[i]);
    }
  }
  EXPECT_FALSE(more);
}

/// However few superseded versions fit in memory at a time, the sum is the same.
TEST(MvccHash, BoundedMemoryDoesNotShow) {
  MvccHarness h;
  for (int i = 0; i < 200; i++) {
    ASSERT_TRUE(h.Put("k" + std::to_string((i * 7) % 23), "v" + std::to_string(i)).ok());
  }
  ASSERT_TRUE(h.Compact(60).ok());
  const ViewRef view = h.store->Pin();
  for (int64_t upto : {60, 61, 100, 201}) {
    mvcc::HashWindow window;
    window.upto = upto;
    window.compact_revision = 60;
    uint32_t expected = 0;
    ASSERT_TRUE(mvcc::HashHistory(h.engine.get(), *view->snapshot, window, &expected).ok());
    for (size_t at_once : {1, 2, 3, 7, 20, 1000}) {
      uint32_t hash = 0;
      ASSERT_TRUE(mvcc::HashHistory(h.engine.get(), *view->snapshot, window, &hash, at_once).ok());
      EXPECT_EQ(hash, expected) << upto << " with " << at_once;
    }
  }
}

TEST(MvccHash, RemembersTheTenNewestCompactions) {
  MvccHarness h;
  for (int i = 0; i < 30; i++) ASSERT_TRUE(h.Put("k" + std::to_string(i % 3), "v").ok());
  for (int64_t revision = 5; revision < 17; revision++) {
    ASSERT_TRUE(h.Compact(revision).ok());
    if (revision % 2 == 0) {
      ASSERT_TRUE(h.FinishCompaction());
    }
  }
  ASSERT_TRUE(h.FinishCompaction());
  const std::vector<HashResult> hashes = h.store->CompactionHashes();
  ASSERT_EQ(hashes.size(), 10u);
  EXPECT_EQ(hashes.front().hash_revision, 7);
  EXPECT_EQ(hashes.back().hash_revision, 16);
  EXPECT_EQ(h.HashKv(7).hash, hashes.front().hash);
  EXPECT_EQ(h.HashKv(7).compact_revision, 6);
  EXPECT_EQ(h.store->HashKv(*h.store->Pin(), 6).status().code(), Code::kCompacted);
}

TEST(MvccHash, NoHashAboveTheLimit) {
  StoreOptions options;
  options.compaction_hash_limit_bytes = 20480;
  MvccHarness h(options);
  ASSERT_TRUE(h.Put("a", "1").ok());
  ASSERT_TRUE(h.Compact(2).ok());
  ASSERT_TRUE(h.FinishCompaction());
  EXPECT_TRUE(h.store->CompactionHashes().empty());
}

}  // namespace
}  // namespace metastore::testing
