// What a backup of any server holds, found by one walk over all of it: what tools print of it, and
// what has to be known before its rows can be taken over (restore.h). Memory grows with the number
// of keys.
#ifndef METASTORE_MEMBER_BACKUP_RESTORE_SURVEY_H_
#define METASTORE_MEMBER_BACKUP_RESTORE_SURVEY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/status.h"
#include "bbolt/file_reader.h"
#include "engine/version.h"

namespace metastore::member::backup {

/// A row of the bucket `key`; views into it. kDamaged unless such a version could exist. A row
/// without a key only says that its revision has been reached (`version->key` is empty then).
Status ParseVersion(std::string_view name, std::string_view row, VersionView* version);

struct Survey {
  /// CRC-32C over the names of the buckets, and the rows behind each.
  uint32_t hash = 0;
  int64_t revision = 0;           // of the newest row; 0 without any
  int64_t compact_revision = -1;  // scheduled, whether finished or not
  uint64_t live_keys = 0;
  std::string storage_version;  // empty when it is not said

  struct Newest {
    Revision rev;  // at or below the cut
    bool live = false;
  };
  std::unordered_map<std::string, Newest> newest;
};

/// `cut`: the revision up to which only the newest version of a key counts; none: the compact
/// revision of the backup.
Status TakeSurvey(bbolt::FileReader* reader, const int64_t* cut, Survey* out);

}  // namespace metastore::member::backup

#endif  // METASTORE_MEMBER_BACKUP_RESTORE_SURVEY_H_
