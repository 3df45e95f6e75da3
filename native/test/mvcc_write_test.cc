// Put, DeleteRange and what one run of entries sees of itself.
#include <gtest/gtest.h>

#include "test/support/mvcc_fixture.h"

namespace metastore::testing {
namespace {

TEST(MvccPut, RevisionsVersionsAndHeader) {
  MvccHarness h;
  EXPECT_EQ(h.store->revision(), 1);
  ASSERT_TRUE(h.Put("a", "1").ok());
  EXPECT_EQ(h.reply.header.revision, 2);
  EXPECT_EQ(h.reply.header.cluster_id, 11u);
  EXPECT_TRUE(h.reply.kvs.empty());
  ASSERT_TRUE(h.Put("a", "1").ok());
  EXPECT_EQ(h.reply.header.revision, 3);
  ASSERT_TRUE(h.Range("a").ok());
  EXPECT_EQ(h.reply.kvs[0], (Kv{"a", "1", 2, 3, 2, 0}));
  ASSERT_TRUE(h.Delete("a").ok());
  ASSERT_TRUE(h.Put("a", "").ok());
  ASSERT_TRUE(h.Range("a").ok());
  EXPECT_EQ(h.reply.kvs[0], (Kv{"a", "", 5, 5, 1, 0}));
}

TEST(MvccPut, PrevKv) {
  MvccHarness h;
  ASSERT_TRUE(h.Grant(-3, 60).ok());
  codec::PutRequest request = PutOf("a", "1", -3);
  request.prev_kv = true;
  ASSERT_TRUE(h.Put(request).ok());
  EXPECT_TRUE(h.reply.kvs.empty());
  request = PutOf("a", "2");
  request.prev_kv = true;
  ASSERT_TRUE(h.Put(request).ok());
  ASSERT_EQ(h.reply.kvs.size(), 1u);
  EXPECT_EQ(h.reply.kvs[0], (Kv{"a", "1", 2, 2, 1, -3}));
}

TEST(MvccPut, IgnoreValueAndLease) {
  MvccHarness h;
  codec::PutRequest ignore_value = PutOf("a", "");
  ignore_value.ignore_value = true;
  codec::PutRequest ignore_lease = PutOf("a", "new");
  ignore_lease.ignore_lease = true;
  EXPECT_EQ(h.Put(ignore_value).code(), Code::kKeyNotFound);
  EXPECT_EQ(h.Put(ignore_lease).code(), Code::kKeyNotFound);
  EXPECT_TRUE(h.bytes.empty());
  EXPECT_EQ(h.store->revision(), 1);
  ASSERT_TRUE(h.Grant(7, 60).ok());
  ASSERT_TRUE(h.Put("a", "old", 7).ok());
  ASSERT_TRUE(h.Put(ignore_lease).ok());
  ASSERT_TRUE(h.Range("a").ok());
  EXPECT_EQ(h.reply.kvs[0], (Kv{"a", "new", 2, 3, 2, 7}));
  // Without ignore_lease, a lease of 0 detaches, also when the value is kept.
  ASSERT_TRUE(h.Put(ignore_value).ok());
  ASSERT_TRUE(h.Range("a").ok());
  EXPECT_EQ(h.reply.kvs[0], (Kv{"a", "new", 2, 4, 3, 0}));
  ASSERT_TRUE(h.Revoke(7).ok());
  ASSERT_TRUE(h.Range("a").ok());
  EXPECT_EQ(h.reply.count, 1);
  // Lease before key.
  ignore_value.key = "missing";
  ignore_value.lease = 99;
  EXPECT_EQ(h.Put(ignore_value).code(), Code::kLeaseNotFound);
}

TEST(MvccPut, UnknownLease) {
  MvccHarness h;
  EXPECT_EQ(h.Put("a", "1", 5).code(), Code::kLeaseNotFound);
  EXPECT_EQ(h.Put("a", "1", INT64_MIN).code(), Code::kLeaseNotFound);
  EXPECT_EQ(h.store->revision(), 1);
  EXPECT_TRUE(h.sink.publications.back().versions.empty());
}

TEST(MvccPut, LargeAndBinary) {
  MvccHarness h;
  std::string value(1536 << 10, '\0');
  for (size_t i = 0; i < value.size(); i++) value[i] = static_cast<char>(i * 31);
  const std::string key = "\xff" + kZero + "k";
  ASSERT_TRUE(h.Put(key, value).ok());
  ASSERT_TRUE(h.Range(key).ok());
  EXPECT_EQ(h.reply.kvs[0].value, value);
  EXPECT_EQ(h.reply.kvs[0].key, key);
}

TEST(MvccDelete, RangesCountsAndPrevKvs) {
  MvccHarness h;
  for (const char* key : {"a", "b", "c", "d"}) ASSERT_TRUE(h.Put(key, key).ok());
  ASSERT_TRUE(h.Delete("zz").ok());
  EXPECT_EQ(h.reply.count, 0);
  EXPECT_EQ(h.reply.header.revision, 5);
  EXPECT_EQ(h.store->revision(), 5);
  ASSERT_TRUE(h.Delete("c", "b").ok());
  EXPECT_EQ(h.reply.count, 0);
  ASSERT_TRUE(h.Delete("b", "d", true).ok());
  EXPECT_EQ(h.reply.count, 2);
  EXPECT_EQ(h.reply.header.revision, 6);
  ASSERT_EQ(h.reply.kvs.size(), 2u);
  EXPECT_EQ(h.reply.kvs[0], (Kv{"b", "b", 3, 3, 1, 0}));
  EXPECT_EQ(h.reply.kvs[1], (Kv{"c", "c", 4, 4, 1, 0}));
  const auto& versions = h.sink.publications.back().versions;
  ASSERT_EQ(versions.size(), 2u);
  EXPECT_EQ(versions[0]->rev(), (Revision{6, 0}));
  EXPECT_EQ(versions[1]->rev(), (Revision{6, 1}));
  EXPECT_TRUE(versions[0]->view().tombstone);
  EXPECT_EQ(versions[0]->view().prev, (Revision{3, 0}));
  ASSERT_TRUE(h.Delete(kZero, kZero).ok());
  EXPECT_EQ(h.reply.count, 2);
  EXPECT_TRUE(h.reply.kvs.empty());
  ASSERT_TRUE(h.Range(kZero, kZero).ok());
  EXPECT_EQ(h.reply.count, 0);
  ASSERT_TRUE(h.Range(kZero, kZero, 5).ok());
  EXPECT_EQ(h.Keys(), "a b c d");
}

TEST(MvccRun, EntriesOfOneRunSeeEachOther) {
  MvccHarness h;
  ASSERT_TRUE(h.Put("b", "0").ok());
  h.Begin({"a", "b", "b", "missing"});
  ASSERT_TRUE(h.Put("a", "1").ok());
  EXPECT_EQ(h.reply.header.revision, 3);
  codec::PutRequest again = PutOf("a", "2");
  again.prev_kv = true;
  ASSERT_TRUE(h.Put(again).ok());
  EXPECT_EQ(h.reply.header.revision, 4);
  EXPECT_EQ(h.reply.kvs[0], (Kv{"a", "1", 3, 3, 1, 0}));
  EXPECT_EQ(h.store->revision(), 2);
  ASSERT_TRUE(h.Range("a").ok());
  EXPECT_EQ(h.reply.count, 0) << "nothing shows before the commit";
  // A transaction reads at the revision of an earlier entry of its own run.
  codec::TxnRequest txn;
  codec::RangeRequest range = RangeOf(kZero, kZero);
  txn.success.emplace_back(range);
  range.revision = 3;
  txn.success.emplace_back(range);
  range.revision = 2;
  txn.success.emplace_back(range);
  ASSERT_TRUE(h.Txn(txn).ok());
  ASSERT_EQ(h.reply.responses.size(), 3u);
  EXPECT_EQ(h.reply.responses[0].kvs[0], (Kv{"a", "2", 3, 4, 2, 0}));
  EXPECT_EQ(h.reply.responses[0].count, 2);
  EXPECT_EQ(h.reply.responses[1].kvs[0], (Kv{"a", "1", 3, 3, 1, 0}));
  EXPECT_EQ(h.reply.responses[2].count, 1);
  EXPECT_EQ(h.reply.header.revision, 4);
  ASSERT_TRUE(h.Delete("a", "c").ok());
  EXPECT_EQ(h.reply.count, 2);
  EXPECT_EQ(h.reply.header.revision, 5);
  ASSERT_TRUE(h.Put("b", "3").ok());
  h.Commit();
  EXPECT_EQ(h.store->revision(), 6);
  ASSERT_TRUE(h.Range(kZero, kZero).ok());
  ASSERT_EQ(h.reply.kvs.size(), 1u);
  EXPECT_EQ(h.reply.kvs[0], (Kv{"b", "3", 6, 6, 1, 0}));
  ASSERT_TRUE(h.Range(kZero, kZero, 4).ok());
  EXPECT_EQ(h.Keys(), "a b");
  EXPECT_EQ(h.sink.publications.back().versions.size(), 5u);
  EXPECT_EQ(h.sink.publications.back().view->revision, 6);
}

TEST(MvccRun, PublicationFollowsTheView) {
  MvccHarness h;
  const ViewRef before = h.store->Pin();
  ASSERT_TRUE(h.Put("a", "1").ok());
  const ViewRef after = h.store->Pin();
  EXPECT_EQ(before->revision, 1);
  EXPECT_EQ(after->revision, 2);
  EXPECT_EQ(after->key_count, 1);
  EXPECT_EQ(after->applied_index, h.index);
  EXPECT_EQ(h.sink.publications.back().view, after);
  std::string bytes;
  ASSERT_TRUE(h.store->Range(*before, RangeOf("a"), h.header, &bytes).ok());
  EXPECT_EQ(ParseRange(bytes).count, 0);
  EXPECT_EQ(ParseRange(bytes).header.revision, 1);
}

TEST(MvccRun, StateSurvivesReopening) {
  MvccHarness h;
  ASSERT_TRUE(h.Grant(9, 50).ok());
  ASSERT_TRUE(h.Put("a", "1", 9).ok());
  ASSERT_TRUE(h.Put("b", "1").ok());
  ASSERT_TRUE(h.Delete("b").ok());
  ASSERT_TRUE(h.Alarm(1, 4, 1).ok());
  h.Begin();
  h.store->PutMeta("conf", "state");
  h.Commit();
  const StoreSizes sizes = h.store->sizes();
  const uint64_t index = h.index;
  h.Open();
  EXPECT_EQ(h.store->revision(), 4);
  EXPECT_EQ(h.index, index);
  EXPECT_EQ(h.store->applied_term(), 7u);
  EXPECT_EQ(h.store->Pin()->key_count, 1);
  EXPECT_EQ(h.store->sizes().db_size_bytes, sizes.db_size_bytes);
  EXPECT_EQ(h.store->sizes().db_size_in_use_bytes, sizes.db_size_in_use_bytes);
  ASSERT_EQ(h.store->Leases().size(), 1u);
  EXPECT_EQ(h.store->Leases()[0].ttl_seconds, 50);
  ASSERT_EQ(h.store->Alarms().size(), 1u);
  EXPECT_EQ(h.Put("c", "1").code(), Code::kNoSpace);
  std::optional<std::string> row;
  ASSERT_TRUE(h.engine->GetMeta(*h.store->Pin()->snapshot, "conf", &row).ok());
  EXPECT_EQ(row, "state");
}

TEST(MvccRun, GetVersionFindsPredecessors) {
  MvccHarness h;
  ASSERT_TRUE(h.Put("a", "1").ok());
  ASSERT_TRUE(h.Put("a", "2").ok());
  const VersionRef version = h.sink.publications.back().versions[0];
  std::string value;
  const auto visit = [&value](const VersionView& view) {
    value = view.value;
    return true;
  };
  ASSERT_TRUE(h.store->GetVersion(*h.store->Pin(), version->view().prev, visit).ok());
  EXPECT_EQ(value, "1");
  value = "none";
  ASSERT_TRUE(h.store->GetVersion(*h.store->Pin(), {9, 0}, visit).ok());
  EXPECT_EQ(value, "none");
}

}  // namespace
}  // namespace metastore::testing
