// Requests of the KV and Lease services as views into their protobuf bytes.
//
// Decoding checks the wire format only; meaning is checked by intake/admission. Views point into
// the bytes that were decoded, which must outlive the struct. Unknown fields are skipped. Fields
// and numbers: etcd's rpc.proto (API reference v3.7).
#ifndef METASTORE_CODEC_REQUESTS_H_
#define METASTORE_CODEC_REQUESTS_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"

namespace metastore::codec {

struct RangeRequest {
  std::string_view key;
  std::string_view range_end;
  int64_t limit = 0;
  int64_t revision = 0;
  int32_t sort_order = 0;
  int32_t sort_target = 0;
  bool serializable = false;
  bool keys_only = false;
  bool count_only = false;
  int64_t min_mod_revision = 0;
  int64_t max_mod_revision = 0;
  int64_t min_create_revision = 0;
  int64_t max_create_revision = 0;
};

struct PutRequest {
  std::string_view key;
  std::string_view value;
  int64_t lease = 0;
  bool prev_kv = false;
  bool ignore_value = false;
  bool ignore_lease = false;
};

struct DeleteRangeRequest {
  std::string_view key;
  std::string_view range_end;
  bool prev_kv = false;
};

struct Compare {
  int32_t result = 0;
  int32_t target = 0;
  std::string_view key;
  std::string_view range_end;
  /// Which member of target_union is set, by field number (4 version … 8 lease); 0 for none.
  int32_t union_field = 0;
  int64_t number = 0;      // fields 4, 5, 6, 8
  std::string_view value;  // field 7
};

struct TxnRequest;
/// monostate: the operation has nothing set.
using RequestOp = std::variant<std::monostate, RangeRequest, PutRequest, DeleteRangeRequest,
                               std::unique_ptr<TxnRequest>>;

struct TxnRequest {
  std::vector<Compare> compare;
  std::vector<RequestOp> success;
  std::vector<RequestOp> failure;
};

struct CompactionRequest {
  int64_t revision = 0;
  bool physical = false;
};

struct LeaseGrantRequest {
  int64_t ttl_seconds = 0;
  int64_t id = 0;
};
struct LeaseRevokeRequest {
  int64_t id = 0;
};
struct LeaseCheckpoint {
  int64_t id = 0;
  int64_t remaining_ttl_seconds = 0;
};
struct LeaseCheckpointRequest {
  std::vector<LeaseCheckpoint> checkpoints;
};
struct AlarmRequest {
  int32_t action = 0;
  uint64_t member_id = 0;
  int32_t alarm = 0;
};
struct HashKvRequest {
  int64_t revision = 0;
};

/// kUnmarshal for bytes that are not the message; nesting of transactions is bounded at 128 levels
/// (deeper is kTooManyOps by the operation budget, and is refused as such).
Status Decode(std::string_view bytes, RangeRequest* out);
Status Decode(std::string_view bytes, PutRequest* out);
Status Decode(std::string_view bytes, DeleteRangeRequest* out);
Status Decode(std::string_view bytes, TxnRequest* out);
Status Decode(std::string_view bytes, CompactionRequest* out);
Status Decode(std::string_view bytes, LeaseGrantRequest* out);
Status Decode(std::string_view bytes, LeaseRevokeRequest* out);
Status Decode(std::string_view bytes, LeaseCheckpointRequest* out);
Status Decode(std::string_view bytes, AlarmRequest* out);
Status Decode(std::string_view bytes, HashKvRequest* out);

}  // namespace metastore::codec

#endif  // METASTORE_CODEC_REQUESTS_H_
