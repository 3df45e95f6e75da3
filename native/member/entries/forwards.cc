// The codec of forwards.h.
#include "member/entries/forwards.h"

#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "intake/raft_request.h"
#include "wal/segment/format.h"

namespace metastore::member {
namespace {

constexpr size_t kChecksumBytes = 4;

Status DecodeProposal(ByteReader* reader, intake::HandedOver* out) {
  uint32_t size = 0;
  std::string_view payload;
  if (!reader->ReadLittle32(&size) || size > wal::kMaxEntryBytes ||
      !reader->ReadBytes(size, &payload)) {
    return Code::kUnmarshal;
  }
  intake::RaftRequest request;
  if (!intake::CheckEntry(payload, &request).ok()) return Code::kUnmarshal;
  // Admission gives every proposal a request and an id by which its ticket is found.
  if (request.field == 0 || request.header.id == 0) return Code::kUnmarshal;
  out->request_id = request.header.id;
  out->payload = std::make_shared<const std::string>(payload);
  return Status::Ok();
}

}  // namespace

std::string EncodeForwards(const std::vector<intake::Payload>& payloads, uint64_t term) {
  size_t bytes = kChecksumBytes + 8 + 4;
  for (const intake::Payload& payload : payloads) bytes += 4 + payload->size();
  std::string out;
  out.reserve(bytes);
  AppendLittle32(&out, 0);
  AppendLittle64(&out, term);
  AppendLittle32(&out, static_cast<uint32_t>(payloads.size()));
  for (const intake::Payload& payload : payloads) {
    AppendLittle32(&out, static_cast<uint32_t>(payload->size()));
    out.append(*payload);
  }
  PutLittle32(out.data(), Crc32c(0, std::string_view(out).substr(kChecksumBytes)));
  return out;
}

Status DecodeForwards(std::string_view bytes, Forwards* out) {
  *out = Forwards();
  if (bytes.size() < kChecksumBytes) return Code::kUnmarshal;
  if (Crc32c(0, bytes.substr(kChecksumBytes)) != GetLittle32(bytes.data())) {
    return Code::kUnmarshal;
  }
  ByteReader reader(bytes.substr(kChecksumBytes));
  uint32_t count = 0;
  if (!reader.ReadLittle64(&out->term) || !reader.ReadLittle32(&count) || count == 0) {
    return Code::kUnmarshal;
  }
  for (uint32_t i = 0; i < count; ++i) {
    intake::HandedOver proposal;
    METASTORE_RETURN_IF_ERROR(DecodeProposal(&reader, &proposal));
    out->proposals.push_back(std::move(proposal));
  }
  return reader.AtEnd() ? Status::Ok() : Status(Code::kUnmarshal);
}

}  // namespace metastore::member
