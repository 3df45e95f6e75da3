// Backups of a whole member that are under way, on both engines: read at the client's pace, so many
// at once, and ended with the member.
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "member/backup/stream.h"
#include "test/support/bbolt_reader.h"
#include "test/support/transfer_harness.h"

namespace metastore::testing {
namespace {

using member::EngineKind;
using member::backup::BackupFacts;
using member_test::Number;
using member_test::OptionsFor;
using member_test::ScratchDirectory;
using member_test::TinyVoter;

class BackupsTest : public ::testing::TestWithParam<EngineKind> {
 protected:
  void SetUp() override { ASSERT_TRUE(voter_.Open().ok()); }

  Result<BackupFacts> Open() {
    return transfer_test::WaitFor<BackupFacts>(
        [&](auto answer) { voter_.core().backups().Open({}, answer); });
  }
  Result<std::optional<std::string>> ReadPiece(uint64_t id, uint64_t max_bytes) {
    return transfer_test::WaitFor<std::optional<std::string>>(
        [&](auto answer) { voter_.core().backups().Read(id, max_bytes, answer); });
  }
  std::string ReadRest(const BackupFacts& facts, uint64_t max_bytes) {
    std::string all;
    for (int i = 0; i < 1'000'000; i++) {
      auto piece = ReadPiece(facts.id, max_bytes);
      EXPECT_TRUE(piece.ok()) << piece.status().ToString();
      if (!piece.ok() || !piece->has_value()) break;
      EXPECT_LE((*piece)->size(), max_bytes);
      EXPECT_GT((*piece)->size(), 0u);
      all.append(**piece);
    }
    return all;
  }

  ScratchDirectory directory_;
  TinyVoter voter_{OptionsFor(directory_.path(), GetParam())};
};

TEST_P(BackupsTest, ReadAtTheClientsPace) {
  for (int i = 0; i < 200; i++) {
    ASSERT_EQ(voter_.Put("key" + std::to_string(i % 7), std::string(30'000, 'v')).code, Code::kOk);
  }
  const auto slow = Open();
  ASSERT_TRUE(slow.ok());
  const auto first = ReadPiece(slow->id, 100);
  ASSERT_TRUE(first.ok() && first->has_value());
  const auto fast = Open();
  ASSERT_TRUE(fast.ok());
  const std::string whole = ReadRest(*fast, 1 << 20);
  EXPECT_EQ(whole.size(), fast->size_bytes);
  for (int i = 0; i < 200; i++) {
    ASSERT_EQ(voter_.Put("key" + std::to_string(i % 7), std::string(3'000, 'w')).code, Code::kOk);
  }
  ASSERT_EQ(voter_.Call(member_test::Method::kCompact, Number(1, 300)).code, Code::kOk);
  EXPECT_TRUE(**first + ReadRest(*slow, 77'777) == whole) << "its view is that of its opening";
  EXPECT_EQ(BboltReader(whole).ReadAll().at("key").size(), 200u);
  // Once more at the end, and once more after closing.
  EXPECT_EQ(ReadPiece(fast->id, 5).value(), std::nullopt);
  voter_.core().backups().Close(fast->id);
  voter_.core().backups().Close(fast->id);
  EXPECT_EQ(ReadPiece(fast->id, 5).status().code(), Code::kInternal);
  voter_.core().backups().Close(slow->id);
}

TEST_P(BackupsTest, SoManyAtOnceAndNoMore) {
  std::vector<uint64_t> open;
  for (size_t i = 0; i < member::backup::kMaxBackups; i++) {
    const auto facts = Open();
    ASSERT_TRUE(facts.ok());
    open.push_back(facts->id);
  }
  EXPECT_EQ(Open().status().code(), Code::kTooManyRequests);
  voter_.core().backups().Close(open.front());
  const auto again = Open();
  ASSERT_TRUE(again.ok());
  EXPECT_NE(again->id, open.front());
}

TEST_P(BackupsTest, ClosingTheMemberEndsThem) {
  for (int i = 0; i < 50; i++) {
    ASSERT_EQ(voter_.Put("key" + std::to_string(i), std::string(100'000, 'v')).code, Code::kOk);
  }
  const auto facts = Open();
  ASSERT_TRUE(facts.ok());
  ASSERT_TRUE(ReadPiece(facts->id, 1000).ok());
  std::atomic<int> answers{0};
  for (int i = 0; i < 20; i++) {
    voter_.core().backups().Read(facts->id, 100'000, [&](auto) { answers++; });
    voter_.core().backups().Open({}, [&](auto) { answers++; });
  }
  ASSERT_TRUE(voter_.core().Close().ok());
  EXPECT_EQ(answers.load(), 40) << "each is answered once";
  EXPECT_EQ(Open().status().code(), Code::kStopped);
  EXPECT_EQ(ReadPiece(facts->id, 10).status().code(), Code::kStopped);
}

INSTANTIATE_TEST_SUITE_P(Engines, BackupsTest,
#ifdef METASTORE_ROCKSDB
                         ::testing::Values(EngineKind::kMemory, EngineKind::kRocks),
#else
                         ::testing::Values(EngineKind::kMemory),
#endif
                         [](const auto& info) {
                           return info.param == EngineKind::kMemory ? "Memory" : "Rocks";
                         });

}  // namespace
}  // namespace metastore::testing
