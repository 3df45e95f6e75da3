// Permissions in a core that is stepped by hand: a table that comes between a read's release and
// its serving counts.
#include <gtest/gtest.h>

#include <cstdint>
#include <utility>

#include "test/support/auth_tables.h"
#include "test/support/auth_users.h"
#include "test/support/transfer_harness.h"

namespace metastore::member {
namespace {

using auth::Caller;
using auth::kCurrentAuthRevision;
using auth_test::kNobody;
using auth_test::kRevision;
using auth_test::MakeDisabled;
using auth_test::MakeTable;
using auth_test::Users;
using intake::Method;
using member_test::Bytes;
using member_test::OptionsFor;
using member_test::ScratchDirectory;
using member_test::TinyVoter;

/// A stepped core with a read that has been released and not served: what changes now, counts.
TEST(AuthStepped, ATableThatComesBetweenWaitAndReadCounts) {
  ScratchDirectory directory;
  MemberOptions options = OptionsFor(directory.path(), EngineKind::kMemory);
  options.stepped = true;
  TinyVoter voter(options);
  ASSERT_TRUE(voter.Open().ok());
  MemberCore& core = voter.core();
  core.SetAuth(MakeTable(kRevision, Users()));
  const auto read_with = [&](uint64_t ticket, const Caller& caller, apply::PermissionTable table) {
    EXPECT_EQ(voter.Submit(ticket, Method::kRange, Bytes(1, "k"), caller), Code::kOk);
    voter.Turn();
    EXPECT_FALSE(voter.results.contains(ticket)) << "no executor has run";
    core.SetAuth(std::move(table));
    while (core.Step(StepExecutor::kRead)) {
    }
    voter.Turn();
    return voter.results[ticket].code;
  };
  const Caller current{"u", kCurrentAuthRevision};
  EXPECT_EQ(read_with(1, current, MakeTable(kRevision + 1, {{"u"}})), Code::kPermissionDenied);
  EXPECT_EQ(read_with(2, current, MakeTable(kRevision + 2, Users())), Code::kOk);
  EXPECT_EQ(read_with(3, {"u", kRevision + 2}, MakeTable(kRevision + 3, Users())),
            Code::kAuthOldRevision);
  EXPECT_EQ(read_with(4, kNobody, MakeDisabled(kRevision + 4)), Code::kOk);
  EXPECT_EQ(read_with(5, kNobody, MakeTable(kRevision + 4, Users())), Code::kUserEmpty);
}

}  // namespace
}  // namespace metastore::member
