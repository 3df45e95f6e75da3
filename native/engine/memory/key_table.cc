// Entries and shards of the memory engine's hash table; see key_table.h.
#include "engine/memory/key_table.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/check.h"

namespace metastore {
namespace {

/// Of a key and of a version's key and value together: what is usual, which is fetched ahead.
constexpr size_t kKeyBytes = 32;
constexpr size_t kValueBytes = 320;

void PrefetchBytes(const void* from, size_t bytes) {
  constexpr size_t kLine = 64;
  const auto* at = static_cast<const char*>(from);
  if (at == nullptr) return;
  for (size_t i = 0; i < bytes; i += kLine) __builtin_prefetch(at + i);
}

}  // namespace

void KeyEntry::Deleter::operator()(KeyEntry* entry) const {
  entry->~KeyEntry();
  ::operator delete(static_cast<void*>(entry));
}

KeyEntry::Owner KeyEntry::Make(std::string_view key, uint64_t hash) {
  void* memory = ::operator new(sizeof(KeyEntry) + key.size());
  auto* entry = new (memory) KeyEntry(static_cast<uint32_t>(key.size()), hash);
  if (!key.empty()) std::memcpy(static_cast<void*>(entry + 1), key.data(), key.size());
  return Owner(entry);
}

void KeyEntry::Append(VersionRef version) {
  if (newest_) {
    METASTORE_CHECK(newest_->rev() < version->rev(), "versions of a key ascend");
    if (!older_) older_ = std::make_unique<Older>();
    older_->versions.push_back(std::move(newest_));
  }
  newest_ = std::move(version);
}

VersionRef KeyEntry::Remove(Revision rev) {
  if (!newest_) return VersionRef();
  if (newest_->rev() != rev) return RemoveOlder(rev);
  VersionRef removed = std::move(newest_);
  if (older_) {
    newest_ = std::move(older_->versions.back());
    older_->versions.pop_back();
    if (older_->versions.size() == older_->begin) older_.reset();
  }
  return removed;
}

VersionRef KeyEntry::RemoveOlder(Revision rev) {
  if (!older_) return VersionRef();
  auto& versions = older_->versions;
  const auto first = versions.begin() + static_cast<ptrdiff_t>(older_->begin);
  const auto found = std::lower_bound(
      first, versions.end(), rev,
      [](const VersionRef& version, Revision wanted) { return version->rev() < wanted; });
  if (found == versions.end() || (*found)->rev() != rev) return VersionRef();
  VersionRef removed = std::move(*found);
  if (found == first) {
    // Compaction drops the oldest again and again: leave a hole, and close it now and then.
    ++older_->begin;
    if (older_->begin == versions.size()) {
      older_.reset();
    } else if (older_->begin >= 32 && older_->begin * 2 >= versions.size()) {
      versions.erase(versions.begin(), versions.begin() + static_cast<ptrdiff_t>(older_->begin));
      older_->begin = 0;
    }
  } else {
    versions.erase(found);
  }
  return removed;
}

const Version* KeyEntry::NewestAt(int64_t at) const {
  if (!newest_) return nullptr;
  if (newest_->rev().main <= at) return newest_.get();
  if (!older_) return nullptr;
  const auto first = older_->versions.begin() + static_cast<ptrdiff_t>(older_->begin);
  const auto after = std::upper_bound(
      first, older_->versions.end(), at,
      [](int64_t wanted, const VersionRef& version) { return wanted < version->rev().main; });
  return after == first ? nullptr : std::prev(after)->get();
}

KeyTable::~KeyTable() {
  for (const Shard& shard : shards_) {
    for (const auto& slot : shard.entries.slots()) {
      if (slot.item != nullptr) KeyEntry::Deleter()(slot.item);
    }
  }
}

KeyEntry* KeyTable::Find(std::string_view key, uint64_t hash) const {
  return ShardOf(hash).entries.Find(hash,
                                    [&](const KeyEntry& entry) { return entry.key() == key; });
}

void KeyTable::Prefetch(uint64_t hash) const { ShardOf(hash).entries.Prefetch(hash); }

const KeyEntry* KeyTable::PrefetchEntry(uint64_t hash) const {
  const KeyEntry* entry = ShardOf(hash).entries.Likely(hash);
  if (entry != nullptr) __builtin_prefetch(entry);
  return entry;
}

void KeyTable::Warm(std::span<const std::string_view> keys) const {
  constexpr size_t kTogether = 16;
  std::array<uint64_t, kTogether> hashes;
  for (; !keys.empty(); keys = keys.subspan(std::min(keys.size(), kTogether))) {
    const size_t count = std::min(keys.size(), kTogether);
    // One step of the way for all keys, then the next one, so that they wait for memory together.
    for (size_t i = 0; i < count; ++i) {
      hashes[i] = HashBytes(keys[i]);
      const std::lock_guard guard(LockOf(hashes[i]));
      Prefetch(hashes[i]);
    }
    for (size_t i = 0; i < count; ++i) {
      const std::lock_guard guard(LockOf(hashes[i]));
      PrefetchBytes(ShardOf(hashes[i]).entries.Likely(hashes[i]), sizeof(KeyEntry) + kKeyBytes);
    }
    for (size_t i = 0; i < count; ++i) {
      const std::lock_guard guard(LockOf(hashes[i]));
      const KeyEntry* entry = ShardOf(hashes[i]).entries.Likely(hashes[i]);
      if (entry != nullptr) PrefetchBytes(entry->newest().get(), sizeof(Version) + kValueBytes);
    }
  }
}

void KeyTable::Insert(KeyEntry::Owner entry) {
  const uint64_t hash = entry->hash();
  ShardOf(hash).entries.Insert(hash, entry.release());
  ++size_;
}

KeyEntry::Owner KeyTable::Erase(KeyEntry* entry) {
  ShardOf(entry->hash()).entries.Erase(entry->hash(), entry);
  --size_;
  return KeyEntry::Owner(entry);
}

}  // namespace metastore
