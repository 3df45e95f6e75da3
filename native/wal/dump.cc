// See dump.h.
#include "wal/dump.h"

#include "base/check.h"
#include "wal/replay/replay.h"

namespace metastore::wal {

Status DumpLog(const std::string& directory, FileLayer* files, DumpSummary* summary,
               const DumpVisitor& visitor) {
  if (files == nullptr) files = FileLayer::Posix();
  // Entries are read again one by one, so that a log of any size is walked in little memory.
  EntryTable table(/*cache_bytes=*/0);
  Replayed replayed;
  METASTORE_RETURN_IF_ERROR(Replayer(files, directory, &table, &replayed).Run());
  if (replayed.empty) return Status(Code::kIo, directory + ": no log segments");
  if (summary != nullptr) {
    summary->identity = replayed.identity;
    summary->hard_state = replayed.state.hard_state;
    summary->start_index = replayed.state.start_index;
    summary->start_term = replayed.state.start_term;
    summary->last_index = replayed.state.last_index;
    summary->segments = replayed.segments.size();
    summary->clean = replayed.clean;
    summary->torn_bytes = replayed.clean ? 0 : replayed.data_end - replayed.end_offset;
  }
  if (!visitor) return Status::Ok();
  for (uint64_t index = table.start() + 1; index <= table.last(); ++index) {
    const Slot& slot = table.At(index);
    const uint64_t first = replayed.segments.front()->sequence;
    METASTORE_CHECK(slot.segment >= first && slot.segment - first < replayed.segments.size(),
                    "replay places entries in the segments that it read");
    Entry entry;
    METASTORE_RETURN_IF_ERROR(
        ReadEntry(*replayed.segments[slot.segment - first], index, slot, &entry));
    const std::string_view payload =
        entry.payload ? std::string_view(*entry.payload) : std::string_view();
    if (!visitor(index, entry.term, entry.type, payload)) break;
  }
  return Status::Ok();
}

}  // namespace metastore::wal
