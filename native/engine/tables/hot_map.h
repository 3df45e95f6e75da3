// HotMap: the newest versions of keys that are read often, in memory, for the rocksdb engine.
//
// A point read of the database costs several times what its request costs on the wire; a repeated
// one is answered here. Readers fill it, the committing thread keeps it in step; bounded by bytes,
// evicted by CLOCK, in 128 shards with a lock each.
#ifndef METASTORE_ENGINE_TABLES_HOT_MAP_H_
#define METASTORE_ENGINE_TABLES_HOT_MAP_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>

#include "engine/tables/flat_table.h"
#include "engine/version.h"

namespace metastore {

/// Invariant: an entry is the newest committed version of its key, and live; at the latest when
/// Commit returns. So an entry with main <= at is what a read at `at` must show, and a newer one
/// says nothing: the reader goes on to the database.
class HotMap {
 public:
  explicit HotMap(uint64_t capacity_bytes) : shard_capacity_bytes_(capacity_bytes / kShards) {}
  ~HotMap();
  HotMap(const HotMap&) = delete;
  HotMap& operator=(const HotMap&) = delete;

  /// The key's newest version when it is here and visible at `at`; null otherwise. Any thread.
  VersionRef Find(std::string_view key, uint64_t hash, int64_t at);

  /// Offers what a reader found at `revision`, the newest state of its snapshot. Refused when the
  /// shard has been written to since: the version may be old by now. Any thread.
  void Offer(const VersionView& view, uint64_t hash, int64_t revision);

  /// The committing thread, after the database has taken the batch and before any reader can pin
  /// it: the version replaces what is here, a tombstone removes it.
  void Commit(const VersionRef& version, uint64_t hash);

  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  uint64_t hits() const { return hits_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kShards = 128;
  static constexpr int kShardBits = 7;

  struct Entry {
    VersionRef version;
    bool used = false;  // found since the hand came by
  };
  struct alignas(64) Shard {
    std::mutex mutex;
    FlatTable<Entry> entries;
    uint64_t bytes = 0;
    size_t hand = 0;
    int64_t written_revision = 0;  // newest revision that Commit brought to this shard
  };

  Shard& ShardOf(uint64_t hash) { return shards_[hash >> (64 - kShardBits)]; }
  static uint64_t CostOf(const VersionView& view);
  static Entry* Search(const Shard& shard, std::string_view key, uint64_t hash);
  void Erase(Shard* shard, uint64_t hash, Entry* entry);
  void MakeRoom(Shard* shard, uint64_t bytes);

  const uint64_t shard_capacity_bytes_;
  std::array<Shard, kShards> shards_;
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> hits_{0};
};

}  // namespace metastore

#endif  // METASTORE_ENGINE_TABLES_HOT_MAP_H_
