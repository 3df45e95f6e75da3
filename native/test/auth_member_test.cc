// Permissions in a whole member: where proposals and reads are held to them, and from which entry
// on a new table counts.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "intake/raft_request.h"
#include "test/support/auth_tables.h"
#include "test/support/auth_users.h"
#include "test/support/transfer_harness.h"

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
using auth_test::MakeDisabled;
using auth_test::MakeTable;
using auth_test::TestUser;
using auth_test::Users;
using intake::Method;
using member_test::Bytes;
using member_test::Field;
using member_test::Number;
using member_test::OptionsFor;
using member_test::Outcome;
using member_test::PutRequest;
using member_test::ScratchDirectory;
using member_test::TinyVoter;

/// A request that TypeScript decides.
const std::string kInternal = Field(1301, Number(1, 5));

class AuthMemberTest : public ::testing::TestWithParam<EngineKind> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(voter_->Open().ok());
    voter_->core().SetAuth(MakeTable(kRevision, Users()));
  }

  Code Put(const Caller& caller, const std::string& key, const std::string& more = "") {
    return voter_->Call(Method::kPut, PutRequest(key, "v") + more, caller).code;
  }
  Code Range(const Caller& caller, const std::string& request) {
    return voter_->Call(Method::kRange, request, caller).code;
  }
  int64_t revision() { return voter_->core().status().revision; }

  /// Queues an internal request and the puts behind it, in one batch; apply then stands at the
  /// first. The puts' tickets are `first` and up.
  void HaltBefore(const std::vector<std::pair<Caller, std::string>>& puts, uint64_t first) {
    voter_->answer_controls = false;
    voter_->controls.clear();
    ASSERT_TRUE(voter_->core().SubmitInternal(first - 1, kInternal, kRoot).ok());
    for (size_t i = 0; i < puts.size(); ++i) {
      ASSERT_EQ(
          voter_->Submit(first + i, Method::kPut, PutRequest(puts[i].second, "v"), puts[i].first),
          Code::kOk);
    }
    ASSERT_TRUE(voter_->DriveUntil([&] { return voter_->controls.size() == 1; }));
  }
  void Decide(std::vector<apply::MetaChange> rows, apply::PermissionTable table) {
    voter_->core().ControlDone(voter_->controls[0].NumberAt(0), std::move(rows), Code::kOk, "",
                               std::move(table));
  }

  ScratchDirectory directory_;
  std::unique_ptr<TinyVoter> voter_ =
      std::make_unique<TinyVoter>(OptionsFor(directory_.path(), GetParam()));
};

INSTANTIATE_TEST_SUITE_P(Engines, AuthMemberTest,
#ifdef METASTORE_ROCKSDB
                         ::testing::Values(EngineKind::kMemory, EngineKind::kRocks),
#else
                         ::testing::Values(EngineKind::kMemory),
#endif
                         [](const auto& param) {
                           return param.param == EngineKind::kMemory ? "memory" : "rocksdb";
                         });

// ---- Proposals. ------------------------------------------------------------------------------

TEST_P(AuthMemberTest, ProposalsAreHeldToTheirHeaderWhereTheyAreApplied) {
  const int64_t before = revision();
  EXPECT_EQ(Put(kNobody, "a/1"), Code::kUserEmpty);
  EXPECT_EQ(Put(kOld, "a/1"), Code::kAuthOldRevision);
  EXPECT_EQ(Put(kGhost, "a/1"), Code::kPermissionDenied);
  EXPECT_EQ(Put(kUser, "m"), Code::kPermissionDenied);
  EXPECT_EQ(Put(kUser, "w", Number(4, 1)), Code::kPermissionDenied);
  EXPECT_EQ(voter_->Call(Method::kDeleteRange, Bytes(1, "a/") + Bytes(2, kZero), kUser).code,
            Code::kPermissionDenied);
  EXPECT_EQ(revision(), before) << "what is refused changes nothing";
  EXPECT_EQ(Put(kUser, "a/1"), Code::kOk);
  EXPECT_EQ(Put(kNew, "a/1"), Code::kOk);
  EXPECT_EQ(Put(kRoot, "m"), Code::kOk);
  EXPECT_EQ(voter_->Call(Method::kDeleteRange, Bytes(1, "a/") + Bytes(2, "b/"), kUser).code,
            Code::kOk);
  EXPECT_EQ(revision(), before + 4);
}

TEST_P(AuthMemberTest, TransactionsInWhole) {
  const auto txn = [&](const std::string& request, const Caller& caller) {
    return voter_->Call(Method::kTxn, request, caller).code;
  };
  const std::string put = Field(2, PutRequest("a/1", "v"));
  const std::string foreign = Field(2, PutRequest("m", "v"));
  const int64_t before = revision();
  EXPECT_EQ(txn(Field(2, put) + Field(3, foreign), kUser), Code::kPermissionDenied);
  EXPECT_EQ(txn(Field(2, Field(4, Field(2, foreign))), kUser), Code::kPermissionDenied);
  EXPECT_EQ(txn(Field(1, Bytes(3, "m")) + Field(2, put), kUser), Code::kPermissionDenied);
  EXPECT_EQ(txn(Field(2, Field(4, "")), kNobody), Code::kOk) << "through the log, naming nothing";
  EXPECT_EQ(revision(), before);
  EXPECT_EQ(txn(Field(2, put) + Field(3, put), kUser), Code::kOk);
}

TEST_P(AuthMemberTest, CompactionIsForAdministrators) {
  ASSERT_EQ(Put(kRoot, "m"), Code::kOk);
  const auto compact = [&](const Caller& caller) {
    return voter_->Call(Method::kCompact, Number(1, 1), caller).code;
  };
  EXPECT_EQ(compact(kNobody), Code::kUserEmpty);
  EXPECT_EQ(compact(kUser), Code::kPermissionDenied);
  EXPECT_EQ(compact(kGhost), Code::kUserNotFound);
  EXPECT_EQ(compact({"root", 1}), Code::kOk);
  EXPECT_EQ(compact(kRoot), Code::kCompacted);
}

TEST_P(AuthMemberTest, LeasesWithTheKeysOfOthers) {
  const auto grant = [&](const Caller& caller, uint64_t id) {
    return voter_->Call(Method::kLeaseGrant, Number(1, 600) + Number(2, id), caller).code;
  };
  const auto revoke = [&](const Caller& caller, uint64_t id) {
    return voter_->Call(Method::kLeaseRevoke, Number(1, id), caller).code;
  };
  EXPECT_EQ(grant(kNobody, 7), Code::kUserEmpty);
  EXPECT_EQ(grant(kGhost, 7), Code::kOk);
  EXPECT_EQ(grant(kUser, 8), Code::kOk);
  ASSERT_EQ(Put(kRoot, "m", Number(3, 7)), Code::kOk);
  EXPECT_EQ(Put(kUser, "a/1", Number(3, 7)), Code::kPermissionDenied);
  EXPECT_EQ(Put(kUser, "a/1", Number(3, 8)), Code::kOk);
  EXPECT_EQ(Put(kUser, "a/1", Number(3, 9)), Code::kLeaseNotFound);
  EXPECT_EQ(revoke(kUser, 7), Code::kPermissionDenied);
  EXPECT_EQ(revoke(kNobody, 7), Code::kUserEmpty);
  EXPECT_EQ(revoke(kOld, 7), Code::kAuthOldRevision);
  EXPECT_EQ(revoke(kOld, 9), Code::kLeaseNotFound);
  EXPECT_EQ(revoke(kUser, 8), Code::kOk);
  EXPECT_EQ(revoke({"root", 1}, 7), Code::kOk);
}

TEST_P(AuthMemberTest, AttachmentsOfTheSameRunCount) {
  ASSERT_EQ(voter_->Call(Method::kLeaseGrant, Number(1, 600) + Number(2, 7), kUser).code,
            Code::kOk);
  ASSERT_EQ(Put(kRoot, "m", Number(3, 7)), Code::kOk);
  // One batch: root's key leaves the lease, and the user may attach to it; then it comes back.
  ASSERT_EQ(voter_->Submit(501, Method::kPut, PutRequest("m", "1"), kRoot), Code::kOk);
  ASSERT_EQ(voter_->Submit(502, Method::kPut, PutRequest("a/1", "1") + Number(3, 7), kUser),
            Code::kOk);
  ASSERT_EQ(voter_->Submit(503, Method::kPut, PutRequest("m", "1") + Number(3, 7), kRoot),
            Code::kOk);
  ASSERT_EQ(voter_->Submit(504, Method::kLeaseRevoke, Number(1, 7), kUser), Code::kOk);
  EXPECT_EQ(voter_->WaitFor(504).code, Code::kPermissionDenied);
  EXPECT_EQ(voter_->results[502].code, Code::kOk);
  EXPECT_EQ(voter_->results[503].code, Code::kOk);
}

TEST_P(AuthMemberTest, PermissionsComeBeforeAlarms) {
  const std::string raise = Number(1, 1) + Number(2, 0xa1) + Number(3, 1);
  ASSERT_EQ(voter_->Call(Method::kAlarm, raise, kRoot).code, Code::kOk);
  EXPECT_EQ(Put(kUser, "m"), Code::kPermissionDenied);
  EXPECT_EQ(Put(kUser, "a/1"), Code::kNoSpace);
}

TEST_P(AuthMemberTest, EntriesSayWhoAskedByANumber) {
  ASSERT_EQ(Put({"root", kCurrentAuthRevision}, "m"), Code::kOk);
  ASSERT_EQ(voter_->core().SubmitInternal(700, kInternal, {"u", kCurrentAuthRevision}).ok(), true);
  ASSERT_EQ(voter_->WaitFor(700).code, Code::kOk);
  const uint64_t last = voter_->last_index();
  for (const uint64_t index : {last - 1, last}) {
    std::shared_ptr<const std::string> data;
    ASSERT_TRUE(voter_->core().EntryData(index, &data).ok());
    intake::RaftRequest request;
    ASSERT_TRUE(intake::DecodeEntry(*data, &request).ok());
    EXPECT_EQ(request.header.user_name, index == last ? "u" : "root");
    EXPECT_EQ(request.header.auth_revision, kRevision);
  }
}

// ---- From which entry on a table counts. -----------------------------------------------------

TEST_P(AuthMemberTest, ATableCountsFromItsEntryOn) {
  HaltBefore({{kUser, "a/1"}, {{"u", kRevision + 1}, "a/1"}, {{"u", kRevision + 1}, "m"}}, 801);
  Decide({}, MakeTable(kRevision + 1, {{"u", false, {}, {Key("m")}}}));
  EXPECT_EQ(voter_->WaitFor(803).code, Code::kOk);
  EXPECT_EQ(voter_->results[801].code, Code::kAuthOldRevision);
  EXPECT_EQ(voter_->results[802].code, Code::kPermissionDenied);
}

TEST_P(AuthMemberTest, AReadOfItsIndexMeetsTheTable) {
  ASSERT_EQ(Put(kUser, "a/1"), Code::kOk);
  HaltBefore({}, 801);
  ASSERT_EQ(voter_->Submit(810, Method::kRange, Bytes(1, "a/1"), kUser), Code::kOk);
  // Released at an index that is not applied before the entry has been decided.
  for (int i = 0; i < 3; ++i) voter_->Turn();
  EXPECT_FALSE(voter_->results.contains(810));
  Decide({}, MakeTable(kRevision + 1, {{"u"}}));
  EXPECT_EQ(voter_->WaitFor(810).code, Code::kAuthOldRevision);
}

TEST_P(AuthMemberTest, AnEntryWithoutATableChangesNone) {
  HaltBefore({{kUser, "a/1"}}, 801);
  Decide({{"row", "1"}}, nullptr);
  EXPECT_EQ(voter_->WaitFor(801).code, Code::kOk);
}

TEST_P(AuthMemberTest, SwitchingOffLetsEverybodyIn) {
  HaltBefore({{kNobody, "m"}}, 801);
  Decide({}, MakeDisabled(kRevision + 1));
  EXPECT_EQ(voter_->WaitFor(801).code, Code::kOk);
  EXPECT_EQ(Range(kNobody, Bytes(1, "m")), Code::kOk);
}

// ---- Reads. ----------------------------------------------------------------------------------

TEST_P(AuthMemberTest, ReadsAreCheckedWhereTheyAreServed) {
  const std::string serializable = Number(7, 1);
  for (const std::string& more : {std::string(), serializable}) {
    EXPECT_EQ(Range(kUser, Bytes(1, "a/") + Bytes(2, "b/") + more), Code::kOk);
    EXPECT_EQ(Range(kUser, Bytes(1, "a/") + Bytes(2, "c/") + more), Code::kPermissionDenied);
    EXPECT_EQ(Range({"u", kCurrentAuthRevision}, Bytes(1, "k") + more), Code::kOk);
    EXPECT_EQ(Range(kNobody, Bytes(1, "k") + more), Code::kUserEmpty);
    EXPECT_EQ(Range(kOld, Bytes(1, "k") + more), Code::kAuthOldRevision);
    EXPECT_EQ(Range(kBad, Bytes(1, "k") + more), Code::kInvalidAuthToken);
    EXPECT_EQ(Range(kUser, Bytes(1, "m") + Number(4, 9999) + more), Code::kPermissionDenied)
        << "before the revision is looked at";
    EXPECT_EQ(Range(kUser, Bytes(1, "k") + Number(4, 9999) + more), Code::kFutureRevision);
  }
}

TEST_P(AuthMemberTest, ARevisionThatIsNotTheTablesFailsBehindTheRead) {
  EXPECT_EQ(Range(kNew, Bytes(1, "k")), Code::kAuthOldRevision);
  EXPECT_EQ(Range(kNew, Bytes(1, "k") + Number(4, 9999)), Code::kAuthOldRevision)
      << "whatever the read would say";
  EXPECT_EQ(Range(kNew, Bytes(1, "m") + Number(4, 9999)), Code::kPermissionDenied);
  EXPECT_EQ(voter_->Call(Method::kTxn, "", kNew).code, Code::kAuthOldRevision);
  EXPECT_EQ(voter_->Call(Method::kTxn, "", kOld).code, Code::kAuthOldRevision);
  EXPECT_EQ(voter_->Call(Method::kTxn, "", kGhost).code, Code::kOk);
  EXPECT_EQ(voter_->Call(Method::kTxn, "", kNobody).code, Code::kOk);
  EXPECT_EQ(voter_->Call(Method::kTxn, "", kBad).code, Code::kInvalidAuthToken);
}

TEST_P(AuthMemberTest, ARefusalWaitsForItsTurn) {
  EXPECT_EQ(voter_->Submit(1, Method::kRange, Bytes(1, ""), kBad), Code::kEmptyKey);
  EXPECT_EQ(voter_->Submit(2, Method::kRange, Bytes(1, "k"), kBad), Code::kOk) << "it waits first";
  EXPECT_EQ(voter_->WaitFor(2).code, Code::kInvalidAuthToken);
  EXPECT_EQ(voter_->Submit(3, Method::kPut, Bytes(1, ""), kBad), Code::kEmptyKey);
  EXPECT_EQ(voter_->Submit(4, Method::kPut, Bytes(1, "k"), kBad), Code::kInvalidAuthToken);
}

TEST_P(AuthMemberTest, WhatOthersCheckIsNotCheckedHere) {
  EXPECT_EQ(voter_->Call(Method::kHashKv, "", kNew).code, Code::kOk);
  EXPECT_EQ(voter_->Call(Method::kHash, "", kOld).code, Code::kOk);
  EXPECT_EQ(voter_->Call(Method::kHash, "", kBad).code, Code::kInvalidAuthToken);
  const MemberCore& core = voter_->core();
  EXPECT_EQ(core.CheckRange(kUser, true, "w", ""), Code::kOk);
  EXPECT_EQ(core.CheckRange(kUser, false, "w", ""), Code::kPermissionDenied);
  EXPECT_EQ(core.CheckRange(kUser, false, "a/", "b/"), Code::kOk);
  EXPECT_EQ(core.CheckRange(kUser, false, "a/", kZero), Code::kPermissionDenied);
  EXPECT_EQ(core.CheckRange(kBad, false, "k", ""), Code::kInvalidAuthToken);
  EXPECT_EQ(core.CheckRange(kNobody, false, "k", ""), Code::kUserEmpty);
}

// ---- Starts and snapshots. -------------------------------------------------------------------

/// Stores that auth is on, and makes that durable without the log.
void SwitchOn(TinyVoter* voter) {
  voter->answer_controls = false;
  ASSERT_TRUE(voter->core().SubmitInternal(600, kInternal, kRoot).ok());
  ASSERT_TRUE(voter->DriveUntil([&] { return voter->controls.size() == 1; }));
  voter->core().ControlDone(voter->controls[0].NumberAt(0), {{"auth/enabled", "1"}}, Code::kOk, "",
                            MakeTable(kRevision, Users()));
  ASSERT_EQ(voter->WaitFor(600).code, Code::kOk);
  voter->core().Checkpoint();
  ASSERT_TRUE(voter->DriveUntil([&] {
    return !voter->others.empty() && voter->others.back().kind == apply::Kind::kCheckpoint;
  }));
}

TEST_P(AuthMemberTest, AfterAStartNobodyPassesBeforeTheTable) {
  SwitchOn(voter_.get());
  voter_.reset();
  TinyVoter again(OptionsFor(directory_.path(), GetParam()));
  ASSERT_TRUE(again.Open().ok());
  EXPECT_EQ(again.Call(Method::kRange, Bytes(1, "k"), kRoot).code, Code::kAuthOldRevision);
  EXPECT_EQ(again.core().CheckRange(kRoot, false, "k", ""), Code::kAuthOldRevision);
  again.core().SetAuth(MakeTable(kRevision, Users()));
  EXPECT_EQ(again.Call(Method::kRange, Bytes(1, "k"), kRoot).code, Code::kOk);
  EXPECT_EQ(again.Call(Method::kPut, PutRequest("m", "1"), kUser).code, Code::kPermissionDenied);
  EXPECT_EQ(again.Call(Method::kPut, PutRequest("m", "1"), kRoot).code, Code::kOk);
}

TEST_P(AuthMemberTest, EntriesBeforeTheTableEndTheProcess) {
  SwitchOn(voter_.get());
  voter_.reset();
  TinyVoter again(OptionsFor(directory_.path(), GetParam()));
  ASSERT_TRUE(again.Open().ok());
  ASSERT_EQ(again.Submit(1, Method::kPut, PutRequest("m", "1"), kRoot), Code::kOk);
  EXPECT_FALSE(again.DriveUntil([&] { return again.results.contains(1); }));
  EXPECT_NE(again.fatal.find("setAuth"), std::string::npos) << again.fatal;
}

TEST_P(AuthMemberTest, AfterAnInstallNobodyPassesBeforeTheTable) {
  SwitchOn(voter_.get());
  ScratchDirectory directory;
  TinyVoter target(OptionsFor(directory.path(), GetParam()));
  ASSERT_TRUE(target.Open().ok());
  ASSERT_EQ(target.Call(Method::kRange, Bytes(1, "k")).code, Code::kOk) << "auth is off here";
  ASSERT_TRUE(transfer_test::Transfer(voter_.get(), &target, false).ok());
  EXPECT_EQ(target.Call(Method::kRange, Bytes(1, "k")).code, Code::kAuthOldRevision);
  target.core().SetAuth(MakeTable(kRevision, Users()));
  EXPECT_EQ(target.Call(Method::kRange, Bytes(1, "k")).code, Code::kUserEmpty);
  EXPECT_EQ(target.Call(Method::kRange, Bytes(1, "k"), kUser).code, Code::kOk);
}

// ---- Races. ----------------------------------------------------------------------------------

/// Tables change under reads and writes in full flight. Key 'even' may be read and written while
/// the revision is even, 'odd' while it is odd: no answer may mix them.
TEST_P(AuthMemberTest, TablesChangeUnderLoad) {
  const auto table = [](uint64_t revision) {
    const auth_test::Ranges key = {Key(revision % 2 == 0 ? "even" : "odd")};
    return MakeTable(revision, {{"u", false, key, key}});
  };
  uint64_t revision = kRevision + 1;
  voter_->core().SetAuth(table(revision));
  std::atomic<bool> done{false};
  std::atomic<uint64_t> checks{0};
  std::thread checker([&] {
    while (!done.load()) {
      const Code code = voter_->core().CheckRange({"u", kCurrentAuthRevision}, true, "even", "");
      EXPECT_TRUE(code == Code::kOk || code == Code::kPermissionDenied);
      checks.fetch_add(1);
    }
  });
  voter_->answer_controls = false;
  std::map<uint64_t, std::pair<uint64_t, bool>> reads;  // by ticket: least revision, of 'even'
  uint64_t ticket = 10'000;
  for (int round = 0; round < 60; ++round) {
    voter_->controls.clear();
    ASSERT_TRUE(voter_->core().SubmitInternal(++ticket, kInternal, kRoot).ok());
    const uint64_t change = ticket;
    for (int i = 0; i < 20; ++i) {
      const bool even = i % 2 == 0;
      const Method method = i % 4 < 2 ? Method::kRange : Method::kPut;
      ++ticket;
      const std::string key = even ? "even" : "odd";
      const std::string request = method == Method::kPut ? PutRequest(key, "v") : Bytes(1, key);
      ASSERT_EQ(voter_->Submit(ticket, method, request, {"u", kCurrentAuthRevision}), Code::kOk);
      if (method == Method::kRange) reads[ticket] = {revision, even};
    }
    ASSERT_TRUE(voter_->DriveUntil([&] { return voter_->controls.size() == 1; }));
    Decide({}, table(++revision));
    ASSERT_EQ(voter_->WaitFor(change).code, Code::kOk);
  }
  ASSERT_TRUE(voter_->DriveUntil([&] { return voter_->results.contains(ticket); }));
  ASSERT_TRUE(voter_->DriveUntil([&] {
    return std::all_of(reads.begin(), reads.end(),
                       [&](const auto& read) { return voter_->results.contains(read.first); });
  }));
  done.store(true);
  checker.join();
  uint64_t granted = 0;
  for (const auto& [read, what] : reads) {
    const Code code = voter_->results[read].code;
    EXPECT_TRUE(code == Code::kOk || code == Code::kPermissionDenied ||
                code == Code::kAuthOldRevision);
    granted += code == Code::kOk ? 1 : 0;
  }
  EXPECT_GT(granted, 0u);
  EXPECT_GT(checks.load(), 0u);
}

}  // namespace
}  // namespace metastore::member
