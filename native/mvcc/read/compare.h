// Compares of transactions over any Reader, with every documented oddity of etcd's: a missing key
// compares as zeroes, except that a VALUE compare of it never holds.
#ifndef METASTORE_MVCC_READ_COMPARE_H_
#define METASTORE_MVCC_READ_COMPARE_H_

#include <vector>

#include "codec/requests.h"
#include "mvcc/read/reader.h"

namespace metastore::mvcc {

/// Sets *holds to whether all compares hold (no compares: true).
Status EvaluateCompares(const Reader& reader, const std::vector<codec::Compare>& compares,
                        bool* holds);

/// The branches that a transaction takes, decided before anything of it executes: the outermost
/// first, then those of nested transactions on the chosen branch, in the order of the operations.
Status ChoosePath(const Reader& reader, const codec::TxnRequest& request, std::vector<bool>* path);

}  // namespace metastore::mvcc

#endif  // METASTORE_MVCC_READ_COMPARE_H_
