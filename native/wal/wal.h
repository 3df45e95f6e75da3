// Wal: the Raft log on disk, segments of checksummed records written by one thread in groups.
//
// The replica loop appends entries and hard states; the writer thread writes everything that waits
// as one write and one sync, then reports. Entry payloads live here (recent ones in memory, older
// ones paged from disk); the Raft core sees index, term, size and kind. Format:
// docs/formats/wal.md.
#ifndef METASTORE_WAL_WAL_H_
#define METASTORE_WAL_WAL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/file.h"
#include "base/metrics.h"
#include "base/status.h"

namespace metastore::wal {

/// Entry types are Raft's: 0 normal, 1 conf change, 2 conf change V2.
struct Entry {
  uint64_t index = 0;
  uint64_t term = 0;
  uint8_t type = 0;
  std::shared_ptr<const std::string> payload;  // null: no data
};

struct HardState {
  uint64_t term = 0;
  uint64_t vote = 0;
  uint64_t commit = 0;
};

/// Identity of the directory, written once at creation and checked at every open.
struct Identity {
  uint64_t cluster_id = 0;
  uint64_t member_id = 0;
};

struct WalOptions {
  std::string directory;
  uint64_t segment_bytes = 64ull << 20;
  /// Payload bytes kept in memory behind the last appended entry.
  uint64_t cache_bytes = 64ull << 20;
  /// Skips the syncs of appends (--unsafe-no-fsync): an acknowledged write may then be lost. The
  /// few that creation, rotation and truncation need stay, so that what is left can be started
  /// from.
  bool unsafe_no_fsync = false;
  FileLayer* files = nullptr;    // FileLayer::Posix() when null
  Executor* executor = nullptr;  // own thread when null
  Metrics* metrics = Metrics::Unread();
  /// Syncs that take longer are told of.
  double slow_sync_seconds = 1;
};

struct Recovered {
  bool created = false;  // the directory held no log before
  Identity identity;
  HardState hard_state;
  /// The log holds entries (start_index, last_index]; start is what truncation or a snapshot left.
  uint64_t start_index = 0;
  uint64_t start_term = 0;
  uint64_t last_index = 0;
  uint64_t torn_bytes = 0;  // cut from the tail of the last segment
};

/// Index, term, type and payload size of an entry, for the Raft core.
struct EntryInfo {
  uint64_t term = 0;
  uint32_t size_bytes = 0;
  uint8_t type = 0;
  bool has_data = false;
};

struct WalStats {
  uint64_t syncs = 0;
  uint64_t entries = 0;
  uint64_t bytes_written = 0;
  uint64_t segments = 0;
  uint64_t log_bytes = 0;  // bytes written to the segments that are live
  uint64_t groups = 0;     // writes with entries in them; the number of batches counted below
  /// Cumulative counts per upper bound; the bounds are exported as constants (seconds; entries).
  std::vector<uint64_t> sync_seconds_buckets;
  double sync_seconds_sum = 0;
  std::vector<uint64_t> batch_entries_buckets;
  double batch_entries_sum = 0;
};
extern const std::vector<double> kSyncSecondsBounds;   // etcd's: 0.001 × 2^n, 14 of them
extern const std::vector<double> kBatchEntriesBounds;  // powers of two to 4096

class Wal {
 public:
  virtual ~Wal() = default;

  /// Opens or creates the log; `identity` is written on creation, otherwise compared when its
  /// member_id is not 0 (kWrongFormat). A torn tail is cut at the last whole record; damage
  /// anywhere else is kDamaged with file and offset. Blocks.
  static Result<std::unique_ptr<Wal>> Open(const WalOptions& options, const Identity& identity,
                                           Recovered* recovered);

  /// Queues entries (contiguous; the first may overwrite a conflicting tail) and, if not null, a
  /// hard state. Returns at once. `done` runs on the writer thread after the write is durable (or
  /// merely written when `sync` is false), in call order; a failure is final and the caller ends
  /// the process. Any thread; who appends entries sees to it that nobody else does meanwhile.
  virtual void Append(std::vector<Entry> entries, const HardState* hard_state, bool sync,
                      std::function<void(Status)> done) = 0;

  /// Runs the task on the writer thread between its steps; not at all after Close. Any thread. A
  /// task may call everything here but Close.
  virtual void Post(std::function<void()> task) = 0;

  /// Payloads of [from, to], stopping after max_bytes but never before one entry. From memory or
  /// disk; any thread. kInternal when outside the log.
  virtual Status Read(uint64_t from, uint64_t to, uint64_t max_bytes,
                      std::vector<Entry>* entries) = 0;
  /// The same without touching the disk: false when an entry is outside the log or its payload is
  /// not in memory. Any thread.
  virtual bool ReadCached(uint64_t from, uint64_t to, std::vector<Entry>* entries) = 0;
  /// Bookkeeping of [from, to] from memory; any thread.
  virtual Status Infos(uint64_t from, uint64_t to, std::vector<EntryInfo>* infos) = 0;

  /// Forgets entries up to and including `index` (their state is durable in the engine or an image)
  /// and removes segments that hold nothing else. The caller answers for `index` being durable.
  virtual void Truncate(uint64_t index, uint64_t term, std::function<void(Status)> done) = 0;
  /// Replaces the whole log by a start at (index, term): a snapshot has been installed.
  virtual void Reset(uint64_t index, uint64_t term, std::function<void(Status)> done) = 0;

  virtual uint64_t start_index() const = 0;
  virtual uint64_t last_index() const = 0;
  virtual WalStats stats() const = 0;
  /// Called on the writer thread after a sync that took longer than the threshold. Set before the
  /// first append.
  virtual void OnSlowSync(std::function<void(double seconds)> tell) = 0;

  /// Writes what is queued, syncs, marks a clean end, closes. No calls after it.
  virtual Status Close() = 0;
};

}  // namespace metastore::wal

#endif  // METASTORE_WAL_WAL_H_
