// The memory engine: a sharded hash table for single keys, an ordered index for ranges, versions in
// revision order, and persistent maps for meta rows and attachments.
//
// State is not durable by itself: the Raft log and images carry it (docs/formats/record.md). A
// snapshot pins a revision and exact copies of meta rows and attachments; versions are immutable
// and stay until compaction, which Store holds back while views below it are in use.
#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "base/check.h"
#include "base/shared_lock.h"
#include "codec/key_encoding.h"
#include "engine/engine.h"
#include "engine/memory/key_table.h"
#include "engine/memory/revision_log.h"
#include "engine/tables/index/key_index.h"
#include "engine/tables/row_tree.h"
#include "engine/warming.h"

namespace metastore {
namespace {

struct Rows {
  RowTree meta;
  RowTree attached;  // codec::AppendAttachmentKey(lease, key) -> empty
};

struct MemorySnapshot final : EngineSnapshot {
  Rows rows;
};

const Rows& RowsOf(const EngineSnapshot& snapshot) {
  return static_cast<const MemorySnapshot&>(snapshot).rows;
}

class MemoryEngine final : public Engine, public Warming {
 public:
  bool persistent() const override { return false; }
  std::string_view name() const override { return "memory"; }

  Status Commit(const Batch& batch) override;
  EngineSnapshotRef Pin(int64_t revision) override;
  Status Lookup(std::span<const std::string_view> keys, VersionMeta* out) override;
  Status Get(const EngineSnapshot& snapshot, std::string_view key, int64_t at,
             VersionVisitor visit) override;
  bool GetResident(const EngineSnapshot& snapshot, std::string_view key, int64_t at,
                   VersionVisitor visit) override {
    return Get(snapshot, key, at, visit).ok();
  }
  void Warm(std::span<const std::string_view> keys) const override { table_.Warm(keys); }
  Status GetRevision(const EngineSnapshot& snapshot, Revision rev, VersionVisitor visit) override;
  Status Scan(const EngineSnapshot& snapshot, const KeyRange& range, int64_t at, bool keys_only,
              VersionVisitor visit) override;
  bool ScanResident(const EngineSnapshot& snapshot, const KeyRange& range, int64_t at, size_t most,
                    VersionVisitor visit) override;
  Status ScanRevisions(const EngineSnapshot& snapshot, Revision from, int64_t to_main,
                       VersionVisitor visit) override;
  Status GetMeta(const EngineSnapshot& snapshot, std::string_view key,
                 std::optional<std::string>* value) override;
  Status ScanMeta(const EngineSnapshot& snapshot, std::string_view prefix,
                  RowVisitor visit) override;
  Status ScanAttached(const EngineSnapshot& snapshot, int64_t lease, KeyVisitor visit) override;
  uint64_t DurableAppliedIndex() const override { return 0; }
  Status Flush() override { return Status::Ok(); }
  std::vector<std::pair<std::string, double>> Stats() const override;

 private:
  /// Entries that one hold of the index lock looks at: small first, for pages and prefixes.
  static constexpr size_t kFirstPiece = 32;
  static constexpr size_t kLargestPiece = 256;

  void CommitVersions(const Batch& batch);
  void CommitRemovals(const Batch& batch);
  void CommitRows(const Batch& batch);
  void CountRemoved(const std::vector<VersionRef>& removed);
  /// Collects what is visible among the next `limit` keys; false when the range has ended.
  /// index_lock_ held.
  bool Collect(const KeyRange& range, std::string* from, int64_t at, size_t limit,
               std::vector<VersionRef>* out) const;

  KeyTable table_;
  mutable SharedLock index_lock_;
  KeyIndex index_;  // guarded by index_lock_
  RevisionLog log_;
  mutable std::mutex rows_mutex_;
  Rows rows_;  // guarded by rows_mutex_
  // Scratch of the committing thread.
  std::vector<uint64_t> hashes_;
  std::vector<KeyEntry*> fresh_;

  std::atomic<uint64_t> keys_{0};
  std::atomic<uint64_t> versions_{0};
  std::atomic<uint64_t> version_bytes_{0};
};

Status MemoryEngine::Commit(const Batch& batch) {
  CommitVersions(batch);
  CommitRemovals(batch);
  CommitRows(batch);
  return Status::Ok();
}

void MemoryEngine::CommitVersions(const Batch& batch) {
  if (batch.versions.empty()) return;
  hashes_.clear();
  for (const VersionWrite& write : batch.versions) {
    hashes_.push_back(HashBytes(write.version->key()));
    table_.Prefetch(hashes_.back());
  }
  fresh_.clear();
  uint64_t bytes = 0;
  for (size_t i = 0; i < batch.versions.size(); ++i) {
    const VersionRef& version = batch.versions[i].version;
    bytes += AccountedSize(version->key().size(), version->value().size());
    KeyEntry* entry = table_.Find(version->key(), hashes_[i]);
    if (entry != nullptr) {
      std::lock_guard guard(table_.LockOf(hashes_[i]));
      entry->Append(version);
      continue;
    }
    KeyEntry::Owner made = KeyEntry::Make(version->key(), hashes_[i]);
    made->Append(version);
    fresh_.push_back(made.get());
    std::lock_guard guard(table_.LockOf(hashes_[i]));
    table_.Insert(std::move(made));
  }
  if (!fresh_.empty()) {
    std::unique_lock guard(index_lock_);
    for (KeyEntry* entry : fresh_) index_.Insert(entry);
  }
  log_.Append(batch.versions);
  keys_.store(table_.size(), std::memory_order_relaxed);
  versions_.fetch_add(batch.versions.size(), std::memory_order_relaxed);
  version_bytes_.fetch_add(bytes, std::memory_order_relaxed);
}

void MemoryEngine::CommitRemovals(const Batch& batch) {
  if (batch.removals.empty()) return;
  std::vector<KeyEntry::Owner> dead;
  // What a tombstone hides goes first: a reader in between must not see it come back.
  for (const bool tombstones : {false, true}) {
    for (const VersionRemoval& removal : batch.removals) {
      if (removal.tombstone != tombstones) continue;
      const uint64_t hash = HashBytes(removal.key);
      KeyEntry* entry = table_.Find(removal.key, hash);
      if (entry == nullptr) continue;
      VersionRef version;  // outlives the guard, so that it is freed without the lock
      std::lock_guard guard(table_.LockOf(hash));
      version = entry->Remove(removal.rev);
      if (entry->empty()) dead.push_back(table_.Erase(entry));
    }
  }
  if (!dead.empty()) {
    std::unique_lock guard(index_lock_);
    for (const KeyEntry::Owner& entry : dead) index_.Erase(entry.get());
  }
  dead.clear();
  std::vector<VersionRef> removed;
  removed.reserve(batch.removals.size());
  log_.Remove(batch.removals, &removed);
  CountRemoved(removed);
}

void MemoryEngine::CountRemoved(const std::vector<VersionRef>& removed) {
  uint64_t bytes = 0;
  for (const VersionRef& version : removed) {
    bytes += AccountedSize(version->key().size(), version->value().size());
  }
  keys_.store(table_.size(), std::memory_order_relaxed);
  versions_.fetch_sub(removed.size(), std::memory_order_relaxed);
  version_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
}

void MemoryEngine::CommitRows(const Batch& batch) {
  if (batch.meta.empty() && batch.attachments.empty()) return;
  // Only this thread writes rows_, so the copy is current; the old nodes are freed after the lock.
  Rows next = rows_;
  for (const MetaWrite& write : batch.meta) {
    if (write.value.has_value()) {
      next.meta.Put(write.key, *write.value);
    } else {
      next.meta.Erase(write.key);
    }
  }
  std::string row;
  for (const AttachmentWrite& write : batch.attachments) {
    row.clear();
    codec::AppendAttachmentKey(write.lease, write.key, &row);
    if (write.attached) {
      next.attached.Put(row, std::string_view());
    } else {
      next.attached.Erase(row);
    }
  }
  std::lock_guard guard(rows_mutex_);
  std::swap(rows_, next);
}

EngineSnapshotRef MemoryEngine::Pin(int64_t revision) {
  auto snapshot = std::make_shared<MemorySnapshot>();
  snapshot->revision = revision;
  std::lock_guard guard(rows_mutex_);
  snapshot->rows = rows_;
  return snapshot;
}

Status MemoryEngine::Lookup(std::span<const std::string_view> keys, VersionMeta* out) {
  // The committing thread is the only writer, so it reads its own tables without their locks.
  constexpr size_t kAhead = 16;
  std::array<uint64_t, kAhead> hashes;
  std::array<const KeyEntry*, kAhead> entries;
  for (size_t start = 0; start < keys.size(); start += kAhead) {
    const size_t end = std::min(keys.size(), start + kAhead);
    for (size_t i = start; i < end; ++i) {
      hashes[i - start] = HashBytes(keys[i]);
      table_.Prefetch(hashes[i - start]);
    }
    // A step of the way at a time for all of them, so that their waits for memory overlap.
    for (size_t i = 0; i < end - start; ++i) entries[i] = table_.PrefetchEntry(hashes[i]);
    for (size_t i = 0; i < end - start; ++i) {
      if (entries[i] != nullptr) entries[i]->Prefetch();
    }
    for (size_t i = start; i < end; ++i) {
      const KeyEntry* entry = table_.Find(keys[i], hashes[i - start]);
      const bool live = entry != nullptr && !entry->newest()->view().tombstone;
      out[i] = live ? entry->newest()->meta() : VersionMeta();
    }
  }
  return Status::Ok();
}

Status MemoryEngine::Get(const EngineSnapshot& snapshot, std::string_view key, int64_t at,
                         VersionVisitor visit) {
  METASTORE_CHECK(at <= snapshot.revision, "reads stay within what is pinned");
  const uint64_t hash = HashBytes(key);
  VersionRef found;
  {
    std::lock_guard guard(table_.LockOf(hash));
    const KeyEntry* entry = table_.Find(key, hash);
    if (entry != nullptr) found = VersionRef(entry->NewestAt(at));
  }
  if (found && !found->view().tombstone) visit(found->view());
  return Status::Ok();
}

Status MemoryEngine::GetRevision(const EngineSnapshot& snapshot, Revision rev,
                                 VersionVisitor visit) {
  if (rev.main > snapshot.revision) return Status::Ok();
  const VersionRef found = log_.Find(rev);
  if (found) visit(found->view());
  return Status::Ok();
}

bool MemoryEngine::Collect(const KeyRange& range, std::string* from, int64_t at, size_t limit,
                           std::vector<VersionRef>* out) const {
  out->clear();
  auto cursor = index_.LowerBound(*from);
  for (size_t seen = 0; cursor.Valid(); cursor.Next(), ++seen) {
    const auto* entry = static_cast<const KeyEntry*>(cursor.entry());
    if (!range.unbounded && entry->key() >= range.end) return false;
    if (seen == limit) {
      from->assign(entry->key());
      return true;
    }
    // Lock order: the index, then one shard. Nobody takes the index while holding a shard.
    std::lock_guard shard(table_.LockOf(entry->hash()));
    const Version* version = entry->NewestAt(at);
    if (version != nullptr && !version->view().tombstone) out->emplace_back(version);
  }
  return false;
}

Status MemoryEngine::Scan(const EngineSnapshot& snapshot, const KeyRange& range, int64_t at,
                          bool /*keys_only*/, VersionVisitor visit) {
  METASTORE_CHECK(at <= snapshot.revision, "reads stay within what is pinned");
  std::string from(range.start);
  std::vector<VersionRef> piece;
  bool more = true;
  for (size_t limit = kFirstPiece; more; limit = std::min(limit * 2, kLargestPiece)) {
    {
      std::shared_lock guard(index_lock_);
      more = Collect(range, &from, at, limit, &piece);
    }
    for (const VersionRef& version : piece) {
      if (!visit(version->view())) return Status::Ok();
    }
  }
  return Status::Ok();
}

bool MemoryEngine::ScanResident(const EngineSnapshot& snapshot, const KeyRange& range, int64_t at,
                                size_t most, VersionVisitor visit) {
  METASTORE_CHECK(at <= snapshot.revision, "reads stay within what is pinned");
  std::string from(range.start);
  std::vector<VersionRef> piece;
  bool more = false;
  {
    std::shared_lock guard(index_lock_, std::try_to_lock);
    if (!guard.owns_lock()) return false;
    more = Collect(range, &from, at, most, &piece);
  }
  for (const VersionRef& version : piece) {
    if (!visit(version->view())) return true;
  }
  return !more;
}

Status MemoryEngine::ScanRevisions(const EngineSnapshot& snapshot, Revision from, int64_t to_main,
                                   VersionVisitor visit) {
  log_.Scan(from, std::min(to_main, snapshot.revision), visit);
  return Status::Ok();
}

Status MemoryEngine::GetMeta(const EngineSnapshot& snapshot, std::string_view key,
                             std::optional<std::string>* value) {
  const std::string* found = RowsOf(snapshot).meta.Find(key);
  value->reset();
  if (found != nullptr) value->emplace(*found);
  return Status::Ok();
}

Status MemoryEngine::ScanMeta(const EngineSnapshot& snapshot, std::string_view prefix,
                              RowVisitor visit) {
  RowsOf(snapshot).meta.Scan(prefix, visit);
  return Status::Ok();
}

Status MemoryEngine::ScanAttached(const EngineSnapshot& snapshot, int64_t lease, KeyVisitor visit) {
  std::string prefix;
  codec::AppendAttachmentKey(lease, std::string_view(), &prefix);
  RowsOf(snapshot).attached.Scan(prefix, [&](std::string_view row, std::string_view) {
    return visit(row.substr(codec::kAttachmentPrefixBytes));
  });
  return Status::Ok();
}

std::vector<std::pair<std::string, double>> MemoryEngine::Stats() const {
  const auto number = [](const std::atomic<uint64_t>& counter) {
    return static_cast<double>(counter.load(std::memory_order_relaxed));
  };
  std::lock_guard guard(rows_mutex_);
  return {{"keys", number(keys_)},
          {"versions", number(versions_)},
          {"version_bytes", number(version_bytes_)},
          {"meta_rows", static_cast<double>(rows_.meta.size())},
          {"attachments", static_cast<double>(rows_.attached.size())}};
}

}  // namespace

std::unique_ptr<Engine> NewMemoryEngine() { return std::make_unique<MemoryEngine>(); }

}  // namespace metastore
