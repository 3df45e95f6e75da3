// Tail: the place where the log grows. Creates segments, writes groups of records, syncs, seals.
//
// Used by the writer only (and by Open, before there is a writer). Any failure is final: what the
// disk holds is unknown then, and the caller stops. Order of a rotation: see docs/formats/wal.md.
#ifndef METASTORE_WAL_SEGMENT_TAIL_H_
#define METASTORE_WAL_SEGMENT_TAIL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "base/file.h"
#include "wal/segment/format.h"

namespace metastore::wal {

/// One file of the log; readers hold it while they page, so that removing it is harmless.
struct Segment {
  uint64_t sequence = 0;
  uint32_t seed = 0;  // the header's CRC
  std::string path;
  std::unique_ptr<File> file;
  uint64_t size_bytes = 0;  // of what has been written; guarded by the log's mutex
  /// Reading the log from this segment on finds every entry behind this index. Older segments can
  /// go once the durable start has reached it. Changed under the log's mutex.
  uint64_t base_index = 0;
};

/// An entry at `index` has been written: whoever begins to read at a segment whose base lay behind
/// it finds it, and nothing behind it that was there before.
template <typename Segments>
void LowerBases(const Segments& segments, uint64_t index) {
  for (auto at = segments.rbegin(); at != segments.rend(); ++at) {
    if ((*at)->base_index < index) return;  // bases never decrease towards newer segments
    (*at)->base_index = index - 1;
  }
}

class Tail {
 public:
  Tail(FileLayer* files, std::string directory, uint64_t segment_bytes, Identity identity)
      : files_(files),
        directory_(std::move(directory)),
        segment_bytes_(segment_bytes),
        identity_(identity) {}

  /// Creates segment 1, or the one after the present, and makes it durable with its name. `state`
  /// is what the log says before its first record.
  Status Rotate(const LogState& state);
  /// Continues a recovered segment, of which everything before `offset` has been synced.
  void Adopt(std::shared_ptr<Segment> segment, uint64_t offset, uint32_t previous_crc);

  /// Whether this many bytes more would make the segment larger than it should be.
  bool NeedsRotation(uint64_t bytes) const;

  /// Starts a group: an encoder at the end of the log that begins with the durable mark.
  RecordEncoder* Begin();
  /// Writes the group as one write.
  Status Write();
  /// Makes everything written durable.
  Status Sync();
  /// Writes, without a sync, that everything so far is durable.
  Status WriteMark();
  /// Syncs, marks the clean end and trims the file behind it.
  Status Finish();

  const std::shared_ptr<Segment>& segment() const { return segment_; }
  uint64_t offset() const { return offset_; }
  uint64_t bytes_written() const { return bytes_written_; }

 private:
  FileLayer* const files_;
  const std::string directory_;
  const uint64_t segment_bytes_;
  const Identity identity_;

  std::shared_ptr<Segment> segment_;
  RecordEncoder encoder_;
  uint64_t offset_ = 0;         // end of the last record
  uint64_t durable_ = 0;        // synced up to here
  uint64_t initialised_ = 0;    // blocks up to here have been written, if only with zeros
  uint32_t previous_crc_ = 0;   // of the last record
  uint64_t bytes_written_ = 0;  // of records, since the start of the process
};

/// Creates a segment under its final name, synced and allocated; the header's CRC is set.
Result<std::shared_ptr<Segment>> CreateSegment(FileLayer* files, const std::string& directory,
                                               SegmentHeader* header);
/// Writes the seal at `offset`, syncs, and trims the file behind it.
Status SealSegment(Segment* segment, uint64_t offset, uint32_t previous_crc);

constexpr std::string_view kTemporarySuffix = ".tmp";

}  // namespace metastore::wal

#endif  // METASTORE_WAL_SEGMENT_TAIL_H_
