// Leases, alarms, quota and sizes.
#include <gtest/gtest.h>

#include "test/support/mvcc_fixture.h"

namespace metastore::testing {
namespace {

using codec::AlarmMember;

std::vector<std::string> Attached(const MvccHarness& h, int64_t lease) {
  std::vector<std::string> keys;
  EXPECT_TRUE(h.store->AttachedKeys(*h.store->Pin(), lease, &keys).ok());
  return keys;
}

TEST(MvccLease, GrantRules) {
  MvccHarness h;
  ASSERT_TRUE(h.Grant(1, 10).ok());
  EXPECT_EQ(h.granted.ttl_seconds, 10);
  EXPECT_EQ(h.reply.header.revision, 1);
  EXPECT_EQ(h.Grant(1, 10).code(), Code::kLeaseExists);
  EXPECT_EQ(h.Grant(1, 9'000'000'001).code(), Code::kLeaseTtlTooLarge);
  EXPECT_EQ(h.Grant(2, 9'000'000'001).code(), Code::kLeaseTtlTooLarge);
  ASSERT_TRUE(h.Grant(2, 9'000'000'000).ok());
  int64_t id = 10;
  for (int64_t ttl : {INT64_MIN, int64_t{-1}, int64_t{0}, int64_t{1}}) {
    ASSERT_TRUE(h.Grant(id++, ttl).ok());
    EXPECT_EQ(h.granted.ttl_seconds, 2);
  }
  EXPECT_EQ(h.Grant(0, 10).code(), Code::kLeaseNotFound);
  ASSERT_TRUE(h.Grant(INT64_MIN, 10).ok());
  EXPECT_TRUE(h.store->LeaseExists(INT64_MIN));
  EXPECT_FALSE(h.store->LeaseExists(99));
  const std::vector<LeaseRow> leases = h.store->Leases();
  for (size_t i = 1; i < leases.size(); i++) EXPECT_LT(leases[i - 1].id, leases[i].id);
  h.Open();
  EXPECT_EQ(h.store->Leases().size(), leases.size());
}

TEST(MvccLease, GrantReply) {
  MvccHarness h;
  ASSERT_TRUE(h.Grant(-1, 5).ok());
  const std::string expected(
      "\x0a\x08\x08\x0b\x10\x16\x18\x01\x20\x21"
      "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x18\x05",
      10 + 11 + 2);
  EXPECT_EQ(h.bytes, expected);
}

TEST(MvccLease, MinimumIsRaisedWhenLoading) {
  MvccHarness h;
  ASSERT_TRUE(h.Grant(1, 3).ok());
  h.options.min_lease_ttl_seconds = 10;
  h.Open();
  EXPECT_EQ(h.store->Leases()[0].ttl_seconds, 10);
}

TEST(MvccLease, AttachMoveAndDetach) {
  MvccHarness h;
  ASSERT_TRUE(h.Grant(1, 10).ok());
  ASSERT_TRUE(h.Grant(-2, 10).ok());
  ASSERT_TRUE(h.Put("b", "1", 1).ok());
  ASSERT_TRUE(h.Put("a", "1", 1).ok());
  ASSERT_TRUE(h.Put("c", "1", 1).ok());
  ASSERT_TRUE(h.Put("d", "1", 1).ok());
  EXPECT_EQ(Attached(h, 1), (std::vector<std::string>{"a", "b", "c", "d"}));
  ASSERT_TRUE(h.Put("b", "2", -2).ok());
  ASSERT_TRUE(h.Put("c", "2").ok());
  ASSERT_TRUE(h.Delete("d").ok());
  EXPECT_EQ(Attached(h, 1), (std::vector<std::string>{"a"}));
  EXPECT_EQ(Attached(h, -2), (std::vector<std::string>{"b"}));
  ASSERT_TRUE(h.Revoke(1).ok());
  EXPECT_EQ(h.reply.header.revision, 9);
  EXPECT_EQ(h.store->revision(), 9);
  ASSERT_TRUE(h.Range(kZero, kZero).ok());
  EXPECT_EQ(h.Keys(), "b c");
  EXPECT_TRUE(Attached(h, 1).empty());
}

TEST(MvccLease, RevokeIsOneRevisionInByteOrder) {
  MvccHarness h;
  ASSERT_TRUE(h.Grant(1, 10).ok());
  const std::string keys[] = {"z", "a\xff", "a", kZero, "\xff"};
  for (const std::string& key : keys) ASSERT_TRUE(h.Put(key, "v", 1).ok());
  ASSERT_TRUE(h.Revoke(1).ok());
  EXPECT_EQ(h.store->revision(), 7);
  const auto& versions = h.sink.publications.back().versions;
  ASSERT_EQ(versions.size(), 5u);
  const std::string sorted[] = {kZero, "a", "a\xff", "z", "\xff"};
  for (size_t i = 0; i < 5; i++) {
    EXPECT_EQ(versions[i]->key(), sorted[i]);
    EXPECT_EQ(versions[i]->rev(), (Revision{7, static_cast<int64_t>(i)}));
    EXPECT_TRUE(versions[i]->view().tombstone);
    EXPECT_NE(versions[i]->view().prev.main, 0);
  }
  EXPECT_EQ(h.Revoke(1).code(), Code::kLeaseNotFound);
  EXPECT_EQ(h.Revoke(0).code(), Code::kLeaseNotFound);
}

TEST(MvccLease, RevokeWithoutKeysBumpsNothing) {
  MvccHarness h;
  ASSERT_TRUE(h.Grant(1, 10).ok());
  ASSERT_TRUE(h.Revoke(1).ok());
  EXPECT_EQ(h.reply.header.revision, 1);
  EXPECT_EQ(h.store->revision(), 1);
  EXPECT_FALSE(h.store->LeaseExists(1));
}

TEST(MvccLease, EverythingInOneRun) {
  MvccHarness h;
  ASSERT_TRUE(h.Grant(1, 10).ok());
  ASSERT_TRUE(h.Put("old", "1", 1).ok());
  ASSERT_TRUE(h.Put("moved", "1", 1).ok());
  h.Begin();
  ASSERT_TRUE(h.Grant(2, 10).ok());
  EXPECT_FALSE(h.store->LeaseExists(2)) << "not before the commit";
  ASSERT_TRUE(h.Put("moved", "2", 2).ok());
  ASSERT_TRUE(h.Put("new", "1", 1).ok());
  ASSERT_TRUE(h.Put("gone", "1", 1).ok());
  ASSERT_TRUE(h.Delete("gone").ok());
  ASSERT_TRUE(h.Put("back", "1", 1).ok());
  ASSERT_TRUE(h.Put("back", "2").ok());
  ASSERT_TRUE(h.Put("back", "3", 1).ok());
  ASSERT_TRUE(h.Revoke(1).ok());
  EXPECT_EQ(h.Put("x", "1", 1).code(), Code::kLeaseNotFound);
  h.Commit();
  ASSERT_TRUE(h.Range(kZero, kZero).ok());
  EXPECT_EQ(h.Keys(), "moved");
  EXPECT_TRUE(Attached(h, 1).empty());
  EXPECT_EQ(Attached(h, 2), (std::vector<std::string>{"moved"}));
  EXPECT_FALSE(h.store->LeaseExists(1));
  EXPECT_TRUE(h.store->LeaseExists(2));
}

TEST(MvccLease, Checkpoint) {
  MvccHarness h;
  ASSERT_TRUE(h.Grant(1, 1000).ok());
  codec::LeaseCheckpointRequest request;
  request.checkpoints = {{1, 700}, {99, 5}};
  ASSERT_TRUE(h.InRun([&] { return h.store->LeaseCheckpoint(request); }).ok());
  EXPECT_EQ(h.store->Leases()[0].remaining_ttl_seconds, 700);
  EXPECT_EQ(h.store->Leases().size(), 1u);
  h.Open();
  EXPECT_EQ(h.store->Leases()[0].remaining_ttl_seconds, 700);
  request.checkpoints = {{1, INT64_MIN}};
  ASSERT_TRUE(h.InRun([&] { return h.store->LeaseCheckpoint(request); }).ok());
  EXPECT_EQ(h.store->Leases()[0].remaining_ttl_seconds, 0);
}

TEST(MvccAlarm, GetActivateDeactivate) {
  MvccHarness h;
  using List = std::vector<AlarmMember>;
  ASSERT_TRUE(h.Alarm(0, 0, 0).ok());
  EXPECT_EQ(h.alarms, List{});
  ASSERT_TRUE(h.Alarm(1, 5, 2).ok());
  EXPECT_EQ(h.alarms, (List{{5, 2}}));
  ASSERT_TRUE(h.Alarm(1, 5, 1).ok());
  ASSERT_TRUE(h.Alarm(1, 3, 1).ok());
  ASSERT_TRUE(h.Alarm(1, 3, 1).ok());
  EXPECT_EQ(h.alarms, (List{{3, 1}})) << "active already: returned again";
  ASSERT_TRUE(h.Alarm(1, 7, 0).ok());
  EXPECT_EQ(h.alarms, List{}) << "kind NONE is ignored";
  ASSERT_TRUE(h.Alarm(1, UINT64_MAX, 77).ok());
  ASSERT_TRUE(h.Alarm(0, 123, 0).ok());
  EXPECT_EQ(h.alarms, (List{{3, 1}, {5, 1}, {5, 2}, {UINT64_MAX, 77}}));
  ASSERT_TRUE(h.Alarm(0, 123, 1).ok());
  EXPECT_EQ(h.alarms, (List{{3, 1}, {5, 1}}));
  EXPECT_EQ(h.store->Alarms().size(), 4u);
  h.Open();
  EXPECT_EQ(h.store->Alarms().size(), 4u);
  ASSERT_TRUE(h.Alarm(2, 4, 1).ok());
  EXPECT_EQ(h.alarms, List{});
  ASSERT_TRUE(h.Alarm(2, 3, 1).ok());
  EXPECT_EQ(h.alarms, (List{{3, 1}}));
  ASSERT_TRUE(h.Alarm(2, UINT64_MAX, 77).ok());
  EXPECT_EQ(h.Alarm(3, 5, 1).code(), Code::kUnknownMethod);
  EXPECT_EQ(h.Alarm(-1, 5, 1).code(), Code::kUnknownMethod);
  h.Open();
  EXPECT_EQ(h.store->Alarms().size(), 2u);
}

codec::TxnRequest TxnWith(codec::RequestOp success, codec::RequestOp failure) {
  codec::TxnRequest txn;
  txn.success.push_back(std::move(success));
  txn.failure.push_back(std::move(failure));
  return txn;
}

TEST(MvccAlarm, NoSpaceGuardsWhatGrows) {
  MvccHarness h;
  ASSERT_TRUE(h.Grant(1, 10).ok());
  ASSERT_TRUE(h.Put("a", "1", 1).ok());
  ASSERT_TRUE(h.Alarm(1, 9, 1).ok());
  EXPECT_EQ(h.Put("b", "1", 99).code(), Code::kNoSpace) << "before the lease is looked at";
  EXPECT_EQ(h.Grant(2, 10).code(), Code::kNoSpace);
  EXPECT_EQ(h.Txn(TxnWith(RangeOf("a"), PutOf("b", "1"))).code(), Code::kNoSpace);
  auto nested = std::make_unique<codec::TxnRequest>();
  nested->failure.emplace_back(PutOf("b", "1"));
  EXPECT_EQ(h.Txn(TxnWith(RangeOf("a"), std::move(nested))).code(), Code::kNoSpace);
  EXPECT_FALSE(h.store->TakeQuotaExceeded());
  EXPECT_TRUE(h.Txn(TxnWith(codec::DeleteRangeRequest{"x", {}, false}, RangeOf("a"))).ok());
  EXPECT_TRUE(h.Delete("x").ok());
  EXPECT_TRUE(h.Compact(2).ok());
  EXPECT_TRUE(h.Revoke(1).ok());
  ASSERT_TRUE(h.Alarm(2, 9, 1).ok());
  EXPECT_TRUE(h.Put("b", "1").ok());
}

TEST(MvccAlarm, CorruptGuardsEveryReplicatedWriteAndGoesFirst) {
  MvccHarness h;
  ASSERT_TRUE(h.Grant(1, 10).ok());
  ASSERT_TRUE(h.Alarm(1, 9, 1).ok());
  ASSERT_TRUE(h.Alarm(1, 4, 2).ok());
  EXPECT_EQ(h.Put("b", "1").code(), Code::kCorrupt);
  EXPECT_EQ(h.Delete("b").code(), Code::kCorrupt);
  EXPECT_EQ(h.Txn(TxnWith(codec::DeleteRangeRequest{"x", {}, false}, RangeOf("a"))).code(),
            Code::kCorrupt);
  EXPECT_EQ(h.Compact(1).code(), Code::kCorrupt);
  EXPECT_EQ(h.Grant(2, 10).code(), Code::kCorrupt);
  EXPECT_EQ(h.Revoke(1).code(), Code::kCorrupt);
  EXPECT_TRUE(h.Range("a").ok());
  codec::TxnRequest reads;
  reads.success.emplace_back(RangeOf("a"));
  EXPECT_TRUE(h.ReadOnlyTxn(reads).ok());
}

TEST(MvccQuota, FreshStoreAndUnits) {
  MvccHarness h;
  EXPECT_EQ(h.store->sizes().db_size_bytes, 20480);
  EXPECT_EQ(h.store->sizes().db_size_in_use_bytes, 20480);
  ASSERT_TRUE(h.Put("a", "1").ok());
  EXPECT_EQ(h.store->sizes().db_size_bytes, 24576);
  EXPECT_LT(h.store->sizes().db_size_bytes, 53248);
}

TEST(MvccQuota, TheWayInAndOutOfNoSpace) {
  StoreOptions options;
  options.quota_bytes = 53248;
  MvccHarness h(options);
  EXPECT_FALSE(h.store->OverQuota(256 + 2));
  ASSERT_TRUE(h.Put("k", "small").ok());
  const std::string value(4096, 'v');
  Status status;
  int puts = 0;
  for (; puts < 20 && status.ok(); puts++) status = h.Put("k", value);
  EXPECT_EQ(status.code(), Code::kNoSpace);
  EXPECT_LT(puts, 12);
  EXPECT_TRUE(h.bytes.empty());
  // The write took effect all the same, and the caller is told to raise the alarm.
  EXPECT_EQ(h.store->revision(), 2 + puts);
  EXPECT_TRUE(h.store->TakeQuotaExceeded());
  EXPECT_FALSE(h.store->TakeQuotaExceeded());
  EXPECT_TRUE(h.store->OverQuota(256 + 1 + 4096));
  EXPECT_FALSE(h.store->OverQuota(0));
  ASSERT_TRUE(h.Alarm(1, 22, 1).ok());
  EXPECT_EQ(h.Put("k", "x").code(), Code::kNoSpace);
  EXPECT_EQ(h.store->revision(), 2 + puts);
  const StoreSizes full = h.store->sizes();
  EXPECT_EQ(full.db_size_bytes, full.db_size_in_use_bytes);
  ASSERT_TRUE(h.Compact(h.store->revision()).ok());
  ASSERT_TRUE(h.FinishCompaction());
  EXPECT_EQ(h.store->sizes().db_size_bytes, full.db_size_bytes);
  EXPECT_EQ(h.store->sizes().db_size_in_use_bytes, 20480 + 8192);
  EXPECT_EQ(h.Put("k", "x").code(), Code::kNoSpace);
  ASSERT_TRUE(h.store->Defragment().ok());
  EXPECT_EQ(h.store->sizes().db_size_bytes, 20480 + 8192);
  EXPECT_EQ(h.Put("k", "x").code(), Code::kNoSpace) << "the alarm stands until disarmed";
  ASSERT_TRUE(h.Alarm(2, 22, 1).ok());
  EXPECT_TRUE(h.Put("k", value).ok());
}

TEST(MvccQuota, CostsAtTheBoundary) {
  StoreOptions options;
  options.quota_bytes = 20480 + 256 + 3 + 1;
  MvccHarness fits(options);
  ASSERT_TRUE(fits.Put("k", "12").ok());
  options.quota_bytes--;
  MvccHarness not_quite(options);
  EXPECT_EQ(not_quite.Put("k", "12").code(), Code::kNoSpace);
  EXPECT_EQ(not_quite.store->revision(), 2);
  options.quota_bytes = 20480 + 64;
  MvccHarness lease(options);
  EXPECT_EQ(lease.Grant(1, 5).code(), Code::kNoSpace);
  EXPECT_TRUE(lease.store->LeaseExists(1));
  EXPECT_TRUE(lease.store->TakeQuotaExceeded());
  // A transaction costs its dearer branch.
  options.quota_bytes = 20480 + 2 * (256 + 2) + 1;
  MvccHarness txn(options);
  codec::TxnRequest request = TxnWith(PutOf("a", "1"), PutOf("a", "1"));
  request.failure.emplace_back(PutOf("b", "1"));
  EXPECT_TRUE(txn.Txn(request).ok());
  options.quota_bytes--;
  MvccHarness dear(options);
  EXPECT_EQ(dear.Txn(request).code(), Code::kNoSpace);
  options.quota_bytes = -1;
  MvccHarness off(options);
  EXPECT_TRUE(off.Put("k", "v").ok());
  EXPECT_FALSE(off.store->OverQuota(INT64_MAX / 2));
}

TEST(MvccQuota, DeletionsAlwaysPassAndCountUntilCompacted) {
  StoreOptions options;
  options.quota_bytes = 20480 + 4096;
  MvccHarness h(options);
  ASSERT_TRUE(h.Put("k", "v").ok());
  EXPECT_EQ(h.Put("k", "v").code(), Code::kNoSpace);
  EXPECT_TRUE(h.Delete("k").ok());
  ASSERT_TRUE(h.Put("j", "v").code() == Code::kNoSpace);
  ASSERT_TRUE(h.Delete("j").ok());
  ASSERT_TRUE(h.Compact(h.store->revision()).ok());
  ASSERT_TRUE(h.FinishCompaction());
  EXPECT_EQ(h.store->sizes().db_size_in_use_bytes, 20480 + 4096) << "the last deletion stays";
}

}  // namespace
}  // namespace metastore::testing
