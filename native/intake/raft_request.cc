// Encoding and decoding of entry payloads; see raft_request.h.
#include "intake/raft_request.h"

#include <exception>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

#include "base/bytes.h"
#include "base/check.h"
#include "codec/requests.h"

namespace metastore::intake {
namespace {

constexpr uint32_t kHeaderId = 1;
constexpr uint32_t kHeaderUserName = 2;
constexpr uint32_t kHeaderAuthRevision = 3;
constexpr uint32_t kLeaseGrantId = 2;

std::string_view ToStringView(const protozero::data_view& view) {
  return {view.data(), view.size()};
}

std::string EncodeHeader(const RequestHeader& header) {
  std::string bytes;
  protozero::pbf_writer writer(bytes);
  writer.add_uint64(kHeaderId, header.id);
  if (!header.user_name.empty()) {
    writer.add_string(kHeaderUserName, header.user_name.data(), header.user_name.size());
  }
  if (header.auth_revision != 0) writer.add_uint64(kHeaderAuthRevision, header.auth_revision);
  return bytes;
}

/// Format byte and header, with room for `body_bytes` more.
std::string Begin(const RequestHeader& header, size_t body_bytes) {
  const std::string header_bytes = EncodeHeader(header);
  std::string payload;
  payload.reserve(1 + header_bytes.size() + body_bytes + 32);
  payload.push_back(kEntryFormat);
  protozero::pbf_writer(payload).add_message(kFieldHeader, header_bytes);
  return payload;
}

void DecodeHeader(protozero::pbf_reader reader, RequestHeader* out) {
  while (reader.next()) {
    if (reader.tag() == kHeaderId && reader.wire_type() == protozero::pbf_wire_type::varint) {
      out->id = reader.get_uint64();
    } else if (reader.tag() == kHeaderUserName &&
               reader.wire_type() == protozero::pbf_wire_type::length_delimited) {
      out->user_name = ToStringView(reader.get_view());
    } else if (reader.tag() == kHeaderAuthRevision &&
               reader.wire_type() == protozero::pbf_wire_type::varint) {
      out->auth_revision = reader.get_uint64();
    } else {
      reader.skip();
    }
  }
}

Status Malformed() { return Status(Code::kUnmarshal, "a batch of operations is malformed"); }

bool IsOfKv(uint32_t field) { return field >= kFieldPut && field <= kFieldTxn; }

template <typename Request>
Status Try(std::string_view body) {
  Request request;
  return codec::Decode(body, &request);
}

}  // namespace

bool IsNativeField(uint32_t field) { return field >= kFieldPut && field <= kFieldLeaseCheckpoint; }

std::string EncodeEntry(const RequestHeader& header, uint32_t field, std::string_view body,
                        std::string_view suffix) {
  std::string payload = Begin(header, body.size() + suffix.size());
  protozero::pbf_writer writer(payload);
  writer.add_bytes_vectored(field, protozero::data_view(body.data(), body.size()),
                            protozero::data_view(suffix.data(), suffix.size()));
  return payload;
}

std::string EncodeInternalEntry(const RequestHeader& header, std::string_view message) {
  std::string payload = Begin(header, message.size());
  payload.append(message);
  return payload;
}

std::string LeaseIdField(int64_t id) {
  std::string bytes;
  protozero::pbf_writer(bytes).add_int64(kLeaseGrantId, id);
  return bytes;
}

Status DecodeEntry(std::string_view payload, RaftRequest* out) {
  if (payload.empty() || payload[0] != kEntryFormat) {
    return Status(Code::kUnmarshal, "entry payload of an unknown format");
  }
  return DecodeMessage(payload.substr(1), out);
}

bool IsBatchable(std::string_view payload) {
  RaftRequest request;
  return DecodeEntry(payload, &request).ok() && IsOfKv(request.field);
}

std::string EncodeBatch(std::span<const std::string_view> payloads) {
  size_t bytes = 1;
  for (const std::string_view payload : payloads) bytes += 4 + payload.size() - 1;
  std::string batch;
  batch.reserve(bytes);
  batch.push_back(kBatchFormat);
  for (const std::string_view payload : payloads) {
    METASTORE_CHECK(!payload.empty() && payload[0] == kEntryFormat, "only such are put together");
    AppendLittle32(&batch, static_cast<uint32_t>(payload.size() - 1));
    batch.append(payload.substr(1));
  }
  return batch;
}

Status DecodeOperations(std::string_view payload, std::vector<RaftRequest>* operations) {
  if (payload.empty() || payload[0] != kBatchFormat) {
    return DecodeEntry(payload, &operations->emplace_back());
  }
  ByteReader reader(payload.substr(1));
  size_t count = 0;
  while (!reader.AtEnd()) {
    uint32_t size = 0;
    std::string_view message;
    if (++count > kMostBatchOperations || !reader.ReadLittle32(&size) ||
        !reader.ReadBytes(size, &message)) {
      return Malformed();
    }
    RaftRequest& operation = operations->emplace_back();
    METASTORE_RETURN_IF_ERROR(DecodeMessage(message, &operation));
    if (!IsOfKv(operation.field)) return Malformed();
  }
  return count == 0 ? Malformed() : Status::Ok();
}

Status DecodeMessage(std::string_view message, RaftRequest* out) {
  *out = RaftRequest();
  out->message = message;
  try {
    protozero::pbf_reader reader(message.data(), message.size());
    while (reader.next()) {
      if (reader.wire_type() != protozero::pbf_wire_type::length_delimited) {
        reader.skip();
      } else if (reader.tag() == kFieldHeader) {
        DecodeHeader(reader.get_message(), &out->header);
      } else {
        out->field = reader.tag();
        out->body = ToStringView(reader.get_view());
      }
    }
  } catch (const std::exception& error) {  // protozero reports malformed bytes by exception
    return Status(Code::kUnmarshal, error.what());
  }
  return Status::Ok();
}

Status CheckBody(uint32_t field, std::string_view body) {
  switch (field) {
    case kFieldPut:
      return Try<codec::PutRequest>(body);
    case kFieldDeleteRange:
      return Try<codec::DeleteRangeRequest>(body);
    case kFieldTxn:
      return Try<codec::TxnRequest>(body);
    case kFieldCompaction:
      return Try<codec::CompactionRequest>(body);
    case kFieldLeaseGrant:
      return Try<codec::LeaseGrantRequest>(body);
    case kFieldLeaseRevoke:
      return Try<codec::LeaseRevokeRequest>(body);
    case kFieldAlarm:
      return Try<codec::AlarmRequest>(body);
    case kFieldLeaseCheckpoint:
      return Try<codec::LeaseCheckpointRequest>(body);
    default:
      return Status::Ok();
  }
}

Status CheckOperations(std::string_view payload) {
  std::vector<RaftRequest> operations;
  METASTORE_RETURN_IF_ERROR(DecodeOperations(payload, &operations));
  for (const RaftRequest& operation : operations) {
    METASTORE_RETURN_IF_ERROR(CheckBody(operation.field, operation.body));
  }
  return Status::Ok();
}

Status CheckEntry(std::string_view payload, RaftRequest* out) {
  METASTORE_RETURN_IF_ERROR(DecodeEntry(payload, out));
  return CheckBody(out->field, out->body);
}

}  // namespace metastore::intake
