// The versions of a view as a finished compaction leaves them, in ascending order and in pieces:
// whatever a compaction at the view has still to remove is passed over. Images and backups are made
// of these.
#ifndef METASTORE_MVCC_IMAGE_REMAINING_H_
#define METASTORE_MVCC_IMAGE_REMAINING_H_

#include <cstdint>

#include "base/status.h"
#include "engine/engine.h"
#include "mvcc/compact/superseded.h"
#include "mvcc/events.h"

namespace metastore::mvcc {

class RemainingVersions {
 public:
  /// The engine must outlive this; the view is held. `superseded_at_once` bounds the memory.
  RemainingVersions(Engine* engine, ViewRef view, size_t superseded_at_once = kSupersededAtOnce);

  /// Hands out versions from where the last call stopped. `take` answers false to stop; the version
  /// that it was asked about then is the first of the next call. *done when there are no more.
  Status Visit(VersionVisitor take, bool* done);

 private:
  bool Remains(const VersionView& version);

  Engine* const engine_;
  const ViewRef view_;
  Superseded superseded_;
  Revision next_{1, 0};
  bool loaded_ = false;
};

}  // namespace metastore::mvcc

#endif  // METASTORE_MVCC_IMAGE_REMAINING_H_
