// Admission: every check that a client can provoke, in the documented order, and the entries built.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "codec/requests.h"
#include "intake/admission.h"
#include "intake/raft_request.h"
#include "test/support/auth_tables.h"
#include "test/support/wire_builder.h"

namespace metastore::intake {
namespace {

using wire_test::Bytes;
using wire_test::Field;
using wire_test::Number;

class NullSink final : public PublicationSink {
 public:
  void Publish(Publication) override {}
};

constexpr uint64_t kMember = 0x1234567890abcdef;

/// A store on the memory engine with a quota, an id generator and an admission over them.
class AdmissionTest : public ::testing::Test {
 protected:
  void Open(int64_t quota_bytes, AdmissionLimits limits = {}) {
    StoreOptions options;
    options.quota_bytes = quota_bytes;
    auto store = Store::Open(options, NewMemoryEngine(), &sink_);
    ASSERT_TRUE(store.ok());
    stores_.Set(std::move(*store));
    admission_ = std::make_unique<Admission>(limits, &stores_, &ids_, &tables_);
  }

  Code CodeOf(Method method, const std::string& request, uint64_t backlog = 0) {
    return admission_->Admit(method, request, {"", 0}, backlog).status().code();
  }
  Route RouteOf(Method method, const std::string& request) {
    auto admitted = admission_->Admit(method, request, {"", 0}, 0);
    EXPECT_TRUE(admitted.ok());
    return admitted.ok() ? admitted->route : Route::kProposed;
  }

  NullSink sink_;
  IdGenerator ids_{kMember, 1700000000000};
  StoreSlot stores_;
  auth::TableSlot tables_;
  std::string payload_;
  std::unique_ptr<Admission> admission_;
};

std::string Range(const std::string& key) { return Bytes(1, key); }
std::string Put(const std::string& key, const std::string& value) {
  return Bytes(1, key) + Bytes(2, value);
}
std::string RangeOp(const std::string& range) { return Field(1, range); }
std::string PutOp(const std::string& put) { return Field(2, put); }
std::string DeleteOp(const std::string& deletion) { return Field(3, deletion); }
std::string TxnOp(const std::string& txn) { return Field(4, txn); }
std::string Compare(const std::string& key) { return Field(1, Bytes(3, key)); }
std::string Success(const std::string& op) { return Field(2, op); }
std::string Failure(const std::string& op) { return Field(3, op); }

TEST_F(AdmissionTest, RangeChecksKeyThenOrderThenTarget) {
  Open(0);
  EXPECT_EQ(CodeOf(Method::kRange, Number(5, 9) + Number(6, 9)), Code::kEmptyKey);
  EXPECT_EQ(CodeOf(Method::kRange, Range("a") + Number(5, 3)), Code::kInvalidSortOption);
  EXPECT_EQ(CodeOf(Method::kRange, Range("a") + Number(6, 5)), Code::kInvalidSortOption);
  EXPECT_EQ(CodeOf(Method::kRange, Range("a") + Number(5, uint64_t(-1))), Code::kInvalidSortOption);
  EXPECT_EQ(CodeOf(Method::kRange, Range("a") + Number(5, 2) + Number(6, 4)), Code::kOk);
  EXPECT_EQ(RouteOf(Method::kRange, Range("a")), Route::kReadWaits);
  EXPECT_EQ(RouteOf(Method::kRange, Range("a") + Number(7, 1)), Route::kServing);
}

TEST_F(AdmissionTest, PutChecksInOrder) {
  Open(0);
  const std::string ignore_value = Number(5, 1);
  const std::string ignore_lease = Number(6, 1);
  const std::string lease = Number(3, 7);
  EXPECT_EQ(CodeOf(Method::kPut, Bytes(2, "v") + ignore_value), Code::kEmptyKey);
  EXPECT_EQ(CodeOf(Method::kPut, Put("k", "v") + ignore_value + ignore_lease + lease),
            Code::kValueProvided);
  EXPECT_EQ(CodeOf(Method::kPut, Put("k", "v") + ignore_lease + lease), Code::kLeaseProvided);
  EXPECT_EQ(CodeOf(Method::kPut, Put("k", "v") + ignore_lease), Code::kOk);
  EXPECT_EQ(CodeOf(Method::kPut, Bytes(1, "k") + ignore_value), Code::kOk);
  EXPECT_EQ(CodeOf(Method::kPut, Put(std::string("\0\xff", 2), "")), Code::kOk);
}

TEST_F(AdmissionTest, GarbageIsAnErrorForEveryMethod) {
  Open(0);
  const std::string truncated = Bytes(1, "abcdef").substr(0, 4);
  for (int method = 0; method <= static_cast<int>(Method::kAlarm); ++method) {
    EXPECT_EQ(CodeOf(static_cast<Method>(method), truncated), Code::kUnmarshal) << method;
  }
  for (const Method method : {Method::kHashKv, Method::kHash, Method::kDefragment}) {
    EXPECT_EQ(CodeOf(method, truncated), Code::kUnmarshal);
    EXPECT_EQ(CodeOf(method, Bytes(9, "of a later version")), Code::kOk);
  }
  EXPECT_EQ(CodeOf(Method::kCount, ""), Code::kUnknownMethod);
}

TEST_F(AdmissionTest, QuotaComesBeforeValidation) {
  Open(20480);  // an empty store already counts more than this allows beside any write
  EXPECT_EQ(CodeOf(Method::kPut, ""), Code::kNoSpace);
  EXPECT_EQ(CodeOf(Method::kLeaseGrant, Number(1, 10'000'000'000)), Code::kNoSpace);
  std::string many;
  for (int i = 0; i < 129; ++i) many += Success(PutOp(Put("k" + std::to_string(i), "")));
  EXPECT_EQ(CodeOf(Method::kTxn, many), Code::kNoSpace);
  // What cannot grow the store passes.
  EXPECT_EQ(CodeOf(Method::kDeleteRange, Bytes(1, "k")), Code::kOk);
  EXPECT_EQ(CodeOf(Method::kTxn, Success(DeleteOp(Bytes(1, "k")))), Code::kOk);
  EXPECT_EQ(CodeOf(Method::kTxn, Failure(PutOp(Put("k", "")))), Code::kNoSpace);
  EXPECT_EQ(CodeOf(Method::kCompact, Number(1, 1)), Code::kOk);
  EXPECT_EQ(CodeOf(Method::kLeaseRevoke, Number(1, 1)), Code::kOk);
}

TEST_F(AdmissionTest, RevocationsMayGoDeeperIntoTheBacklog) {
  AdmissionLimits limits;
  limits.max_apply_backlog = 5;
  Open(0, limits);
  EXPECT_EQ(CodeOf(Method::kLeaseRevoke, Number(1, 1), 6), Code::kTooManyRequests);
  limits.extra_revoke_backlog = 5;
  Open(0, limits);
  EXPECT_EQ(CodeOf(Method::kLeaseRevoke, Number(1, 1), 3), Code::kOk);
  EXPECT_EQ(CodeOf(Method::kLeaseRevoke, Number(1, 1), 10), Code::kOk);
  EXPECT_EQ(CodeOf(Method::kLeaseRevoke, Number(1, 1), 11), Code::kTooManyRequests);
  EXPECT_EQ(CodeOf(Method::kPut, Put("k", "v"), 6), Code::kTooManyRequests);
}

TEST_F(AdmissionTest, BacklogThenSize) {
  AdmissionLimits limits;
  limits.max_request_bytes = 1000;
  limits.max_apply_backlog = 5;
  Open(0, limits);
  const std::string large = Put("k", std::string(2000, 'v'));
  EXPECT_EQ(CodeOf(Method::kPut, large, 5), Code::kRequestTooLarge);
  EXPECT_EQ(CodeOf(Method::kPut, large, 6), Code::kTooManyRequests);
  EXPECT_EQ(CodeOf(Method::kPut, Put("k", "v"), 6), Code::kTooManyRequests);
  EXPECT_EQ(CodeOf(Method::kPut, Put("k", "v"), 5), Code::kOk);
  EXPECT_EQ(CodeOf(Method::kRange, Range("k"), 6), Code::kOk);
  EXPECT_EQ(CodeOf(Method::kPut, "", 6), Code::kEmptyKey);
}

// ---- Who asks. -------------------------------------------------------------------------------

TEST_F(AdmissionTest, ARefusalStandsBetweenBacklogAndSize) {
  AdmissionLimits limits;
  limits.max_request_bytes = 1000;
  limits.max_apply_backlog = 5;
  Open(0, limits);
  const Caller bad{"", 0, Code::kInvalidAuthToken};
  const auto code = [&](Method method, const std::string& request, uint64_t backlog) {
    return admission_->Admit(method, request, bad, backlog).status().code();
  };
  const std::string large = Put("k", std::string(2000, 'v'));
  EXPECT_EQ(code(Method::kPut, "", 6), Code::kEmptyKey);
  EXPECT_EQ(code(Method::kPut, large, 6), Code::kTooManyRequests);
  EXPECT_EQ(code(Method::kPut, large, 5), Code::kInvalidAuthToken);
  EXPECT_EQ(code(Method::kDeleteRange, Bytes(1, ""), 0), Code::kEmptyKey);
  EXPECT_EQ(code(Method::kDeleteRange, Bytes(1, "k"), 0), Code::kInvalidAuthToken);
  EXPECT_EQ(code(Method::kTxn, Success(PutOp("")), 0), Code::kEmptyKey);
  EXPECT_EQ(code(Method::kTxn, Success(PutOp(Put("k", ""))), 0), Code::kInvalidAuthToken);
  EXPECT_EQ(code(Method::kCompact, Number(1, 1), 0), Code::kInvalidAuthToken);
  EXPECT_EQ(code(Method::kCompact, Number(1, 1), 6), Code::kTooManyRequests);
  EXPECT_EQ(code(Method::kAlarm, "", 0), Code::kInvalidAuthToken);
  EXPECT_EQ(code(Method::kHash, "", 0), Code::kInvalidAuthToken);
  EXPECT_EQ(code(Method::kHashKv, "", 0), Code::kInvalidAuthToken);
  EXPECT_EQ(code(Method::kDefragment, "", 0), Code::kInvalidAuthToken);
  // Reads learn of it when they have waited.
  EXPECT_EQ(code(Method::kRange, Range("k"), 6), Code::kOk);
  EXPECT_EQ(code(Method::kTxn, Success(RangeOp(Range("k"))), 6), Code::kOk);
}

TEST_F(AdmissionTest, QuotaComesBeforeWhoAsks) {
  Open(1);
  const Caller bad{"", 0, Code::kInvalidAuthToken};
  EXPECT_EQ(admission_->Admit(Method::kPut, Put("k", "v"), bad, 0).status().code(), Code::kNoSpace);
  EXPECT_EQ(admission_->Admit(Method::kLeaseGrant, "", bad, 0).status().code(), Code::kNoSpace);
}

TEST_F(AdmissionTest, LeasesNeedAUserBeforeTheBacklog) {
  AdmissionLimits limits;
  limits.max_apply_backlog = 5;
  Open(0, limits);
  const auto code = [&](Method method, const Caller& caller, uint64_t backlog) {
    return admission_
        ->Admit(method, Number(method == Method::kLeaseGrant ? 2 : 1, 7), caller, backlog)
        .status()
        .code();
  };
  for (const Method method : {Method::kLeaseGrant, Method::kLeaseRevoke}) {
    tables_.Set(auth_test::MakeDisabled(1));
    EXPECT_EQ(code(method, {}, 0), Code::kOk);
    EXPECT_EQ(code(method, {}, 6), Code::kTooManyRequests);
    tables_.Set(auth_test::MakeTable(1, {{"u"}}));
    EXPECT_EQ(code(method, {}, 6), Code::kUserEmpty);
    EXPECT_EQ(code(method, {"", 0, Code::kInvalidAuthToken}, 6), Code::kInvalidAuthToken);
    EXPECT_EQ(code(method, {"anybody", 1}, 6), Code::kTooManyRequests);
    EXPECT_EQ(code(method, {"anybody", 1}, 0), Code::kOk);
  }
  EXPECT_EQ(admission_->Admit(Method::kLeaseCheckpoint, "", {}, 0).status().code(), Code::kOk);
}

TEST_F(AdmissionTest, TheHeaderCarriesAUserAndANumber) {
  Open(0);
  const auto header_of = [&](const Caller& caller) {
    auto admitted = admission_->Admit(Method::kPut, Put("k", "v"), caller, 0);
    EXPECT_TRUE(admitted.ok());
    payload_ = std::move(admitted->payload);
    RaftRequest request;
    EXPECT_TRUE(DecodeEntry(payload_, &request).ok());
    return request.header;
  };
  tables_.Set(auth_test::MakeTable(9, {{"u"}}));
  EXPECT_EQ(header_of({"u", 7}).auth_revision, 7u);
  EXPECT_EQ(header_of({"u", auth::kCurrentAuthRevision}).auth_revision, 9u);
  EXPECT_EQ(header_of({"u", 7}).user_name, "u");
  EXPECT_EQ(header_of({}).auth_revision, 0u);
  tables_.Set(auth_test::MakeDisabled(12));
  EXPECT_EQ(header_of({"u", auth::kCurrentAuthRevision}).auth_revision, 12u);
}

TEST_F(AdmissionTest, SizeCountsTheWholeInternalRequestToTheByte) {
  Open(0);
  auto admitted = admission_->Admit(Method::kPut, Put("k", std::string(500, 'v')), {"", 0}, 0);
  ASSERT_TRUE(admitted.ok());
  AdmissionLimits limits;
  limits.max_request_bytes = static_cast<int64_t>(admitted->payload.size()) - 1;
  Open(0, limits);
  EXPECT_EQ(CodeOf(Method::kPut, Put("k", std::string(500, 'v'))), Code::kOk);
  EXPECT_EQ(CodeOf(Method::kPut, Put("k", std::string(501, 'v'))), Code::kRequestTooLarge);
}

TEST_F(AdmissionTest, TxnBudgetIsPerLevel) {
  Open(0);
  const auto branch = [](int n) {
    std::string ops;
    for (int i = 0; i < n; ++i) ops += Success(RangeOp(Range("r" + std::to_string(i))));
    return ops;
  };
  EXPECT_EQ(CodeOf(Method::kTxn, branch(128)), Code::kOk);
  EXPECT_EQ(CodeOf(Method::kTxn, branch(129)), Code::kTooManyOps);
  EXPECT_EQ(CodeOf(Method::kTxn, Success(TxnOp(branch(127)))), Code::kOk);
  EXPECT_EQ(CodeOf(Method::kTxn, Success(TxnOp(branch(128)))), Code::kTooManyOps);
  const std::string two = Success(TxnOp(branch(126))) + Success(TxnOp(branch(126)));
  EXPECT_EQ(CodeOf(Method::kTxn, two), Code::kOk);
  EXPECT_EQ(CodeOf(Method::kTxn, Success(TxnOp(branch(127))) + Success(RangeOp(Range("x")))),
            Code::kTooManyOps);
  std::string compares;
  for (int i = 0; i < 129; ++i) compares += Compare("k");
  EXPECT_EQ(CodeOf(Method::kTxn, compares), Code::kTooManyOps);
  std::string deep;
  for (int i = 0; i < 300; ++i) deep = Success(TxnOp(deep));
  EXPECT_EQ(CodeOf(Method::kTxn, deep), Code::kTooManyOps);
}

TEST_F(AdmissionTest, TxnChecksOpsInOrder) {
  Open(0);
  EXPECT_EQ(CodeOf(Method::kTxn, Compare("") + Success(RangeOp(""))), Code::kEmptyKey);
  EXPECT_EQ(CodeOf(Method::kTxn, Success("")), Code::kKeyNotFound);
  EXPECT_EQ(CodeOf(Method::kTxn, Success("") + Compare("")), Code::kEmptyKey);
  EXPECT_EQ(CodeOf(Method::kTxn, Success(RangeOp(Range("a") + Number(5, 7)))),
            Code::kInvalidSortOption);
  EXPECT_EQ(CodeOf(Method::kTxn, Success(PutOp(Put("a", "v") + Number(5, 1)))),
            Code::kValueProvided);
  EXPECT_EQ(CodeOf(Method::kTxn, Failure(DeleteOp(""))), Code::kEmptyKey);
  // Operations are looked at before duplicates, success before failure.
  const std::string twice = Success(PutOp(Put("a", "1"))) + Success(PutOp(Put("a", "2")));
  EXPECT_EQ(CodeOf(Method::kTxn, twice), Code::kDuplicateKey);
  EXPECT_EQ(CodeOf(Method::kTxn, twice + Failure("")), Code::kKeyNotFound);
}

TEST_F(AdmissionTest, TxnDuplicates) {
  Open(0);
  const std::string put_a = PutOp(Put("a", "1"));
  const std::string put_x = PutOp(Put("x", "1"));
  const auto deletion = [](const std::string& key, const std::string& end) {
    return DeleteOp(Bytes(1, key) + (end.empty() ? std::string() : Bytes(2, end)));
  };
  const auto code = [&](const std::string& txn) { return CodeOf(Method::kTxn, txn); };
  EXPECT_EQ(code(Success(put_a) + Success(deletion("a", ""))), Code::kDuplicateKey);
  EXPECT_EQ(code(Success(deletion("a", "")) + Success(put_a)), Code::kDuplicateKey);
  EXPECT_EQ(code(Success(put_x) + Success(deletion("a", "z"))), Code::kDuplicateKey);
  EXPECT_EQ(code(Success(put_x) + Success(deletion("a", "x"))), Code::kOk);
  EXPECT_EQ(code(Success(deletion("a", "c")) + Success(deletion("b", "d"))), Code::kOk);
  EXPECT_EQ(code(Success(deletion("a", "c")) + Success(deletion("b", "y")) + Success(put_x)),
            Code::kDuplicateKey);
  EXPECT_EQ(code(Success(put_a) + Failure(put_a)), Code::kOk);
  EXPECT_EQ(code(Failure(put_a) + Failure(put_a)), Code::kDuplicateKey);
  // Branches of one nested transaction exclude each other, siblings do not.
  EXPECT_EQ(code(Success(TxnOp(Success(put_a) + Failure(put_a)))), Code::kOk);
  EXPECT_EQ(code(Success(TxnOp(Success(put_a))) + Success(TxnOp(Failure(put_a)))),
            Code::kDuplicateKey);
  EXPECT_EQ(code(Success(TxnOp(Success(put_a))) + Success(put_a)), Code::kDuplicateKey);
}

TEST_F(AdmissionTest, TxnAsymmetries) {
  Open(0);
  const std::string put = TxnOp(Success(PutOp(Put("k", "1"))));
  const std::string deletion = TxnOp(Success(DeleteOp(Bytes(1, "k"))));
  EXPECT_EQ(CodeOf(Method::kTxn, Success(deletion) + Success(put)), Code::kDuplicateKey);
  EXPECT_EQ(CodeOf(Method::kTxn, Success(put) + Success(deletion)), Code::kOk);
  const std::string to_the_end = DeleteOp(Bytes(1, "a") + Bytes(2, std::string(1, '\0')));
  EXPECT_EQ(CodeOf(Method::kTxn, Success(PutOp(Put("x", ""))) + Success(to_the_end)), Code::kOk);
}

TEST_F(AdmissionTest, TxnRoutes) {
  Open(0);
  const std::string serializable = RangeOp(Range("a") + Number(7, 1));
  EXPECT_EQ(RouteOf(Method::kTxn, Success(RangeOp(Range("a")))), Route::kReadWaits);
  EXPECT_EQ(RouteOf(Method::kTxn, Success(serializable)), Route::kServing);
  EXPECT_EQ(RouteOf(Method::kTxn, Success(serializable) + Failure(RangeOp(Range("b")))),
            Route::kReadWaits);
  EXPECT_EQ(RouteOf(Method::kTxn, Compare("a")), Route::kServing);
  EXPECT_EQ(RouteOf(Method::kTxn, ""), Route::kServing);
  EXPECT_EQ(RouteOf(Method::kTxn, Success(TxnOp(""))), Route::kProposed);
  EXPECT_EQ(RouteOf(Method::kTxn, Failure(DeleteOp(Bytes(1, "k")))), Route::kProposed);
}

TEST_F(AdmissionTest, EntryHoldsHeaderAndTheClientsBytes) {
  Open(0);
  const std::string request = Put("k", "v") + Bytes(99, "a field of the future");
  auto admitted = admission_->Admit(Method::kPut, request, {"alice", 7}, 0);
  ASSERT_TRUE(admitted.ok());
  RaftRequest decoded;
  ASSERT_TRUE(DecodeEntry(admitted->payload, &decoded).ok());
  EXPECT_EQ(decoded.header.id, admitted->request_id);
  EXPECT_EQ(decoded.header.user_name, "alice");
  EXPECT_EQ(decoded.header.auth_revision, 7u);
  EXPECT_EQ(decoded.field, static_cast<uint32_t>(kFieldPut));
  EXPECT_EQ(decoded.body, request);
  EXPECT_FALSE(DecodeEntry("", &decoded).ok());
  EXPECT_FALSE(DecodeEntry(std::string("\x02") + request, &decoded).ok());
  EXPECT_FALSE(DecodeEntry(admitted->payload.substr(0, 9), &decoded).ok());
}

TEST_F(AdmissionTest, LeaseGrantGetsAnId) {
  Open(0);
  auto chosen = admission_->Admit(Method::kLeaseGrant, Number(1, 5), {"", 0}, 0);
  ASSERT_TRUE(chosen.ok());
  RaftRequest decoded;
  codec::LeaseGrantRequest grant;
  ASSERT_TRUE(DecodeEntry(chosen->payload, &decoded).ok());
  ASSERT_TRUE(codec::Decode(decoded.body, &grant).ok());
  EXPECT_EQ(grant.ttl_seconds, 5);
  EXPECT_GT(grant.id, 0);
  // A given id, negative too, stays.
  auto given = admission_->Admit(Method::kLeaseGrant, Number(2, uint64_t(-3)), {"", 0}, 0);
  ASSERT_TRUE(given.ok());
  ASSERT_TRUE(DecodeEntry(given->payload, &decoded).ok());
  ASSERT_TRUE(codec::Decode(decoded.body, &grant).ok());
  EXPECT_EQ(grant.id, -3);
}

TEST_F(AdmissionTest, AlarmRefusesUnknownActions) {
  Open(0);
  EXPECT_EQ(CodeOf(Method::kAlarm, Number(1, 2)), Code::kOk);
  EXPECT_EQ(CodeOf(Method::kAlarm, Number(1, 3)), Code::kUnknownMethod);
  EXPECT_EQ(CodeOf(Method::kAlarm, Number(1, uint64_t(-1))), Code::kUnknownMethod);
}

TEST_F(AdmissionTest, InternalRequestsMustBeWhole) {
  Open(0);
  const std::string attributes = Field(1301, Number(1, 5));
  auto admitted = admission_->AdmitInternal(attributes, {}, 0);
  ASSERT_TRUE(admitted.ok());
  RaftRequest decoded;
  ASSERT_TRUE(DecodeEntry(admitted->payload, &decoded).ok());
  EXPECT_EQ(decoded.field, 1301u);
  EXPECT_NE(decoded.header.id, 0u);
  EXPECT_FALSE(IsNativeField(decoded.field));
  EXPECT_EQ(admission_->AdmitInternal("", {}, 0).status().code(), Code::kUnmarshal);
  EXPECT_EQ(admission_->AdmitInternal(Field(9, "\x08"), {}, 0).status().code(), Code::kUnmarshal);
  EXPECT_EQ(admission_->AdmitInternal(attributes + Field(100, Number(1, 5)), {}, 0).status().code(),
            Code::kUnmarshal);
}

TEST(IdGenerator, LayoutAndLeases) {
  IdGenerator ids(kMember, 0x123456789a);
  const uint64_t first = ids.Next();
  EXPECT_EQ(first, (0xcdefull << 48) | ((0x123456789aull << 8) + 1));
  EXPECT_EQ(ids.Next(), first + 1);
  EXPECT_EQ(ids.NextLeaseId(), static_cast<int64_t>((first + 2) & ~(1ull << 63)));
  // The lower 48 bits wrap without touching the member's bits, and zero is no lease id.
  IdGenerator wrapping(0x8000, (1ull << 40) - 1);
  for (int i = 0; i < 255; ++i) (void)wrapping.Next();
  EXPECT_EQ(wrapping.NextLeaseId(), 1);
}

}  // namespace
}  // namespace metastore::intake
