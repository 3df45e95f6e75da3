// Range: every row of the documented rules, quirks included.
#include <gtest/gtest.h>

#include "test/support/mvcc_fixture.h"

namespace metastore::testing {
namespace {

class MvccRange : public ::testing::Test {
 protected:
  /// a..e at revisions 2 to 6, b again at 7, values so that other orders differ from the keys'.
  void SetUp() override {
    ASSERT_TRUE(h.Grant(5, 100).ok());
    ASSERT_TRUE(h.Put("a", "v5").ok());
    ASSERT_TRUE(h.Put("b", "v4").ok());
    ASSERT_TRUE(h.Put("c", "v3", 5).ok());
    ASSERT_TRUE(h.Put("d", "v2").ok());
    ASSERT_TRUE(h.Put("e", "v1").ok());
    ASSERT_TRUE(h.Put("b", "v9").ok());
  }
  MvccHarness h;
};

TEST_F(MvccRange, SingleKeyAndHeader) {
  ASSERT_TRUE(h.Range("c").ok());
  ASSERT_EQ(h.reply.kvs.size(), 1u);
  EXPECT_EQ(h.reply.kvs[0], (Kv{"c", "v3", 4, 4, 1, 5}));
  EXPECT_EQ(h.reply.count, 1);
  EXPECT_FALSE(h.reply.more);
  EXPECT_EQ(h.reply.header.revision, 7);
  EXPECT_EQ(h.reply.header.cluster_id, 11u);
  EXPECT_EQ(h.reply.header.member_id, 22u);
  EXPECT_EQ(h.reply.header.raft_term, 33u);
  ASSERT_TRUE(h.Range("b").ok());
  EXPECT_EQ(h.reply.kvs[0], (Kv{"b", "v9", 3, 7, 2, 0}));
}

TEST_F(MvccRange, ExactBytes) {
  ASSERT_TRUE(h.Range("a").ok());
  const std::string expected(
      "\x0a\x08\x08\x0b\x10\x16\x18\x07\x20\x21"
      "\x12\x0d\x0a\x01\x61\x10\x02\x18\x02\x20\x01\x2a\x02v5"
      "\x20\x01",
      10 + 15 + 2);
  EXPECT_EQ(h.bytes, expected);
}

TEST_F(MvccRange, RangeEnds) {
  ASSERT_TRUE(h.Range("b", "d").ok());
  EXPECT_EQ(h.Keys(), "b c");
  ASSERT_TRUE(h.Range(kZero, kZero).ok());
  EXPECT_EQ(h.Keys(), "a b c d e");
  EXPECT_EQ(h.reply.count, 5);
  ASSERT_TRUE(h.Range("c", kZero).ok());
  EXPECT_EQ(h.Keys(), "c d e");
  ASSERT_TRUE(h.Range("c", "c").ok());
  EXPECT_EQ(h.reply.count, 0);
  EXPECT_EQ(h.reply.header.revision, 7);
  ASSERT_TRUE(h.Range("d", "b").ok());
  EXPECT_EQ(h.reply.count, 0);
  ASSERT_TRUE(h.Range("zz").ok());
  EXPECT_TRUE(h.reply.kvs.empty());
  EXPECT_EQ(h.reply.header.revision, 7);
}

TEST_F(MvccRange, Revisions) {
  ASSERT_TRUE(h.Range(kZero, kZero, 4).ok());
  EXPECT_EQ(h.Keys(), "a b c");
  EXPECT_EQ(h.reply.count, 3);
  EXPECT_EQ(h.reply.header.revision, 7);
  ASSERT_TRUE(h.Range("b", {}, 6).ok());
  EXPECT_EQ(h.reply.kvs[0], (Kv{"b", "v4", 3, 3, 1, 0}));
  ASSERT_TRUE(h.Range("b", {}, 1).ok());
  EXPECT_EQ(h.reply.count, 0);
  ASSERT_TRUE(h.Range("b", {}, -5).ok());
  EXPECT_EQ(h.reply.kvs[0].value, "v9");
  EXPECT_EQ(h.Range("b", {}, 8).code(), Code::kFutureRevision);
  EXPECT_TRUE(h.bytes.empty());
  EXPECT_EQ(h.Range("b", {}, INT64_MAX).code(), Code::kFutureRevision);
  EXPECT_TRUE(h.Range("b", {}, INT64_MIN).ok());
  ASSERT_TRUE(h.Compact(4).ok());
  EXPECT_EQ(h.Range("b", {}, 3).code(), Code::kCompacted);
  EXPECT_EQ(h.Range("d", "b", 3).code(), Code::kCompacted);
  ASSERT_TRUE(h.Range("b", {}, 4).ok());
  EXPECT_EQ(h.reply.kvs[0].value, "v4");
}

TEST_F(MvccRange, LimitMoreAndCount) {
  for (int64_t limit = -1; limit <= 6; limit++) {
    codec::RangeRequest request = RangeOf("b", kZero);
    request.limit = limit;
    ASSERT_TRUE(h.Range(request).ok());
    const size_t expected = limit <= 0 ? 4 : std::min<size_t>(4, static_cast<size_t>(limit));
    EXPECT_EQ(h.reply.kvs.size(), expected);
    EXPECT_EQ(h.reply.count, 4);
    EXPECT_EQ(h.reply.more, limit > 0 && limit < 4) << limit;
    request.revision = 5;
    ASSERT_TRUE(h.Range(request).ok());
    EXPECT_EQ(h.reply.count, 3);
  }
  codec::RangeRequest request = RangeOf(kZero, kZero);
  request.limit = INT64_MAX;
  ASSERT_TRUE(h.Range(request).ok());
  EXPECT_EQ(h.reply.kvs.size(), 5u);
  request.limit = 2;
  ASSERT_TRUE(h.Range(request).ok());
  EXPECT_EQ(h.Keys(), "a b");
  EXPECT_EQ(h.reply.count, 5);
  EXPECT_TRUE(h.reply.more);
}

TEST_F(MvccRange, CountOnly) {
  codec::RangeRequest request = RangeOf(kZero, kZero);
  request.count_only = true;
  request.limit = 1;
  ASSERT_TRUE(h.Range(request).ok());
  EXPECT_EQ(h.reply.count, 5);
  EXPECT_TRUE(h.reply.kvs.empty());
  EXPECT_FALSE(h.reply.more);
  request.revision = 3;
  request.min_mod_revision = 3;
  ASSERT_TRUE(h.Range(request).ok());
  EXPECT_EQ(h.reply.count, 2);
}

TEST_F(MvccRange, KeysOnlyHidesTheLeaseUnlessSortedByValue) {
  codec::RangeRequest request = RangeOf("c");
  request.keys_only = true;
  ASSERT_TRUE(h.Range(request).ok());
  EXPECT_EQ(h.reply.kvs[0], (Kv{"c", "", 4, 4, 1, 0}));
  request = RangeOf("b", "e");
  request.keys_only = true;
  request.sort_target = 4;
  ASSERT_TRUE(h.Range(request).ok());
  EXPECT_EQ(h.Keys(), "d c b");
  EXPECT_EQ(h.reply.kvs[1], (Kv{"c", "", 4, 4, 1, 5}));
  request.sort_target = 3;
  request.sort_order = 2;
  ASSERT_TRUE(h.Range(request).ok());
  EXPECT_EQ(h.Keys(), "b d c");
  EXPECT_EQ(h.reply.kvs[2].lease, 0);
}

TEST_F(MvccRange, SortOrdersAndTargets) {
  const char* ascending[] = {"a b c d e", "a c d e b", "a b c d e", "a c d e b", "e d c a b"};
  const char* descending[] = {"e d c b a", "b a c d e", "e d c b a", "b e d c a", "b a c d e"};
  for (int target = 0; target <= 4; target++) {
    codec::RangeRequest request = RangeOf(kZero, kZero);
    request.sort_target = target;
    request.sort_order = 1;
    ASSERT_TRUE(h.Range(request).ok());
    EXPECT_EQ(h.Keys(), ascending[target]) << target;
    request.sort_order = 2;
    ASSERT_TRUE(h.Range(request).ok());
    EXPECT_EQ(h.Keys(), descending[target]) << target;
    EXPECT_EQ(h.reply.count, 5);
    request.limit = 2;
    ASSERT_TRUE(h.Range(request).ok());
    EXPECT_EQ(h.Keys(), std::string(descending[target]).substr(0, 3)) << target;
    EXPECT_TRUE(h.reply.more);
    EXPECT_EQ(h.reply.count, 5);
    request.limit = 5;
    ASSERT_TRUE(h.Range(request).ok());
    EXPECT_FALSE(h.reply.more);
  }
}

TEST_F(MvccRange, SortNoneWithAnotherTargetSortsWhatTheLimitTook) {
  codec::RangeRequest request = RangeOf(kZero, kZero);
  request.sort_target = 4;
  ASSERT_TRUE(h.Range(request).ok());
  EXPECT_EQ(h.Keys(), "e d c a b");
  // Three keys in key order (limit + 1) are a, b, c: by value c v3, a v5, b v9.
  request.limit = 2;
  ASSERT_TRUE(h.Range(request).ok());
  EXPECT_EQ(h.Keys(), "c a");
  EXPECT_TRUE(h.reply.more);
  EXPECT_EQ(h.reply.count, 5);
  request.limit = INT64_MAX;
  ASSERT_TRUE(h.Range(request).ok());
  EXPECT_EQ(h.Keys(), "e d c a b");
  // A filter makes it fetch, filter and sort all before the cut.
  request.limit = 2;
  request.min_mod_revision = 1;
  ASSERT_TRUE(h.Range(request).ok());
  EXPECT_EQ(h.Keys(), "e d");
}

TEST_F(MvccRange, Filters) {
  const auto keys = [&](int64_t min_mod, int64_t max_mod, int64_t min_create, int64_t max_create,
                        int64_t limit = 0) {
    codec::RangeRequest request = RangeOf(kZero, kZero);
    request.min_mod_revision = min_mod;
    request.max_mod_revision = max_mod;
    request.min_create_revision = min_create;
    request.max_create_revision = max_create;
    request.limit = limit;
    EXPECT_TRUE(h.Range(request).ok());
    EXPECT_EQ(h.reply.count, 5);
    return h.Keys();
  };
  EXPECT_EQ(keys(5, 0, 0, 0), "b d e");
  EXPECT_EQ(keys(0, 5, 0, 0), "a c d");
  EXPECT_EQ(keys(0, 0, 4, 0), "c d e");
  EXPECT_EQ(keys(0, 0, 0, 4), "a b c");
  EXPECT_EQ(keys(5, 6, 0, 0), "d e");
  EXPECT_EQ(keys(7, 0, 0, 3), "b");
  EXPECT_EQ(keys(8, 0, 0, 0), "");
  EXPECT_EQ(keys(-1, 0, 0, 0), "a b c d e");
  EXPECT_EQ(keys(0, -1, 0, 0), "");
  EXPECT_EQ(keys(5, 0, 0, 0, 2), "b d");
  EXPECT_TRUE(h.reply.more);
  EXPECT_EQ(keys(6, 0, 0, 0, 2), "b e");
  EXPECT_FALSE(h.reply.more);
}

/// The harness compares what is served so with what reader threads would say.
TEST(MvccRangeResident, ShortRangesNeedNoOtherThread) {
  MvccHarness h;
  const auto key = [](int i) { return "k" + std::to_string(100 + i); };
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(h.Put(key(i), "v").ok());
  const auto served = [&](int count, int64_t limit = 0, bool count_only = false) {
    const std::string end = key(count);
    codec::RangeRequest request = RangeOf("k100", end);
    request.limit = limit;
    request.count_only = count_only;
    EXPECT_TRUE(h.Range(request).ok());
    EXPECT_EQ(h.reply.count, count);
    return h.served_resident;
  };
  EXPECT_TRUE(served(1));
  EXPECT_TRUE(served(32));
  EXPECT_TRUE(served(32, 10));
  EXPECT_TRUE(served(32, 0, true));
  EXPECT_FALSE(served(33));
  EXPECT_FALSE(served(33, 0, true));
  // A page of a long range: the rest has to be counted, up to as many keys again.
  EXPECT_TRUE(served(42, 10));
  EXPECT_FALSE(served(43, 10));
  // All keys are counted without a look at them.
  codec::RangeRequest everything = RangeOf(kZero, kZero);
  everything.limit = 10;
  ASSERT_TRUE(h.Range(everything).ok());
  EXPECT_TRUE(h.served_resident);
  EXPECT_EQ(h.reply.count, 50);
  everything.sort_order = 2;
  ASSERT_TRUE(h.Range(everything).ok());
  EXPECT_FALSE(h.served_resident);
}

TEST(MvccRangeResident, NeitherAreManyBytes) {
  MvccHarness h;
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(h.Put("k" + std::to_string(i), std::string(16000, 'v')).ok());
  }
  ASSERT_TRUE(h.Range("k0", "k4").ok());
  EXPECT_TRUE(h.served_resident);
  ASSERT_TRUE(h.Range("k0", "k5").ok());
  EXPECT_FALSE(h.served_resident);
  EXPECT_EQ(h.reply.kvs.size(), 5u);
  // Errors are told at once, too.
  EXPECT_EQ(h.Range("k0", "k5", 100).code(), Code::kFutureRevision);
  EXPECT_TRUE(h.served_resident);
}

TEST_F(MvccRange, DescendingLimitOverManyKeys) {
  for (int i = 0; i < 5000; i++) {
    h.Begin();
    ASSERT_TRUE(h.Put("k" + std::to_string(100000 + (i * 7919) % 5000), "v").ok());
    h.Commit();
  }
  codec::RangeRequest request = RangeOf("k", "l");
  request.sort_order = 2;
  request.limit = 3;
  ASSERT_TRUE(h.Range(request).ok());
  EXPECT_EQ(h.Keys(), "k104999 k104998 k104997");
  EXPECT_EQ(h.reply.count, 5000);
  EXPECT_TRUE(h.reply.more);
  request.sort_target = 2;
  request.sort_order = 1;
  ASSERT_TRUE(h.Range(request).ok());
  EXPECT_EQ(h.Keys(), "k100000 k102919 k100838");
}

TEST(MvccRangeBytes, BinaryKeysSortByUnsignedBytes) {
  MvccHarness h;
  const std::string keys[] = {
      kZero, std::string("\0\0", 2), "\x01", "a", "a\x80", "\x7f", "\x80", "\xff", "\xff\xff"};
  for (const std::string& key : keys) ASSERT_TRUE(h.Put(key, key).ok());
  ASSERT_TRUE(h.Range(kZero, kZero).ok());
  ASSERT_EQ(h.reply.kvs.size(), std::size(keys));
  for (size_t i = 1; i < h.reply.kvs.size(); i++) {
    EXPECT_LT(h.reply.kvs[i - 1].key, h.reply.kvs[i].key);
  }
  ASSERT_TRUE(h.Range("\x80", "\xff\xff").ok());
  EXPECT_EQ(h.reply.count, 2);
  ASSERT_TRUE(h.Range("\xff", kZero).ok());
  EXPECT_EQ(h.reply.count, 2);
  ASSERT_TRUE(h.Range(std::string("\0\0", 2), kZero).ok());
  EXPECT_EQ(h.reply.count, static_cast<int64_t>(std::size(keys)) - 1);
}

}  // namespace
}  // namespace metastore::testing
