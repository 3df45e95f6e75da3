// What apply publishes: the state that a run of entries made (for readers, who pin it), and the
// versions it is made of (for watchers).
#ifndef METASTORE_MVCC_EVENTS_H_
#define METASTORE_MVCC_EVENTS_H_

#include <memory>
#include <vector>

#include "engine/engine.h"

namespace metastore {

/// One published state. Readers hold one for the length of a request; everything in it belongs
/// together. Immutable.
struct View {
  int64_t revision = 1;
  /// Reads below it fail; -1 before the first compaction.
  int64_t compact_revision = -1;
  uint64_t applied_index = 0;
  /// Live keys at `revision`.
  int64_t key_count = 0;
  /// All rows that compactions up to here drop were gone when the view was taken (a lower bound).
  int64_t finished_compact_revision = 0;
  EngineSnapshotRef snapshot;
  /// Shared by all views of one compact revision: when the last one goes, an engine that removes
  /// in place may remove what only they could read.
  std::shared_ptr<const void> generation;
};
using ViewRef = std::shared_ptr<const View>;

/// Published after the state is visible: `versions` ascending in (main, sub), whole revisions only.
/// `view` is the state after them; `view->compact_revision` tells of compactions.
struct Publication {
  ViewRef view;
  std::vector<VersionRef> versions;
};

/// Called on the apply thread for every publication, also those without versions (a compaction).
class PublicationSink {
 public:
  virtual ~PublicationSink() = default;
  virtual void Publish(Publication publication) = 0;
};

}  // namespace metastore

#endif  // METASTORE_MVCC_EVENTS_H_
