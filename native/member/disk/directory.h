// DataDirectory: the layout of one member's data directory, and the lock that guards it.
//
//   <data-dir>/member/LOCK     held while the process lives
//   <data-dir>/member/FORMAT   format version and engine, written once
//   <data-dir>/member/wal/     the Raft log, unless it has a directory of its own
//   <data-dir>/member/db/      rocksdb engine, until a snapshot is installed: then db-<n>, and
//   <data-dir>/member/STATE    names the one that is current
//   <data-dir>/member/images/  memory engine
//   <data-dir>/member/INSTALL  while a snapshot replaces the state (install_files.h)
//   <data-dir>/member/incoming/, outgoing/  snapshots on their way; emptied at every start
// Directories are 0700, files 0600. Anything unknown refuses to open rather than being overwritten.
#ifndef METASTORE_MEMBER_DISK_DIRECTORY_H_
#define METASTORE_MEMBER_DISK_DIRECTORY_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "base/status.h"
#include "member/disk/install_files.h"
#include "member/options.h"
#include "wal/wal.h"

namespace metastore::member {

struct DataDirectory {
  std::unique_ptr<DirectoryLock> lock;
  std::string wal;
  std::string engine;  // the current database, or images
  std::string member;  // the directory that all of these lie in
  /// A replacement of the state that the last run had begun: the state has been switched, the log
  /// is still to follow (FinishInstall).
  std::optional<PendingInstall> pending;
};

/// Creates or checks the directory, makes the state of a pending install the current one, and
/// removes what earlier runs have left of others and of transfers. kLocked when another process has
/// it; kWrongFormat for another engine, an unknown format version, or a directory that something
/// else has filled. Blocks on disk.
Result<DataDirectory> OpenDataDirectory(const MemberOptions& options, FileLayer* files);

using OpenLogFunction = std::function<Result<std::unique_ptr<wal::Wal>>(wal::Recovered* recovered)>;

/// Opens the log, and when an install is pending lets it start at that snapshot, with the hard
/// state that belongs to it; then the install is over. Blocks on disk.
Result<std::unique_ptr<wal::Wal>> OpenLogBehindInstall(DataDirectory* directory, FileLayer* files,
                                                       const OpenLogFunction& open,
                                                       wal::Recovered* recovered);

}  // namespace metastore::member

#endif  // METASTORE_MEMBER_DISK_DIRECTORY_H_
