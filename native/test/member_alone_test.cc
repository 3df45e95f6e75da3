// A member that decides alone: what it appends is applied as soon as it is durable, before the
// caller has heard of it, and nobody is woken for that.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "test/support/member_harness.h"

namespace metastore::member_test {
namespace {

using member::EngineKind;

class MemberAloneTest : public ::testing::TestWithParam<EngineKind> {
 protected:
  MemberAloneTest() : voter_(OptionsFor(directory_.path(), GetParam())) {
    EXPECT_TRUE(voter_.Open().ok());
    EXPECT_EQ(voter_.Put("before", "1").code, Code::kOk);
  }

  bool AppliedBecomes(uint64_t index) {
    for (int i = 0; i < 2000; ++i) {
      if (voter_.core().status().applied_index >= index) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  ScratchDirectory directory_;
  TinyVoter voter_;
};

TEST_P(MemberAloneTest, DurableEntriesAreAppliedUnasked) {
  voter_.alone = true;
  const uint64_t before = voter_.last_index();
  for (uint64_t i = 0; i < 3; ++i) {
    ASSERT_EQ(voter_.Submit(500 + i, Method::kPut, PutRequest("k", std::to_string(i))), Code::kOk);
  }
  voter_.Turn();  // appends, and drains what had come before
  ASSERT_EQ(voter_.last_index(), before + 3);
  ASSERT_TRUE(AppliedBecomes(before + 3));
  EXPECT_LT(voter_.applied(), before + 3) << "nobody has asked for the completions yet";
  for (uint64_t i = 0; i < 3; ++i) EXPECT_EQ(voter_.WaitFor(500 + i).code, Code::kOk);
}

TEST_P(MemberAloneTest, DurabilityIsToldBeforeWhatFollowsFromIt) {
  voter_.alone = true;
  ASSERT_EQ(voter_.Submit(500, Method::kPut, PutRequest("k", "v")), Code::kOk);
  voter_.Propose();
  ASSERT_TRUE(AppliedBecomes(voter_.last_index()));
  std::vector<apply::Kind> kinds;
  for (const Record& record : ParseRecords(voter_.core().Drain())) kinds.push_back(record.kind);
  const std::vector<apply::Kind> expected = {apply::Kind::kDurable, apply::Kind::kResult,
                                             apply::Kind::kApplied};
  EXPECT_EQ(kinds, expected);
}

TEST_P(MemberAloneTest, OthersWaitToBeTold) {
  const uint64_t before = voter_.last_index();
  ASSERT_EQ(voter_.Submit(500, Method::kPut, PutRequest("k", "v")), Code::kOk);
  voter_.Propose();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_EQ(voter_.core().status().applied_index, before);
  EXPECT_EQ(voter_.WaitFor(500).code, Code::kOk);
}

INSTANTIATE_TEST_SUITE_P(Memory, MemberAloneTest, ::testing::Values(EngineKind::kMemory));
#ifdef METASTORE_ROCKSDB
INSTANTIATE_TEST_SUITE_P(Rocks, MemberAloneTest, ::testing::Values(EngineKind::kRocks));
#endif

}  // namespace
}  // namespace metastore::member_test
