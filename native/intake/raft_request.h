// Payloads of normal Raft entries: a format byte, then one InternalRaftRequest.
//
// Built here from the client's own bytes, which are never re-encoded, and read back by apply. Field
// numbers are etcd's (raft_internal.proto), so that a log can be dumped in terms that tools know.
#ifndef METASTORE_INTAKE_RAFT_REQUEST_H_
#define METASTORE_INTAKE_RAFT_REQUEST_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace metastore::intake {

/// Leading byte of every normal entry's payload. Other values are refused until they are known.
inline constexpr char kEntryFormat = 1;
/// Leading byte of an entry that holds several operations: for each a u32 length, little-endian,
/// and its InternalRaftRequest. Written only where every member has said that it reads them.
inline constexpr char kBatchFormat = 2;
inline constexpr size_t kMostBatchOperations = 512;
inline constexpr size_t kMostBatchBytes = 1 << 20;

/// Fields of InternalRaftRequest that native code handles; any other is TypeScript's.
enum Field : uint32_t {
  kFieldPut = 4,
  kFieldDeleteRange = 5,
  kFieldTxn = 6,
  kFieldCompaction = 7,
  kFieldLeaseGrant = 8,
  kFieldLeaseRevoke = 9,
  kFieldAlarm = 10,
  kFieldLeaseCheckpoint = 11,
  kFieldHeader = 100,
};

struct RequestHeader {
  uint64_t id = 0;
  std::string_view user_name;
  uint64_t auth_revision = 0;
};

/// One decoded payload; views into its bytes.
struct RaftRequest {
  RequestHeader header;
  /// The request's field; 0 when there is none besides the header.
  uint32_t field = 0;
  /// The request's own bytes (the content of `field`).
  std::string_view body;
  /// The whole InternalRaftRequest, without the format byte.
  std::string_view message;
};

/// True when apply carries out the request by itself.
bool IsNativeField(uint32_t field);

/// An entry payload whose field `field` holds `body` followed by `suffix`.
std::string EncodeEntry(const RequestHeader& header, uint32_t field, std::string_view body,
                        std::string_view suffix);
/// An entry payload around an InternalRaftRequest that has no header yet.
std::string EncodeInternalEntry(const RequestHeader& header, std::string_view message);

/// Field 2 (ID) of a LeaseGrantRequest, to be appended to a request without one: the last
/// occurrence of a scalar field wins.
std::string LeaseIdField(int64_t id);

/// Whether the operation may share an entry with others: requests of KV, of this very format.
bool IsBatchable(std::string_view payload);
/// One payload out of several that are batchable, within the bounds above.
std::string EncodeBatch(std::span<const std::string_view> payloads);

/// An entry's operations, in order: one, or those of a batch. kUnmarshal for anything else.
Status DecodeOperations(std::string_view payload, std::vector<RaftRequest>* operations);

/// A payload with one operation. kUnmarshal for another format byte or bytes that are not the
/// message.
Status DecodeEntry(std::string_view payload, RaftRequest* out);
/// The same without the format byte.
Status DecodeMessage(std::string_view message, RaftRequest* out);

/// Decodes the body of a native field and drops the result: what apply would stumble over, intake
/// refuses. Ok for other fields.
Status CheckBody(uint32_t field, std::string_view body);
/// Whole payloads that came from another member: an entry's, or a proposal's.
Status CheckOperations(std::string_view payload);
Status CheckEntry(std::string_view payload, RaftRequest* out);

}  // namespace metastore::intake

#endif  // METASTORE_INTAKE_RAFT_REQUEST_H_
