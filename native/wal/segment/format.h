// The bytes of the log: segment headers and records, as docs/formats/wal.md describes them.
//
// Used by the tail (writing), the scanner (recovery, dump) and paging. A record is bound to its
// segment (the CRC starts from the header's own, which covers a random salt), to its place (the CRC
// covers the offset) and to its predecessor (whose CRC it repeats), so bytes that were left over
// from something else never pass for a record.
#ifndef METASTORE_WAL_SEGMENT_FORMAT_H_
#define METASTORE_WAL_SEGMENT_FORMAT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "wal/wal.h"

namespace metastore::wal {

constexpr uint32_t kFormatVersion = 1;
constexpr size_t kHeaderBytes = 128;
constexpr size_t kRecordHeaderBytes = 16;
constexpr size_t kEntryPrefixBytes = 16;  // index and term before an entry's data
/// Marks, seals and clean ends have one size, so that a search for them is cheap.
constexpr size_t kMarkPayloadBytes = 16;
constexpr size_t kMarkBytes = kRecordHeaderBytes + kMarkPayloadBytes;
/// Larger entries are a bug of the caller: admission bounds requests far below.
constexpr uint64_t kMaxEntryBytes = 1ull << 30;
/// Offsets are kept in 32 bits; a segment that grows beyond is not one of ours.
constexpr uint64_t kMaxSegmentBytes = 0xffffffffull;
/// What segments are asked to be; a group that is larger makes its segment outgrow it.
constexpr uint64_t kMaxAllocatedBytes = 1ull << 30;

enum class RecordType : uint8_t {
  kNone = 0,
  kEntry = 1,      // index, term, data
  kHardState = 2,  // term, vote, commit
  kStart = 3,      // index, term: entries up to it are forgotten
  kReset = 4,      // index, term: all entries are forgotten
  kMark = 5,       // durable offset: all before it was synced when this was written
  kSeal = 6,       // durable offset, next sequence: the segment ends here
  kCleanEnd = 7,   // durable offset: the log was closed here
};

constexpr uint8_t kFlagLast = 1;     // the last record of one Append: it counts whole or not at all
constexpr uint8_t kFlagHasData = 2;  // an entry with data, which may be empty

/// What the log says at one place: in memory, replayed, and repeated in every segment's header so
/// that older segments can go.
struct LogState {
  uint64_t start_index = 0;
  uint64_t start_term = 0;
  uint64_t last_index = 0;
  uint64_t last_term = 0;
  HardState hard_state;
};
bool operator==(const LogState& a, const LogState& b);

struct SegmentHeader {
  Identity identity;
  uint64_t sequence = 0;
  uint64_t salt = 0;
  /// The file had at least this size, synced, before it got its name: a shorter one was cut.
  uint64_t allocated_bytes = 0;
  uint64_t previous_end = 0;  // offset of the previous segment's seal; 0 in the first one
  uint32_t previous_crc = 0;  // CRC of the record before that seal
  LogState state;             // before the first record of this segment
  uint32_t crc = 0;  // of the header; seed of the records' CRCs; set by both functions below
};

std::string EncodeHeader(SegmentHeader* header);
/// kWrongFormat for a version of the future, kDamaged for the rest; details say what was expected.
Status DecodeHeader(std::string_view bytes, SegmentHeader* header);

/// "0000000000000001.wal"
std::string SegmentName(uint64_t sequence);
/// False for anything that SegmentName does not make.
bool ParseSegmentName(std::string_view name, uint64_t* sequence);
constexpr std::string_view kSegmentSuffix = ".wal";

struct RecordView {
  RecordType type = RecordType::kNone;
  uint8_t flags = 0;
  uint8_t entry_type = 0;
  uint32_t crc = 0;
  uint32_t previous_crc = 0;
  std::string_view payload;
  uint64_t total_bytes = 0;  // with header and padding

  bool last() const { return (flags & kFlagLast) != 0; }
  uint64_t Field(size_t n) const;  // the nth 64-bit integer of the payload
  std::string_view data() const { return payload.substr(kEntryPrefixBytes); }
};

/// Bytes of a record with header and padding to 8.
constexpr uint64_t RecordBytes(uint64_t payload_bytes) {
  return (kRecordHeaderBytes + payload_bytes + 7) & ~uint64_t{7};
}
/// The length field of a record header (kRecordHeaderBytes or more of bytes).
uint32_t RecordLength(std::string_view bytes);
/// Decodes and checks the record that `bytes` begin with; false when they are no whole record of
/// this place. The chain to the predecessor is the caller's to check.
bool DecodeRecord(std::string_view bytes, uint32_t seed, uint64_t offset, RecordView* record);

/// Appends records to a buffer that will be written at one offset of one segment.
class RecordEncoder {
 public:
  /// Starts an empty buffer for `offset`.
  void Begin(uint32_t seed, uint64_t offset, uint32_t previous_crc);

  void AddEntry(const Entry& entry, uint8_t flags);
  void AddHardState(const HardState& state, uint8_t flags);
  /// kStart or kReset.
  void AddPoint(RecordType type, uint64_t index, uint64_t term);
  /// kMark, kSeal or kCleanEnd.
  void AddMark(RecordType type, uint64_t durable_offset, uint64_t next_sequence);
  /// Zeros up to the offset, for blocks that later records find initialised.
  void FillTo(uint64_t offset);

  const std::string& buffer() const { return buffer_; }
  /// Where the next record goes.
  uint64_t offset() const { return base_ + records_bytes_; }
  uint32_t previous_crc() const { return previous_crc_; }

 private:
  void Open(RecordType type, uint8_t flags, uint8_t entry_type, uint64_t length);
  void Finish();

  std::string buffer_;
  uint64_t base_ = 0;
  uint64_t records_bytes_ = 0;
  size_t record_at_ = 0;
  uint32_t seed_ = 0;
  uint32_t previous_crc_ = 0;
};

}  // namespace metastore::wal

#endif  // METASTORE_WAL_SEGMENT_FORMAT_H_
