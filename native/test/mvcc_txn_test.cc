// Transactions: compares, paths, order of checks, replies; every documented row.
#include <gtest/gtest.h>

#include "test/support/mvcc_fixture.h"

namespace metastore::testing {
namespace {

using codec::Compare;
using codec::DeleteRangeRequest;
using codec::RequestOp;
using codec::TxnRequest;

constexpr int32_t kEqual = 0, kGreater = 1, kLess = 2, kNotEqual = 3;
constexpr int32_t kVersion = 0, kCreate = 1, kMod = 2, kValue = 3, kLease = 4;

Compare Cmp(std::string_view key, int32_t target, int32_t result, int64_t number,
            std::string_view value = {}, std::string_view end = {}) {
  Compare compare;
  compare.key = key;
  compare.range_end = end;
  compare.target = target;
  compare.result = result;
  compare.union_field = target >= 0 && target <= 4 ? 4 + target : 4;
  compare.number = number;
  compare.value = value;
  return compare;
}

RequestOp Nest(TxnRequest txn) { return std::make_unique<TxnRequest>(std::move(txn)); }

class MvccTxn : public ::testing::Test {
 protected:
  /// a: create 2, mod 4, version 2, value "x", lease 5. b: 3, 3, 1, "y". Revision 4.
  void SetUp() override {
    ASSERT_TRUE(h.Grant(5, 100).ok());
    ASSERT_TRUE(h.Put("a", "w").ok());
    ASSERT_TRUE(h.Put("b", "y").ok());
    ASSERT_TRUE(h.Put("a", "x", 5).ok());
  }
  bool Holds(Compare compare) {
    TxnRequest txn;
    txn.compare.push_back(compare);
    EXPECT_TRUE(h.ReadOnlyTxn(txn).ok());
    return h.reply.succeeded;
  }
  MvccHarness h;
};

TEST_F(MvccTxn, ComparesOfEveryTargetAndResult) {
  const struct {
    int32_t target;
    int64_t stored;
  } rows[] = {{kVersion, 2}, {kCreate, 2}, {kMod, 4}, {kLease, 5}};
  for (const auto& [target, stored] : rows) {
    for (int64_t given : {INT64_MIN, stored - 1, stored, stored + 1, INT64_MAX}) {
      EXPECT_EQ(Holds(Cmp("a", target, kEqual, given)), stored == given) << target;
      EXPECT_EQ(Holds(Cmp("a", target, kGreater, given)), stored > given) << target;
      EXPECT_EQ(Holds(Cmp("a", target, kLess, given)), stored < given) << target;
      EXPECT_EQ(Holds(Cmp("a", target, kNotEqual, given)), stored != given) << target;
      EXPECT_TRUE(Holds(Cmp("a", target, 9, given))) << "unknown results hold";
    }
  }
  for (const char* given : {"", "w", "x", "xx"}) {
    const int sign = std::string("x").compare(given);
    EXPECT_EQ(Holds(Cmp("a", kValue, kEqual, 0, given)), sign == 0);
    EXPECT_EQ(Holds(Cmp("a", kValue, kGreater, 0, given)), sign > 0);
    EXPECT_EQ(Holds(Cmp("a", kValue, kLess, 0, given)), sign < 0);
    EXPECT_EQ(Holds(Cmp("a", kValue, kNotEqual, 0, given)), sign != 0);
  }
}

TEST_F(MvccTxn, MissingKeyComparesAsZeroes) {
  for (int32_t target : {kVersion, kCreate, kMod, kLease}) {
    EXPECT_TRUE(Holds(Cmp("m", target, kEqual, 0)));
    EXPECT_TRUE(Holds(Cmp("m", target, kLess, 1)));
    EXPECT_FALSE(Holds(Cmp("m", target, kGreater, 0)));
    EXPECT_TRUE(Holds(Cmp("m", target, 7, 0)));
  }
  for (int32_t result : {kEqual, kGreater, kLess, kNotEqual, 9}) {
    EXPECT_FALSE(Holds(Cmp("m", kValue, result, 0, "x"))) << result;
    EXPECT_FALSE(Holds(Cmp("m", kValue, result, 0, ""))) << result;
  }
}

TEST_F(MvccTxn, UnionUnsetOrOfAnotherKindIsZero) {
  Compare compare = Cmp("a", kVersion, kGreater, 99);
  compare.union_field = 0;
  EXPECT_TRUE(Holds(compare));
  compare.union_field = 6;  // mod_revision given, version wanted
  EXPECT_TRUE(Holds(compare));
  compare = Cmp("a", kValue, kGreater, 0, "zzz");
  compare.union_field = 4;
  EXPECT_TRUE(Holds(compare)) << "compared with empty bytes";
  compare = Cmp("a", kLease, kEqual, 5);
  EXPECT_TRUE(Holds(compare));
  compare.union_field = 7;
  EXPECT_FALSE(Holds(compare));
}

TEST_F(MvccTxn, UnknownTargetComparesZeroWithZero) {
  EXPECT_TRUE(Holds(Cmp("a", 9, kEqual, 5)));
  EXPECT_FALSE(Holds(Cmp("a", 9, kGreater, 0)));
  EXPECT_FALSE(Holds(Cmp("a", -1, kNotEqual, 5)));
  EXPECT_TRUE(Holds(Cmp("m", 9, 9, 0)));
}

TEST_F(MvccTxn, RangeCompares) {
  EXPECT_TRUE(Holds(Cmp("a", kCreate, kLess, 4, {}, "c")));
  EXPECT_FALSE(Holds(Cmp("a", kVersion, kEqual, 2, {}, "c")));
  EXPECT_TRUE(Holds(Cmp(kZero, kMod, kGreater, 0, {}, kZero)));
  EXPECT_TRUE(Holds(Cmp("a", kValue, kGreater, 0, "w", "c")));
  EXPECT_FALSE(Holds(Cmp("a", kValue, kGreater, 0, "x", "c")));
  // An empty or inverted range behaves like one missing key.
  EXPECT_TRUE(Holds(Cmp("m", kVersion, kEqual, 0, {}, "n")));
  EXPECT_FALSE(Holds(Cmp("m", kVersion, kGreater, 0, {}, "n")));
  EXPECT_FALSE(Holds(Cmp("m", kValue, kNotEqual, 0, "q", "n")));
  EXPECT_TRUE(Holds(Cmp("b", kVersion, kEqual, 0, {}, "a")));
}

TEST_F(MvccTxn, AllComparesMustHold) {
  TxnRequest txn;
  txn.compare = {Cmp("a", kVersion, kEqual, 2), Cmp("b", kVersion, kEqual, 2)};
  txn.success.emplace_back(RangeOf("a"));
  txn.failure.emplace_back(RangeOf("b"));
  ASSERT_TRUE(h.ReadOnlyTxn(txn).ok());
  EXPECT_FALSE(h.reply.succeeded);
  EXPECT_EQ(h.reply.responses[0].kvs[0].key, "b");
  txn.compare.pop_back();
  ASSERT_TRUE(h.ReadOnlyTxn(txn).ok());
  EXPECT_TRUE(h.reply.succeeded);
  EXPECT_EQ(h.reply.responses[0].kvs[0].key, "a");
  ASSERT_TRUE(h.ReadOnlyTxn(TxnRequest()).ok());
  EXPECT_TRUE(h.reply.succeeded);
  EXPECT_EQ(h.reply.header.revision, 4);
}

TEST_F(MvccTxn, InnerRevisionsAndReadsOfOwnWrites) {
  TxnRequest nested;
  nested.success.emplace_back(RangeOf("n"));
  TxnRequest txn;
  txn.success.emplace_back(RangeOf("n"));
  txn.success.emplace_back(DeleteRangeRequest{"missing", {}, false});
  txn.success.emplace_back(PutOf("n", "1"));
  txn.success.emplace_back(RangeOf("n"));
  txn.success.emplace_back(DeleteRangeRequest{"missing", {}, false});
  txn.success.emplace_back(DeleteRangeRequest{"b", {}, true});
  txn.success.push_back(Nest(std::move(nested)));
  ASSERT_TRUE(h.Txn(txn).ok());
  EXPECT_EQ(h.reply.header.revision, 5);
  EXPECT_EQ(h.reply.header.member_id, 22u);
  ASSERT_EQ(h.reply.responses.size(), 7u);
  const int64_t revisions[] = {4, 4, 5, 5, 5, 5, 0};
  const int kinds[] = {1, 3, 2, 1, 3, 3, 4};
  for (size_t i = 0; i < 7; i++) {
    EXPECT_TRUE(h.reply.responses[i].has_header);
    EXPECT_EQ(h.reply.responses[i].header.revision, revisions[i]) << i;
    EXPECT_EQ(h.reply.responses[i].header.cluster_id, 0u);
    EXPECT_EQ(h.reply.responses[i].kind, kinds[i]);
  }
  EXPECT_EQ(h.reply.responses[0].count, 0);
  EXPECT_EQ(h.reply.responses[3].kvs[0], (Kv{"n", "1", 5, 5, 1, 0}));
  EXPECT_EQ(h.reply.responses[5].kvs[0].key, "b");
  EXPECT_EQ(h.reply.responses[6].responses[0].header.revision, 5);
  const auto& versions = h.sink.publications.back().versions;
  ASSERT_EQ(versions.size(), 2u);
  EXPECT_EQ(versions[1]->rev(), (Revision{5, 1}));
}

TEST_F(MvccTxn, NestedComparesSeeTheStateBefore) {
  TxnRequest nested;
  nested.compare.push_back(Cmp("n", kVersion, kEqual, 0));
  nested.success.emplace_back(PutOf("then", "1"));
  nested.failure.emplace_back(PutOf("else", "1"));
  TxnRequest txn;
  txn.success.emplace_back(PutOf("n", "1"));
  txn.success.push_back(Nest(std::move(nested)));
  ASSERT_TRUE(h.Txn(txn).ok());
  EXPECT_TRUE(h.reply.responses[1].succeeded);
  ASSERT_TRUE(h.Range("then").ok());
  EXPECT_EQ(h.reply.count, 1);
}

TEST_F(MvccTxn, NothingChangedKeepsTheRevision) {
  TxnRequest txn;
  txn.success.emplace_back(DeleteRangeRequest{"missing", {}, false});
  ASSERT_TRUE(h.Txn(txn).ok());
  EXPECT_EQ(h.reply.header.revision, 4);
  EXPECT_EQ(h.store->revision(), 4);
}

TEST_F(MvccTxn, RangeRevisionsAreCheckedFirst) {
  const auto with_revision = [&](int64_t revision) {
    TxnRequest txn;
    txn.success.emplace_back(PutOf("p", "1"));
    codec::RangeRequest range = RangeOf("a");
    range.revision = revision;
    txn.success.emplace_back(range);
    return h.Txn(txn).code();
  };
  EXPECT_EQ(with_revision(5), Code::kFutureRevision);
  EXPECT_EQ(with_revision(-2), Code::kCompacted);
  EXPECT_EQ(h.store->revision(), 4);
  ASSERT_TRUE(h.Range("p").ok());
  EXPECT_EQ(h.reply.count, 0);
  EXPECT_EQ(with_revision(4), Code::kOk);
  EXPECT_EQ(h.reply.responses.size(), 2u);
  // -1 is the compact revision before the first compaction, and then reads the current state.
  EXPECT_EQ(with_revision(-1), Code::kOk);
  ASSERT_TRUE(h.Compact(3).ok());
  EXPECT_EQ(with_revision(-1), Code::kCompacted);
  EXPECT_EQ(with_revision(2), Code::kCompacted);
  EXPECT_EQ(with_revision(3), Code::kOk);
}

TEST_F(MvccTxn, ChecksGoInOrderOfTheOperations) {
  codec::RangeRequest future = RangeOf("a");
  future.revision = 99;
  TxnRequest first;
  first.success.emplace_back(future);
  first.success.emplace_back(PutOf("p", "1", 77));
  EXPECT_EQ(h.Txn(first).code(), Code::kFutureRevision);
  TxnRequest second;
  second.success.emplace_back(PutOf("p", "1", 77));
  second.success.emplace_back(future);
  EXPECT_EQ(h.Txn(second).code(), Code::kLeaseNotFound);
  TxnRequest nested;
  nested.success.emplace_back(PutOf("p", "1", 77));
  TxnRequest third;
  third.success.push_back(Nest(std::move(nested)));
  third.success.emplace_back(future);
  EXPECT_EQ(h.Txn(third).code(), Code::kLeaseNotFound);
  codec::PutRequest keep = PutOf("missing", "");
  keep.ignore_value = true;
  TxnRequest fourth;
  fourth.success.emplace_back(PutOf("p", "1"));
  fourth.success.emplace_back(keep);
  EXPECT_EQ(h.Txn(fourth).code(), Code::kKeyNotFound);
  EXPECT_EQ(h.store->revision(), 4);
}

TEST_F(MvccTxn, OnlyTheChosenBranchIsChecked) {
  codec::RangeRequest future = RangeOf("a");
  future.revision = 99;
  TxnRequest txn;
  txn.compare.push_back(Cmp("a", kVersion, kEqual, 1));
  txn.success.emplace_back(future);
  txn.success.emplace_back(PutOf("p", "1", 77));
  txn.success.emplace_back(std::monostate());
  txn.failure.emplace_back(PutOf("p", "1"));
  ASSERT_TRUE(h.Txn(txn).ok());
  EXPECT_FALSE(h.reply.succeeded);
  EXPECT_EQ(h.reply.header.revision, 5);
}

TEST_F(MvccTxn, DeleteAndPutOfOneKeyAtOneRevision) {
  // A deletion without end is not seen as overlapping a put, so both may stand in one transaction.
  TxnRequest txn;
  txn.success.emplace_back(DeleteRangeRequest{"a", kZero, true});
  codec::PutRequest put = PutOf("b", "z");
  put.prev_kv = true;
  txn.success.emplace_back(put);
  txn.success.emplace_back(RangeOf(kZero, kZero));
  ASSERT_TRUE(h.Txn(txn).ok());
  EXPECT_EQ(h.reply.header.revision, 5);
  EXPECT_EQ(h.reply.responses[0].count, 2);
  EXPECT_TRUE(h.reply.responses[1].kvs.empty());
  EXPECT_EQ(h.reply.responses[2].count, 1);
  EXPECT_EQ(h.reply.responses[2].kvs[0], (Kv{"b", "z", 5, 5, 1, 0}));
  ASSERT_TRUE(h.Range(kZero, kZero).ok());
  EXPECT_EQ(h.reply.kvs[0], (Kv{"b", "z", 5, 5, 1, 0}));
  ASSERT_TRUE(h.Range(kZero, kZero, 4).ok());
  EXPECT_EQ(h.Keys(), "a b");
  // The other order: the put goes, and with it the key.
  TxnRequest reverse;
  reverse.success.emplace_back(PutOf("c", "1"));
  reverse.success.emplace_back(DeleteRangeRequest{kZero, kZero, false});
  ASSERT_TRUE(h.Txn(reverse).ok());
  EXPECT_EQ(h.reply.responses[1].count, 2);
  ASSERT_TRUE(h.Range(kZero, kZero).ok());
  EXPECT_EQ(h.reply.count, 0);
  EXPECT_EQ(h.store->Pin()->key_count, 0);
}

TEST_F(MvccTxn, AKeyThatTheTransactionDeletedIsTakenBackWhole) {
  codec::PutRequest keep = PutOf("b", "");
  keep.ignore_value = true;
  TxnRequest txn;
  txn.success.emplace_back(PutOf("new", "1", 5));
  txn.success.emplace_back(DeleteRangeRequest{"a", kZero, false});
  txn.success.emplace_back(keep);
  h.Begin();
  ASSERT_TRUE(h.Put("before", "1").ok());
  EXPECT_EQ(h.Txn(txn).code(), Code::kKeyNotFound);
  EXPECT_TRUE(h.bytes.empty());
  ASSERT_TRUE(h.Put("after", "1").ok());
  EXPECT_EQ(h.reply.header.revision, 6);
  h.Commit();
  ASSERT_TRUE(h.Range(kZero, kZero).ok());
  EXPECT_EQ(h.Keys(), "a after b before");
  EXPECT_EQ(h.store->Pin()->key_count, 4);
  std::vector<std::string> attached;
  ASSERT_TRUE(h.store->AttachedKeys(*h.store->Pin(), 5, &attached).ok());
  EXPECT_EQ(attached, std::vector<std::string>{"a"});
}

/// What was looked up for the run stands behind what the run has changed, and has no value.
class MvccTxnInARun : public MvccTxn, public ::testing::WithParamInterface<bool> {
 protected:
  bool HoldsHere(Compare compare) {
    TxnRequest txn;
    txn.compare.push_back(compare);
    EXPECT_TRUE(h.Txn(txn).ok());
    return h.reply.succeeded;
  }
};

TEST_P(MvccTxnInARun, ComparesSeeWhatTheRunHasChanged) {
  h.Begin(GetParam() ? std::vector<std::string>{"a", "b", "m"} : std::vector<std::string>());
  EXPECT_TRUE(HoldsHere(Cmp("a", kMod, kEqual, 4)));
  EXPECT_TRUE(HoldsHere(Cmp("a", kCreate, kEqual, 2)));
  EXPECT_TRUE(HoldsHere(Cmp("a", kVersion, kEqual, 2)));
  EXPECT_TRUE(HoldsHere(Cmp("a", kLease, kEqual, 5)));
  EXPECT_TRUE(HoldsHere(Cmp("a", kValue, kEqual, 0, "x")));
  EXPECT_TRUE(HoldsHere(Cmp("m", kVersion, kEqual, 0)));
  EXPECT_FALSE(HoldsHere(Cmp("m", kVersion, kGreater, 0)));
  ASSERT_TRUE(h.Put("a", "z").ok());
  ASSERT_TRUE(h.Put("m", "new").ok());
  ASSERT_TRUE(h.Delete("b").ok());
  EXPECT_TRUE(HoldsHere(Cmp("a", kVersion, kEqual, 3)));
  EXPECT_TRUE(HoldsHere(Cmp("a", kLease, kEqual, 0)));
  EXPECT_TRUE(HoldsHere(Cmp("a", kValue, kEqual, 0, "z")));
  EXPECT_TRUE(HoldsHere(Cmp("m", kVersion, kEqual, 1)));
  EXPECT_TRUE(HoldsHere(Cmp("b", kCreate, kEqual, 0)));
  EXPECT_TRUE(HoldsHere(Cmp("b", kMod, kLess, 1)));
  h.Commit();
}

INSTANTIATE_TEST_SUITE_P(LookedUp, MvccTxnInARun, ::testing::Bool());

TEST_F(MvccTxn, ReadOnlyRefusesWrites) {
  TxnRequest txn;
  txn.success.emplace_back(PutOf("p", "1"));
  EXPECT_EQ(h.ReadOnlyTxn(txn).code(), Code::kInternal);
  TxnRequest erase;
  erase.success.emplace_back(DeleteRangeRequest{"a", {}, false});
  EXPECT_EQ(h.ReadOnlyTxn(erase).code(), Code::kInternal);
  EXPECT_TRUE(h.bytes.empty());
}

TEST_F(MvccTxn, DeepNesting) {
  TxnRequest txn;
  txn.success.emplace_back(PutOf("deep", "1"));
  for (int depth = 0; depth < 100; depth++) {
    TxnRequest outer;
    outer.success.push_back(Nest(std::move(txn)));
    txn = std::move(outer);
  }
  ASSERT_TRUE(h.Txn(txn).ok());
  EXPECT_EQ(h.reply.header.revision, 5);
  ASSERT_TRUE(h.Range("deep").ok());
  EXPECT_EQ(h.reply.count, 1);
}

}  // namespace
}  // namespace metastore::testing
