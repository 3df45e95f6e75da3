// Permissions of watches: who may create one over which keys, when it is said, and that a watcher
// outlives its right.
#include <gtest/gtest.h>

#include <string>

#include "auth/slot.h"
#include "test/support/auth_tables.h"
#include "test/support/auth_users.h"
#include "test/support/watch_harness.h"

namespace metastore::member {
namespace {

using auth::Caller;
using auth::kCurrentAuthRevision;
using auth_test::kBad;
using auth_test::Key;
using auth_test::kGhost;
using auth_test::kNew;
using auth_test::kNobody;
using auth_test::kOld;
using auth_test::kRevision;
using auth_test::kRoot;
using auth_test::kUser;
using auth_test::kZero;
using auth_test::MakeTable;
using auth_test::Users;

class AuthWatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    tables_.Set(MakeTable(kRevision, Users()));
    harness_.Open(1);
  }
  static watch::HubOptions Options(const auth::TableSlot* tables) {
    watch::HubOptions options = watch_test::ManualOptions();
    options.tables = tables;
    return options;
  }
  /// The reason of a refusal, or "" for a watcher.
  std::string Create(const watch_test::CreateOptions& options, const Caller& caller) {
    EXPECT_TRUE(harness_.hub->Request(1, watch_test::CreateBytes(options), caller).ok());
    harness_.Run();
    const watch_test::Response response = harness_.Must(1);
    EXPECT_TRUE(response.created);
    EXPECT_EQ(response.canceled, response.watch_id == -1);
    return response.cancel_reason;
  }

  auth::TableSlot tables_;
  watch_test::Harness harness_{Options(&tables_)};
  const std::string denied_ = GrpcText(Code::kPermissionDenied);
};

TEST_F(AuthWatchTest, NeedsTheRightToReadWhatItNames) {
  EXPECT_EQ(Create({.key = "k"}, kUser), "");
  EXPECT_EQ(Create({.key = "a/", .end = "b/"}, kUser), "");
  EXPECT_EQ(Create({.key = "m"}, kUser), denied_);
  EXPECT_EQ(Create({.key = "w"}, kUser), denied_);
  EXPECT_EQ(Create({.key = "k", .end = kZero}, kUser), denied_);
  EXPECT_EQ(Create({.key = "a/", .end = kZero}, kUser), denied_);
  EXPECT_EQ(Create({}, kUser), denied_);
  EXPECT_EQ(Create({.end = kZero}, kUser), denied_);
  EXPECT_EQ(Create({.end = kZero}, kRoot), "");
  EXPECT_EQ(Create({.key = "k"}, kGhost), denied_);
  EXPECT_EQ(Create({.key = "k"}, kNew), "");
  EXPECT_EQ(Create({.key = "k"}, kOld),
            "rpc error: code = InvalidArgument desc = etcdserver: revision of auth store is old");
  EXPECT_EQ(Create({.key = "k"}, kNobody),
            "rpc error: code = InvalidArgument desc = etcdserver: user name is empty");
  EXPECT_EQ(Create({.key = "k"}, kBad),
            "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token");
}

TEST_F(AuthWatchTest, TheEmptyKeyIsTheLeastOne) {
  tables_.Set(MakeTable(kRevision, {{"u", false, {Key(kZero)}}, {"all", false, {{kZero, ""}}}}));
  EXPECT_EQ(Create({}, kUser), "");
  EXPECT_EQ(Create({.end = kZero}, kUser), denied_);
  EXPECT_EQ(Create({.end = kZero}, {"all", kRevision}), "");
}

TEST_F(AuthWatchTest, ItsPlaceIsBetweenNegativeStartsAndEmptyRanges) {
  const std::string negative = "etcdserver: mvcc: required revision has been compacted";
  EXPECT_EQ(Create({.key = "m", .start = -1}, kUser), negative);
  EXPECT_EQ(Create({.key = "m", .start = -1}, kBad), negative);
  EXPECT_EQ(Create({.key = "m", .end = "l"}, kUser), denied_);
  EXPECT_EQ(Create({.key = "a/5", .end = "a/1"}, kUser), "mvcc: watcher range is empty");
  EXPECT_EQ(Create({.key = "k", .id = 5}, kUser), "");
  EXPECT_EQ(Create({.key = "m", .id = 5}, kUser), denied_);
  EXPECT_EQ(Create({.key = "k", .id = 5}, kUser),
            "mvcc: duplicate watch ID provided on the WatchStream");
}

TEST_F(AuthWatchTest, AWatcherOutlivesItsRight) {
  ASSERT_EQ(Create({.key = "k"}, kUser), "");
  tables_.Set(MakeTable(kRevision + 1, {{"u"}}));
  harness_.Put("k", "1");
  EXPECT_EQ(harness_.Must(1).events.size(), 1u);
  EXPECT_EQ(Create({.key = "k"}, {"u", kCurrentAuthRevision}), denied_);
}

TEST_F(AuthWatchTest, OtherRequestsNeedNobody) {
  ASSERT_EQ(Create({.key = "k"}, kUser), "");
  ASSERT_TRUE(harness_.hub->Request(1, watch_test::ProgressBytes(), kBad).ok());
  ASSERT_TRUE(harness_.hub->Request(1, watch_test::CancelBytes(0), kNobody).ok());
  harness_.Run();
  EXPECT_EQ(harness_.Must(1).watch_id, -1);
  EXPECT_TRUE(harness_.Must(1).canceled);
}

}  // namespace
}  // namespace metastore::member
