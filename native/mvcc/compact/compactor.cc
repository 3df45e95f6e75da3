// Physical compaction; see compactor.h.
#include "mvcc/compact/compactor.h"

#include <algorithm>

#include "base/check.h"

namespace metastore::mvcc {
namespace {

constexpr size_t kHashesKept = 10;
/// A step looks at this many versions for each row that it may remove.
constexpr int64_t kWalkedPerRemoval = 8;

}  // namespace

Status CollectRemovals(Engine* engine, const EngineSnapshot& snapshot, int batch_limit,
                       Numbers* numbers, Batch* batch) {
  const int64_t target = numbers->pass_target;
  const int64_t finished = numbers->finished_compact_revision;
  METASTORE_CHECK(batch_limit > 0, "a step may remove something");
  METASTORE_CHECK(target > finished && target <= numbers->compact_revision, "a pass is under way");
  int64_t walked = 0;
  bool stopped = false;
  const auto visit = [&](const VersionView& version) {
    if (batch->removals.size() >= static_cast<size_t>(batch_limit) ||
        walked >= batch_limit * kWalkedPerRemoval) {
      numbers->cursor = version.rev;
      stopped = true;
      return false;
    }
    walked++;
    // The former compaction has dropped the predecessors of its own last revision already.
    if (version.rev.main > finished && version.prev.main != 0) {
      batch->removals.push_back({std::string(version.key), version.prev, false, version.version});
      numbers->stored_bytes -= version.prev_size_bytes;
    }
    if (version.tombstone && version.rev.main < target) {
      batch->removals.push_back({std::string(version.key), version.rev, true});
      numbers->stored_bytes -= AccountedSize(version.key.size(), 0);
    }
    return true;
  };
  METASTORE_RETURN_IF_ERROR(engine->ScanRevisions(snapshot, numbers->cursor, target, visit));
  if (!stopped) {
    numbers->finished_compact_revision = target;
    numbers->pass_target = -1;
    numbers->cursor = Revision();
  }
  METASTORE_CHECK(numbers->stored_bytes >= 0, "no more is removed than was stored");
  return Status::Ok();
}

// ---- Compactor. ------------------------------------------------------------------------------

void Compactor::Restore(const Numbers& numbers) {
  const std::lock_guard lock(mutex_);
  METASTORE_CHECK(scheduled_.empty(), "restored once, before anything else");
  if (numbers.pass_target > numbers.finished_compact_revision) {
    scheduled_.push_back({numbers.pass_target, false});
  }
  const int64_t last = std::max(numbers.pass_target, numbers.finished_compact_revision);
  if (numbers.compact_revision > last) scheduled_.push_back({numbers.compact_revision, false});
}

void Compactor::Schedule(int64_t revision) {
  const std::lock_guard lock(mutex_);
  METASTORE_CHECK(scheduled_.empty() || scheduled_.back().revision < revision,
                  "compactions go forward");
  scheduled_.push_back({revision, true});
}

std::optional<int64_t> Compactor::Current() const {
  const std::lock_guard lock(mutex_);
  if (scheduled_.empty()) return std::nullopt;
  return scheduled_.front().revision;
}

void Compactor::Finished() {
  const std::lock_guard lock(mutex_);
  METASTORE_CHECK(!scheduled_.empty() && !hashing_, "a compaction was under way");
  scheduled_.pop_front();
}

std::optional<int64_t> Compactor::BeginHash() {
  const std::lock_guard lock(mutex_);
  if (scheduled_.empty() || hashing_ || !scheduled_.front().hash_wanted) return std::nullopt;
  hashing_ = true;
  scheduled_.front().hash_wanted = false;
  return scheduled_.front().revision;
}

void Compactor::Hashed(std::optional<HashResult> hash) {
  const std::lock_guard lock(mutex_);
  METASTORE_CHECK(hashing_, "a hash was begun");
  hashing_ = false;
  if (!hash) return;
  METASTORE_CHECK(hashes_.empty() || hashes_.back().hash_revision < hash->hash_revision,
                  "compactions go forward");
  hashes_.push_back(*hash);
  if (hashes_.size() > kHashesKept) hashes_.erase(hashes_.begin());
}

std::optional<int64_t> Compactor::BeginStep() {
  const std::lock_guard lock(mutex_);
  if (scheduled_.empty() || hashing_) return std::nullopt;
  scheduled_.front().hash_wanted = false;
  return scheduled_.front().revision;
}

std::optional<HashResult> Compactor::Find(int64_t revision) const {
  const std::lock_guard lock(mutex_);
  for (const HashResult& hash : hashes_) {
    if (hash.hash_revision == revision) return hash;
  }
  return std::nullopt;
}

std::vector<HashResult> Compactor::Hashes() const {
  const std::lock_guard lock(mutex_);
  return hashes_;
}

// ---- Generations. ----------------------------------------------------------------------------

std::shared_ptr<const void> Generations::Token(int64_t compact_revision) {
  if (current_ != nullptr && compact_revision_ == compact_revision) return current_;
  if (current_ != nullptr) {
    METASTORE_CHECK(compact_revision > compact_revision_, "compactions go forward");
    older_.push_back({compact_revision_, current_});
  }
  current_ = std::make_shared<const char>('v');
  compact_revision_ = compact_revision;
  return current_;
}

bool Generations::FreeBelow(int64_t compact_revision) {
  std::erase_if(older_, [](const Generation& one) { return one.token.expired(); });
  return std::none_of(older_.begin(), older_.end(), [&](const Generation& one) {
    return one.compact_revision < compact_revision;
  });
}

}  // namespace metastore::mvcc
