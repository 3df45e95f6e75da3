// Installing a snapshot on a machine that loses power: whatever step of it was the last, a start
// finds either the old state or the new one, whole, with a log that belongs to it.
//
// The member is stepped by hand over a file layer that forgets what was not synced, so that every
// run can end between any two steps.
#include <gtest/gtest.h>

#include <random>

#include "test/support/reply_parser.h"
#include "test/support/transfer_harness.h"

namespace metastore::transfer_test {
namespace {

using member::EngineKind;
using member::StepExecutor;
using member_test::Bytes;
using member_test::Method;
using member_test::OptionsFor;
using member_test::ScratchDirectory;

constexpr int kOldPuts = 5;
constexpr int kNewPuts = 60;
constexpr int kMostSteps = 400;

/// What the target is to become.
struct Snapshot {
  SnapshotExport facts;
  std::string bytes;
  std::string hash;
};

std::string HashOf(TinyVoter* voter) {
  const std::string reply = voter->HashKv();
  return reply.size() > 6 ? reply.substr(reply.size() - 6) : reply;
}

Snapshot MakeSnapshot(EngineKind engine, bool checkpoint) {
  const ScratchDirectory directory;
  TinyVoter source(OptionsFor(directory.path(), engine));
  EXPECT_TRUE(source.Open().ok());
  for (int i = 0; i < kNewPuts; ++i) {
    EXPECT_EQ(source.Put("k" + std::to_string(i), std::string(500, 'n')).code, Code::kOk);
  }
  Snapshot snapshot;
  auto exported = Export(&source, checkpoint);
  EXPECT_TRUE(exported.ok());
  snapshot.facts = *exported;
  snapshot.bytes = ReadAll(&source, *exported);
  snapshot.hash = HashOf(&source);
  return snapshot;
}

/// A member whose every task is run here.
class Stepped {
 public:
  Stepped(const std::string& directory, EngineKind engine, uint64_t seed)
      : random_(seed), files_(FileLayer::Lossy(seed)) {
    member::MemberOptions options = OptionsFor(directory, engine);
    options.files = files_.get();
    options.stepped = true;
    voter_.emplace(options);
  }

  TinyVoter& voter() { return *voter_; }

  /// One task of an executor that has one, drawn at random; false when none has.
  bool Step() {
    StepExecutor all[] = {StepExecutor::kLog, StepExecutor::kApply, StepExecutor::kWatch,
                          StepExecutor::kUpkeep, StepExecutor::kRead};
    std::shuffle(std::begin(all), std::end(all), random_);
    for (const StepExecutor executor : all) {
      if (voter_->core().Step(executor)) return true;
    }
    return false;
  }

  /// Everything until nothing is left.
  void Settle() {
    for (int quiet = 0; quiet < 3; ++quiet) {
      voter_->Turn();
      while (Step()) quiet = 0;
    }
  }

  Code Put(uint64_t ticket, const std::string& key) {
    const Code code = voter_->Submit(ticket, Method::kPut, member_test::PutRequest(key, "old"));
    if (code != Code::kOk) return code;
    Settle();
    return voter_->results[ticket].code;
  }

  uint64_t Receive(const Snapshot& snapshot) {
    uint64_t id = 0;
    auto& imports = voter_->core().transfers().imports;
    imports.Open(snapshot.facts.kind, snapshot.bytes.size(), [&](Result<uint64_t> opened) {
      EXPECT_TRUE(opened.ok());
      id = opened.ok() ? *opened : 0;
    });
    Settle();
    constexpr size_t kChunk = 7000;
    for (size_t at = 0; at < snapshot.bytes.size(); at += kChunk) {
      imports.Write(id, at, Chunk(std::string_view(snapshot.bytes).substr(at, kChunk)),
                    [](const Status& status) { EXPECT_TRUE(status.ok()) << status.ToString(); });
    }
    Settle();
    return id;
  }

  /// As a power cut; the member and what it had not synced are gone.
  void Crash() {
    voter_->core().Crash();
    voter_.reset();
    files_.reset();
  }

 private:
  std::mt19937_64 random_;
  std::unique_ptr<FileLayer> files_;
  std::optional<TinyVoter> voter_;
};

struct Outcome {
  bool answered = false;
  bool idle = false;  // nothing was left to do
};

/// Runs `steps` tasks of an install, then loses power.
Outcome CutAfter(const std::string& directory, EngineKind engine, const Snapshot& snapshot,
                 int steps, uint64_t seed) {
  Stepped member(directory, engine, seed);
  EXPECT_TRUE(member.voter().Open().ok());
  for (int i = 0; i < kOldPuts; ++i) {
    EXPECT_EQ(member.Put(100 + i, "k" + std::to_string(i)), Code::kOk);
  }
  if (seed % 2 == 0) member.voter().core().Checkpoint();
  if (seed % 4 != 0) member.Settle();
  const uint64_t id = member.Receive(snapshot);
  Outcome outcome;
  const uint64_t index = snapshot.facts.index;
  member.voter().core().transfers().installer.Install(
      id, index, snapshot.facts.term, member.voter().hard_state(index),
      [&](Result<InstalledSnapshot> installed) {
        outcome.answered = installed.ok();
        EXPECT_TRUE(installed.ok()) << installed.status().ToString();
      });
  for (int i = 0; i < steps && !outcome.idle; ++i) outcome.idle = !member.Step();
  member.Crash();
  return outcome;
}

/// What a start makes of the directory; true when it is the new state.
bool ExpectWhole(const std::string& directory, EngineKind engine, const Snapshot& snapshot) {
  TinyVoter voter(OptionsFor(directory, engine));
  const Status opened = voter.Open();
  EXPECT_TRUE(opened.ok()) << opened.ToString();
  if (!opened.ok()) return false;
  if (voter.recovered.applied_index < voter.last_index()) {
    EXPECT_TRUE(voter.DriveUntil([&] { return voter.applied() == voter.last_index(); }));
  }
  const bool fresh = voter.recovered.applied_index == snapshot.facts.index;
  if (fresh) {
    EXPECT_EQ(voter.recovered.start_index, snapshot.facts.index);
    EXPECT_EQ(voter.recovered.last_index, snapshot.facts.index);
    EXPECT_EQ(voter.recovered.start_term, snapshot.facts.term);
    EXPECT_EQ(voter.recovered.hard_state.commit, snapshot.facts.index);
    EXPECT_EQ(voter.recovered.hard_state.vote, 0xa1u);
    EXPECT_EQ(HashOf(&voter), snapshot.hash);
  } else {
    EXPECT_EQ(voter.recovered.last_index, static_cast<uint64_t>(kOldPuts));
    EXPECT_EQ(voter.core().status().revision, 1 + kOldPuts);
    const auto reply = testing::ParseRange(voter.Call(Method::kRange, Bytes(1, "k0")).reply);
    EXPECT_EQ(reply.kvs.size(), 1u);
    EXPECT_EQ(reply.kvs.empty() ? "" : reply.kvs[0].value, "old");
  }
  EXPECT_EQ(voter.Put("after", "1").code, Code::kOk);
  const std::string member = directory + "/member";
  EXPECT_FALSE(std::filesystem::exists(member + "/INSTALL"));
  EXPECT_TRUE(std::filesystem::is_empty(member + "/incoming"));
  size_t databases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(member)) {
    if (entry.path().filename().string().starts_with("db")) ++databases;
  }
  EXPECT_EQ(databases, engine == EngineKind::kRocks ? 1u : 0u);
  return fresh;
}

struct Kind {
  EngineKind engine;
  bool checkpoint;
};

class TransferCrash : public ::testing::TestWithParam<Kind> {};

TEST_P(TransferCrash, EveryStepLeavesOneWholeState) {
  const auto [engine, checkpoint] = GetParam();
  const Snapshot snapshot = MakeSnapshot(engine, checkpoint);
  int fresh = 0;
  int old = 0;
  bool idle = false;
  for (int steps = 0; steps < kMostSteps && !idle; ++steps) {
    SCOPED_TRACE("after " + std::to_string(steps) + " steps");
    const ScratchDirectory directory;
    const auto seed = static_cast<uint64_t>(steps);
    const Outcome outcome = CutAfter(directory.path(), engine, snapshot, steps, seed);
    idle = outcome.idle;
    if (steps % 3 != 0) {
      // The start that finishes the job loses power, too.
      Stepped again(directory.path(), engine, seed + 1000);
      const Status opened = again.voter().Open();
      ASSERT_TRUE(opened.ok()) << opened.ToString();
      again.Crash();
    }
    const bool is_new = ExpectWhole(directory.path(), engine, snapshot);
    if (HasFailure()) return;
    EXPECT_TRUE(is_new || !outcome.answered) << "it had been said to be durable";
    is_new ? ++fresh : ++old;
  }
  EXPECT_TRUE(idle) << "an install that never ends";
  EXPECT_GT(old, 2);
  EXPECT_GT(fresh, 5);
}

std::string KindName(const ::testing::TestParamInfo<Kind>& info) {
  if (info.param.engine == EngineKind::kMemory) return "Memory";
  return info.param.checkpoint ? "RocksByCheckpoint" : "RocksByImage";
}

INSTANTIATE_TEST_SUITE_P(Memory, TransferCrash, ::testing::Values(Kind{EngineKind::kMemory, false}),
                         KindName);
#ifdef METASTORE_ROCKSDB
INSTANTIATE_TEST_SUITE_P(Rocks, TransferCrash,
                         ::testing::Values(Kind{EngineKind::kRocks, false},
                                           Kind{EngineKind::kRocks, true}),
                         KindName);
#endif

}  // namespace
}  // namespace metastore::transfer_test
