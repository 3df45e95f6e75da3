// Filling, keeping in step and evicting; see hot_map.h.
#include "engine/tables/hot_map.h"

#include <memory>
#include <utility>

namespace metastore {

HotMap::~HotMap() {
  for (const Shard& shard : shards_) {
    for (const auto& slot : shard.entries.slots()) delete slot.item;
  }
}

/// The version, the entry, the allocator's headers, and a slot in a table that is about half full.
uint64_t HotMap::CostOf(const VersionView& view) {
  return sizeof(Version) + view.key.size() + view.value.size() + sizeof(Entry) + 2 * 16 + 32;
}

HotMap::Entry* HotMap::Search(const Shard& shard, std::string_view key, uint64_t hash) {
  return shard.entries.Find(hash, [&](const Entry& at) { return at.version->key() == key; });
}

VersionRef HotMap::Find(std::string_view key, uint64_t hash, int64_t at) {
  if (shard_capacity_bytes_ == 0) return VersionRef();
  Shard& shard = ShardOf(hash);
  std::lock_guard guard(shard.mutex);
  Entry* entry = Search(shard, key, hash);
  if (entry == nullptr || entry->version->rev().main > at) return VersionRef();
  entry->used = true;
  hits_.fetch_add(1, std::memory_order_relaxed);
  return entry->version;
}

void HotMap::Offer(const VersionView& view, uint64_t hash, int64_t revision) {
  const uint64_t cost = CostOf(view);
  // A value that would push out most of its shard is not worth it.
  if (cost > shard_capacity_bytes_ / 4) return;
  auto entry = std::make_unique<Entry>();
  entry->version = Version::Make(view);
  Shard& shard = ShardOf(hash);
  std::lock_guard guard(shard.mutex);
  if (shard.written_revision > revision || Search(shard, view.key, hash) != nullptr) return;
  MakeRoom(&shard, cost);
  shard.entries.Insert(hash, entry.release());
  shard.bytes += cost;
  bytes_.fetch_add(cost, std::memory_order_relaxed);
}

void HotMap::Commit(const VersionRef& version, uint64_t hash) {
  if (shard_capacity_bytes_ == 0) return;
  const VersionView& view = version->view();
  VersionRef replaced;  // freed after the lock
  Shard& shard = ShardOf(hash);
  std::lock_guard guard(shard.mutex);
  shard.written_revision = view.rev.main;
  Entry* entry = Search(shard, view.key, hash);
  if (entry == nullptr) return;
  replaced = entry->version;
  const uint64_t before = CostOf(replaced->view());
  const uint64_t after = CostOf(view);
  if (view.tombstone || after > shard_capacity_bytes_ / 4) {
    Erase(&shard, hash, entry);
    return;
  }
  entry->version = version;
  shard.bytes += after - before;  // modulo 2^64, as the sums are
  bytes_.fetch_add(after - before, std::memory_order_relaxed);
  if (shard.bytes > shard_capacity_bytes_) MakeRoom(&shard, 0);
}

void HotMap::Erase(Shard* shard, uint64_t hash, Entry* entry) {
  const uint64_t cost = CostOf(entry->version->view());
  shard->entries.Erase(hash, entry);
  delete entry;
  shard->bytes -= cost;
  bytes_.fetch_sub(cost, std::memory_order_relaxed);
}

void HotMap::MakeRoom(Shard* shard, uint64_t bytes) {
  const auto& slots = shard->entries.slots();
  while (shard->entries.size() > 0 && shard->bytes + bytes > shard_capacity_bytes_) {
    if (shard->hand >= slots.size()) shard->hand = 0;
    Entry* entry = slots[shard->hand].item;
    if (entry == nullptr || std::exchange(entry->used, false)) {
      ++shard->hand;
      continue;
    }
    // The hand stays: another entry may move into this slot.
    Erase(shard, slots[shard->hand].hash, entry);
  }
}

}  // namespace metastore
