// Encoding and decoding of segment headers and records; see format.h and docs/formats/wal.md.
#include "wal/segment/format.h"

#include <cstring>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace metastore::wal {
namespace {

constexpr std::string_view kMagic = "MSWALSEG";
constexpr size_t kHeaderCrcAt = 12;

uint32_t HeaderCrc(std::string_view bytes) {
  // The CRC's own four bytes count as zeros.
  uint32_t crc = Crc32c(0, bytes.substr(0, kHeaderCrcAt));
  crc = Crc32c(crc, std::string_view("\0\0\0\0", 4));
  return Crc32c(crc, bytes.substr(kHeaderCrcAt + 4));
}

/// `bytes` is the whole padded record; its first four are the CRC itself.
uint32_t RecordCrc(std::string_view bytes, uint32_t seed, uint64_t offset) {
  char place[8];
  PutLittle64(place, offset);
  return Crc32c(Crc32c(seed, std::string_view(place, sizeof place)), bytes.substr(4));
}

bool IsMark(RecordType type) {
  return type == RecordType::kMark || type == RecordType::kSeal || type == RecordType::kCleanEnd;
}

/// Whether a payload of this length can belong to the type.
bool LengthFits(RecordType type, uint64_t length) {
  switch (type) {
    case RecordType::kEntry:
      return length >= kEntryPrefixBytes && length <= kEntryPrefixBytes + kMaxEntryBytes;
    case RecordType::kHardState:
      return length == 24;
    case RecordType::kStart:
    case RecordType::kReset:
      return length == 16;
    default:
      return IsMark(type) && length == kMarkPayloadBytes;
  }
}

}  // namespace

bool operator==(const LogState& a, const LogState& b) {
  return a.start_index == b.start_index && a.start_term == b.start_term &&
         a.last_index == b.last_index && a.last_term == b.last_term &&
         a.hard_state.term == b.hard_state.term && a.hard_state.vote == b.hard_state.vote &&
         a.hard_state.commit == b.hard_state.commit;
}

std::string EncodeHeader(SegmentHeader* header) {
  std::string out(kMagic);
  AppendLittle32(&out, kFormatVersion);
  AppendLittle32(&out, 0);  // the CRC, below
  AppendLittle64(&out, header->identity.cluster_id);
  AppendLittle64(&out, header->identity.member_id);
  AppendLittle64(&out, header->sequence);
  AppendLittle64(&out, header->salt);
  AppendLittle64(&out, header->allocated_bytes);
  AppendLittle64(&out, header->previous_end);
  AppendLittle64(&out, header->previous_crc);
  AppendLittle64(&out, header->state.start_index);
  AppendLittle64(&out, header->state.start_term);
  AppendLittle64(&out, header->state.last_index);
  AppendLittle64(&out, header->state.last_term);
  AppendLittle64(&out, header->state.hard_state.term);
  AppendLittle64(&out, header->state.hard_state.vote);
  AppendLittle64(&out, header->state.hard_state.commit);
  METASTORE_CHECK(out.size() == kHeaderBytes, "the header's size is part of the format");
  header->crc = HeaderCrc(out);
  PutLittle32(out.data() + kHeaderCrcAt, header->crc);
  return out;
}

Status DecodeHeader(std::string_view bytes, SegmentHeader* header) {
  if (bytes.size() < kHeaderBytes) {
    return Status(Code::kDamaged, "expected a segment header of 128 bytes, found " +
                                      std::to_string(bytes.size()) + " bytes");
  }
  bytes = bytes.substr(0, kHeaderBytes);
  if (bytes.substr(0, kMagic.size()) != kMagic) {
    return Status(Code::kDamaged, "expected the magic of a log segment");
  }
  const uint32_t stored = GetLittle32(bytes.data() + kHeaderCrcAt);
  const uint32_t computed = HeaderCrc(bytes);
  if (stored != computed) {
    return Status(Code::kDamaged, "expected header CRC " + std::to_string(computed) + ", found " +
                                      std::to_string(stored));
  }
  const uint32_t version = GetLittle32(bytes.data() + kMagic.size());
  if (version != kFormatVersion) {
    return Status(Code::kWrongFormat, "log format " + std::to_string(version) +
                                          ", this program knows " + std::to_string(kFormatVersion));
  }
  size_t at = kHeaderCrcAt + 4;
  const auto next = [&] {
    const uint64_t value = GetLittle64(bytes.data() + at);
    at += 8;
    return value;
  };
  header->crc = stored;
  header->identity.cluster_id = next();
  header->identity.member_id = next();
  header->sequence = next();
  header->salt = next();
  header->allocated_bytes = next();
  header->previous_end = next();
  header->previous_crc = static_cast<uint32_t>(next());
  header->state.start_index = next();
  header->state.start_term = next();
  header->state.last_index = next();
  header->state.last_term = next();
  header->state.hard_state.term = next();
  header->state.hard_state.vote = next();
  header->state.hard_state.commit = next();
  return Status::Ok();
}

std::string SegmentName(uint64_t sequence) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string name(16, '0');
  for (size_t i = 16; i-- > 0; sequence >>= 4) name[i] = kDigits[sequence & 15];
  return name.append(kSegmentSuffix);
}

bool ParseSegmentName(std::string_view name, uint64_t* sequence) {
  if (name.size() != 16 + kSegmentSuffix.size() || name.substr(16) != kSegmentSuffix) return false;
  uint64_t value = 0;
  for (const char c : name.substr(0, 16)) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && !(c >= 'a' && c <= 'f')) return false;
    value = value << 4 | static_cast<uint64_t>(digit ? c - '0' : c - 'a' + 10);
  }
  *sequence = value;
  return true;
}

uint64_t RecordView::Field(size_t n) const {
  METASTORE_CHECK(payload.size() >= 8 * (n + 1), "the decoder checked the length for the type");
  return GetLittle64(payload.data() + 8 * n);
}

uint32_t RecordLength(std::string_view bytes) { return GetLittle32(bytes.data() + 8); }

bool DecodeRecord(std::string_view bytes, uint32_t seed, uint64_t offset, RecordView* record) {
  if (bytes.size() < kRecordHeaderBytes) return false;
  const uint32_t length = RecordLength(bytes);
  record->type = static_cast<RecordType>(bytes[12]);
  if (!LengthFits(record->type, length)) return false;
  record->total_bytes = RecordBytes(length);
  if (bytes.size() < record->total_bytes) return false;
  record->crc = GetLittle32(bytes.data());
  record->previous_crc = GetLittle32(bytes.data() + 4);
  record->flags = static_cast<uint8_t>(bytes[13]);
  record->entry_type = static_cast<uint8_t>(bytes[14]);
  record->payload = bytes.substr(kRecordHeaderBytes, length);
  return RecordCrc(bytes.substr(0, record->total_bytes), seed, offset) == record->crc;
}

void RecordEncoder::Begin(uint32_t seed, uint64_t offset, uint32_t previous_crc) {
  METASTORE_CHECK(offset % 8 == 0, "records are aligned to 8 bytes");
  buffer_.clear();
  base_ = offset;
  records_bytes_ = 0;
  seed_ = seed;
  previous_crc_ = previous_crc;
}

void RecordEncoder::Open(RecordType type, uint8_t flags, uint8_t entry_type, uint64_t length) {
  METASTORE_CHECK(buffer_.size() == records_bytes_, "no record after the filling");
  METASTORE_CHECK(LengthFits(type, length), "a record that the reader would refuse");
  record_at_ = buffer_.size();
  AppendLittle32(&buffer_, 0);  // the CRC, in Finish
  AppendLittle32(&buffer_, previous_crc_);
  AppendLittle32(&buffer_, static_cast<uint32_t>(length));
  const char tail[4] = {static_cast<char>(type), static_cast<char>(flags),
                        static_cast<char>(entry_type), 0};
  buffer_.append(tail, sizeof tail);
}

void RecordEncoder::Finish() {
  buffer_.resize((buffer_.size() + 7) & ~size_t{7});
  const std::string_view record = std::string_view(buffer_).substr(record_at_);
  previous_crc_ = RecordCrc(record, seed_, base_ + record_at_);
  PutLittle32(buffer_.data() + record_at_, previous_crc_);
  records_bytes_ = buffer_.size();
}

void RecordEncoder::AddEntry(const Entry& entry, uint8_t flags) {
  const uint64_t size = entry.payload ? entry.payload->size() : 0;
  if (entry.payload) flags |= kFlagHasData;
  Open(RecordType::kEntry, flags, entry.type, kEntryPrefixBytes + size);
  AppendLittle64(&buffer_, entry.index);
  AppendLittle64(&buffer_, entry.term);
  if (size != 0) buffer_.append(*entry.payload);
  Finish();
}

void RecordEncoder::AddHardState(const HardState& state, uint8_t flags) {
  Open(RecordType::kHardState, flags, 0, 24);
  AppendLittle64(&buffer_, state.term);
  AppendLittle64(&buffer_, state.vote);
  AppendLittle64(&buffer_, state.commit);
  Finish();
}

void RecordEncoder::AddPoint(RecordType type, uint64_t index, uint64_t term) {
  Open(type, kFlagLast, 0, 16);
  AppendLittle64(&buffer_, index);
  AppendLittle64(&buffer_, term);
  Finish();
}

void RecordEncoder::AddMark(RecordType type, uint64_t durable_offset, uint64_t next_sequence) {
  METASTORE_CHECK(IsMark(type), "only marks speak of durability");
  METASTORE_CHECK(durable_offset <= offset(), "a mark cannot promise what comes after it");
  Open(type, kFlagLast, 0, kMarkPayloadBytes);
  AppendLittle64(&buffer_, durable_offset);
  AppendLittle64(&buffer_, next_sequence);
  Finish();
}

void RecordEncoder::FillTo(uint64_t offset) {
  if (offset > base_ + buffer_.size()) buffer_.resize(offset - base_);
}

}  // namespace metastore::wal
