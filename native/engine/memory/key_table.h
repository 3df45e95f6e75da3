// KeyTable: key -> versions of the key, a hash table in 512 shards with a lock each.
//
// The memory engine's path for single keys. One thread (the committing one) changes the table; any
// thread reads under a shard's lock, and keeps nothing but counted versions when it lets go. The
// entries are owned here by address, and the ordered index (key_index.h) names the same entries.
#ifndef METASTORE_ENGINE_MEMORY_KEY_TABLE_H_
#define METASTORE_ENGINE_MEMORY_KEY_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "engine/tables/flat_table.h"
#include "engine/tables/index/indexed_key.h"
#include "engine/version.h"

namespace metastore {

/// One key and its stored versions, ascending in revision. One allocation with the key behind it.
///
/// Invariant: versions are written by the committing thread under the shard's lock; others read
/// them under that lock, the committing thread without.
class KeyEntry final : public IndexedKey {
 public:
  struct Deleter {
    void operator()(KeyEntry* entry) const;
  };
  using Owner = std::unique_ptr<KeyEntry, Deleter>;

  static Owner Make(std::string_view key, uint64_t hash);
  KeyEntry(const KeyEntry&) = delete;
  KeyEntry& operator=(const KeyEntry&) = delete;

  uint64_t hash() const { return hash_; }
  bool empty() const { return !newest_; }
  const VersionRef& newest() const { return newest_; }

  void Prefetch() const {
    __builtin_prefetch(newest_.get());
    __builtin_prefetch(older_.get());
  }

  /// The version is newer than all that the entry holds (checked).
  void Append(VersionRef version);
  /// Takes the version out; null when the entry does not hold it. O(1) for the oldest.
  VersionRef Remove(Revision rev);
  /// The newest version with main <= at, tombstones too; null when there is none.
  const Version* NewestAt(int64_t at) const;

 private:
  /// Superseded versions; those before `begin` have been removed and are null.
  struct Older {
    std::vector<VersionRef> versions;
    size_t begin = 0;
  };

  KeyEntry(uint32_t key_bytes, uint64_t hash)
      : IndexedKey(key_bytes, sizeof(KeyEntry)), hash_(hash) {}
  ~KeyEntry() = default;
  VersionRef RemoveOlder(Revision rev);

  uint64_t hash_;
  VersionRef newest_;
  std::unique_ptr<Older> older_;  // null while the key has one version
};

class KeyTable {
 public:
  KeyTable() = default;
  ~KeyTable();
  KeyTable(const KeyTable&) = delete;
  KeyTable& operator=(const KeyTable&) = delete;

  /// The lock that guards the slots and entries of keys with this hash.
  std::mutex& LockOf(uint64_t hash) const { return ShardOf(hash).mutex; }

  /// Under LockOf(hash), or on the committing thread. Null when absent.
  KeyEntry* Find(std::string_view key, uint64_t hash) const;
  /// Under LockOf(entry->hash()), by the committing thread; the key is absent. The table owns the
  /// entry from now on.
  void Insert(KeyEntry::Owner entry);
  /// Under LockOf(entry->hash()), by the committing thread. The caller owns the entry again, and
  /// frees it only when the ordered index does not name it any more.
  KeyEntry::Owner Erase(KeyEntry* entry);
  /// Asks the processor for what Find will touch; committing thread only.
  void Prefetch(uint64_t hash) const;
  /// The same for the next step of the way, when the one before is here: the entry, or null; then
  /// what the entry names.
  const KeyEntry* PrefetchEntry(uint64_t hash) const;

  /// As Warming::Warm. Any thread.
  void Warm(std::span<const std::string_view> keys) const;

  /// Number of keys; committing thread only.
  size_t size() const { return size_; }

 private:
  static constexpr size_t kShards = 512;
  static constexpr int kShardBits = 9;

  struct alignas(64) Shard {
    mutable std::mutex mutex;
    FlatTable<KeyEntry> entries;
  };

  // The top bits choose the shard, the low bits the slot in it.
  const Shard& ShardOf(uint64_t hash) const { return shards_[hash >> (64 - kShardBits)]; }
  Shard& ShardOf(uint64_t hash) { return shards_[hash >> (64 - kShardBits)]; }

  std::array<Shard, kShards> shards_;
  size_t size_ = 0;
};

}  // namespace metastore

#endif  // METASTORE_ENGINE_MEMORY_KEY_TABLE_H_
