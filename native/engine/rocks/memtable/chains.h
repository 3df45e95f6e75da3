// Chains: the rows of one memtable as a hash table and an ordered index over user keys, each with
// the chain of its rows. The bytes of the rows belong to RocksDB's arena.
//
// RocksDB's own memtable is a skip list over all rows: in the family that holds each key's newest
// version every overwrite searched it anew, a cache miss a step. Here an overwrite of a key that
// the memtable holds finds its chain by one look into the hash table.
#ifndef METASTORE_ENGINE_ROCKS_MEMTABLE_CHAINS_H_
#define METASTORE_ENGINE_ROCKS_MEMTABLE_CHAINS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/shared_lock.h"
#include "engine/tables/flat_table.h"
#include "engine/tables/index/key_index.h"

namespace metastore::rocks {

/// One row, as RocksDB spells it, behind this header: the length of the internal key as a varint,
/// user key, tag (little-endian; the sequence number and, in the low byte, the kind), value.
struct ChainRow {
  ChainRow* older = nullptr;  // the key's former row here; never changes once the row is linked
  uint64_t tag = 0;
  const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
};

/// One user key and its rows, newest first, with the key's bytes behind it.
class Chain final : public IndexedKey {
 public:
  Chain(uint32_t key_bytes) : IndexedKey(key_bytes, sizeof(Chain)) {}
  const ChainRow* newest() const { return newest_.load(std::memory_order_acquire); }
  const ChainRow* oldest() const;
  /// The row that replaced `row`; null when that is the newest.
  const ChainRow* NewerThan(const ChainRow* row) const;

 private:
  friend class Chains;
  std::atomic<ChainRow*> newest_{nullptr};
  uint64_t newest_tag_ = 0;  // the writer's: it need not touch the row itself
  uint64_t rows_ = 0;        // the writer's
  /// Every kMarkedth row, so that a reader of an old state need not walk all newer rows of a key
  /// that is written again and again; null while there are few. Guarded by Chains::lock_.
  std::vector<const ChainRow*>* marks_ = nullptr;
};

/// One thread inserts; any thread reads. Rows and chains stay until the end of the object.
class Chains {
 public:
  Chains();
  ~Chains();
  Chains(const Chains&) = delete;
  Chains& operator=(const Chains&) = delete;

  /// The row is complete, and newer than all rows of its key (checked).
  void Insert(ChainRow* row);
  /// Asks the processor for what an insertion of a key with this hash will touch: first the slot,
  /// then, when that is here, the chain. The inserting thread.
  void Prefetch(uint64_t hash) const { by_key_.Prefetch(hash); }
  void PrefetchChain(uint64_t hash) const { __builtin_prefetch(by_key_.Likely(hash), 1); }

  /// The key's newest row with a tag of at most `tag`; null when there is none.
  const ChainRow* Find(std::string_view key, uint64_t tag) const;
  /// The first row at or behind (key, tag) in the order of internal keys, which is descending in
  /// tags: the chain and the row in it; null at the end. `more` receives the chains that follow,
  /// as many as there is room for, and `*filled` their number.
  const ChainRow* Seek(std::string_view key, uint64_t tag, std::span<const Chain*> more,
                       size_t* filled) const;
  /// Chains whose keys are above `key`, in order; returns how many.
  size_t Following(std::string_view key, std::span<const Chain*> more) const;
  /// Neighbours; null when there is none.
  const Chain* At(std::string_view key) const;
  const Chain* Before(std::string_view key) const;
  const Chain* Last() const;

  /// Beside the rows, bytes. Any thread.
  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint64_t kMarked = 64;

  Chain* MakeChain(std::string_view key);
  Chain* Lookup(std::string_view key) const;
  static const ChainRow* RowAt(const Chain& chain, uint64_t tag);
  static size_t Copy(KeyIndex::Cursor from, std::span<const Chain*> to);

  mutable SharedLock lock_;
  FlatTable<Chain> by_key_;  // changed under lock_, so the writer reads without it; as index_
  KeyIndex index_;
  std::deque<std::vector<const ChainRow*>> marks_;  // the chains' own
  std::vector<std::unique_ptr<char[]>> blocks_;     // memory of chains; the writer's
  size_t block_left_ = 0;
  std::atomic<size_t> bytes_{0};
};

/// The parts of a row's or a search's internal key.
std::string_view UserKeyOf(std::string_view internal_key);
uint64_t TagOf(std::string_view internal_key);
/// The internal key of a row as RocksDB spells it.
std::string_view InternalKeyOf(const char* bytes);

}  // namespace metastore::rocks

#endif  // METASTORE_ENGINE_ROCKS_MEMTABLE_CHAINS_H_
