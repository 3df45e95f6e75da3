// Chunks of versions in revision order; see revision_log.h.
#include "engine/memory/revision_log.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "base/check.h"

namespace metastore {
namespace {

constexpr size_t kChunkSlots = 512;
/// Versions taken under one hold of the lock: the first piece is small, for short walks.
constexpr size_t kFirstPiece = 32;
constexpr size_t kLargestPiece = 512;

}  // namespace

void RevisionLog::Append(std::span<const VersionWrite> versions) {
  if (versions.empty()) return;
  std::unique_lock guard(lock_);
  Chunk* last = chunks_.empty() ? nullptr : &std::prev(chunks_.end())->second;
  for (const VersionWrite& write : versions) {
    const Revision rev = write.version->rev();
    METASTORE_CHECK(last == nullptr || last->slots.back().rev < rev, "revisions ascend");
    if (last == nullptr || last->slots.size() >= kChunkSlots) {
      last = &chunks_.try_emplace(chunks_.end(), rev)->second;
      last->slots.reserve(kChunkSlots);
    }
    last->slots.push_back(Slot{rev, write.version});
    ++last->live;
  }
  size_ += versions.size();
}

/// The only chunk that can hold `rev`: the last one that does not begin behind it.
RevisionLog::Chunks::const_iterator RevisionLog::ChunkOf(Revision rev) const {
  const auto after = chunks_.upper_bound(rev);
  return after == chunks_.begin() ? chunks_.end() : std::prev(after);
}

void RevisionLog::Remove(std::span<const VersionRemoval> removals,
                         std::vector<VersionRef>* removed) {
  // A piece at a time, so that readers wait for tens of microseconds at most.
  constexpr size_t kPiece = 64;
  while (!removals.empty()) {
    const size_t piece = std::min(kPiece, removals.size());
    std::unique_lock guard(lock_);
    for (const VersionRemoval& removal : removals.first(piece)) RemoveOne(removal.rev, removed);
    removals = removals.subspan(piece);
  }
}

void RevisionLog::RemoveOne(Revision rev, std::vector<VersionRef>* removed) {
  const auto found = ChunkOf(rev);
  if (found == chunks_.end()) return;
  const auto chunk = chunks_.erase(found, found);  // const_iterator to iterator; erases nothing
  auto& slots = chunk->second.slots;
  const auto slot = std::lower_bound(slots.begin(), slots.end(), rev,
                                     [](const Slot& a, Revision b) { return a.rev < b; });
  if (slot == slots.end() || slot->rev != rev || !slot->version) return;
  removed->push_back(std::move(slot->version));
  --chunk->second.live;
  --size_;
  // A chunk that is half holes is packed, so that what stays costs what it needs.
  if (chunk->second.live * 2 <= slots.size()) Tidy(chunk);
}

RevisionLog::Chunks::iterator RevisionLog::Tidy(Chunks::iterator chunk) {
  const bool newest = std::next(chunk) == chunks_.end();
  if (chunk->second.live == 0) return chunks_.erase(chunk);
  std::vector<Slot> packed;
  packed.reserve(newest ? kChunkSlots : chunk->second.live);
  for (Slot& slot : chunk->second.slots) {
    if (slot.version) packed.push_back(std::move(slot));
  }
  chunk->second.slots = std::move(packed);
  // Join the chunk before when both are small, so that chunks stay few where little survives.
  if (chunk == chunks_.begin() || newest) return std::next(chunk);
  const auto before = std::prev(chunk);
  auto& target = before->second.slots;
  if (target.size() + chunk->second.slots.size() > kChunkSlots / 2) return std::next(chunk);
  std::move(chunk->second.slots.begin(), chunk->second.slots.end(), std::back_inserter(target));
  before->second.live += chunk->second.live;
  return chunks_.erase(chunk);
}

VersionRef RevisionLog::Find(Revision rev) const {
  std::shared_lock guard(lock_);
  const auto chunk = ChunkOf(rev);
  if (chunk == chunks_.end()) return VersionRef();
  const auto& slots = chunk->second.slots;
  const auto slot = std::lower_bound(slots.begin(), slots.end(), rev,
                                     [](const Slot& a, Revision b) { return a.rev < b; });
  return slot == slots.end() || slot->rev != rev ? VersionRef() : slot->version;
}

/// Takes up to `limit` versions; fewer means that the walk has ended.
size_t RevisionLog::Collect(Revision from, int64_t to_main, size_t limit,
                            std::vector<VersionRef>* out) const {
  out->clear();
  std::shared_lock guard(lock_);
  auto chunk = ChunkOf(from);
  if (chunk == chunks_.end()) chunk = chunks_.begin();
  for (; chunk != chunks_.end(); ++chunk) {
    const auto& slots = chunk->second.slots;
    auto slot = std::lower_bound(slots.begin(), slots.end(), from,
                                 [](const Slot& a, Revision b) { return a.rev < b; });
    for (; slot != slots.end(); ++slot) {
      if (slot->rev.main > to_main) return out->size();
      if (!slot->version) continue;
      out->push_back(slot->version);
      if (out->size() == limit) return limit;
    }
  }
  return out->size();
}

void RevisionLog::Scan(Revision from, int64_t to_main, VersionVisitor visit) const {
  std::vector<VersionRef> piece;
  for (size_t limit = kFirstPiece;; limit = std::min(limit * 2, kLargestPiece)) {
    const size_t taken = Collect(from, to_main, limit, &piece);
    for (const VersionRef& version : piece) {
      if (!visit(version->view())) return;
    }
    if (taken < limit) return;
    from = piece.back()->rev();
    METASTORE_CHECK(from.sub < std::numeric_limits<int64_t>::max(), "a next sub exists");
    ++from.sub;
  }
}

}  // namespace metastore
