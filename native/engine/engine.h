// Engine: versioned storage under the MVCC store. Two implementations, memory and rocksdb, pass one
// contract suite (test/engine_contract_test.cc).
//
// One thread commits batches (apply); any thread reads through a Snapshot. An engine knows keys,
// versions, lease attachments and small metadata rows; it knows nothing of requests, limits or
// Raft beyond the applied index that a batch carries.
#ifndef METASTORE_ENGINE_ENGINE_H_
#define METASTORE_ENGINE_ENGINE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "base/status.h"
#include "engine/version.h"

namespace metastore {

/// [start, end) in byte order; `end` empty with `unbounded` true means every key from start on.
struct KeyRange {
  std::string_view start;
  std::string_view end;
  bool unbounded = false;
};

/// A consistent state to read from. Holding one keeps what it shows readable: an engine that
/// removes in place (memory) needs `revision`'s holders to be gone before a compaction above it
/// removes anything (Store sees to that); rocksdb pins its own snapshot.
class EngineSnapshot {
 public:
  virtual ~EngineSnapshot() = default;
  /// The newest store revision that this snapshot shows.
  int64_t revision = 0;
};
using EngineSnapshotRef = std::shared_ptr<const EngineSnapshot>;

struct VersionWrite {
  VersionRef version;
  /// The live version that it replaces, for the engine's history; `exists()` false when none.
  VersionMeta prev;
};

/// A version that compaction drops. The engine removes it from every place that names it.
struct VersionRemoval {
  std::string key;
  Revision rev;
  bool tombstone = false;
  /// The version of the put that replaced it; 0 when it was not a put, or is not known.
  int64_t replaced_by_version = 0;
};

struct MetaWrite {
  std::string key;
  std::optional<std::string> value;  // none removes the row
};

struct AttachmentWrite {
  int64_t lease = 0;
  std::string key;
  bool attached = true;
};

/// What becomes visible and durable together. Versions stand in ascending (main, sub); one key may
/// occur several times. Later writes of one meta row or attachment win.
struct Batch {
  std::vector<VersionWrite> versions;
  std::vector<VersionRemoval> removals;
  std::vector<MetaWrite> meta;
  std::vector<AttachmentWrite> attachments;
  /// Revision of the store once this batch is in (unchanged by a batch without versions).
  int64_t revision = 0;
  /// Raft index whose effects are complete with this batch; 0 for a batch of no entry (compaction).
  uint64_t applied_index = 0;
  bool empty() const {
    return versions.empty() && removals.empty() && meta.empty() && attachments.empty();
  }
  void Clear();
};

/// Returns false to stop the scan.
using VersionVisitor = FunctionRef<bool(const VersionView&)>;
using RowVisitor = FunctionRef<bool(std::string_view key, std::string_view value)>;
using KeyVisitor = FunctionRef<bool(std::string_view key)>;

/// A file that holds part of what an engine has made durable.
struct EngineFile {
  std::string name;  // within its folder
  std::string path;
  uint64_t size_bytes = 0;
  /// Another folder may hold it by a link, since nobody writes to it; else its bytes are to be
  /// copied: those here, if there are any, or the first size_bytes of the file.
  bool immutable = false;
  std::string contents;
};
using EngineFiles = std::vector<EngineFile>;

class Engine {
 public:
  virtual ~Engine() = default;

  /// True when applied state survives a restart by itself (rocksdb); false when the log and images
  /// carry it (memory).
  virtual bool persistent() const = 0;
  virtual std::string_view name() const = 0;

  /// Makes the batch visible to snapshots taken from now on, atomically. A failure is final: the
  /// caller ends the process.
  virtual Status Commit(const Batch& batch) = 0;

  /// Pins the state after the last Commit. `revision` is the store revision of that state.
  virtual EngineSnapshotRef Pin(int64_t revision) = 0;

  /// Metadata of the newest live version of each key, in the state after the last Commit; for the
  /// committing thread only. `out[i].exists()` is false for a missing or deleted key. One call for
  /// a whole batch of keys, so that rocksdb can MultiGet.
  virtual Status Lookup(std::span<const std::string_view> keys, VersionMeta* out) = 0;

  /// Visits the newest version of `key` with rev.main <= at, unless there is none or it is a
  /// tombstone. `at` must not exceed the snapshot's revision nor be below its compact revision.
  virtual Status Get(const EngineSnapshot& snapshot, std::string_view key, int64_t at,
                     VersionVisitor visit) = 0;

  /// As Get, when that needs neither disk nor a wait: false, and nothing visited, when it might.
  virtual bool GetResident(const EngineSnapshot& snapshot, std::string_view key, int64_t at,
                           VersionVisitor visit) {
    (void)snapshot, (void)key, (void)at, (void)visit;
    return false;
  }

  /// Visits exactly the version `rev` (tombstones too), or nothing when it has been dropped.
  virtual Status GetRevision(const EngineSnapshot& snapshot, Revision rev,
                             VersionVisitor visit) = 0;

  /// Visits, in ascending key order, for each key of the range its newest version with
  /// rev.main <= at that is not a tombstone. With `keys_only` the views' value may be left empty.
  virtual Status Scan(const EngineSnapshot& snapshot, const KeyRange& range, int64_t at,
                      bool keys_only, VersionVisitor visit) = 0;

  /// As Scan, when that needs neither disk nor a wait, nor a look at more than `most` keys: false,
  /// whatever has been visited, when it might.
  virtual bool ScanResident(const EngineSnapshot& snapshot, const KeyRange& range, int64_t at,
                            size_t most, VersionVisitor visit) {
    (void)snapshot, (void)range, (void)at, (void)most, (void)visit;
    return false;
  }

  /// Visits every stored version, tombstones too, in ascending (main, sub), from `from` on while
  /// main <= to_main.
  virtual Status ScanRevisions(const EngineSnapshot& snapshot, Revision from, int64_t to_main,
                               VersionVisitor visit) = 0;

  /// Small rows by name, in byte order.
  virtual Status GetMeta(const EngineSnapshot& snapshot, std::string_view key,
                         std::optional<std::string>* value) = 0;
  virtual Status ScanMeta(const EngineSnapshot& snapshot, std::string_view prefix,
                          RowVisitor visit) = 0;

  /// Keys attached to a lease, in byte order.
  virtual Status ScanAttached(const EngineSnapshot& snapshot, int64_t lease, KeyVisitor visit) = 0;

  /// Highest applied index whose effects would survive a crash now. Memory: 0 (images decide).
  virtual uint64_t DurableAppliedIndex() const = 0;
  /// Makes everything committed so far durable; blocks; not on the apply or JavaScript thread.
  virtual Status Flush() = 0;
  /// Makes everything committed so far durable and shows the files that, together, hold it (or a
  /// later state) at one moment; during the call they stay as they are. Blocks. kInternal for an
  /// engine without files.
  virtual Status ShowFiles(FunctionRef<Status(const EngineFiles&)> use) {
    (void)use;
    return Status(Code::kInternal, "this engine has no files");
  }
  /// Reads everything that is stored and compares its checksums; kDamaged. Blocks for long.
  virtual Status VerifyFiles() { return Status::Ok(); }
  /// Nobody will open again what this engine has stored, or, in tests, its process counts as
  /// killed: closing it makes nothing durable any more.
  virtual void Abandon() {}
  /// Named counters for metrics (bytes, counts), engine's own names.
  virtual std::vector<std::pair<std::string, double>> Stats() const = 0;
};

/// A fresh, empty memory engine.
std::unique_ptr<Engine> NewMemoryEngine();

struct RocksOptions {
  std::string directory;
  uint64_t block_cache_bytes = 256ull << 20;
  uint64_t write_buffer_bytes = 64ull << 20;
  uint64_t metadata_cache_bytes = 256ull << 20;
  /// For whole versions of keys that are read again and again; 0 is off.
  uint64_t hot_map_bytes = 64ull << 20;
  int background_jobs = 2;
  int bloom_bits_per_key = 10;
  /// Test-only: without compactions of its own accord, a database writes only when it is told to.
  bool auto_compactions = true;
  /// Test-only: files come from base/file.h's file layer instead of the operating system's.
  class FileLayer* file_layer = nullptr;
  /// Let go of once the database is closed and nobody reads it any more; whoever wants to remove
  /// the directory waits for that.
  std::shared_ptr<void> tenant;
};
/// Opens or creates the database; time does not depend on the number of keys.
Result<std::unique_ptr<Engine>> OpenRocksEngine(const RocksOptions& options);
/// Opens a database that exists, to be read only; other processes or engines may do the same.
Result<std::unique_ptr<Engine>> OpenRocksForReading(const RocksOptions& options);

}  // namespace metastore

#endif  // METASTORE_ENGINE_ENGINE_H_
