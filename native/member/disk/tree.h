// Removing what a directory holds through a file layer. Used by the data directory at start, and by
// snapshot transfer for files that are done with.
#ifndef METASTORE_MEMBER_DISK_TREE_H_
#define METASTORE_MEMBER_DISK_TREE_H_

#include <atomic>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/status.h"

namespace metastore::member {

/// Removes a file, or a directory with all that is in it; nothing there is no error. Blocks. Not
/// durable by itself: whoever needs that syncs the parent.
Status RemoveTree(FileLayer* files, const std::string& path);

/// Makes the directory when it is missing and removes everything in it but the entry `keep`.
Status EmptyDirectory(FileLayer* files, const std::string& path, const std::string& keep);

/// kNoSpace when the disk says that it has no room for `wanted_bytes`.
Status CheckSpace(const std::string& directory, uint64_t wanted_bytes);

/// A failed write of `wanted_bytes`: with the code kNoSpace instead of kIo when the disk is full.
Status OfWrite(Status status, const std::string& directory, uint64_t wanted_bytes);

/// Removes a directory when the last of those who use it has let go of it, if it was said to be
/// superseded until then. For databases that readers still look into when they are replaced.
class Tenancy {
 public:
  Tenancy(FileLayer* files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}
  ~Tenancy();
  /// Before the last user lets go.
  void Supersede() { superseded_ = true; }

 private:
  FileLayer* const files_;
  const std::string directory_;
  std::atomic<bool> superseded_{false};
};

}  // namespace metastore::member

#endif  // METASTORE_MEMBER_DISK_TREE_H_
