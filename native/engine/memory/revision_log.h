// RevisionLog: the memory engine's versions in the order of their revisions.
//
// Watch catch-up, hashes, compaction and images walk it. Chunks of up to 512 versions under one
// reader-writer lock; a walk takes a piece under the lock and visits it without.
#ifndef METASTORE_ENGINE_MEMORY_REVISION_LOG_H_
#define METASTORE_ENGINE_MEMORY_REVISION_LOG_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/shared_lock.h"
#include "engine/engine.h"
#include "engine/version.h"

namespace metastore {

class RevisionLog {
 public:
  /// Adds versions that ascend and are newer than all others (checked). Committing thread.
  void Append(std::span<const VersionWrite> versions);

  /// Takes versions out; a revision that is not there is no error. Committing thread. The versions
  /// are appended to *removed, so that the caller frees them outside every lock.
  void Remove(std::span<const VersionRemoval> removals, std::vector<VersionRef>* removed);

  /// Null when there is none, or no longer.
  VersionRef Find(Revision rev) const;

  /// Visits versions from `from` on while main <= to_main. Versions that are appended meanwhile may
  /// or may not be met; the caller bounds to_main by what it has pinned.
  void Scan(Revision from, int64_t to_main, VersionVisitor visit) const;

  /// Committing thread only.
  size_t size() const { return size_; }

 private:
  struct Slot {
    Revision rev;
    VersionRef version;  // null: removed
  };
  /// Slots ascend; `rev` stays when the version goes, so that searches still work.
  struct Chunk {
    std::vector<Slot> slots;
    size_t live = 0;
  };
  using Chunks = std::map<Revision, Chunk>;

  void RemoveOne(Revision rev, std::vector<VersionRef>* removed);
  Chunks::iterator Tidy(Chunks::iterator chunk);
  Chunks::const_iterator ChunkOf(Revision rev) const;
  size_t Collect(Revision from, int64_t to_main, size_t limit, std::vector<VersionRef>* out) const;

  mutable SharedLock lock_;
  /// By a revision not above the first slot's and above every slot's of the chunk before.
  Chunks chunks_;
  size_t size_ = 0;
};

}  // namespace metastore

#endif  // METASTORE_ENGINE_MEMORY_REVISION_LOG_H_
