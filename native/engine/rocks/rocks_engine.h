// The rocksdb engine: the class behind OpenRocksEngine, private to this folder.
//
// open.cc opens and checks, commit.cc is the committing thread's side, read.cc the readers'.
// Families and rows: rows.h and docs/formats/rocksdb.md. The database's own write-ahead log is off:
// the Raft log is replayed over what the last atomic flush has kept.
#ifndef METASTORE_ENGINE_ROCKS_ROCKS_ENGINE_H_
#define METASTORE_ENGINE_ROCKS_ROCKS_ENGINE_H_

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/statistics.h>
#include <rocksdb/write_batch.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/rocks/host/listener.h"
#include "engine/rocks/memtable/factory.h"
#include "engine/rocks/rows.h"
#include "engine/tables/hot_map.h"
#include "engine/tables/meta_cache.h"

namespace metastore::rocks {

/// Statuses of rocksdb in our terms: kDamaged, kLocked, kWrongFormat, kIo, with its text as detail.
Status FromRocks(const rocksdb::Status& status, const char* doing);

/// An empty view may point nowhere, which RocksDB does not take.
inline rocksdb::Slice SliceOf(std::string_view bytes) {
  return bytes.data() == nullptr ? rocksdb::Slice() : rocksdb::Slice(bytes.data(), bytes.size());
}
inline std::string_view ViewOf(const rocksdb::Slice& slice) {
  return std::string_view(slice.data(), slice.size());
}

/// The open database. Snapshots share it, so that it closes after the last of them.
struct Database {
  ~Database();
  /// First, so that it goes last: its owner learns by it that the files are no longer in use.
  std::shared_ptr<void> tenant;
  rocksdb::ColumnFamilyHandle* family(Family which) const { return families[which]; }

  std::unique_ptr<rocksdb::Env> env;  // null: the operating system's
  std::shared_ptr<Listener> listener = std::make_shared<Listener>();
  std::shared_ptr<rocksdb::Cache> block_cache;
  std::shared_ptr<rocksdb::Statistics> statistics = rocksdb::CreateDBStatistics();
  /// Of the family `key`: most writes replace a version that is there, which a skip list would
  /// search for anew.
  std::shared_ptr<ChainsFactory> memtables = std::make_shared<ChainsFactory>();
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> families;  // by Family
  /// Up to this store revision, `hist` may name every superseded version (rows.h).
  int64_t dense_until = 0;
};
using DatabaseRef = std::shared_ptr<Database>;

/// Opens or creates the database of `options` and checks its format.
Result<DatabaseRef> OpenDatabase(const RocksOptions& options);
/// Opens what is there, and writes nothing to it.
Result<DatabaseRef> OpenDatabaseForReading(const RocksOptions& options);
/// The applied index of what is stored; 0 when nothing is.
Result<uint64_t> ReadAppliedIndex(const Database& database);

struct RocksSnapshot final : EngineSnapshot {
  explicit RocksSnapshot(DatabaseRef of);
  ~RocksSnapshot() override;
  DatabaseRef database;
  const rocksdb::Snapshot* snapshot;
};

class RocksEngine final : public Engine {
 public:
  RocksEngine(DatabaseRef database, const RocksOptions& options, uint64_t applied_index);

  bool persistent() const override { return true; }
  std::string_view name() const override { return "rocksdb"; }

  Status Commit(const Batch& batch) override;
  EngineSnapshotRef Pin(int64_t revision) override;
  Status Lookup(std::span<const std::string_view> keys, VersionMeta* out) override;
  Status Get(const EngineSnapshot& snapshot, std::string_view key, int64_t at,
             VersionVisitor visit) override;
  bool GetResident(const EngineSnapshot& snapshot, std::string_view key, int64_t at,
                   VersionVisitor visit) override;
  Status GetRevision(const EngineSnapshot& snapshot, Revision rev, VersionVisitor visit) override;
  Status Scan(const EngineSnapshot& snapshot, const KeyRange& range, int64_t at, bool keys_only,
              VersionVisitor visit) override;
  bool ScanResident(const EngineSnapshot& snapshot, const KeyRange& range, int64_t at, size_t most,
                    VersionVisitor visit) override;
  Status ScanRevisions(const EngineSnapshot& snapshot, Revision from, int64_t to_main,
                       VersionVisitor visit) override;
  Status GetMeta(const EngineSnapshot& snapshot, std::string_view key,
                 std::optional<std::string>* value) override;
  Status ScanMeta(const EngineSnapshot& snapshot, std::string_view prefix,
                  RowVisitor visit) override;
  Status ScanAttached(const EngineSnapshot& snapshot, int64_t lease, KeyVisitor visit) override;
  uint64_t DurableAppliedIndex() const override { return database_->listener->durable.Get(); }
  Status Flush() override;
  void Abandon() override;
  Status ShowFiles(FunctionRef<Status(const EngineFiles&)> use) override;
  Status VerifyFiles() override;
  std::vector<std::pair<std::string, double>> Stats() const override;

 private:
  // commit.cc
  void Hash(const Batch& batch);
  Status AddVersion(const VersionWrite& write);
  Status AddRows(const Batch& batch);
  void Remember(const Batch& batch);
  Status LookupMissing(std::span<const std::string_view> keys, VersionMeta* out);
  // read.cc
  Status GetHistoric(const RocksSnapshot& snapshot, std::string_view key, int64_t at,
                     const VersionView* newest, VersionVisitor visit);
  Status ScanHistoric(const RocksSnapshot& snapshot, const KeyRange& range, int64_t at,
                      VersionVisitor visit);

  const DatabaseRef database_;
  rocksdb::DB* const db_;

  HotMap hot_;

  // The committing thread's own.
  MetaCache cache_;
  rocksdb::WriteBatch writes_;
  std::string row_key_;
  std::string row_value_;
  std::vector<uint64_t> hashes_;
  std::vector<size_t> missing_;  // positions in the call's keys
  std::vector<rocksdb::Slice> missing_keys_;
  std::vector<rocksdb::PinnableSlice> missing_values_;
  std::vector<rocksdb::Status> missing_statuses_;

  /// Applied index of the last batch that carried one.
  std::atomic<uint64_t> committed_index_;
  // For Stats, from the committing thread.
  std::atomic<uint64_t> cache_bytes_{0};
  std::atomic<uint64_t> cache_entries_{0};
  std::atomic<uint64_t> lookups_{0};
  std::atomic<uint64_t> lookup_misses_{0};
};

}  // namespace metastore::rocks

#endif  // METASTORE_ENGINE_ROCKS_ROCKS_ENGINE_H_
