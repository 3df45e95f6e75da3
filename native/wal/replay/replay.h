// Replay: reads a whole log directory and says what it holds, or what is damaged where.
//
// Used by Open (which then repairs) and by the dump (which does not). Reads only. The rule for the
// end of the log: what no later record proves durable may be missing; everything else must be
// whole.
#ifndef METASTORE_WAL_REPLAY_REPLAY_H_
#define METASTORE_WAL_REPLAY_REPLAY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "wal/replay/table.h"
#include "wal/segment/format.h"
#include "wal/segment/scan.h"
#include "wal/segment/tail.h"

namespace metastore::wal {

struct Replayed {
  bool empty = false;  // no segment: there is no log
  Identity identity;
  LogState state;
  std::vector<std::shared_ptr<Segment>> segments;  // oldest first, contiguous
  std::vector<std::string> leftovers;              // names of files that are to be removed
  uint64_t allocated_bytes = 0;                    // of the last segment
  uint64_t end_offset = 0;                         // of the last segment's last record that counts
  uint32_t end_crc = 0;                            // of that record
  uint64_t data_end = 0;                           // end of what is not zero behind it
  bool clean = false;                              // the log was closed; the mark is at end_offset
  /// The segment before the last lacks its seal (a rotation was interrupted); where it belongs.
  bool unsealed = false;
  uint64_t unsealed_end = 0;
  uint32_t unsealed_crc = 0;
};

class Replayer {
 public:
  /// `table` receives the live entries; it starts empty.
  Replayer(FileLayer* files, const std::string& directory, EntryTable* table, Replayed* out)
      : files_(files), directory_(directory), table_(table), out_(out) {}

  Status Run();

 private:
  struct PendingRecord {
    RecordType type;
    uint64_t offset;
    Entry entry;           // kEntry
    HardState hard_state;  // kHardState
    uint64_t index = 0;    // kStart, kReset
    uint64_t term = 0;
  };

  Status ChooseSegments(std::vector<uint64_t>* sequences);
  Status ReplaySegment(size_t n, bool last);
  Status CheckHeader(size_t n);
  Status ReadRecords();
  Status Take(const RecordView& record);
  Status Apply(const PendingRecord& record);
  Status ApplyEntry(const PendingRecord& record);
  Status EndOfFormer();
  Status EndOfLast();
  Status CheckEarlierEnd();
  Status CheckWhole();
  Status DamagedHere(uint64_t offset, const std::string& text) const;

  FileLayer* const files_;
  const std::string directory_;
  EntryTable* const table_;
  Replayed* const out_;

  // Of the segment being read.
  std::unique_ptr<SegmentScanner> scanner_;
  std::vector<PendingRecord> pending_;  // of an Append whose last record has not come yet
  uint64_t whole_end_ = 0;              // end of the last whole Append
  uint32_t whole_crc_ = 0;
  bool any_record_ = false;
  bool sealed_ = false;
  bool clean_ = false;
  uint64_t mark_offset_ = 0;  // of the seal or clean end

  // Of the segment before it.
  SegmentHeader former_;
  std::string former_path_;
  uint64_t former_end_ = 0;
  uint32_t former_crc_ = 0;
  bool former_sealed_ = false;
};

/// Reads one live entry from its segment and checks it again; kDamaged when it is not what was
/// written there.
Status ReadEntry(const Segment& segment, uint64_t index, const Slot& slot, Entry* entry);
/// Decodes an entry from bytes that begin at its record.
Status DecodeEntry(const Segment& segment, uint64_t index, const Slot& slot, std::string_view bytes,
                   Entry* entry);

}  // namespace metastore::wal

#endif  // METASTORE_WAL_REPLAY_REPLAY_H_
