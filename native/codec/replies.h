// Replies of the KV, Lease and Maintenance services as appended protobuf bytes.
//
// Fields stand in the order of their numbers and zero fields are left out, so that the bytes are
// those that other proto3 writers give. Used by mvcc, and by whoever answers for it. Fields and
// numbers: etcd's rpc.proto and kv.proto (API reference v3.7).
#ifndef METASTORE_CODEC_REPLIES_H_
#define METASTORE_CODEC_REPLIES_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace metastore::codec {

struct ResponseHeader {
  uint64_t cluster_id = 0;
  uint64_t member_id = 0;
  int64_t revision = 0;
  uint64_t raft_term = 0;
};

/// A pair as clients see it, and as HashKV sums it.
struct KeyValue {
  std::string_view key;
  int64_t create_revision = 0;
  int64_t mod_revision = 0;
  int64_t version = 0;
  std::string_view value;
  int64_t lease = 0;
};

struct AlarmMember {
  uint64_t member_id = 0;
  int32_t alarm = 0;
  auto operator<=>(const AlarmMember&) const = default;
};

/// Appends the header as field 1; present even when all of it is zero.
void AppendHeader(const ResponseHeader& header, std::string* out);

size_t KeyValueSize(const KeyValue& kv);
/// Appends the message `kv` as field `tag` (below 16).
void AppendKeyValue(uint32_t tag, const KeyValue& kv, std::string* out);
/// What stands before and behind the value's bytes in the message: the value itself need not be
/// copied to be summed. `*before` ends with the value's tag and length, when there is a value.
void SplitKeyValue(const KeyValue& kv, std::string* before, std::string* behind);

/// RangeResponse: header, AppendRangeKv for each pair, then the end.
void AppendRangeKv(const KeyValue& kv, std::string* out);
void AppendRangeEnd(bool more, int64_t count, std::string* out);

/// `prev_kv` null: none.
void AppendPutResponse(const ResponseHeader& header, const KeyValue* prev_kv, std::string* out);

/// DeleteRangeResponse: header and count; AppendDeletedKv for each previous pair follows.
void AppendDeleteRangeHead(const ResponseHeader& header, int64_t deleted, std::string* out);
void AppendDeletedKv(const KeyValue& kv, std::string* out);

/// Members of ResponseOp's oneof, by field number.
enum class ResponseKind : uint32_t { kRange = 1, kPut = 2, kDeleteRange = 3, kTxn = 4 };
/// Appends one element of TxnResponse.responses, holding the given message.
void AppendResponseOp(ResponseKind kind, std::string_view message, std::string* out);
/// TxnResponse: `responses` are the elements that AppendResponseOp made. `header` null: the empty
/// header of a nested transaction.
void AppendTxnResponse(const ResponseHeader* header, bool succeeded, std::string_view responses,
                       std::string* out);

/// CompactionResponse, LeaseRevokeResponse, LeaseCheckpointResponse: nothing but a header.
void AppendHeaderOnly(const ResponseHeader& header, std::string* out);
void AppendLeaseGrantResponse(const ResponseHeader& header, int64_t id, int64_t ttl_seconds,
                              std::string* out);
void AppendAlarmResponse(const ResponseHeader& header, std::span<const AlarmMember> alarms,
                         std::string* out);
void AppendHashResponse(const ResponseHeader& header, uint32_t hash, std::string* out);
void AppendHashKvResponse(const ResponseHeader& header, uint32_t hash, int64_t compact_revision,
                          int64_t hash_revision, std::string* out);

}  // namespace metastore::codec

#endif  // METASTORE_CODEC_REPLIES_H_
