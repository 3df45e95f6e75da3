// Backups of any server as images, from which a member of a new cluster starts: keys with their
// history, leases, alarms, users and roles come along; membership, versions and the place in the
// log do not. Called by the addon for `metastore snapshot`; everything in the file is checked.
#ifndef METASTORE_MEMBER_BACKUP_RESTORE_RESTORE_H_
#define METASTORE_MEMBER_BACKUP_RESTORE_RESTORE_H_

#include <cstdint>
#include <map>
#include <string>

#include "base/file.h"
#include "base/status.h"

namespace metastore::member::backup {

struct BackupFile {
  std::string path;
  /// Of the file's beginning; a digest may follow.
  uint64_t database_bytes = 0;
};

/// What tools print of a backup.
struct BackupSummary {
  uint32_t hash = 0;
  int64_t revision = 0;
  uint64_t live_keys = 0;
  std::string storage_version;
};

struct RestoreOptions {
  BackupFile from;
  std::string image;  // path of the file to write
  /// Of the log entry that the state counts as the effect of.
  uint64_t index = 1;
  uint64_t term = 1;
  /// Added to the revision; everything below the sum is then compacted. 0: neither.
  int64_t bump_revision = 0;
  /// Rows of TypeScript, without their prefix, besides those that come along.
  std::map<std::string, std::string> rows;
};

struct RestoredImage {
  uint64_t size_bytes = 0;
  int64_t revision = 0;
  int64_t compact_revision = -1;
  uint64_t versions = 0;
};

/// Blocks. kWrongFormat when the file is no bbolt database, kDamaged, kIo.
Result<BackupSummary> InspectBackup(FileLayer* files, const BackupFile& from);
/// Blocks. Writes the image of the restored state, not durably: it is installed from where it lies
/// (member/transfer). As InspectBackup; kDamaged also when the bump would leave the revisions'
/// range.
Result<RestoredImage> RestoreBackup(FileLayer* files, const RestoreOptions& options);

}  // namespace metastore::member::backup

#endif  // METASTORE_MEMBER_BACKUP_RESTORE_RESTORE_H_
