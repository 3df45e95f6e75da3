// MetaCache: what the rocksdb engine knows of keys without asking the database.
//
// Every write needs its key's newest metadata; with it resident, random overwrites cost no read.
// Bounded by bytes, evicted by CLOCK, in 64 shards so that one growing table stalls nobody long.
// Absent keys are remembered too. For the committing thread only: no lock.
#ifndef METASTORE_ENGINE_TABLES_META_CACHE_H_
#define METASTORE_ENGINE_TABLES_META_CACHE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/tables/flat_table.h"
#include "engine/version.h"

namespace metastore {

class MetaCache {
 public:
  explicit MetaCache(uint64_t capacity_bytes) : shard_capacity_bytes_(capacity_bytes / kShards) {}
  ~MetaCache();
  MetaCache(const MetaCache&) = delete;
  MetaCache& operator=(const MetaCache&) = delete;

  /// Null when nothing is known; `exists()` false when the key is known to be absent. Valid until
  /// the next Put.
  const VersionMeta* Find(std::string_view key, uint64_t hash);
  /// Replaces what is known. What does not fit at all is forgotten, never left stale.
  void Put(std::string_view key, uint64_t hash, const VersionMeta& meta);
  /// Asks the processor for what Find will touch: first the slot, then, when that is here, the
  /// entry.
  void Prefetch(uint64_t hash) const { ShardOf(hash).entries.Prefetch(hash); }
  void PrefetchEntry(uint64_t hash) const {
    __builtin_prefetch(ShardOf(hash).entries.Likely(hash));
  }

  uint64_t bytes() const { return bytes_; }
  uint64_t entries() const { return entries_; }

 private:
  static constexpr size_t kShards = 64;
  static constexpr int kShardBits = 6;

  /// One allocation with the key behind it.
  struct Entry {
    VersionMeta meta;
    uint32_t key_bytes;
    bool used;  // found since the hand came by
    std::string_view key() const {
      return std::string_view(reinterpret_cast<const char*>(this + 1), key_bytes);
    }
  };
  struct Shard {
    FlatTable<Entry> entries;
    uint64_t bytes = 0;
    size_t hand = 0;
  };

  Shard& ShardOf(uint64_t hash) { return shards_[hash >> (64 - kShardBits)]; }
  const Shard& ShardOf(uint64_t hash) const { return shards_[hash >> (64 - kShardBits)]; }
  static uint64_t CostOf(size_t key_bytes);
  void EvictOne(Shard* shard);

  uint64_t shard_capacity_bytes_;
  std::array<Shard, kShards> shards_;
  uint64_t bytes_ = 0;
  uint64_t entries_ = 0;
};

}  // namespace metastore

#endif  // METASTORE_ENGINE_TABLES_META_CACHE_H_
