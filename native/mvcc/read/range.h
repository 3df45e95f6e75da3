// Range over any Reader: etcd's rules for limit, count, sorting, filters and keys_only.
//
// The rules, quirks included, are those of etcd's KV API: the count ignores limit and filters;
// SortOrder NONE with a target other than KEY sorts only what limit + 1 keys in key order held.
#ifndef METASTORE_MVCC_READ_RANGE_H_
#define METASTORE_MVCC_READ_RANGE_H_

#include <string>

#include "codec/replies.h"
#include "codec/requests.h"
#include "mvcc/read/reader.h"

namespace metastore::mvcc {

/// Values of RangeRequest.SortOrder and SortTarget.
enum SortOrder : int32_t { kSortNone = 0, kSortAscend = 1, kSortDescend = 2 };
enum SortTarget : int32_t {
  kSortByKey = 0,
  kSortByVersion = 1,
  kSortByCreate = 2,
  kSortByMod = 3,
  kSortByValue = 4,
};

/// What a client sees of a version.
codec::KeyValue ToKeyValue(const VersionView& version);

/// Appends a RangeResponse whose header is `header` with the reader's revision; on an error (future
/// or compacted revision, a failing engine) the reply is left as it was.
Status Range(const Reader& reader, const codec::RangeRequest& request, codec::ResponseHeader header,
             std::string* reply);

/// The test of a range inside a transaction, against the state before it: there, only revision 0
/// means the current one.
Status CheckTxnRange(const Reader& reader, const codec::RangeRequest& request);

}  // namespace metastore::mvcc

#endif  // METASTORE_MVCC_READ_RANGE_H_
