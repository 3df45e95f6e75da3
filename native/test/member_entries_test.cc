// What travels between members, through MemberCore: a leader's entries as runs into a follower's
// log, from memory and from disk, while the log is cut; proposals handed over and back.
#include <gtest/gtest.h>

#include "member/entries/entry_run.h"
#include "test/support/member_harness.h"

namespace metastore::member_test {
namespace {

using member::AppendRun;
using member::EngineKind;

AppendRun Received(const std::string& run, uint64_t first_index, uint64_t count, uint64_t offset) {
  AppendRun received;
  received.kind = AppendRun::Kind::kReceived;
  received.first_index = first_index;
  received.count = count;
  received.received = run;
  received.offset = offset;
  return received;
}

class MemberEntriesTest : public ::testing::Test {
 protected:
  MemberOptions Options(const std::string& name) {
    return OptionsFor(scratch_.path() + "/" + name, EngineKind::kMemory);
  }
  ScratchDirectory scratch_;
};

TEST_F(MemberEntriesTest, AFollowersLogIsTheLeaders) {
  TinyVoter leader(Options("leader"));
  TinyVoter follower(Options("follower"));
  ASSERT_TRUE(leader.Open().ok());
  ASSERT_TRUE(follower.Open().ok());
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(leader.Put("key" + std::to_string(i % 7), std::to_string(i)).code, Code::kOk);
  }
  const uint64_t last = leader.last_index();
  const std::string run = leader.core().CachedEntries(1, last);
  ASSERT_FALSE(run.empty());
  const auto entries = member::InspectRun(run);
  ASSERT_TRUE(entries.has_value());
  ASSERT_EQ(entries->size(), last);
  // In two parts, the second one from the middle of the run.
  const uint64_t half = last / 2;
  follower.Append({Received(run, 1, half, 4)}, half);
  follower.Append({Received(run, half + 1, last - half, (*entries)[half].offset)}, last - half);
  ASSERT_TRUE(follower.DriveUntil([&] { return follower.applied() == last; }));
  EXPECT_EQ(follower.HashKv(), leader.HashKv());
  EXPECT_EQ(follower.core().CachedEntries(1, last), run);
  leader.core().ReadEntries(500, 3, last);
  EXPECT_EQ(leader.WaitFor(500).reply, leader.core().CachedEntries(3, last));
}

TEST_F(MemberEntriesTest, RunsThatDoNotHoldTheEntriesAreAnError) {
  TinyVoter voter(Options("one"));
  ASSERT_TRUE(voter.Open().ok());
  ASSERT_EQ(voter.Put("a", "1").code, Code::kOk);
  const std::string run = voter.core().CachedEntries(1, 1);
  const auto code = [&](AppendRun received) {
    return voter.core().Append(9, {received}, nullptr, true).code();
  };
  EXPECT_EQ(code(Received(run, 2, 2, 4)), Code::kInternal);
  EXPECT_EQ(code(Received(run, 2, 1, 5)), Code::kInternal);
  EXPECT_EQ(code(Received("", 2, 1, 4)), Code::kInternal);
  EXPECT_EQ(code(Received(run, 2, 1, UINT64_MAX - 3)), Code::kInternal);
  EXPECT_EQ(voter.core().status().log_last_index, 1u);
}

TEST_F(MemberEntriesTest, AReceivedTailReplacesAnother) {
  TinyVoter leader(Options("leader"));
  TinyVoter follower(Options("follower"));
  ASSERT_TRUE(leader.Open().ok());
  ASSERT_TRUE(follower.Open().ok());
  for (int i = 0; i < 4; ++i) ASSERT_EQ(leader.Put("k", std::to_string(i)).code, Code::kOk);
  std::vector<AppendRun> stale(3);
  for (size_t i = 0; i < stale.size(); ++i) {
    stale[i].first_index = i + 1;
    stale[i].term = 1;
    stale[i].data = std::make_shared<const std::string>("\x01");
  }
  ASSERT_TRUE(follower.core().Append(1, stale, nullptr, true).ok());
  const std::string run = leader.core().CachedEntries(1, 4);
  ASSERT_TRUE(follower.core().Append(2, {Received(run, 1, 4, 4)}, nullptr, true).ok());
  EXPECT_EQ(follower.core().status().log_last_index, 4u);
  EXPECT_EQ(follower.core().CachedEntries(1, 4), run);
}

TEST_F(MemberEntriesTest, WhatIsNotInTheLogIsAnAnswer) {
  TinyVoter voter(Options("one"));
  ASSERT_TRUE(voter.Open().ok());
  for (int i = 0; i < 10; ++i) ASSERT_EQ(voter.Put("k", std::to_string(i)).code, Code::kOk);
  EXPECT_EQ(voter.core().CachedEntries(0, 3), "");
  EXPECT_EQ(voter.core().CachedEntries(3, 11), "");
  EXPECT_EQ(voter.core().CachedEntries(5, 4), "");
  voter.core().ReadEntries(501, 3, 11);
  EXPECT_EQ(voter.WaitFor(501).code, Code::kInternal);
  voter.core().ReadEntries(502, 5, 4);
  EXPECT_EQ(voter.WaitFor(502).code, Code::kInternal);
  voter.core().ReadEntries(503, 0, 4);
  EXPECT_EQ(voter.WaitFor(503).code, Code::kInternal);
  EXPECT_EQ(voter.fatal, "");
}

/// The payloads of a log that was recovered under another cache are not in memory.
TEST_F(MemberEntriesTest, OldEntriesComeFromDiskWhileTheLogIsCut) {
  MemberOptions options = Options("one");
  options.wal_segment_bytes = 64 << 10;
  options.wal_cache_bytes = 16 << 10;
  TinyVoter voter(options);
  ASSERT_TRUE(voter.Open().ok());
  const std::string value(2000, 'v');
  for (int i = 0; i < 400; ++i)
    ASSERT_EQ(voter.Put("k" + std::to_string(i), value).code, Code::kOk);
  EXPECT_EQ(voter.core().CachedEntries(1, 10), "") << "not in memory any more";
  EXPECT_NE(voter.core().CachedEntries(399, 400), "");
  voter.core().ReadEntries(600, 1, 10);
  const Outcome first = voter.WaitFor(600);
  ASSERT_EQ(first.code, Code::kOk);
  const auto entries = member::InspectRun(first.reply);
  ASSERT_TRUE(entries.has_value());
  EXPECT_EQ(entries->size(), 10u);
  // Reads under way while the head of the log goes end with the entries or with an error.
  voter.core().Checkpoint();
  ASSERT_TRUE(voter.DriveUntil([&] { return voter.core().status().durable_applied_index >= 400; }));
  uint64_t ticket = 1000;
  for (uint64_t cut = 20; cut <= 380; cut += 20) {
    for (uint64_t from = cut - 15; from < cut + 15; from += 6) {
      voter.core().ReadEntries(ticket++, from, from + 8);
    }
    ASSERT_TRUE(voter.core().TruncateLog(cut).ok());
  }
  ASSERT_TRUE(voter.DriveUntil([&] { return voter.results.contains(ticket - 1); }));
  ASSERT_TRUE(voter.DriveUntil([&] { return voter.results.size() >= 401 + ticket - 1000; }));
  int found = 0;
  for (uint64_t each = 1000; each < ticket; ++each) {
    const Outcome& outcome = voter.results[each];
    if (outcome.code == Code::kOk) {
      ++found;
      EXPECT_EQ(member::InspectRun(outcome.reply)->size(), 9u);
    } else {
      EXPECT_EQ(outcome.code, Code::kInternal);
    }
  }
  EXPECT_GE(found, 2) << "at least those behind the last cut";
  EXPECT_EQ(voter.fatal, "");
}

TEST_F(MemberEntriesTest, ReplacedEntriesAreNotHandedOut) {
  ManualExecutor log;
  ManualExecutor reader;
  MemberOptions options = Options("one");
  options.executors.log = &log;
  options.executors.readers = {&reader};
  TinyVoter voter(options);
  ASSERT_TRUE(voter.Open().ok());
  const auto append = [&](uint64_t index, uint64_t term) {
    AppendRun run;
    run.first_index = index;
    run.term = term;
    run.type = 1;
    run.data = std::make_shared<const std::string>("change " + std::to_string(term));
    ASSERT_TRUE(voter.core().Append(index, {run}, nullptr, true).ok());
  };
  append(1, 2);
  append(2, 2);
  voter.core().ReadEntries(700, 1, 2);
  voter.core().ReadEntries(701, 1, 1);
  append(2, 3);
  while (reader.Step()) {
  }
  voter.Turn();
  EXPECT_EQ(voter.results[700].code, Code::kInternal);
  EXPECT_EQ(voter.results[701].code, Code::kOk);
  while (log.Step()) {
  }
}

TEST_F(MemberEntriesTest, ProposalsGoToTheLeaderAndComeBack) {
  TinyVoter leader(Options("leader"));
  TinyVoter follower(Options("follower"));
  ASSERT_TRUE(leader.Open().ok());
  ASSERT_TRUE(follower.Open().ok());
  MemberCore& core = follower.core();
  EXPECT_EQ(core.TakeForwards(10, 1000, leader.term()), "");
  for (uint64_t ticket = 1; ticket <= 3; ++ticket) {
    ASSERT_EQ(follower.Submit(ticket, Method::kPut, PutRequest("k" + std::to_string(ticket), "v")),
              Code::kOk);
  }
  const std::string forwards = core.TakeForwards(2, 1 << 20, leader.term());
  ASSERT_NE(forwards, "");
  const auto queued = leader.core().EnqueueForwarded(forwards);
  ASSERT_TRUE(queued.ok());
  EXPECT_EQ(*queued, 2u);
  ASSERT_TRUE(leader.DriveUntil([&] { return leader.applied() == 2; }));
  EXPECT_TRUE(leader.results.empty()) << "nobody waits there";
  const std::string run = leader.core().CachedEntries(1, 2);
  follower.Append({Received(run, 1, 2, 4)}, 2);
  EXPECT_EQ(follower.WaitFor(1).code, Code::kOk);
  EXPECT_EQ(follower.WaitFor(2).code, Code::kOk);
  EXPECT_EQ(follower.WaitFor(3).code, Code::kOk) << "its own loop proposed the third";
  EXPECT_FALSE(core.ReturnForwards("nonsense", Code::kOk).ok());
  EXPECT_TRUE(core.ReturnForwards(forwards, Code::kOk).ok());
  EXPECT_EQ(core.status().queued.operations, 0u) << "all of it has been answered";
}

TEST_F(MemberEntriesTest, HandedOverProposalsAreFailedByTheirTerm) {
  TinyVoter voter(Options("one"));
  ASSERT_TRUE(voter.Open().ok());
  MemberCore& core = voter.core();
  for (uint64_t ticket = 1; ticket <= 4; ++ticket) {
    ASSERT_EQ(voter.Submit(ticket, Method::kPut, PutRequest("k", "v")), Code::kOk);
  }
  const std::string first = core.TakeForwards(1, 1 << 20, 7);
  const std::string second = core.TakeForwards(1, 1 << 20, 8);
  ASSERT_EQ(core.TakeProposals(1, 1 << 20, 8).size(), 1u);
  core.FailHandedOver(8, Code::kTimeoutLeaderFailure);
  for (const Record& record : ParseRecords(core.Drain())) {
    EXPECT_EQ(record.NumberAt(0), 1u);
  }
  ASSERT_TRUE(core.ReturnForwards(first, Code::kOk).ok());
  EXPECT_EQ(core.status().queued.operations, 2u);
  ASSERT_TRUE(core.ReturnForwards(second, Code::kTooManyRequests).ok());
  const auto failed = ParseRecords(core.Drain());
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].NumberAt(0), 2u);
  EXPECT_EQ(core.ExpireQueued(100), (std::vector<intake::Ticket>{4}));
  EXPECT_TRUE(core.Drain().empty());
  ASSERT_TRUE(core.DropProposals(1, Code::kProposalDropped).ok());
  EXPECT_EQ(ParseRecords(core.Drain())[0].NumberAt(0), 3u);
  EXPECT_FALSE(core.EnqueueForwarded("nonsense").ok());
}

TEST_F(MemberEntriesTest, AClosedCoreAnswersStopped) {
  TinyVoter voter(Options("one"));
  ASSERT_TRUE(voter.Open().ok());
  ASSERT_EQ(voter.Submit(1, Method::kPut, PutRequest("k", "v")), Code::kOk);
  const std::string forwards = voter.core().TakeForwards(1, 1 << 20, 1);
  ASSERT_TRUE(voter.core().Close().ok());
  EXPECT_EQ(voter.core().EnqueueForwarded(forwards).status().code(), Code::kStopped);
  voter.core().ReadEntries(2, 1, 1);
  voter.Turn();
  EXPECT_EQ(voter.results[1].code, Code::kStopped);
  EXPECT_EQ(voter.results[2].code, Code::kStopped);
}

}  // namespace
}  // namespace metastore::member_test
