// EntryTable: the bookkeeping of every live entry (24 bytes each) and the cache of recent payloads.
//
// Owned by the log, which locks around it; filled by recovery and by Append, read by Read and
// Infos. Invariant: it covers (start, last]; an entry that has no place on disk yet is in the
// cache. What lies before the start is forgotten at once and let go of by and by: see Trim.
#ifndef METASTORE_WAL_REPLAY_TABLE_H_
#define METASTORE_WAL_REPLAY_TABLE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "wal/wal.h"

namespace metastore::wal {

struct Slot {
  uint64_t term = 0;
  uint32_t size_bytes = 0;  // of the payload
  uint32_t segment = 0;     // sequence; 0 while not yet written
  uint32_t offset = 0;      // of the record in its segment
  uint8_t type = 0;
  bool has_data = false;
};
static_assert(sizeof(Slot) == 24, "one of these per live entry");

class EntryTable {
 public:
  explicit EntryTable(uint64_t cache_bytes) : cache_limit_bytes_(cache_bytes) {}

  /// Empties the table; the next entry is index + 1.
  void Reset(uint64_t index);
  /// Adds the entry at last + 1, not yet on disk, its payload in the cache.
  void Append(const Entry& entry);
  /// Drops the entries from `index` on.
  void CutTail(uint64_t index);
  /// Forgets the entries up to and including `index`, at once. Their memory stays for Trim.
  void CutHead(uint64_t index);
  using Payloads = std::vector<std::shared_ptr<const std::string>>;
  /// Lets go of at most `count` forgotten entries: to free what a cut of the log leaves takes a
  /// tenth of a second, in which nobody's write would move. Their payloads are added to *dropped,
  /// to be freed where nothing waits. False when none is left.
  bool Trim(size_t count, Payloads* dropped);
  /// Whether there is anything to trim.
  bool untrimmed() const { return slots_start_ < start_ || cache_start_ < start_; }
  /// The entry is on disk; with those before it, its payload may leave the cache.
  void Locate(uint64_t index, uint64_t segment, uint64_t offset);
  /// Drops the oldest payloads that are on disk while the cache is over its limit.
  void Evict();

  uint64_t start() const { return start_; }
  uint64_t last() const { return slots_start_ + slots_.size(); }
  bool Contains(uint64_t index) const { return index > start_ && index <= last(); }
  const Slot& At(uint64_t index) const;
  /// Whether the payload of a live entry is in memory; *payload is null when the entry has no data.
  bool Cached(uint64_t index, std::shared_ptr<const std::string>* payload) const;
  uint64_t cached_bytes() const { return cached_bytes_; }

 private:
  void PopCacheFront();

  const uint64_t cache_limit_bytes_;
  uint64_t start_ = 0;
  std::deque<Slot> slots_;    // (slots_start_, last]
  uint64_t slots_start_ = 0;  // at most start_
  /// Payloads of (cache_start_, last]; cache_start_ <= located_.
  std::deque<std::shared_ptr<const std::string>> cache_;
  uint64_t cache_start_ = 0;
  uint64_t cached_bytes_ = 0;
  uint64_t located_ = 0;  // every entry up to here has a place on disk
};

}  // namespace metastore::wal

#endif  // METASTORE_WAL_REPLAY_TABLE_H_
