// Compactor: what compactions have still to remove, and the hashes that they leave behind.
//
// A compaction is logical at once (reads below it fail) and physical later, in bounded steps on the
// apply thread between runs. A step walks the versions above the last finished compaction and drops
// their predecessors, so its cost is in proportion to what was changed. Deletions at the compaction
// itself stay until the next one, as in etcd, since HashKV and watchers see them.
#ifndef METASTORE_MVCC_COMPACT_COMPACTOR_H_
#define METASTORE_MVCC_COMPACT_COMPACTOR_H_

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/engine.h"
#include "mvcc/events.h"
#include "mvcc/state/rows.h"
#include "mvcc/store.h"

namespace metastore::mvcc {

/// Collects the removals of one step into `batch` and moves `numbers` (cursor, sizes, finished)
/// accordingly. At most about `batch_limit` rows are removed and a few times as many walked.
Status CollectRemovals(Engine* engine, const EngineSnapshot& snapshot, int batch_limit,
                       Numbers* numbers, Batch* batch);

/// Scheduled compactions, oldest first, and remembered hashes. Any thread.
class Compactor {
 public:
  /// After opening: a compaction that was under way is resumed, and no hash is taken of it.
  void Restore(const Numbers& numbers);
  /// A compaction has been published.
  void Schedule(int64_t revision);
  /// The compaction that the next step works on, if there is one.
  std::optional<int64_t> Current() const;
  /// The current compaction's rows are gone.
  void Finished();

  /// Claims the current compaction for hashing: the caller must end with Hashed. None when there is
  /// nothing to hash: no compaction, one that steps have begun on, or one hashed already.
  std::optional<int64_t> BeginHash();
  void Hashed(std::optional<HashResult> hash);
  /// Claims the current compaction for a step, after which no hash of it is taken any more.
  std::optional<int64_t> BeginStep();

  /// The remembered hash of the compaction to exactly this revision.
  std::optional<HashResult> Find(int64_t revision) const;
  std::vector<HashResult> Hashes() const;

 private:
  struct Scheduled {
    int64_t revision = 0;
    bool hash_wanted = true;
  };
  mutable std::mutex mutex_;
  std::deque<Scheduled> scheduled_;  // guarded by mutex_, as everything here
  bool hashing_ = false;
  std::vector<HashResult> hashes_;  // ascending by hash_revision, the newest kHashesKept
};

/// Views by compact revision: tells when nobody can read below a compaction any more. Apply thread.
class Generations {
 public:
  /// The token for views of this compact revision; a new one when the revision has changed.
  std::shared_ptr<const void> Token(int64_t compact_revision);
  /// True when no view with a lower compact revision is held by anyone.
  bool FreeBelow(int64_t compact_revision);

 private:
  struct Generation {
    int64_t compact_revision = 0;
    std::weak_ptr<const void> token;
  };
  std::vector<Generation> older_;
  int64_t compact_revision_ = 0;
  std::shared_ptr<const void> current_;
};

}  // namespace metastore::mvcc

#endif  // METASTORE_MVCC_COMPACT_COMPACTOR_H_
