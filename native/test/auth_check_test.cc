// Checks of callers: which answer comes first, and what each request needs. The rows agree with
// what etcd 3.7.1 answers to the same users and requests.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "auth/check.h"
#include "auth/slot.h"
#include "test/support/auth_tables.h"
#include "test/support/wire_builder.h"

namespace metastore::auth {
namespace {

using auth_test::Key;
using auth_test::kZero;
using auth_test::MakeDisabled;
using auth_test::MakeTable;
using wire_test::Bytes;
using wire_test::Field;
using wire_test::Number;

constexpr uint64_t kRevision = 11;
constexpr Caller kUser{"u", kRevision};
constexpr Caller kNobody{};
constexpr Caller kGhost{"ghost", kRevision};
constexpr Caller kRoot{"root", kRevision};
constexpr Caller kOld{"u", kRevision - 1};
constexpr Caller kNew{"u", kRevision + 5};

class AuthCheckTest : public ::testing::Test {
 protected:
  Check For(const Caller& caller) const { return Check(table_.get(), caller); }

  /// Decodes a request and checks it; attached keys are those of leases_.
  template <typename Request>
  Code CodeOf(const Caller& caller, const std::string& bytes) {
    Request request;
    EXPECT_TRUE(codec::Decode(bytes, &request).ok());
    const auto keys = [&](int64_t lease, std::vector<std::string>* out) {
      looked_up_.push_back(lease);
      if (fails_) return Status(Code::kIo);
      *out = leases_[lease];
      return Status::Ok();
    };
    const Check check = For(caller);
    if constexpr (std::is_same_v<Request, codec::PutRequest>) {
      return check.Put(request, keys).code();
    } else if constexpr (std::is_same_v<Request, codec::TxnRequest>) {
      return check.Txn(request, keys).code();
    } else if constexpr (std::is_same_v<Request, codec::RangeRequest>) {
      return check.Range(request);
    } else {
      return check.DeleteRange(request);
    }
  }
  Code Put(const Caller& caller, const std::string& bytes) {
    return CodeOf<codec::PutRequest>(caller, bytes);
  }
  Code Txn(const Caller& caller, const std::string& bytes) {
    return CodeOf<codec::TxnRequest>(caller, bytes);
  }
  Code Lease(const Caller& caller, int64_t lease) {
    return For(caller)
        .Lease(lease,
               [&](int64_t id, std::vector<std::string>* out) {
                 *out = leases_[id];
                 return Status::Ok();
               })
        .code();
  }

  std::shared_ptr<const Table> table_ = MakeTable(
      kRevision,
      {{"u", false, {{"a/", "b/"}, Key("k")}, {{"a/", "b/"}, Key("w")}}, {"root", true}, {"poor"}});
  std::map<int64_t, std::vector<std::string>> leases_ = {{77, {"a/1", "foreign"}}, {78, {"a/1"}}};
  std::vector<int64_t> looked_up_;
  bool fails_ = false;
};

TEST_F(AuthCheckTest, TheFirstAnswerThatApplies) {
  const auto read = [&](const Caller& caller) { return For(caller).Read("a/1", ""); };
  EXPECT_EQ(read(kUser), Code::kOk);
  EXPECT_EQ(read(kNew), Code::kOk);
  EXPECT_EQ(read(kRoot), Code::kOk);
  EXPECT_EQ(read(kNobody), Code::kUserEmpty);
  EXPECT_EQ(read({"u", 0}), Code::kUserEmpty);
  EXPECT_EQ(read({"", kRevision}), Code::kPermissionDenied) << "a token that names an empty user";
  EXPECT_EQ(read(kOld), Code::kAuthOldRevision);
  EXPECT_EQ(read({"ghost", 1}), Code::kAuthOldRevision);
  EXPECT_EQ(read({"root", 1}), Code::kAuthOldRevision);
  EXPECT_EQ(read(kGhost), Code::kPermissionDenied);
  EXPECT_EQ(read({"poor", kRevision}), Code::kPermissionDenied);
  EXPECT_EQ(read({"u", kCurrentAuthRevision}), Code::kOk);
  EXPECT_EQ(read({"ghost", kCurrentAuthRevision}), Code::kPermissionDenied);
}

TEST_F(AuthCheckTest, TheRevisionThatCounted) {
  EXPECT_EQ(For(kNew).revision(), kRevision + 5);
  EXPECT_EQ(For(kOld).revision(), kRevision - 1);
  EXPECT_EQ(For({"u", kCurrentAuthRevision}).revision(), kRevision);
  EXPECT_EQ(For(kNobody).revision(), 0u);
  EXPECT_EQ(Check(nullptr, kUser).revision(), 0u);
}

TEST_F(AuthCheckTest, WithoutAuthEverythingPasses) {
  const auto disabled = MakeDisabled(4);
  for (const Table* table : {static_cast<const Table*>(nullptr), disabled.get()}) {
    for (const Caller& caller : {kNobody, kUser, kOld, kGhost}) {
      const Check check(table, caller);
      EXPECT_EQ(check.Read("m", kZero), Code::kOk);
      EXPECT_EQ(check.Write("m", kZero), Code::kOk);
      EXPECT_EQ(check.Admin(), Code::kOk);
      const auto fail = [](int64_t, std::vector<std::string>*) { return Status(Code::kIo); };
      EXPECT_TRUE(check.Lease(77, fail).ok()) << "attached keys are not even looked at";
    }
  }
}

TEST_F(AuthCheckTest, AdminIsARoleWhateverTheRevision) {
  EXPECT_EQ(For(kRoot).Admin(), Code::kOk);
  EXPECT_EQ(For({"root", 1}).Admin(), Code::kOk);
  EXPECT_EQ(For(kUser).Admin(), Code::kPermissionDenied);
  EXPECT_EQ(For(kOld).Admin(), Code::kPermissionDenied);
  EXPECT_EQ(For(kGhost).Admin(), Code::kUserNotFound);
  EXPECT_EQ(For(kNobody).Admin(), Code::kUserEmpty);
}

TEST_F(AuthCheckTest, ReadingAndWritingAreApart) {
  const Check check = For(kUser);
  EXPECT_EQ(check.Read("k", ""), Code::kOk);
  EXPECT_EQ(check.Write("k", ""), Code::kPermissionDenied);
  EXPECT_EQ(check.Read("w", ""), Code::kPermissionDenied);
  EXPECT_EQ(check.Write("w", ""), Code::kOk);
  EXPECT_EQ(For(kRoot).Write(kZero, kZero), Code::kOk);
}

TEST_F(AuthCheckTest, PutsNeedWhatTheyShowAndWhatTheyAttachTo) {
  EXPECT_EQ(Put(kUser, Bytes(1, "w")), Code::kOk);
  EXPECT_EQ(Put(kUser, Bytes(1, "w") + Number(4, 1)), Code::kPermissionDenied) << "prev_kv";
  EXPECT_EQ(Put(kUser, Bytes(1, "a/1") + Number(4, 1)), Code::kOk);
  EXPECT_EQ(Put(kUser, Bytes(1, "k")), Code::kPermissionDenied);
  EXPECT_TRUE(looked_up_.empty()) << "no lease, nothing to look up";
  EXPECT_EQ(Put(kUser, Bytes(1, "w") + Number(3, 78)), Code::kOk);
  EXPECT_EQ(Put(kUser, Bytes(1, "w") + Number(3, 77)), Code::kPermissionDenied);
  EXPECT_EQ(Put(kUser, Bytes(1, "w") + Number(3, 999)), Code::kOk) << "the store knows of it";
  looked_up_.clear();
  EXPECT_EQ(Put(kRoot, Bytes(1, "w") + Number(3, 77)), Code::kOk);
  EXPECT_TRUE(looked_up_.empty()) << "root passes without";
  fails_ = true;
  EXPECT_EQ(Put(kUser, Bytes(1, "w") + Number(3, 78)), Code::kIo);
}

TEST_F(AuthCheckTest, DeletionsNeedWhatTheyShow) {
  const auto code = [&](const std::string& bytes) {
    return CodeOf<codec::DeleteRangeRequest>(kUser, bytes);
  };
  EXPECT_EQ(code(Bytes(1, "w")), Code::kOk);
  EXPECT_EQ(code(Bytes(1, "w") + Number(3, 1)), Code::kPermissionDenied);
  EXPECT_EQ(code(Bytes(1, "a/") + Bytes(2, "b/") + Number(3, 1)), Code::kOk);
  EXPECT_EQ(code(Bytes(1, "a/") + Bytes(2, kZero)), Code::kPermissionDenied);
  EXPECT_EQ(code(Bytes(1, "k")), Code::kPermissionDenied);
}

std::string Get(const std::string& key) { return Field(1, Bytes(1, key)); }
std::string PutOp(const std::string& put) { return Field(2, put); }
std::string Success(const std::string& op) { return Field(2, op); }
std::string Failure(const std::string& op) { return Field(3, op); }
std::string Nested(const std::string& txn) { return Field(4, txn); }
std::string Compare(const std::string& key, const std::string& end = "") {
  return Field(1, Bytes(3, key) + (end.empty() ? "" : Bytes(64, end)));
}

TEST_F(AuthCheckTest, TransactionsNeedEverythingInThem) {
  const std::string put = PutOp(Bytes(1, "a/1"));
  const std::string foreign = PutOp(Bytes(1, "m"));
  EXPECT_EQ(Txn(kUser, Compare("k") + Success(put) + Failure(Get("k"))), Code::kOk);
  EXPECT_EQ(Txn(kUser, Compare("m") + Success(put)), Code::kPermissionDenied);
  EXPECT_EQ(Txn(kUser, Compare("a/", "b/") + Success(put)), Code::kOk);
  EXPECT_EQ(Txn(kUser, Compare("a/", kZero) + Success(put)), Code::kPermissionDenied);
  EXPECT_EQ(Txn(kUser, Success(foreign)), Code::kPermissionDenied);
  EXPECT_EQ(Txn(kUser, Success(put) + Failure(foreign)), Code::kPermissionDenied);
  EXPECT_EQ(Txn(kUser, Success(put) + Failure(Get("w"))), Code::kPermissionDenied);
  EXPECT_EQ(Txn(kUser, Success(Field(3, Bytes(1, "w")))), Code::kOk);
  EXPECT_EQ(Txn(kUser, Success(Field(3, Bytes(1, "w") + Number(3, 1)))), Code::kPermissionDenied);
  EXPECT_EQ(Txn(kUser, Success(PutOp(Bytes(1, "w") + Number(4, 1)))), Code::kPermissionDenied);
  EXPECT_EQ(Txn(kUser, Success(PutOp(Bytes(1, "w") + Number(3, 77)))), Code::kPermissionDenied);
}

TEST_F(AuthCheckTest, NestedTransactionsAreNoWayAround) {
  const std::string foreign = PutOp(Bytes(1, "m"));
  EXPECT_EQ(Txn(kUser, Success(Nested(Success(PutOp(Bytes(1, "a/1")))))), Code::kOk);
  EXPECT_EQ(Txn(kUser, Success(Nested(Success(foreign)))), Code::kPermissionDenied);
  EXPECT_EQ(Txn(kUser, Success(Nested(Failure(foreign)))), Code::kPermissionDenied);
  EXPECT_EQ(Txn(kUser, Failure(Nested(Compare("m")))), Code::kPermissionDenied);
  EXPECT_EQ(Txn(kUser, Failure(Nested(Success(Nested(Failure(Get("m"))))))),
            Code::kPermissionDenied);
}

TEST_F(AuthCheckTest, ATransactionThatNamesNoKeyNeedsNobody) {
  EXPECT_EQ(Txn(kNobody, ""), Code::kOk);
  EXPECT_EQ(Txn(kGhost, ""), Code::kOk);
  EXPECT_EQ(Txn(kNobody, Success(Nested(""))), Code::kOk);
  EXPECT_EQ(Txn(kNobody, Compare("k")), Code::kUserEmpty);
  EXPECT_EQ(Txn(kOld, Compare("k")), Code::kAuthOldRevision);
}

TEST_F(AuthCheckTest, LeasesNeedTheRightToWriteTheirKeys) {
  EXPECT_EQ(Lease(kUser, 78), Code::kOk);
  EXPECT_EQ(Lease(kUser, 77), Code::kPermissionDenied);
  EXPECT_EQ(Lease(kOld, 77), Code::kAuthOldRevision);
  EXPECT_EQ(Lease(kGhost, 77), Code::kPermissionDenied);
  EXPECT_EQ(Lease(kNobody, 77), Code::kUserEmpty);
  EXPECT_EQ(Lease(kOld, 999), Code::kOk) << "nothing is attached";
  EXPECT_EQ(Lease(kNobody, 999), Code::kOk);
  EXPECT_EQ(Lease({"root", 1}, 77), Code::kOk) << "administrators, whatever the revision";
}

TEST_F(AuthCheckTest, NobodyPassesWhatIsNotKnownYet) {
  table_ = Table::Unknown();
  for (const Caller& caller : {kNobody, kRoot, kUser, Caller{"root", kCurrentAuthRevision}}) {
    EXPECT_EQ(For(caller).Read("a", ""), Code::kAuthOldRevision);
    EXPECT_EQ(For(caller).Write("a", ""), Code::kAuthOldRevision);
    EXPECT_EQ(For(caller).Admin(), Code::kAuthOldRevision);
  }
}

// ---- The slot. -------------------------------------------------------------------------------

TEST(AuthSlot, IsEmptyWhileAuthIsOff) {
  TableSlot slot;
  EXPECT_EQ(slot.Get(), nullptr);
  EXPECT_EQ(slot.revision(), 0u);
  slot.Set(MakeDisabled(3));
  EXPECT_EQ(slot.Get(), nullptr);
  EXPECT_EQ(slot.revision(), 3u);
  slot.Set(MakeTable(4, {}));
  ASSERT_NE(slot.Get(), nullptr);
  EXPECT_EQ(slot.Get()->revision(), 4u);
  EXPECT_EQ(slot.revision(), 4u);
  slot.Set(MakeDisabled(5));
  EXPECT_EQ(slot.Get(), nullptr);
  EXPECT_EQ(slot.revision(), 5u);
}

TEST(AuthSlot, ExpectsATableWhereAuthIsOrWasOn) {
  TableSlot slot;
  slot.Expect({{"members/1", "1"}, {"auth/enabled", "0"}, {"auth/revision", "1"}});
  EXPECT_EQ(slot.Get(), nullptr);
  slot.Expect({{"auth/enabled", "1"}});
  ASSERT_NE(slot.Get(), nullptr);
  EXPECT_FALSE(slot.Get()->known());
  slot.Set(MakeTable(4, {}));
  EXPECT_TRUE(slot.Get()->known());
  slot.Expect({{"auth/enabled", "0"}});
  EXPECT_FALSE(slot.Get()->known());
  EXPECT_EQ(slot.revision(), 4u) << "what a proposal says meanwhile is old, not new";
  slot.Set(MakeDisabled(5));
  EXPECT_EQ(slot.Get(), nullptr);
}

}  // namespace
}  // namespace metastore::auth
