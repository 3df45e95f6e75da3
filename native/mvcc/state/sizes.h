// Sizes: the accounted size of the store, in 4 KiB units from a base that an empty store has.
//
// dbSize is a high-water mark that only a defragmentation lowers; dbSizeInUse is what is stored
// now. Neither is a file's size: both are the same on every engine for the same history. The quota
// is tested against dbSize, as etcd does (documented under "Space quota").
#ifndef METASTORE_MVCC_STATE_SIZES_H_
#define METASTORE_MVCC_STATE_SIZES_H_

#include <algorithm>
#include <cstdint>

#include "base/check.h"

namespace metastore::mvcc {

inline constexpr int64_t kUnitBytes = 4096;
inline constexpr int64_t kEmptyStoreBytes = 5 * kUnitBytes;
/// A lease counts for this much while it exists, and costs as much against the quota.
inline constexpr int64_t kLeaseBytes = 64;
/// What a put costs against the quota besides its key and value.
inline constexpr int64_t kPutOverheadBytes = 256;

/// dbSizeInUse for so many stored bytes.
inline int64_t InUseBytes(int64_t stored_bytes) {
  METASTORE_CHECK(stored_bytes >= 0, "accounting never goes below nothing");
  const int64_t units = (stored_bytes + kUnitBytes - 1) / kUnitBytes;
  return kEmptyStoreBytes + units * kUnitBytes;
}

inline int64_t DbSizeBytes(int64_t stored_bytes, int64_t high_water_bytes) {
  return std::max(high_water_bytes, InUseBytes(stored_bytes));
}

/// True when something of that cost may not be added. What costs nothing always may.
inline bool IsOverQuota(int64_t db_size_bytes, int64_t cost_bytes, int64_t quota_bytes) {
  METASTORE_CHECK(cost_bytes >= 0, "costs are sums of lengths");
  return cost_bytes > 0 && quota_bytes > 0 && db_size_bytes + cost_bytes >= quota_bytes;
}

}  // namespace metastore::mvcc

#endif  // METASTORE_MVCC_STATE_SIZES_H_
