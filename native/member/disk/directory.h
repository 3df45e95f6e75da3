// DataDirectory: the layout of one member's data directory, and the lock that guards it.
//
//   <data-dir>/member/LOCK     held while the process lives
//   <data-dir>/member/FORMAT   format version and engine, written once
//   <data-dir>/member/wal/     the Raft log, unless it has a directory of its own
//   <data-dir>/member/db/      rocksdb engine
//   <data-dir>/member/images/  memory engine
// Directories are 0700, files 0600. Anything unknown refuses to open rather than being overwritten.
#ifndef METASTORE_MEMBER_DISK_DIRECTORY_H_
#define METASTORE_MEMBER_DISK_DIRECTORY_H_

#include <memory>
#include <string>

#include "base/file.h"
#include "base/status.h"
#include "member/options.h"

namespace metastore::member {

struct DataDirectory {
  std::unique_ptr<DirectoryLock> lock;
  std::string wal;
  std::string engine;  // db or images
};

/// Creates or checks the directory. kLocked when another process has it; kWrongFormat for another
/// engine, an unknown format version, or a directory that something else has filled. Blocks on
/// disk.
Result<DataDirectory> OpenDataDirectory(const MemberOptions& options, FileLayer* files);

}  // namespace metastore::member

#endif  // METASTORE_MEMBER_DISK_DIRECTORY_H_
