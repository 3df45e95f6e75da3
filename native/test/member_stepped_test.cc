// A stepped core without Node: nothing runs by itself, a power cut at any step loses only what was
// not synced, whatever file layer and engine there is.
#include <gtest/gtest.h>

#include <random>

#include "test/support/stepped.h"

namespace metastore::member_test {
namespace {

class MemberSteppedTest : public SteppedTest {
 protected:
  MemberOptions Options() {
    MemberOptions options = SteppedTest::Options();
    options.store.compaction_sleep_ms = 1000;
    return options;
  }
};

TEST_P(MemberSteppedTest, NothingRunsByItself) {
  TinyVoter voter(Options());
  ASSERT_TRUE(voter.Open().ok());
  EXPECT_TRUE(voter.core().stepped());
  ASSERT_EQ(voter.Submit(1, Method::kPut, PutRequest("k", "v")), Code::kOk);
  voter.Turn();
  voter.Turn();
  EXPECT_TRUE(voter.results.empty());
  // Written, synced, reported; then apply's turn comes.
  EXPECT_FALSE(voter.core().Step(StepExecutor::kApply));
  for (int step = 0; step < 3; ++step) EXPECT_TRUE(voter.core().Step(StepExecutor::kLog)) << step;
  EXPECT_FALSE(voter.core().Step(StepExecutor::kLog));
  voter.Turn();
  EXPECT_TRUE(voter.core().Step(StepExecutor::kApply));
  voter.Turn();
  EXPECT_EQ(voter.results[1].code, Code::kOk);
  ASSERT_EQ(voter.Submit(2, Method::kRange, Bytes(1, "k")), Code::kOk);
  voter.Turn();
  EXPECT_TRUE(voter.core().Step(StepExecutor::kRead));
  EXPECT_FALSE(voter.core().Step(StepExecutor::kRead));
  voter.Turn();
  EXPECT_EQ(voter.results[2].code, Code::kOk);
  ASSERT_TRUE(voter.core().Close().ok());
}

TEST_P(MemberSteppedTest, CloseRunsWhatRemains) {
  {
    TinyVoter voter(Options());
    ASSERT_TRUE(voter.Open().ok());
    for (uint64_t i = 1; i <= 5; ++i) {
      ASSERT_EQ(voter.Submit(i, Method::kPut, PutRequest("k" + std::to_string(i), "v")), Code::kOk);
      voter.Turn();
    }
    voter.core().hub().Open(1);
    voter.core().Checkpoint();
    ASSERT_TRUE(voter.core().Close().ok());
  }
  TinyVoter again(Options());
  ASSERT_TRUE(again.Open().ok());
  EXPECT_EQ(again.recovered.last_index, 5u);
  EXPECT_EQ(again.recovered.torn_bytes, 0u);
  again.core().Crash();
}

TEST_P(MemberSteppedTest, PowerCutsLoseNothingDurable) {
  std::mt19937_64 random(20261121);
  std::map<std::string, std::string> stored;
  uint64_t durable = 0;
  uint64_t puts = 0;
  uint64_t lost_state = 0;
  uint64_t applied = 0;
  for (int life = 0; life < 12; ++life) {
    TinyVoter voter(Options());
    ASSERT_TRUE(voter.Open().ok()) << "life " << life;
    ASSERT_GE(voter.last_index(), durable);
    if (voter.recovered.applied_index < applied) ++lost_state;
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
      for (uint64_t steps = random() % 12; steps > 0; --steps) {
        voter.Turn();
        voter.core().Step(kExecutors[random() % std::size(kExecutors)]);
      }
      if (random() % 20 == 0) voter.core().Checkpoint();
    }
    voter.Turn();
    for (const auto& [ticket, key] : asked) {
      if (voter.results.contains(ticket)) stored[key] = "value of " + key;
    }
    durable = voter.applied();
    applied = voter.applied();
    EXPECT_EQ(voter.fatal, "");
    voter.core().Crash();
  }
  EXPECT_GT(stored.size(), 50u);
  EXPECT_GT(lost_state, 3u) << "closing must not flush it";
}

INSTANTIATE_TEST_SUITE_P(All, MemberSteppedTest, ::testing::ValuesIn(Variants()), NameOfVariant);

}  // namespace
}  // namespace metastore::member_test
