// LeaseTable: which leases exist and their TTLs. Deadlines are not kept here (TypeScript's, from a
// clock); keys are found through the engine's attachments.
//
// Apply stages changes while a run is open and publishes them after the engine has them; other
// threads see published rows only.
#ifndef METASTORE_MVCC_STATE_LEASE_TABLE_H_
#define METASTORE_MVCC_STATE_LEASE_TABLE_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/engine.h"
#include "mvcc/store.h"

namespace metastore::mvcc {

class LeaseTable {
 public:
  /// Reads the rows of a snapshot; TTLs below the minimum are raised to it.
  Status Load(Engine* engine, const EngineSnapshot& snapshot, int64_t min_ttl_seconds);

  // ---- Apply thread. ---------------------------------------------------------------------------

  /// The lease as the running entries see it.
  std::optional<LeaseRow> Find(int64_t id) const;
  /// Adds or replaces a lease; its meta row goes to the batch.
  void Stage(const LeaseRow& lease, Batch* batch);
  void StageRemoval(int64_t id, Batch* batch);
  /// Makes what was staged visible to other threads; after the engine has committed it.
  void Publish();

  // ---- Any thread. -----------------------------------------------------------------------------

  std::vector<LeaseRow> All() const;
  bool Exists(int64_t id) const;

 private:
  mutable std::mutex mutex_;
  std::map<int64_t, LeaseRow> rows_;                   // written by apply under the mutex only
  std::map<int64_t, std::optional<LeaseRow>> staged_;  // apply only; none: removed
};

}  // namespace metastore::mvcc

#endif  // METASTORE_MVCC_STATE_LEASE_TABLE_H_
