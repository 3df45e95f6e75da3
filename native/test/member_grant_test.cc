// A member that is the whole cluster: while it is granted, what is proposed is appended and applied
// without TypeScript, which learns of it afterwards and can take the grant back at any moment.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "test/support/stepped.h"

namespace metastore::member_test {
namespace {

class MemberGrantTest : public ::testing::TestWithParam<EngineKind> {
 protected:
  MemberGrantTest() : voter_(OptionsFor(directory_.path(), GetParam())) {
    EXPECT_TRUE(voter_.Open().ok());
    EXPECT_EQ(voter_.Put("before", "1").code, Code::kOk);
  }

  bool AppliedBecomes(uint64_t index) {
    for (int i = 0; i < 4000; ++i) {
      if (voter_.core().status().applied_index >= index) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
  void SubmitPuts(uint64_t from, uint64_t count) {
    for (uint64_t ticket = from; ticket < from + count; ++ticket) {
      ASSERT_EQ(voter_.Submit(ticket, Method::kPut, PutRequest("k" + std::to_string(ticket), "v")),
                Code::kOk);
    }
  }

  ScratchDirectory directory_;
  TinyVoter voter_;
};

TEST_P(MemberGrantTest, WhatIsProposedIsAppendedAndAppliedUnasked) {
  const uint64_t before = voter_.last_index();
  voter_.Grant();
  SubmitPuts(500, 3);
  ASSERT_TRUE(AppliedBecomes(before + 3));
  EXPECT_EQ(voter_.last_index(), before) << "nobody has asked yet";
  voter_.Turn();
  EXPECT_EQ(voter_.last_index(), before + 3);
  EXPECT_EQ(voter_.durable, before + 3);
  for (uint64_t i = 0; i < 3; ++i) EXPECT_EQ(voter_.WaitFor(500 + i).code, Code::kOk);
  EXPECT_FALSE(voter_.core().Granted().is_news);
}

TEST_P(MemberGrantTest, WhatWaitedBeforeIsTakenToo) {
  const uint64_t before = voter_.last_index();
  SubmitPuts(500, 2);
  voter_.Grant();
  ASSERT_TRUE(AppliedBecomes(before + 2));
}

TEST_P(MemberGrantTest, AfterARevocationTheCallerGoesOn) {
  voter_.Grant();
  SubmitPuts(500, 5);
  voter_.Revoke();
  const uint64_t given = voter_.last_index();
  SubmitPuts(505, 2);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(voter_.core().status().log_last_index, given) << "nothing is taken any more";
  for (uint64_t ticket = 500; ticket < 507; ++ticket) {
    EXPECT_EQ(voter_.WaitFor(ticket).code, Code::kOk);
  }
  EXPECT_EQ(voter_.applied(), voter_.last_index());
  voter_.Grant();
  EXPECT_EQ(voter_.Put("again", "1").code, Code::kOk);
}

TEST_P(MemberGrantTest, EntriesAreRefusedWhileItHolds) {
  voter_.Grant();
  member::AppendRun run;
  run.first_index = voter_.last_index() + 1;
  run.term = voter_.term();
  const auto append = [&] { return voter_.core().Append(900, {run}, nullptr, true).code(); };
  EXPECT_EQ(append(), Code::kInternal);
  const member::GrantTerms again{voter_.term(), voter_.last_index() + 1, 1, 1, 1, 1};
  EXPECT_EQ(voter_.core().GrantProposals(again).code(), Code::kInternal) << "one at a time";
  const wal::HardState state = voter_.hard_state(voter_.last_index());
  EXPECT_TRUE(voter_.core().Append(901, {}, &state, false, true).ok()) << "only entries are";
  voter_.Revoke();
  const member::GrantTerms gap{voter_.term(), voter_.last_index() + 2, 1, 1, 1, 1};
  EXPECT_EQ(voter_.core().GrantProposals(gap).code(), Code::kInternal);
  const member::GrantTerms nothing{voter_.term(), voter_.last_index() + 1, 0, 1, 1, 1};
  EXPECT_EQ(voter_.core().GrantProposals(nothing).code(), Code::kInternal);
}

TEST_P(MemberGrantTest, WhatTypeScriptDecidesHoldsApplyUp) {
  voter_.answer_controls = false;
  const uint64_t before = voter_.last_index();
  voter_.Grant();
  SubmitPuts(500, 1);
  ASSERT_TRUE(voter_.core().SubmitInternal(501, Bytes(1000, ""), {}).ok());
  SubmitPuts(502, 1);
  ASSERT_TRUE(voter_.DriveUntil([&] { return !voter_.controls.empty(); }));
  ASSERT_TRUE(voter_.DriveUntil([&] { return voter_.durable == before + 3; }));
  EXPECT_EQ(voter_.core().status().applied_index, before + 1);
  EXPECT_FALSE(voter_.results.contains(502));
  voter_.core().ControlDone(before + 2, {}, Code::kOk, "done", nullptr);
  EXPECT_EQ(voter_.WaitFor(501).reply, "done");
  EXPECT_EQ(voter_.WaitFor(502).code, Code::kOk);
}

TEST_P(MemberGrantTest, NothingIsTakenWhileTooMuchIsNotApplied) {
  voter_.answer_controls = false;
  const uint64_t before = voter_.last_index();
  voter_.Grant(4, 8);
  ASSERT_TRUE(voter_.core().SubmitInternal(500, Bytes(1000, ""), {}).ok());
  ASSERT_TRUE(voter_.DriveUntil([&] { return !voter_.controls.empty(); }));
  SubmitPuts(501, 40);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const uint64_t last = voter_.core().status().log_last_index;
  EXPECT_GE(last, before + 8);
  EXPECT_LT(last, before + 8 + 4) << "a run at most above the bound";
  voter_.core().ControlDone(before + 1, {}, Code::kOk, "done", nullptr);
  for (uint64_t ticket = 500; ticket < 541; ++ticket) {
    EXPECT_EQ(voter_.WaitFor(ticket).code, Code::kOk);
  }
  for (const uint32_t run : voter_.runs) EXPECT_LE(run, 4u);
}

TEST_P(MemberGrantTest, GivenAndTakenBackUnderLoadNothingIsLostOrDoubled) {
  constexpr uint64_t kThreads = 3;
  constexpr uint64_t kEach = 400;
  const uint64_t before = voter_.last_index();
  std::vector<std::thread> clients;
  for (uint64_t n = 0; n < kThreads; ++n) {
    clients.emplace_back([this, n] {
      for (uint64_t i = 0; i < kEach; ++i) {
        const uint64_t ticket = 10000 * (n + 1) + i;
        auto route = voter_.core().Submit(ticket, Method::kPut,
                                          PutRequest("k" + std::to_string(ticket), "v"), {});
        ASSERT_TRUE(route.ok());
        if (i % 16 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));
      }
    });
  }
  std::mt19937 random(7);
  const auto done = [&] { return voter_.results.size() >= kThreads * kEach + 1; };
  for (int i = 0; i < 200000 && !done(); ++i) {
    voter_.Turn();
    if (voter_.granted) {
      voter_.Revoke();
    } else {
      voter_.Grant(1 + random() % 64);
    }
    if (random() % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 900));
  }
  for (std::thread& client : clients) client.join();
  EXPECT_TRUE(voter_.DriveUntil(done));
  EXPECT_EQ(voter_.last_index(), before + kThreads * kEach) << "an entry each";
  EXPECT_FALSE(voter_.runs.empty());
}

INSTANTIATE_TEST_SUITE_P(Memory, MemberGrantTest, ::testing::Values(EngineKind::kMemory));
#ifdef METASTORE_ROCKSDB
INSTANTIATE_TEST_SUITE_P(Rocks, MemberGrantTest, ::testing::Values(EngineKind::kRocks));
#endif

/// Grants on a core of which nothing runs by itself, and which loses power between any two steps.
class SteppedGrantTest : public SteppedTest {};

TEST_P(SteppedGrantTest, OneRunIsOnItsWayWhileTheNextForms) {
  TinyVoter voter(Options());
  ASSERT_TRUE(voter.Open().ok());
  Settle(&voter);
  const uint64_t before = voter.last_index();
  voter.Grant();
  ASSERT_EQ(voter.Submit(1, Method::kPut, PutRequest("a", "1")), Code::kOk);
  EXPECT_EQ(voter.core().status().log_last_index, before) << "it is the log's thread that takes";
  ASSERT_TRUE(voter.core().Step(StepExecutor::kLog));
  EXPECT_EQ(voter.core().status().log_last_index, before + 1);
  ASSERT_EQ(voter.Submit(2, Method::kPut, PutRequest("b", "1")), Code::kOk);
  ASSERT_EQ(voter.Submit(3, Method::kPut, PutRequest("c", "1")), Code::kOk);
  for (int step = 0; step < 2; ++step) ASSERT_TRUE(voter.core().Step(StepExecutor::kLog));
  EXPECT_EQ(voter.core().status().log_last_index, before + 1) << "not before the last write ends";
  voter.Turn();
  EXPECT_EQ(voter.durable, 0u);
  ASSERT_TRUE(voter.core().Step(StepExecutor::kLog));  // reports, and takes
  EXPECT_EQ(voter.core().status().log_last_index, before + 3);
  EXPECT_EQ(voter.core().status().applied_index, before) << "left to apply: more waits here";
  voter.Turn();
  EXPECT_EQ(voter.durable, before + 1);
  ASSERT_TRUE(voter.core().Step(StepExecutor::kApply));
  for (int step = 0; step < 3; ++step) ASSERT_TRUE(voter.core().Step(StepExecutor::kLog));
  EXPECT_EQ(voter.core().status().applied_index, before + 3) << "applied where it was written";
  voter.Turn();
  for (uint64_t ticket = 1; ticket <= 3; ++ticket) {
    EXPECT_EQ(voter.results[ticket].code, Code::kOk);
  }
  voter.core().Crash();
}

TEST_P(SteppedGrantTest, PowerCutsLoseNothingThatWasAnswered) {
  std::mt19937_64 random(20261122);
  std::map<std::string, std::string> stored;
  uint64_t puts = 0;
  uint64_t granted = 0;
  for (int life = 0; life < 14; ++life) {
    TinyVoter voter(Options());
    ASSERT_TRUE(voter.Open().ok()) << "life " << life;
    Settle(&voter);
    for (const auto& [key, value] : stored) {
      ASSERT_EQ(voter.Submit(900000 + puts, Method::kRange, Bytes(1, key)), Code::kOk);
      Settle(&voter);
      const std::string reply = voter.results[900000 + puts++].reply;
      EXPECT_NE(reply.find(value), std::string::npos) << key << " in life " << life;
    }
    std::map<uint64_t, std::string> asked;
    for (uint64_t i = random() % 60; i > 0; --i) {
      const std::string key = "key" + std::to_string(puts);
      ASSERT_EQ(voter.Submit(puts, Method::kPut, PutRequest(key, "value of " + key)), Code::kOk);
      asked[puts++] = key;
      if (random() % 6 == 0) {
        voter.alone = random() % 2 == 0;
        if (voter.granted) {
          voter.Revoke();
        } else {
          voter.Grant(1 + random() % 8, 1 + random() % 8);
        }
      }
      for (uint64_t steps = random() % 12; steps > 0; --steps) {
        if (random() % 3 == 0) voter.Turn();
        voter.core().Step(kExecutors[random() % std::size(kExecutors)]);
      }
      if (random() % 20 == 0) voter.core().Checkpoint();
    }
    voter.Turn();
    for (const auto& [ticket, key] : asked) {
      if (voter.results.contains(ticket)) stored[key] = "value of " + key;
    }
    granted += voter.runs.size();
    EXPECT_EQ(voter.fatal, "");
    if (life % 3 == 2) {
      // What is on its way when it closes is written, and only not told of.
      ASSERT_TRUE(voter.core().Close().ok());
    } else {
      voter.core().Crash();
    }
  }
  EXPECT_GT(stored.size(), 50u);
  EXPECT_GT(granted, 50u);
}

INSTANTIATE_TEST_SUITE_P(All, SteppedGrantTest, ::testing::ValuesIn(Variants()), NameOfVariant);

}  // namespace
}  // namespace metastore::member_test
