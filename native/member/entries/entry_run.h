// Entry runs: log entries as they travel between members, opaque to TypeScript.
//
// Layout, little-endian: u32 CRC-32C of all that follows, then for each entry u64 term, u8 type, u8
// whether it has data, u32 size, its bytes. Made from the log for the members that follow, checked
// where it arrives, and copied into the log there. Mirrors src/storage/entry-run.ts.
#ifndef METASTORE_MEMBER_ENTRIES_ENTRY_RUN_H_
#define METASTORE_MEMBER_ENTRIES_ENTRY_RUN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wal/wal.h"

namespace metastore::member {

/// One entry of a run; `payload` is a view into it.
struct RunEntry {
  uint64_t term = 0;
  uint8_t type = 0;
  bool has_data = false;
  std::string_view payload;
  /// Where its record begins in the run.
  size_t offset = 0;
};

/// Appends one run of all the entries.
void AppendEntryRun(const std::vector<wal::Entry>& entries, std::string* out);

/// Reads records one by one from bytes that anybody may have made.
class RunReader {
 public:
  /// Starts with the record at `offset`; 4 is the first one's.
  RunReader(std::string_view run, uint64_t offset) : run_(run), offset_(offset) {}
  bool AtEnd() const { return offset_ == run_.size(); }
  /// False when no whole and well-formed record lies here.
  bool Next(RunEntry* out);

 private:
  const std::string_view run_;
  uint64_t offset_;
};

/// The entries of a run from another member, at least one; nothing unless its checksum matches, its
/// layout is in order, and the log and apply will understand every entry.
std::optional<std::vector<RunEntry>> InspectRun(std::string_view run);

/// Copies `count` entries, the first of which gets `first_index`, out of an inspected run. False
/// when there are fewer at `offset`.
bool CopyRun(std::string_view run, uint64_t offset, uint64_t count, uint64_t first_index,
             std::vector<wal::Entry>* entries);

}  // namespace metastore::member

#endif  // METASTORE_MEMBER_ENTRIES_ENTRY_RUN_H_
