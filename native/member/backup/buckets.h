// The small buckets of a backup: what a view's meta rows say, in the form in which etcd's store
// keeps it. The rows of ../../mvcc/state/rows.h and of TypeScript (src/cluster, src/state) come in;
// docs/formats/backup.md has the table of both sides.
#ifndef METASTORE_MEMBER_BACKUP_BUCKETS_H_
#define METASTORE_MEMBER_BACKUP_BUCKETS_H_

#include <map>
#include <string>
#include <string_view>

#include "base/status.h"
#include "engine/engine.h"

namespace metastore::member::backup {

using Bucket = std::map<std::string, std::string, std::less<>>;
using Buckets = std::map<std::string, Bucket, std::less<>>;

/// Of the versions, which are not read here.
inline constexpr std::string_view kVersionsBucket = "key";

/// Rows for `extra` of CollectBuckets: length-prefixed (u32) bucket, key and value, one row behind
/// the other. kDamaged unless the bytes are that, for buckets that a backup has.
Status DecodeRows(std::string_view bytes, Buckets* out);

/// All buckets but the versions', empty ones too. What the view does not say is taken from `extra`.
/// kDamaged names a row that is not in its own form.
Status CollectBuckets(Engine* engine, const EngineSnapshot& snapshot, const Buckets& extra,
                      Buckets* out);

/// The row `conf_state` as the JSON of a raftpb.ConfState. kDamaged.
Status ConvertConfState(std::string_view row, std::string* json);

}  // namespace metastore::member::backup

#endif  // METASTORE_MEMBER_BACKUP_BUCKETS_H_
