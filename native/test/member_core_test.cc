// MemberCore end to end, as a single voter, over both engines: writes, reads, leases, watches,
// control entries, restarts, refusals, and a process that dies without closing anything.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

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

TEST_P(MemberCoreTest, RestartKeepsEverything) {
  std::string hash;
  {
    TinyVoter voter(Options());
    ASSERT_TRUE(voter.Open().ok());
    for (int i = 0; i < 200; ++i) {
      ASSERT_EQ(voter.Put("k" + std::to_string(i % 20), std::to_string(i)).code, Code::kOk);
    }
    ASSERT_EQ(voter.Call(Method::kLeaseGrant, Number(1, 60) + Number(2, 9)).code, Code::kOk);
    hash = voter.HashKv();
    ASSERT_TRUE(voter.core().Close().ok());
    EXPECT_EQ(voter.Submit(1, Method::kRange, Bytes(1, "k")), Code::kStopped);
  }
  TinyVoter again(Options());
  ASSERT_TRUE(again.Open().ok());
  EXPECT_FALSE(again.recovered.created);
  EXPECT_EQ(again.last_index(), 201u);
  if (again.recovered.applied_index < again.last_index()) {
    ASSERT_TRUE(again.DriveUntil([&] { return again.applied() == again.last_index(); }));
  } else {
    ASSERT_EQ(again.recovered.leases.size(), 1u);
    EXPECT_EQ(again.recovered.leases[0].id, 9);
  }
  // Terms differ in the header, the hash does not.
  const auto tail = [](const std::string& reply) { return reply.substr(reply.size() - 6); };
  EXPECT_EQ(tail(again.HashKv()), tail(hash));
}

TEST_P(MemberCoreTest, CheckpointThenTruncate) {
  std::string hash;
  {
    TinyVoter voter(Options());
    ASSERT_TRUE(voter.Open().ok());
    for (int i = 0; i < 100; ++i) {
      ASSERT_EQ(voter.Put("k" + std::to_string(i), std::string(100, 'v')).code, Code::kOk);
    }
    EXPECT_FALSE(voter.core().TruncateLog(100).ok()) << "nothing covers it yet";
    voter.core().Checkpoint();
    ASSERT_TRUE(voter.DriveUntil([&] { return !voter.others.empty(); })) << voter.fatal;
    EXPECT_EQ(voter.others[0].kind, apply::Kind::kCheckpoint);
    EXPECT_EQ(voter.others[0].NumberAt(0), 100u);
    EXPECT_FALSE(voter.core().TruncateLog(101).ok());
    ASSERT_TRUE(voter.core().TruncateLog(90).ok());
    ASSERT_TRUE(voter.DriveUntil([&] { return voter.others.size() == 2; }));
    EXPECT_EQ(voter.others[1].kind, apply::Kind::kTruncated);
    EXPECT_EQ(voter.others[1].NumberAt(0), 90u);
    ASSERT_EQ(voter.Put("last", "1").code, Code::kOk);
    hash = voter.HashKv();
  }
  TinyVoter again(Options());
  ASSERT_TRUE(again.Open().ok());
  EXPECT_EQ(again.recovered.start_index, 90u);
  EXPECT_GE(again.recovered.applied_index, 100u);
  EXPECT_EQ(again.recovered.applied_term, 1u);
  if (again.recovered.applied_index < 101) {
    ASSERT_TRUE(again.DriveUntil([&] { return again.applied() == 101; }));
  }
  const auto tail = [](const std::string& reply) { return reply.substr(reply.size() - 6); };
  EXPECT_EQ(tail(again.HashKv()), tail(hash));
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

TEST_P(MemberCoreTest, SecondOpenAndOtherEngineAreRefused) {
  TinyVoter voter(Options());
  ASSERT_TRUE(voter.Open().ok());
  TinyVoter second(Options());
  EXPECT_EQ(second.Open().code(), Code::kLocked);
  ASSERT_TRUE(voter.core().Close().ok());
}

TEST_P(MemberCoreTest, WrongDirectoriesAreRefused) {
  const auto other = GetParam() == EngineKind::kMemory ? EngineKind::kRocks : EngineKind::kMemory;
  {
    TinyVoter voter(Options());
    ASSERT_TRUE(voter.Open().ok());
  }
  TinyVoter wrong(OptionsFor(directory_.path(), other));
  const Status status = wrong.Open();
  EXPECT_EQ(status.code(), Code::kWrongFormat);
  EXPECT_NE(status.detail().find("engine"), std::string_view::npos) << status.ToString();
  const std::string foreign = directory_.path() + "/foreign";
  std::filesystem::create_directories(foreign + "/member/snap");
  TinyVoter stranger(OptionsFor(foreign, GetParam()));
  EXPECT_EQ(stranger.Open().code(), Code::kWrongFormat);
  const auto mode = std::filesystem::status(directory_.path() + "/member").permissions();
  EXPECT_EQ(static_cast<unsigned>(mode) & 0777u, 0700u);
}

/// A member with a checkpoint and three entries, closed.
void LeaveCheckpoint(const MemberOptions& options) {
  TinyVoter voter(options);
  ASSERT_TRUE(voter.Open().ok());
  for (int i = 0; i < 3; ++i) ASSERT_EQ(voter.Put("k", "v").code, Code::kOk);
  voter.core().Checkpoint();
  ASSERT_TRUE(voter.DriveUntil([&] { return !voter.others.empty(); }));
  ASSERT_TRUE(voter.core().Close().ok());
}

TEST_P(MemberCoreTest, StateAheadOfTheLogIsRefused) {
  LeaveCheckpoint(Options());
  std::filesystem::remove_all(directory_.path() + "/member/wal");
  TinyVoter voter(Options());
  const Status status = voter.Open();
  EXPECT_EQ(status.code(), Code::kDamaged);
  const std::string text = status.ToString();
  EXPECT_NE(text.find("applied index 3"), std::string::npos) << text;
  EXPECT_NE(text.find("ends at index 0"), std::string::npos) << text;
  EXPECT_NE(text.find(directory_.path() + "/member/wal"), std::string::npos) << text;
}

TEST_P(MemberCoreTest, LogCutAheadOfTheStateIsRefused) {
  LeaveCheckpoint(Options());
  {
    TinyVoter voter(Options());
    ASSERT_TRUE(voter.Open().ok());
    ASSERT_TRUE(voter.core().TruncateLog(2).ok());
    ASSERT_TRUE(voter.DriveUntil([&] { return !voter.others.empty(); }));
  }
  const char* state = GetParam() == EngineKind::kMemory ? "/member/images" : "/member/db";
  std::filesystem::remove_all(directory_.path() + state);
  TinyVoter voter(Options());
  const Status status = voter.Open();
  EXPECT_EQ(status.code(), Code::kDamaged);
  EXPECT_NE(status.detail().find("starts behind index 2"), std::string_view::npos)
      << status.ToString();
}

TEST(MemberCore, DamagedImageIsRefusedWithItsName) {
  const ScratchDirectory directory;
  const MemberOptions options = OptionsFor(directory.path(), EngineKind::kMemory);
  LeaveCheckpoint(options);
  const std::string images = directory.path() + "/member/images";
  const auto image = std::filesystem::directory_iterator(images)->path();
  std::filesystem::resize_file(image, std::filesystem::file_size(image) - 1);
  TinyVoter voter(options);
  const Status status = voter.Open();
  EXPECT_EQ(status.code(), Code::kDamaged);
  EXPECT_NE(status.detail().find(image.string()), std::string_view::npos) << status.ToString();
}

constexpr char kChildVariable[] = "METASTORE_MEMBER_TEST_CHILD";
constexpr char kAcknowledged = '\6';  // not a byte that GoogleTest prints

/// Body of the process that is killed: a program of its own, since an engine's background threads
/// do not survive a fork. Writes a byte to standard output for each acknowledged put.
TEST(MemberChild, PutsUntilKilled) {
  const char* argument = std::getenv(kChildVariable);
  if (argument == nullptr) return;  // only for KilledProcessLosesNothingAcknowledged
  const auto engine = argument[0] == 'm' ? EngineKind::kMemory : EngineKind::kRocks;
  TinyVoter voter(OptionsFor(argument + 1, engine));
  ASSERT_TRUE(voter.Open().ok());
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(voter.Put("k" + std::to_string(i), "v").code, Code::kOk);
    if (i % 100 == 50) voter.core().Checkpoint();
    ASSERT_EQ(::write(STDOUT_FILENO, &kAcknowledged, 1), 1);
  }
}

/// Starts the child with its standard output on the returned descriptor.
pid_t StartChild(const std::string& argument, int* output) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const std::string program = ::testing::internal::GetArgvs()[0];
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[0]);
    ::setenv(kChildVariable, argument.c_str(), 1);
    // Its one test may be in another process's share.
    ::unsetenv("GTEST_TOTAL_SHARDS");
    ::unsetenv("GTEST_SHARD_INDEX");
    ::execl(program.c_str(), program.c_str(), "--gtest_filter=MemberChild.*", "--gtest_brief=1",
            nullptr);
    ::_exit(9);
  }
  ::close(ends[1]);
  *output = ends[0];
  return child;
}

/// Counts the child's bytes until there are `wanted`, none comes for 20 seconds, or it has ended.
int CountAcknowledged(int output, int wanted) {
  int count = 0;
  char byte = 0;
  pollfd descriptor{output, POLLIN, 0};
  while (count < wanted && ::poll(&descriptor, 1, 20'000) == 1) {
    if (::read(output, &byte, 1) != 1) break;
    if (byte == kAcknowledged) ++count;
  }
  return count;
}

TEST_P(MemberCoreTest, KilledProcessLosesNothingAcknowledged) {
  int output = -1;
  const char* kind = GetParam() == EngineKind::kMemory ? "m" : "r";
  const pid_t child = StartChild(kind + directory_.path(), &output);
  ASSERT_GT(child, 0);
  int acknowledged = CountAcknowledged(output, 330);
  ::kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  acknowledged += CountAcknowledged(output, 1 << 20);
  ::close(output);
  ASSERT_GE(acknowledged, 330) << "the child should have been killed at work";
  TinyVoter voter(Options());
  ASSERT_TRUE(voter.Open().ok());
  EXPECT_GE(voter.last_index(), static_cast<uint64_t>(acknowledged));
  if (voter.recovered.applied_index < voter.last_index()) {
    ASSERT_TRUE(voter.DriveUntil([&] { return voter.applied() == voter.last_index(); }));
  }
  const std::string everything(1, '\0');
  const std::string count_all = Bytes(1, everything) + Bytes(2, everything) + Number(9, 1);
  const auto reply = testing::ParseRange(voter.Call(Method::kRange, count_all).reply);
  EXPECT_GE(reply.count, acknowledged);
  EXPECT_EQ(reply.count, static_cast<int64_t>(voter.last_index()));
}

INSTANTIATE_TEST_SUITE_P(Memory, MemberCoreTest, ::testing::Values(EngineKind::kMemory),
                         EngineName);
#ifdef METASTORE_ROCKSDB
INSTANTIATE_TEST_SUITE_P(Rocks, MemberCoreTest, ::testing::Values(EngineKind::kRocks), EngineName);
#endif

}  // namespace
}  // namespace metastore::member_test
