// The rocksdb engine's counters for metrics.
#include "engine/rocks/rocks_engine.h"

namespace metastore::rocks {
namespace {

struct Property {
  const char* name;
  const std::string* property;
};

}  // namespace

std::vector<std::pair<std::string, double>> RocksEngine::Stats() const {
  const auto number = [](const std::atomic<uint64_t>& counter) {
    return static_cast<double>(counter.load(std::memory_order_relaxed));
  };
  std::vector<std::pair<std::string, double>> stats = {
      {"metadata_cache_bytes", number(cache_bytes_)},
      {"metadata_cache_entries", number(cache_entries_)},
      {"metadata_lookups", number(lookups_)},
      {"metadata_lookup_misses", number(lookup_misses_)},
      {"block_cache_bytes", static_cast<double>(database_->block_cache->GetUsage())},
      {"committed_index", number(committed_index_)},
      {"durable_index", static_cast<double>(DurableAppliedIndex())}};
  const Property properties[] = {
      {"memtable_bytes", &rocksdb::DB::Properties::kSizeAllMemTables},
      {"file_bytes", &rocksdb::DB::Properties::kTotalSstFilesSize},
      {"estimated_keys", &rocksdb::DB::Properties::kEstimateNumKeys},
      {"pending_compaction_bytes", &rocksdb::DB::Properties::kEstimatePendingCompactionBytes},
  };
  for (const Property& property : properties) {
    uint64_t value = 0;
    if (db_->GetAggregatedIntProperty(*property.property, &value)) {
      stats.emplace_back(property.name, static_cast<double>(value));
    }
  }
  return stats;
}

}  // namespace metastore::rocks
