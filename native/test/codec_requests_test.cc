// Decoders of requests and writers of replies: the wire format as proto3 has it, and any bytes at
// all without a crash.
#include <gtest/gtest.h>

#include <random>

#include "codec/replies.h"
#include "codec/requests.h"
#include "test/support/mvcc_requests.h"
#include "test/support/wire_builder.h"

namespace metastore::codec {
namespace {

using wire_test::Bytes;
using wire_test::Field;
using wire_test::Number;
using wire_test::Varint;

template <typename T>
T Decoded(std::string_view bytes) {
  static std::string kept;  // views point into the bytes
  kept = bytes;
  T out;
  const Status status = Decode(kept, &out);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return out;
}

template <typename T>
Code Refusal(std::string_view bytes) {
  T out;
  return Decode(bytes, &out).code();
}

TEST(CodecRequests, RangeFields) {
  const std::string bytes = Bytes(1, "key") + Bytes(2, std::string("\0e", 2)) + Number(3, 7) +
                            Number(4, 8) + Number(5, 2) + Number(6, 4) + Number(7, 1) +
                            Number(8, 1) + Number(9, 1) + Number(10, 10) + Number(11, 11) +
                            Number(12, 12) + Number(13, 13);
  const auto request = Decoded<RangeRequest>(bytes);
  EXPECT_EQ(request.key, "key");
  EXPECT_EQ(request.range_end, std::string("\0e", 2));
  EXPECT_EQ(request.limit, 7);
  EXPECT_EQ(request.revision, 8);
  EXPECT_EQ(request.sort_order, 2);
  EXPECT_EQ(request.sort_target, 4);
  EXPECT_TRUE(request.serializable && request.keys_only && request.count_only);
  EXPECT_EQ(request.min_mod_revision, 10);
  EXPECT_EQ(request.max_mod_revision, 11);
  EXPECT_EQ(request.min_create_revision, 12);
  EXPECT_EQ(request.max_create_revision, 13);
  EXPECT_EQ(Decoded<RangeRequest>("").limit, 0);
}

TEST(CodecRequests, NumbersOfEverySize) {
  for (uint64_t value : {uint64_t{0}, uint64_t{127}, uint64_t{128}, uint64_t{1} << 32,
                         uint64_t{1} << 63, UINT64_MAX}) {
    EXPECT_EQ(Decoded<RangeRequest>(Number(3, value)).limit, static_cast<int64_t>(value));
  }
  // Enumerations keep their low 32 bits, negative ones included.
  EXPECT_EQ(Decoded<RangeRequest>(Number(5, UINT64_MAX)).sort_order, -1);
  EXPECT_EQ(Decoded<RangeRequest>(Number(5, (uint64_t{1} << 32) + 3)).sort_order, 3);
  // A boolean is any number but zero, however long it is spelled.
  EXPECT_TRUE(Decoded<RangeRequest>(Number(7, 256)).serializable);
  EXPECT_FALSE(Decoded<RangeRequest>(Varint(7 << 3) + "\x80\x80" + std::string(1, 0)).serializable);
  EXPECT_EQ(Refusal<RangeRequest>(Varint(3 << 3) + std::string(10, '\x80')), Code::kUnmarshal);
  EXPECT_EQ(Refusal<RangeRequest>(Varint(3 << 3) + std::string(9, '\xff') + "\x02"),
            Code::kUnmarshal);
}

TEST(CodecRequests, UnknownFieldsAndWireTypesAreSkipped) {
  const std::string noise = Number(99, 5) + Bytes(98, "x") + Varint((97 << 3) | 1) +
                            std::string(8, 'f') + Varint((96 << 3) | 5) + std::string(4, 'f') +
                            Number(19000, 1) + Number((1u << 29) - 1, 1);
  const auto request = Decoded<PutRequest>(noise + Bytes(1, "k") + noise + Number(3, 4));
  EXPECT_EQ(request.key, "k");
  EXPECT_EQ(request.lease, 4);
  // A field of a wire type that it does not have is another, unknown field.
  EXPECT_EQ(Decoded<PutRequest>(Number(1, 5) + Bytes(3, "5")).lease, 0);
}

TEST(CodecRequests, LastValueWins) {
  const auto put = Decoded<PutRequest>(Bytes(1, "a") + Number(3, 1) + Bytes(1, "b") + Number(3, 0));
  EXPECT_EQ(put.key, "b");
  EXPECT_EQ(put.lease, 0);
  const auto compare = Decoded<TxnRequest>(Field(1, Number(4, 5) + Bytes(7, "v") + Number(6, 9)));
  EXPECT_EQ(compare.compare[0].union_field, 6);
  EXPECT_EQ(compare.compare[0].number, 9);
  EXPECT_TRUE(compare.compare[0].value.empty());
  const auto unset = Decoded<TxnRequest>(Field(1, Number(4, 0)));
  EXPECT_EQ(unset.compare[0].union_field, 4) << "zero is a value of a oneof";
}

TEST(CodecRequests, OneofOperations) {
  const std::string range = Field(1, Bytes(1, "r")), put = Field(2, Bytes(1, "p")),
                    erase = Field(3, Bytes(1, "d")), txn = Field(4, Field(2, put));
  const auto all = Decoded<TxnRequest>(Field(2, range) + Field(2, put) + Field(2, erase) +
                                       Field(3, txn) + Field(3, ""));
  ASSERT_EQ(all.success.size(), 3u);
  ASSERT_EQ(all.failure.size(), 2u);
  EXPECT_EQ(std::get<RangeRequest>(all.success[0]).key, "r");
  EXPECT_EQ(std::get<PutRequest>(all.success[1]).key, "p");
  EXPECT_EQ(std::get<DeleteRangeRequest>(all.success[2]).key, "d");
  const auto& nested = std::get<std::unique_ptr<TxnRequest>>(all.failure[0]);
  EXPECT_EQ(std::get<PutRequest>(nested->success[0]).key, "p");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(all.failure[1]));
  // Another member replaces; the same member given again is merged.
  const auto last = Decoded<TxnRequest>(Field(2, range + put));
  EXPECT_EQ(std::get<PutRequest>(last.success[0]).key, "p");
  const auto merged =
      Decoded<TxnRequest>(Field(2, Field(2, Bytes(1, "p")) + Field(2, Bytes(2, "v"))));
  EXPECT_EQ(std::get<PutRequest>(merged.success[0]).key, "p");
  EXPECT_EQ(std::get<PutRequest>(merged.success[0]).value, "v");
}

TEST(CodecRequests, Nesting) {
  const auto nested = [](int depth) {
    std::string txn;
    for (int level = 1; level < depth; level++) txn = Field(2, Field(4, txn));
    return txn;
  };
  EXPECT_EQ(Refusal<TxnRequest>(nested(128)), Code::kOk);
  EXPECT_EQ(Refusal<TxnRequest>(nested(129)), Code::kTooManyOps);
  EXPECT_EQ(Refusal<TxnRequest>(nested(20000)), Code::kTooManyOps);
}

TEST(CodecRequests, TheOtherMessages) {
  EXPECT_EQ(Decoded<CompactionRequest>(Number(1, 5) + Number(2, 1)).revision, 5);
  EXPECT_TRUE(Decoded<CompactionRequest>(Number(1, 5) + Number(2, 1)).physical);
  EXPECT_EQ(Decoded<LeaseGrantRequest>(Number(1, 5) + Number(2, 6)).ttl_seconds, 5);
  EXPECT_EQ(Decoded<LeaseGrantRequest>(Number(1, 5) + Number(2, 6)).id, 6);
  EXPECT_EQ(Decoded<LeaseRevokeRequest>(Number(1, UINT64_MAX)).id, -1);
  const auto points =
      Decoded<LeaseCheckpointRequest>(Field(1, Number(1, 3) + Number(2, 4)) + Field(1, ""));
  ASSERT_EQ(points.checkpoints.size(), 2u);
  EXPECT_EQ(points.checkpoints[0].id, 3);
  EXPECT_EQ(points.checkpoints[0].remaining_ttl_seconds, 4);
  const auto alarm = Decoded<AlarmRequest>(Number(1, 2) + Number(2, UINT64_MAX) + Number(3, 1));
  EXPECT_EQ(alarm.action, 2);
  EXPECT_EQ(alarm.member_id, UINT64_MAX);
  EXPECT_EQ(alarm.alarm, 1);
  EXPECT_EQ(Decoded<HashKvRequest>(Number(1, 9)).revision, 9);
  EXPECT_TRUE(Decoded<DeleteRangeRequest>(Number(3, 1)).prev_kv);
}

TEST(CodecRequests, MalformedBytes) {
  const std::string cases[] = {
      "\x0a",  // a length is missing
      "\x0a\x05"
      "abc",                       // bytes are missing
      "\x0a\xff\xff\xff\xff\x0f",  // far longer than the message
      "\x0a\x85\x80\x80\x80\x10"
      "abcde",                     // a length of 2^32 + 5 is not 5
      "\x18",                      // a number is missing
      "\x18\x80",                  // a number ends early
      "\x80",                      // a tag ends early
      std::string("\x00\x01", 2),  // tag 0
      "\x80\x80\x80\x80\x10\x01",  // a tag beyond 2^29 - 1
      "\x0b\x0c",                  // a group
      "\x0c",                      // the end of none
      "\x0e",
      "\x0f",          // wire types 6 and 7
      "\x09\x01\x02",  // fixed64 cut short
      "\x0d\x01",      // fixed32 cut short
  };
  for (const std::string& bytes : cases) {
    EXPECT_EQ(Refusal<PutRequest>(bytes), Code::kUnmarshal);
    EXPECT_EQ(Refusal<RangeRequest>(bytes), Code::kUnmarshal);
    EXPECT_EQ(Refusal<TxnRequest>(bytes), Code::kUnmarshal);
    EXPECT_EQ(Refusal<TxnRequest>(Field(2, Field(2, bytes))), Code::kUnmarshal);
    EXPECT_EQ(Refusal<LeaseCheckpointRequest>(Field(1, bytes)), Code::kUnmarshal);
    EXPECT_EQ(Refusal<AlarmRequest>(bytes), Code::kUnmarshal);
  }
}

template <typename T>
void DecodeAny(const std::string& bytes) {
  // A copy of exactly this length, so that a sanitizer sees a read behind the end.
  const std::vector<char> exact(bytes.begin(), bytes.end());
  T out;
  const Code code = Decode({exact.data(), exact.size()}, &out).code();
  EXPECT_TRUE(code == Code::kOk || code == Code::kUnmarshal || code == Code::kTooManyOps);
}

TEST(CodecRequests, MutatedMessagesNeverCrash) {
  std::mt19937_64 random(20260721);
  metastore::testing::RequestMaker maker(5);
  for (int i = 0; i < 8000; i++) {
    metastore::testing::Operation operation = maker.Next();
    std::string bytes = operation.bytes;
    for (uint64_t changes = random() % 6; changes > 0 && !bytes.empty(); changes--) {
      const size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, 1 + random() % 4);
          break;
        case 2:
          bytes.insert(at, 1, static_cast<char>(random()));
          break;
        default:
          bytes.resize(at);
          break;
      }
    }
    DecodeAny<RangeRequest>(bytes);
    DecodeAny<PutRequest>(bytes);
    DecodeAny<DeleteRangeRequest>(bytes);
    DecodeAny<TxnRequest>(bytes);
    DecodeAny<CompactionRequest>(bytes);
    DecodeAny<LeaseGrantRequest>(bytes);
    DecodeAny<LeaseCheckpointRequest>(bytes);
    DecodeAny<AlarmRequest>(bytes);
  }
}

// ---- Replies. ----------------------------------------------------------------------------------

TEST(CodecReplies, HeaderAndZeroes) {
  std::string out;
  AppendHeader({}, &out);
  EXPECT_EQ(out, Field(1, ""));
  out.clear();
  AppendHeader({UINT64_MAX, 1, -1, 300}, &out);
  EXPECT_EQ(
      out, Field(1, Number(1, UINT64_MAX) + Number(2, 1) + Number(3, UINT64_MAX) + Number(4, 300)));
}

TEST(CodecReplies, KeyValue) {
  const KeyValue full = {"k", 1, 2, 3, std::string_view("v\0", 2), -4};
  const std::string message = Bytes(1, "k") + Number(2, 1) + Number(3, 2) + Number(4, 3) +
                              Bytes(5, std::string("v\0", 2)) +
                              Number(6, static_cast<uint64_t>(int64_t{-4}));
  std::string out;
  AppendKeyValue(2, full, &out);
  EXPECT_EQ(out, Field(2, message));
  EXPECT_EQ(KeyValueSize(full), message.size());
  std::string before, behind;
  SplitKeyValue(full, &before, &behind);
  EXPECT_EQ(before + std::string(full.value) + behind, message);
  out.clear();
  AppendKeyValue(3, KeyValue(), &out);
  EXPECT_EQ(out, Field(3, ""));
}

TEST(CodecReplies, EveryResponse) {
  const ResponseHeader header = {1, 2, 3, 4};
  const std::string head = Field(1, Number(1, 1) + Number(2, 2) + Number(3, 3) + Number(4, 4));
  const KeyValue kv = {"k", 1, 1, 1, "v", 0};
  const std::string pair =
      Bytes(1, "k") + Number(2, 1) + Number(3, 1) + Number(4, 1) + Bytes(5, "v");
  const auto made = [](auto write) {
    std::string out = "before";
    write(&out);
    return out.substr(6);
  };
  EXPECT_EQ(made([&](auto* out) { AppendPutResponse(header, &kv, out); }), head + Field(2, pair));
  EXPECT_EQ(made([&](auto* out) { AppendPutResponse(header, nullptr, out); }), head);
  EXPECT_EQ(made([&](auto* out) {
              AppendDeleteRangeHead(header, 1, out);
              AppendDeletedKv(kv, out);
            }),
            head + Number(2, 1) + Field(3, pair));
  EXPECT_EQ(made([&](auto* out) {
              AppendHeader(header, out);
              AppendRangeKv(kv, out);
              AppendRangeEnd(true, 9, out);
            }),
            head + Field(2, pair) + Number(3, 1) + Number(4, 9));
  std::string ops;
  AppendResponseOp(ResponseKind::kTxn, std::string(200, 'm'), &ops);
  AppendResponseOp(ResponseKind::kPut, "", &ops);
  EXPECT_EQ(ops, Field(3, Field(4, std::string(200, 'm'))) + Field(3, Field(2, "")));
  EXPECT_EQ(made([&](auto* out) { AppendTxnResponse(&header, true, ops, out); }),
            head + Number(2, 1) + ops);
  EXPECT_EQ(made([&](auto* out) { AppendTxnResponse(nullptr, false, "", out); }), Field(1, ""));
  EXPECT_EQ(made([&](auto* out) { AppendHeaderOnly(header, out); }), head);
  EXPECT_EQ(made([&](auto* out) { AppendLeaseGrantResponse(header, 5, 6, out); }),
            head + Number(2, 5) + Number(3, 6));
  const AlarmMember alarms[] = {{7, 1}, {0, 2}};
  EXPECT_EQ(made([&](auto* out) { AppendAlarmResponse(header, alarms, out); }),
            head + Field(2, Number(1, 7) + Number(2, 1)) + Field(2, Number(2, 2)));
  EXPECT_EQ(made([&](auto* out) { AppendHashResponse(header, 8, out); }), head + Number(2, 8));
  EXPECT_EQ(made([&](auto* out) { AppendHashKvResponse(header, 8, -1, 9, out); }),
            head + Number(2, 8) + Number(3, UINT64_MAX) + Number(4, 9));
}

}  // namespace
}  // namespace metastore::codec
