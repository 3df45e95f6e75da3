// A member's directory opened again, over both engines: after a close, a checkpoint and a
// truncation, after a process that died without closing anything, and directories that must be
// refused.
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

class MemberRestartTest : public ::testing::TestWithParam<EngineKind> {
 protected:
  MemberOptions Options() { return OptionsFor(directory_.path(), GetParam()); }
  ScratchDirectory directory_;
};

std::string EngineName(const ::testing::TestParamInfo<EngineKind>& info) {
  return info.param == EngineKind::kMemory ? "memory" : "rocksdb";
}

TEST_P(MemberRestartTest, RestartKeepsEverything) {
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

TEST_P(MemberRestartTest, CheckpointThenTruncate) {
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

TEST_P(MemberRestartTest, SecondOpenAndOtherEngineAreRefused) {
  TinyVoter voter(Options());
  ASSERT_TRUE(voter.Open().ok());
  TinyVoter second(Options());
  EXPECT_EQ(second.Open().code(), Code::kLocked);
  ASSERT_TRUE(voter.core().Close().ok());
}

TEST_P(MemberRestartTest, WrongDirectoriesAreRefused) {
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

TEST_P(MemberRestartTest, StateAheadOfTheLogIsRefused) {
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

TEST_P(MemberRestartTest, LogCutAheadOfTheStateIsRefused) {
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

TEST(MemberRestart, DamagedImageIsRefusedWithItsName) {
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

TEST_P(MemberRestartTest, KilledProcessLosesNothingAcknowledged) {
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

INSTANTIATE_TEST_SUITE_P(Memory, MemberRestartTest, ::testing::Values(EngineKind::kMemory),
                         EngineName);
#ifdef METASTORE_ROCKSDB
INSTANTIATE_TEST_SUITE_P(Rocks, MemberRestartTest, ::testing::Values(EngineKind::kRocks),
                         EngineName);
#endif

}  // namespace
}  // namespace metastore::member_test
