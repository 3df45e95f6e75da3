// Insertion and CLOCK eviction; see meta_cache.h.
#include "engine/tables/meta_cache.h"

#include <cstring>
#include <new>

#include "base/check.h"

namespace metastore {

MetaCache::~MetaCache() {
  for (const Shard& shard : shards_) {
    for (const auto& slot : shard.entries.slots()) ::operator delete(slot.item);
  }
}

/// What an entry takes: itself, the allocator's header, and a slot in a table that is about half
/// full.
uint64_t MetaCache::CostOf(size_t key_bytes) { return sizeof(Entry) + key_bytes + 16 + 32; }

const VersionMeta* MetaCache::Find(std::string_view key, uint64_t hash) {
  Entry* entry = ShardOf(hash).entries.Find(hash, [&](const Entry& at) { return at.key() == key; });
  if (entry == nullptr) return nullptr;
  entry->used = true;
  return &entry->meta;
}

void MetaCache::Put(std::string_view key, uint64_t hash, const VersionMeta& meta) {
  Shard& shard = ShardOf(hash);
  Entry* entry = shard.entries.Find(hash, [&](const Entry& at) { return at.key() == key; });
  if (entry != nullptr) {
    entry->meta = meta;
    entry->used = true;
    return;
  }
  const uint64_t cost = CostOf(key.size());
  if (cost > shard_capacity_bytes_) return;
  while (shard.bytes + cost > shard_capacity_bytes_) EvictOne(&shard);
  void* memory = ::operator new(sizeof(Entry) + key.size());
  entry = new (memory) Entry{meta, static_cast<uint32_t>(key.size()), false};
  if (!key.empty()) std::memcpy(static_cast<void*>(entry + 1), key.data(), key.size());
  shard.entries.Insert(hash, entry);
  shard.bytes += cost;
  bytes_ += cost;
  ++entries_;
}

void MetaCache::EvictOne(Shard* shard) {
  METASTORE_CHECK(shard->entries.size() > 0, "bytes belong to entries");
  const auto& slots = shard->entries.slots();
  for (;; ++shard->hand) {
    if (shard->hand >= slots.size()) shard->hand = 0;
    Entry* entry = slots[shard->hand].item;
    if (entry == nullptr) continue;
    if (!entry->used) {
      const uint64_t cost = CostOf(entry->key_bytes);
      // The hand stays: another entry may have moved into this slot.
      shard->entries.EraseSlot(shard->hand);
      ::operator delete(entry);
      shard->bytes -= cost;
      bytes_ -= cost;
      --entries_;
      return;
    }
    entry->used = false;
  }
}

}  // namespace metastore
