// The hashes that members compare: HashKV over a window of history, and Hash over all that is kept.
//
// Both are CRC-32C sums over rows spelled as etcd spells them (main_sub, `t` for a deletion, then
// the pair as protobuf), so numbers agree with other members' whatever their engine. What a
// compaction has dropped, or is still to drop, does not show: the sum is that of the finished
// state.
#ifndef METASTORE_MVCC_READ_HASH_H_
#define METASTORE_MVCC_READ_HASH_H_

#include <cstdint>

#include "base/status.h"
#include "engine/engine.h"
#include "mvcc/compact/superseded.h"

namespace metastore::mvcc {

struct HashWindow {
  /// Versions up to this revision are summed.
  int64_t upto = 0;
  /// Compact revision that the sum goes by; -1 for none.
  int64_t compact_revision = -1;
  /// Everything that compactions up to here drop is gone from the snapshot (a lower bound).
  int64_t finished_compact_revision = -1;
  /// For the hash of a compaction's own cut: a deletion exactly at `upto` counts as kept.
  bool keep_deletions_at_upto = false;
};

/// Sums the window. Memory is bounded by `superseded_at_once`; time is one walk over the rows and
/// one over the changes since the last compaction for every so many superseded versions.
Status HashHistory(Engine* engine, const EngineSnapshot& snapshot, const HashWindow& window,
                   uint32_t* hash, size_t superseded_at_once = kSupersededAtOnce);

/// The sum over nothing: HashKV of an empty store.
uint32_t EmptyHash();

/// Sums every stored version, lease and alarm, for Maintenance.Hash.
Status HashStored(Engine* engine, const EngineSnapshot& snapshot, uint32_t* hash);

}  // namespace metastore::mvcc

#endif  // METASTORE_MVCC_READ_HASH_H_
