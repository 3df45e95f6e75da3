// Opening the rocksdb engine: options, families, format check; closing; counters for metrics.
//
// Opening reads the manifest and a bounded number of files, so its time does not depend on how many
// keys there are. Why the options are as they are stands beside them.
#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>

#include <algorithm>
#include <cstdlib>

#include "base/bytes.h"
#include "codec/key_encoding.h"
#include "engine/rocks/host/file_system.h"
#include "engine/rocks/rocks_engine.h"

namespace metastore::rocks {
namespace {

constexpr size_t kBlockBytes = 8 << 10;

rocksdb::CompressionType BestCompression() {
  const auto supported = rocksdb::GetSupportedCompressions();
  const bool lz4 =
      std::find(supported.begin(), supported.end(), rocksdb::kLZ4Compression) != supported.end();
  return lz4 ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
}

rocksdb::DBOptions DatabaseOptions(const RocksOptions& options, const Database& database) {
  rocksdb::DBOptions db;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.atomic_flush = true;
  if (database.env) db.env = database.env.get();
  db.listeners = {database.listener};
  // Counts only: times would cost more than they tell.
  db.statistics = database.statistics;
  database.statistics->set_stats_level(rocksdb::StatsLevel::kExceptHistogramOrTimers);
  db.max_background_jobs = options.background_jobs;
  // One thread writes: what lets several writers work together only costs.
  db.allow_concurrent_memtable_write = false;
  db.enable_write_thread_adaptive_yield = false;
  // A failed background job is final; nothing is tried again over pages that may be lost.
  db.max_bgerror_resume_count = 0;
  // With a bounded table cache rocksdb opens a few files at start and the rest on use.
  db.max_open_files = 1000;
  db.skip_stats_update_on_db_open = true;
  // The manifest is replayed at opening.
  db.max_manifest_file_size = 16 << 20;
  db.bytes_per_sync = 1 << 20;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.info_log_level = rocksdb::WARN_LEVEL;
  db.max_log_file_size = 4 << 20;
  db.keep_log_file_num = 4;
  return db;
}

rocksdb::ColumnFamilyOptions FamilyOptions(const RocksOptions& options, const Database& database,
                                           Family family) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = database.block_cache;
  table.block_size = kBlockBytes;
  table.format_version = 5;
  // Indexes and filters live in the cache, so that one budget bounds them all. Those of the newest
  // files, which every read asks, stay.
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  if (family == kKey && options.bloom_bits_per_key > 0) {
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(options.bloom_bits_per_key));
    table.optimize_filters_for_memory = true;
  }
  rocksdb::ColumnFamilyOptions result;
  result.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  result.compression = BestCompression();
  result.level_compaction_dynamic_level_bytes = true;
  const bool large = family == kRev || family == kKey;
  result.write_buffer_size = large ? options.write_buffer_bytes : options.write_buffer_bytes / 4;
  result.max_write_buffer_number = 4;
  result.disable_auto_compactions = !options.auto_compactions;
  result.max_bytes_for_level_base = std::max<uint64_t>(4 * options.write_buffer_bytes, 64 << 20);
  result.target_file_size_base = std::max<uint64_t>(options.write_buffer_bytes, 16 << 20);
  if (family == kKey) result.memtable_factory = database.memtables;
  // Compaction of revisions, and clients, delete in runs; a scan must not wade through them.
  result.table_properties_collector_factories.push_back(
      rocksdb::NewCompactOnDeletionCollectorFactory(4096, 2048));
  return result;
}

/// Absent rows are empty.
Status ReadOwn(const Database& database, std::string_view row, std::string* value) {
  value->clear();
  const rocksdb::Status got =
      database.db->Get(rocksdb::ReadOptions(), database.family(kOwn), SliceOf(row), value);
  return got.IsNotFound() ? Status::Ok() : FromRocks(got, "read own rows");
}

/// Makes the database one of our format, durably; every row up to `dense_until` may be of the
/// former one.
Status WriteFormat(const Database& database, int64_t dense_until) {
  rocksdb::WriteBatch writes;
  rocksdb::Status status = writes.Put(database.family(kOwn), SliceOf(kFormatRow), SliceOf(kFormat));
  if (status.ok() && dense_until > 0) {
    char revision[8];
    PutLittle64(revision, static_cast<uint64_t>(dense_until));
    status = writes.Put(database.family(kOwn), SliceOf(kDenseRow),
                        rocksdb::Slice(revision, sizeof revision));
  }
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  if (status.ok()) status = database.db->Write(options, &writes);
  if (status.ok()) status = database.db->Flush(rocksdb::FlushOptions(), database.families);
  return FromRocks(status, "write the format");
}

/// The main revision of the newest version; 0 when there is none.
Result<int64_t> NewestRevision(const Database& database) {
  const std::unique_ptr<rocksdb::Iterator> rows(
      database.db->NewIterator(rocksdb::ReadOptions(), database.family(kRev)));
  rows->SeekToLast();
  Revision rev;
  if (rows->Valid()) {
    METASTORE_RETURN_IF_ERROR(codec::DecodeRevisionKey(ViewOf(rows->key()), &rev.main, &rev.sub));
  }
  METASTORE_RETURN_IF_ERROR(FromRocks(rows->status(), "newest revision"));
  return rev.main;
}

/// Checks the format row and reads what belongs to it. With `write`, a database that has never
/// been written to gets one, and one of the former format becomes one of ours: its rows stay.
Status CheckFormat(Database* database, const std::string& directory, bool write) {
  std::string format, dense;
  METASTORE_RETURN_IF_ERROR(ReadOwn(*database, kFormatRow, &format));
  METASTORE_RETURN_IF_ERROR(ReadOwn(*database, kDenseRow, &dense));
  if (format == kFormat && (dense.empty() || dense.size() == 8)) {
    if (!dense.empty()) database->dense_until = static_cast<int64_t>(GetLittle64(dense.data()));
    return Status::Ok();
  }
  if (format == kFormerFormat) {
    Result<int64_t> newest = NewestRevision(*database);
    if (!newest.ok()) return newest.TakeStatus();
    database->dense_until = *newest;
    return write ? WriteFormat(*database, *newest) : Status::Ok();
  }
  if (!write || !format.empty() || database->db->GetLatestSequenceNumber() != 0) {
    return Status(Code::kWrongFormat,
                  directory + " holds \"" + format + "\", wanted \"" + std::string(kFormat) + "\"");
  }
  return WriteFormat(*database, 0);
}

}  // namespace

Status FromRocks(const rocksdb::Status& status, const char* doing) {
  if (status.ok()) [[likely]]
    return Status::Ok();
  const std::string detail = std::string("rocksdb, ") + doing + ": " + status.ToString();
  if (status.IsCorruption()) return Status(Code::kDamaged, detail);
  if (status.IsInvalidArgument() || status.IsNotSupported()) {
    return Status(Code::kWrongFormat, detail);
  }
  const bool locked = status.IsIOError() && (detail.find("lock hold by") != std::string::npos ||
                                             detail.find("lock file") != std::string::npos);
  return Status(locked ? Code::kLocked : Code::kIo, detail);
}

Database::~Database() {
  if (!db) return;
  for (rocksdb::ColumnFamilyHandle* handle : families) db->DestroyColumnFamilyHandle(handle);
  families.clear();
  // Closing flushes what is not flushed yet. What fails here the log brings back.
  db->Close().PermitUncheckedError();
}

Result<uint64_t> ReadAppliedIndex(const Database& database) {
  std::string index;
  METASTORE_RETURN_IF_ERROR(ReadOwn(database, kAppliedRow, &index));
  if (index.empty()) return uint64_t{0};
  if (index.size() != 8) return Status(Code::kDamaged, "applied index of another form");
  return GetLittle64(index.data());
}

namespace {

/// Everything of a database but the open itself.
std::shared_ptr<Database> PrepareDatabase(const RocksOptions& options,
                                          std::vector<rocksdb::ColumnFamilyDescriptor>* families) {
  auto database = std::make_shared<Database>();
  database->tenant = options.tenant;
  if (options.file_layer != nullptr) database->env = NewEnvOver(options.file_layer);
  database->block_cache = rocksdb::NewLRUCache(options.block_cache_bytes);
  for (size_t i = 0; i < kFamilies; ++i) {
    families->emplace_back(kFamilyNames[i],
                           FamilyOptions(options, *database, static_cast<Family>(i)));
  }
  return database;
}

}  // namespace

Result<DatabaseRef> OpenDatabase(const RocksOptions& options) {
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  const std::shared_ptr<Database> database = PrepareDatabase(options, &families);
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(
      DatabaseOptions(options, *database), options.directory, families, &database->families, &db);
  if (!opened.ok()) return FromRocks(opened, ("open " + options.directory).c_str());
  database->db.reset(db);
  METASTORE_RETURN_IF_ERROR(CheckFormat(database.get(), options.directory, true));
  return database;
}

Result<DatabaseRef> OpenDatabaseForReading(const RocksOptions& options) {
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  const std::shared_ptr<Database> database = PrepareDatabase(options, &families);
  rocksdb::DBOptions db_options = DatabaseOptions(options, *database);
  db_options.create_if_missing = false;
  db_options.create_missing_column_families = false;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::OpenForReadOnly(db_options, options.directory,
                                                              families, &database->families, &db);
  if (!opened.ok()) return FromRocks(opened, ("read " + options.directory).c_str());
  database->db.reset(db);
  METASTORE_RETURN_IF_ERROR(CheckFormat(database.get(), options.directory, false));
  return database;
}

namespace {

using Stats = std::vector<std::pair<std::string, double>>;

/// What the database counts since it was opened.
void AddTickers(const rocksdb::Statistics& statistics, Stats* stats) {
  struct Ticker {
    const char* name;
    rocksdb::Tickers ticker;
  };
  constexpr Ticker kTickers[] = {
      {"block_cache_hits", rocksdb::BLOCK_CACHE_HIT},
      {"block_cache_misses", rocksdb::BLOCK_CACHE_MISS},
      {"bloom_useful", rocksdb::BLOOM_FILTER_USEFUL},
      {"memtable_hits", rocksdb::MEMTABLE_HIT},
      {"memtable_misses", rocksdb::MEMTABLE_MISS},
      {"bytes_written", rocksdb::BYTES_WRITTEN},
      {"bytes_read", rocksdb::BYTES_READ},
      {"flush_write_bytes", rocksdb::FLUSH_WRITE_BYTES},
      {"compact_read_bytes", rocksdb::COMPACT_READ_BYTES},
      {"compact_write_bytes", rocksdb::COMPACT_WRITE_BYTES},
      {"stall_micros", rocksdb::STALL_MICROS},
  };
  for (const Ticker& ticker : kTickers) {
    stats->emplace_back(ticker.name, static_cast<double>(statistics.getTickerCount(ticker.ticker)));
  }
}

/// How the database is doing now, over all families where that means something.
void AddState(rocksdb::DB* db, const std::vector<rocksdb::ColumnFamilyHandle*>& families,
              Stats* stats) {
  const auto add = [&](const char* name, const std::string& property) {
    uint64_t value = 0;
    if (db->GetIntProperty(property, &value)) stats->emplace_back(name, static_cast<double>(value));
  };
  add("running_flushes", rocksdb::DB::Properties::kNumRunningFlushes);
  add("running_compactions", rocksdb::DB::Properties::kNumRunningCompactions);
  add("write_stopped", rocksdb::DB::Properties::kIsWriteStopped);
  add("delayed_write_rate", rocksdb::DB::Properties::kActualDelayedWriteRate);
  add("background_errors", rocksdb::DB::Properties::kBackgroundErrors);
  double files = 0;
  for (rocksdb::ColumnFamilyHandle* family : families) {
    std::string text;
    if (db->GetProperty(family, rocksdb::DB::Properties::kNumFilesAtLevelPrefix + "0", &text)) {
      files += std::strtod(text.c_str(), nullptr);
    }
  }
  stats->emplace_back("l0_files", files);
}

}  // namespace

void RocksEngine::Abandon() {
  db_->SetDBOptions({{"avoid_flush_during_shutdown", "true"}}).PermitUncheckedError();
}

std::vector<std::pair<std::string, double>> RocksEngine::Stats() const {
  const auto number = [](const std::atomic<uint64_t>& counter) {
    return static_cast<double>(counter.load(std::memory_order_relaxed));
  };
  std::vector<std::pair<std::string, double>> stats = {
      {"metadata_cache_bytes", number(cache_bytes_)},
      {"metadata_cache_entries", number(cache_entries_)},
      {"metadata_lookups", number(lookups_)},
      {"metadata_lookup_misses", number(lookup_misses_)},
      {"hot_map_bytes", static_cast<double>(hot_.bytes())},
      {"hot_map_hits", static_cast<double>(hot_.hits())},
      {"block_cache_bytes", static_cast<double>(database_->block_cache->GetUsage())},
      {"committed_index", number(committed_index_)},
      {"durable_index", static_cast<double>(DurableAppliedIndex())}};
  struct Property {
    const char* name;
    const std::string* property;
  };
  const Property properties[] = {
      {"memtable_bytes", &rocksdb::DB::Properties::kSizeAllMemTables},
      {"file_bytes", &rocksdb::DB::Properties::kTotalSstFilesSize},
      {"estimated_keys", &rocksdb::DB::Properties::kEstimateNumKeys},
      {"pending_compaction_bytes", &rocksdb::DB::Properties::kEstimatePendingCompactionBytes},
      {"immutable_memtables", &rocksdb::DB::Properties::kNumImmutableMemTable},
      {"table_readers_bytes", &rocksdb::DB::Properties::kEstimateTableReadersMem},
  };
  for (const Property& property : properties) {
    uint64_t value = 0;
    if (db_->GetAggregatedIntProperty(*property.property, &value)) {
      stats.emplace_back(property.name, static_cast<double>(value));
    }
  }
  AddTickers(*database_->statistics, &stats);
  AddState(db_, database_->families, &stats);
  return stats;
}

}  // namespace metastore::rocks

namespace metastore {

namespace {

Result<std::unique_ptr<Engine>> OverDatabase(const RocksOptions& options,
                                             Result<rocks::DatabaseRef> database) {
  if (!database.ok()) return database.TakeStatus();
  Result<uint64_t> applied_index = rocks::ReadAppliedIndex(**database);
  if (!applied_index.ok()) return applied_index.TakeStatus();
  std::unique_ptr<Engine> engine =
      std::make_unique<rocks::RocksEngine>(*database, options, *applied_index);
  return engine;
}

}  // namespace

Result<std::unique_ptr<Engine>> OpenRocksEngine(const RocksOptions& options) {
  return OverDatabase(options, rocks::OpenDatabase(options));
}

Result<std::unique_ptr<Engine>> OpenRocksForReading(const RocksOptions& options) {
  return OverDatabase(options, rocks::OpenDatabaseForReading(options));
}

}  // namespace metastore
