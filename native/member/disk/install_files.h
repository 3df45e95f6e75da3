// The two small files that make the replacement of a member's state safe against crashes: INSTALL,
// there while one is under way, and STATE, which names the current database.
//
// Written by snapshot installation (member/transfer), read when the data directory is opened. Both
// appear by rename, whole or not at all, and carry a checksum. docs/formats/snapshot-transfer.md.
#ifndef METASTORE_MEMBER_DISK_INSTALL_FILES_H_
#define METASTORE_MEMBER_DISK_INSTALL_FILES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/status.h"
#include "member/options.h"
#include "wal/wal.h"

namespace metastore::member {

inline constexpr std::string_view kFirstDatabase = "db";
inline constexpr std::string_view kImagesFolder = "images";
inline constexpr std::string_view kIncomingFolder = "incoming";
inline constexpr std::string_view kOutgoingFolder = "outgoing";

/// A replacement that is decided: its new state is complete and durable.
struct PendingInstall {
  uint64_t index = 0;
  uint64_t term = 0;
  wal::HardState hard_state;
  /// Where the new state lies, below the member's directory: a database (db-3) or a received image
  /// (incoming/7).
  std::string state;
};

/// Durable when it returns; from then on the replacement is finished by every start.
Status WriteInstall(FileLayer* files, const std::string& member, const PendingInstall& install);
/// None when no replacement is under way; kDamaged names the file.
Result<std::optional<PendingInstall>> ReadInstall(FileLayer* files, const std::string& member);
Status RemoveInstall(FileLayer* files, const std::string& member);

/// Makes the new state the current one, durably; again, when it is so already, changes nothing.
/// kDamaged when the new state is not there.
Status SwitchState(FileLayer* files, const std::string& member, EngineKind engine,
                   const PendingInstall& install);

/// The folder that holds the current database of the rocksdb engine.
Result<std::string> ReadCurrentDatabase(FileLayer* files, const std::string& member);
/// Whether a name in the member's directory is that of a database, current or not.
bool IsDatabaseName(std::string_view name);
/// A name for a database that none has had while the directory lists it.
Result<std::string> NextDatabaseName(FileLayer* files, const std::string& member);

}  // namespace metastore::member

#endif  // METASTORE_MEMBER_DISK_INSTALL_FILES_H_
