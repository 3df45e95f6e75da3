// MemberCore end to end, as a single voter, over both engines: writes, reads, leases, watches,
// control entries and refusals. What a directory is opened for again is in member_restart_test.cc.
#include <gtest/gtest.h>

#include "test/support/member_harness.h"
#include "test/support/reply_parser.h"

namespace metastore::member_test {
namespace {

using member::EngineKind;

class MemberCoreTest : public ::testing::TestWithParam<EngineKind> {
 protected:
  MemberOptions Options() { return OptionsFor(directory_.path(), GetParam()); }
  ScratchDirectory directory_;
};

std::string EngineName(const ::testing::TestParamInfo<EngineKind>& info) {
  return info.param == EngineKind::kMemory ? "memory" : "rocksdb";
}

TEST_P(MemberCoreTest, WritesReadsAndTransactions) {
  TinyVoter voter(Options());
  ASSERT_TRUE(voter.Open().ok());
  EXPECT_TRUE(voter.recovered.created);
  EXPECT_EQ(voter.Put("a", "1").code, Code::kOk);
  EXPECT_EQ(voter.Put("b", std::string(1536 << 9, 'x')).code, Code::kOk);
  const auto range = testing::ParseRange(voter.Call(Method::kRange, Bytes(1, "a")).reply);
  ASSERT_EQ(range.kvs.size(), 1u);
  EXPECT_EQ(range.kvs[0].value, "1");
  EXPECT_EQ(range.header.revision, 3);
  EXPECT_EQ(range.header.cluster_id, 0xc1u);
  EXPECT_EQ(range.header.member_id, 0xa1u);
  const std::string read_only = Field(2, Field(1, Bytes(1, "a")));
  EXPECT_EQ(voter.Call(Method::kTxn, read_only).code, Code::kOk);
  const std::string write =
      Field(2, Field(2, PutRequest("c", "3"))) + Field(2, Field(3, Bytes(1, "a")));
  EXPECT_EQ(voter.Call(Method::kTxn, write).code, Code::kOk);
  EXPECT_TRUE(testing::ParseRange(voter.Call(Method::kRange, Bytes(1, "a")).reply).kvs.empty());
  EXPECT_EQ(voter.Call(Method::kRange, Bytes(1, "a") + Number(4, 99)).code, Code::kFutureRevision);
  EXPECT_EQ(voter.Call(Method::kPut, PutRequest("k", "v") + Number(3, 12345)).code,
            Code::kLeaseNotFound);
  EXPECT_EQ(voter.Call(Method::kPut, PutRequest("", "v")).code, Code::kEmptyKey);
  EXPECT_EQ(voter.Call(Method::kPut, PutRequest("k", std::string(1572864, 'v'))).code,
            Code::kRequestTooLarge);
  EXPECT_EQ(voter.Call(Method::kHash, "").code, Code::kOk);
  EXPECT_EQ(voter.Call(Method::kDefragment, "").code, Code::kOk);
}

TEST_P(MemberCoreTest, OperationsThatShareEntriesAreAnsweredOneByOne) {
  {
    TinyVoter voter(Options());
    ASSERT_TRUE(voter.Open().ok());
    voter.core().BatchEntries(64, 1 << 20);
    constexpr uint64_t kFirst = 5000;
    constexpr uint64_t kCount = 1000;
    for (uint64_t i = 0; i < kCount; ++i) {
      ASSERT_EQ(
          voter.Submit(kFirst + i, Method::kPut, PutRequest("k" + std::to_string(i % 7), "v")),
          Code::kOk);
      if (i % 100 == 99) {
        const std::string unknown = Number(1, 12345);
        ASSERT_EQ(voter.Submit(9000 + i, Method::kLeaseRevoke, unknown), Code::kOk);
      }
    }
    ASSERT_TRUE(voter.DriveUntil([&] { return voter.results.size() == kCount + 10; }));
    EXPECT_LT(voter.last_index(), kCount / 10) << "entries hold many";
    for (uint64_t i = 0; i < kCount; ++i) {
      const Outcome& outcome = voter.results[kFirst + i];
      ASSERT_EQ(outcome.code, Code::kOk);
      ASSERT_EQ(testing::ParsePut(outcome.reply).header.revision, static_cast<int64_t>(i + 2));
    }
    EXPECT_EQ(voter.results[9099].code, Code::kLeaseNotFound);
    ASSERT_TRUE(voter.core().Close().ok());
  }
  TinyVoter again(Options());
  ASSERT_TRUE(again.Open().ok());
  const auto range = testing::ParseRange(again.Call(Method::kRange, Bytes(1, "k6")).reply);
  EXPECT_EQ(range.header.revision, 1001) << "a log with batches is applied again";
}

TEST_P(MemberCoreTest, ManyTicketsEachAnsweredOnce) {
  TinyVoter voter(Options());
  ASSERT_TRUE(voter.Open().ok());
  constexpr uint64_t kFirst = 1000;
  constexpr uint64_t kCount = 3000;
  for (uint64_t i = 0; i < kCount; ++i) {
    const std::string key = "k" + std::to_string(i % 100);
    const bool write = i % 3 == 0;
    ASSERT_EQ(voter.Submit(kFirst + i, write ? Method::kPut : Method::kRange,
                           write ? PutRequest(key, std::to_string(i)) : Bytes(1, key)),
              Code::kOk);
  }
  ASSERT_TRUE(voter.DriveUntil([&] { return voter.results.size() == kCount; }));
  for (const auto& [ticket, outcome] : voter.results) EXPECT_EQ(outcome.code, Code::kOk);
  EXPECT_EQ(voter.core().status().revision, 1 + static_cast<int64_t>(kCount / 3));
  EXPECT_EQ(voter.core().status().queued.operations, 0u);
}

TEST_P(MemberCoreTest, LeasesAreToldInLogOrder) {
  TinyVoter voter(Options());
  ASSERT_TRUE(voter.Open().ok());
  ASSERT_EQ(voter.Call(Method::kLeaseGrant, Number(1, 60) + Number(2, 7)).code, Code::kOk);
  EXPECT_EQ(voter.Call(Method::kLeaseGrant, Number(1, 60) + Number(2, 7)).code, Code::kLeaseExists);
  ASSERT_EQ(voter.Call(Method::kPut, PutRequest("k", "v") + Number(3, 7)).code, Code::kOk);
  voter.core().LeaseKeys(500, 7);
  EXPECT_EQ(voter.WaitFor(500).reply, std::string("\1\0\0\0k", 5));
  const std::string checkpoint = Field(1, Number(1, 7) + Number(2, 33));
  ASSERT_EQ(voter.Call(Method::kLeaseCheckpoint, checkpoint).code, Code::kOk);
  ASSERT_EQ(voter.Call(Method::kLeaseRevoke, Number(1, 7)).code, Code::kOk);
  EXPECT_EQ(voter.Call(Method::kLeaseRevoke, Number(1, 7)).code, Code::kLeaseNotFound);
  ASSERT_EQ(voter.others.size(), 3u);
  EXPECT_EQ(voter.others[0].kind, apply::Kind::kLease);
  EXPECT_EQ(voter.others[0].IdAt(0), 7);
  EXPECT_EQ(voter.others[0].SignedAt(8), 60);
  EXPECT_EQ(voter.others[1].kind, apply::Kind::kLeaseCheckpoint);
  EXPECT_EQ(voter.others[1].SignedAt(8), 33);
  EXPECT_EQ(voter.others[2].SignedAt(8), -1);
  EXPECT_TRUE(testing::ParseRange(voter.Call(Method::kRange, Bytes(1, "k")).reply).kvs.empty());
}

TEST_P(MemberCoreTest, ControlEntriesHaltApplyAndKeepTheirRows) {
  const std::string attributes = Field(1301, Number(1, 5));
  {
    TinyVoter voter(Options());
    ASSERT_TRUE(voter.Open().ok());
    voter.answer_controls = false;
    ASSERT_TRUE(voter.core().SubmitInternal(900, attributes, {}).ok());
    ASSERT_EQ(voter.Submit(901, Method::kPut, PutRequest("after", "1")), Code::kOk);
    ASSERT_TRUE(voter.DriveUntil([&] { return voter.controls.size() == 1; }));
    // The entry behind it waits, though it is committed.
    EXPECT_FALSE(voter.results.contains(901));
    EXPECT_EQ(voter.core().status().applied_index, voter.last_index() - 2);
    const Record& control = voter.controls[0];
    EXPECT_EQ(control.NumberAt(0), voter.last_index() - 1);
    EXPECT_EQ(control.NumberAt(8), voter.term());
    EXPECT_EQ(control.body.substr(control.body.size() - attributes.size()), attributes);
    voter.core().ControlDone(control.NumberAt(0), {{"members/1", "one"}, {"gone", std::nullopt}},
                             Code::kMemberExists, "", nullptr);
    EXPECT_EQ(voter.WaitFor(900).code, Code::kMemberExists);
    EXPECT_EQ(voter.WaitFor(901).code, Code::kOk);
    // A conf change without data, as Raft proposes to leave a joint configuration.
    voter.answer_controls = true;
    member::AppendRun run;
    run.first_index = voter.last_index() + 1;
    run.term = voter.term();
    run.type = 2;
    voter.Append({run}, 1);
    ASSERT_TRUE(voter.DriveUntil([&] { return voter.applied() == voter.last_index(); }));
    EXPECT_EQ(voter.controls[1].body.size(), 17u);
    ASSERT_TRUE(voter.core().Close().ok());
  }
  TinyVoter again(Options());
  ASSERT_TRUE(again.Open().ok());
  if (GetParam() == EngineKind::kRocks) {
    ASSERT_EQ(again.recovered.meta.size(), 1u);
    EXPECT_EQ(again.recovered.meta[0].first, "members/1");
    EXPECT_EQ(again.recovered.meta[0].second, "one");
    EXPECT_EQ(again.recovered.applied_index, again.last_index());
  } else {
    ASSERT_TRUE(again.DriveUntil([&] { return again.applied() == again.last_index(); }));
    EXPECT_EQ(again.controls.size(), 2u);  // decided again from the log
  }
}

TEST_P(MemberCoreTest, WrongControlDoneIsFatal) {
  TinyVoter voter(Options());
  ASSERT_TRUE(voter.Open().ok());
  ASSERT_EQ(voter.Put("a", "1").code, Code::kOk);
  ASSERT_EQ(voter.Submit(800, Method::kPut, PutRequest("b", "1")), Code::kOk);
  voter.core().ControlDone(5, {}, Code::kOk, "", nullptr);
  ASSERT_FALSE(voter.DriveUntil([&] { return voter.results.contains(800); }));
  EXPECT_NE(voter.fatal.find("index 5"), std::string::npos) << voter.fatal;
  EXPECT_EQ(voter.Submit(801, Method::kRange, Bytes(1, "a")), Code::kStopped);
}

TEST_P(MemberCoreTest, UndecodableEntryIsFatalWithItsIndex) {
  TinyVoter voter(Options());
  ASSERT_TRUE(voter.Open().ok());
  ASSERT_EQ(voter.Put("a", "1").code, Code::kOk);
  member::AppendRun run;
  run.first_index = voter.last_index() + 1;
  run.term = voter.term();
  run.data = std::make_shared<const std::string>("\x07 from the future");
  voter.Append({run}, 1);
  EXPECT_FALSE(voter.DriveUntil([&] { return voter.applied() == voter.last_index(); }));
  EXPECT_NE(voter.fatal.find("apply at index 2"), std::string::npos) << voter.fatal;
}

TEST_P(MemberCoreTest, WatchersSeeWhatIsApplied) {
  TinyVoter voter(Options());
  ASSERT_TRUE(voter.Open().ok());
  voter.core().hub().Open(3);
  ASSERT_TRUE(voter.core().hub().Request(3, Field(1, Bytes(1, "w"))).ok());
  const auto messages = [&] { return voter.others.size(); };
  ASSERT_TRUE(voter.DriveUntil([&] { return messages() == 1; }));
  ASSERT_EQ(voter.Put("w", "seen").code, Code::kOk);
  ASSERT_TRUE(voter.DriveUntil([&] { return messages() == 2; }));
  EXPECT_EQ(voter.others[1].kind, apply::Kind::kWatch);
  EXPECT_EQ(voter.others[1].NumberAt(0), 3u);
  EXPECT_NE(voter.others[1].body.find("seen"), std::string::npos);
  EXPECT_FALSE(voter.core().hub().Request(3, "\x0a\xff").ok());
  voter.core().hub().Close(3);
}

TEST_P(MemberCoreTest, PhysicalCompactionAnswersWhenRowsAreGone) {
  TinyVoter voter(Options());
  ASSERT_TRUE(voter.Open().ok());
  for (int i = 0; i < 300; ++i) ASSERT_EQ(voter.Put("k", std::to_string(i)).code, Code::kOk);
  ASSERT_EQ(voter.Call(Method::kCompact, Number(1, 200) + Number(2, 1)).code, Code::kOk);
  EXPECT_EQ(voter.Call(Method::kRange, Bytes(1, "k") + Number(4, 199)).code, Code::kCompacted);
  EXPECT_EQ(voter.Call(Method::kRange, Bytes(1, "k") + Number(4, 200)).code, Code::kOk);
  EXPECT_EQ(voter.Call(Method::kCompact, Number(1, 200) + Number(2, 1)).code, Code::kCompacted);
  EXPECT_EQ(voter.core().status().compact_revision, 200);
}

TEST_P(MemberCoreTest, QuotaIsToldAndKeepsWritesOut) {
  MemberOptions options = Options();
  options.store.quota_bytes = 300 << 10;
  TinyVoter voter(options);
  ASSERT_TRUE(voter.Open().ok());
  Code code = Code::kOk;
  for (int i = 0; i < 100 && code == Code::kOk; ++i) {
    code = voter.Put("k" + std::to_string(i), std::string(8192, 'v')).code;
  }
  EXPECT_EQ(code, Code::kNoSpace);
  ASSERT_TRUE(voter.DriveUntil([&] { return !voter.others.empty(); }));
  EXPECT_EQ(voter.others[0].kind, apply::Kind::kQuotaExceeded);
  const std::string raise = Number(1, 1) + Number(2, 0xa1) + Number(3, 1);
  ASSERT_EQ(voter.Call(Method::kAlarm, raise).code, Code::kOk);
  EXPECT_EQ(voter.others.back().kind, apply::Kind::kAlarm);
  EXPECT_EQ(voter.others.back().IdAt(0), 0xa1);
  EXPECT_EQ(voter.Put("z", "").code, Code::kNoSpace);
  EXPECT_EQ(voter.Call(Method::kDeleteRange, Bytes(1, "k0")).code, Code::kOk);
}

TEST_P(MemberCoreTest, ProposalsCanBeDroppedAndFailed) {
  TinyVoter voter(Options());
  ASSERT_TRUE(voter.Open().ok());
  for (uint64_t ticket = 101; ticket <= 103; ++ticket) {
    ASSERT_EQ(voter.Submit(ticket, Method::kPut, PutRequest("k", "v")), Code::kOk);
  }
  ASSERT_EQ(voter.core().TakeProposals(2, 1 << 20, voter.term()).size(), 2u);
  ASSERT_TRUE(voter.core().DropProposals(2, Code::kProposalDropped).ok());
  EXPECT_FALSE(voter.core().DropProposals(1, Code::kProposalDropped).ok());
  ASSERT_EQ(voter.Submit(104, Method::kRange, Bytes(1, "k")), Code::kOk);
  voter.core().FailAll(Code::kLeaderChanged);
  ASSERT_TRUE(voter.DriveUntil([&] { return voter.results.size() == 4; }));
  EXPECT_EQ(voter.results[101].code, Code::kProposalDropped);
  EXPECT_EQ(voter.results[102].code, Code::kProposalDropped);
  EXPECT_EQ(voter.results[103].code, Code::kLeaderChanged);
  EXPECT_EQ(voter.results[104].code, Code::kLeaderChanged);
  EXPECT_EQ(voter.Put("k", "v").code, Code::kOk);
  EXPECT_EQ(voter.core().status().revision, 2);
}

TEST_P(MemberCoreTest, QueuesRefuseWhenFull) {
  MemberOptions options = Options();
  options.queue = {4, 10'000};
  TinyVoter voter(options);
  ASSERT_TRUE(voter.Open().ok());
  for (uint64_t i = 1; i <= 4; ++i) {
    ASSERT_EQ(voter.Submit(i, Method::kPut, PutRequest("k", "v")), Code::kOk);
    ASSERT_EQ(voter.Submit(10 + i, Method::kRange, Bytes(1, "k")), Code::kOk);
  }
  EXPECT_EQ(voter.Submit(5, Method::kPut, PutRequest("k", "v")), Code::kTooManyRequests);
  EXPECT_EQ(voter.Submit(15, Method::kRange, Bytes(1, "k")), Code::kTooManyRequests);
  ASSERT_TRUE(voter.DriveUntil([&] { return voter.results.size() == 8; }));
  ASSERT_EQ(voter.Submit(20, Method::kPut, PutRequest("k", std::string(9'000, 'v'))), Code::kOk);
  EXPECT_EQ(voter.Submit(21, Method::kPut, PutRequest("k", std::string(2'000, 'v'))),
            Code::kTooManyRequests);
}

INSTANTIATE_TEST_SUITE_P(Memory, MemberCoreTest, ::testing::Values(EngineKind::kMemory),
                         EngineName);
#ifdef METASTORE_ROCKSDB
INSTANTIATE_TEST_SUITE_P(Rocks, MemberCoreTest, ::testing::Values(EngineKind::kRocks), EngineName);
#endif

}  // namespace
}  // namespace metastore::member_test
