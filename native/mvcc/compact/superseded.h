// Superseded: which old versions newer ones have replaced, found by walking the newer ones, since
// each names its predecessor. For readers who must not see what a compaction has still to remove
// (hashes, images), while it may be removing it.
#ifndef METASTORE_MVCC_COMPACT_SUPERSEDED_H_
#define METASTORE_MVCC_COMPACT_SUPERSEDED_H_

#include <cstdint>
#include <vector>

#include "engine/engine.h"

namespace metastore::mvcc {

/// Predecessors remembered at a time, 16 bytes each; more are found by walking again.
inline constexpr size_t kSupersededAtOnce = size_t{2} << 20;

/// Versions at or below `bound` that versions of (finished, to] replaced, in ascending order and a
/// part at a time. `finished`: everything that compactions up to there drop is gone.
///
/// Removals that go on meanwhile do no harm: a version goes before the one that replaced it, so
/// what a later walk still finds and is superseded was known to the earlier one.
class Superseded {
 public:
  Superseded(Engine* engine, const EngineSnapshot& snapshot, int64_t finished, int64_t to,
             int64_t bound, size_t at_once = kSupersededAtOnce);

  /// Prepares for questions about revisions from `first` on: one walk.
  Status Load(Revision first);
  /// Whether the loaded part can tell about `rev`.
  bool Covers(Revision rev) const { return complete_ || rev <= part_end_; }
  /// Whether `rev` is superseded. Asked in ascending order, of revisions that are covered.
  bool Contains(Revision rev);

 private:
  /// Keeps the lower half, and what the part covers ends with it.
  void Cut();

  Engine* const engine_;
  const EngineSnapshot& snapshot_;
  const Revision from_;
  const int64_t to_;
  const int64_t bound_;
  const size_t at_once_;
  std::vector<Revision> part_;
  size_t next_ = 0;
  bool complete_ = false;
  Revision part_end_;
};

}  // namespace metastore::mvcc

#endif  // METASTORE_MVCC_COMPACT_SUPERSEDED_H_
