// Validation of decoded requests, in the order that clients can observe.
//
// Called by admission only. The rules are etcd's documented ones (API reference, "KV" and error
// texts); each function reports the first failure as an error code, or kOk. Nothing here looks at
// stored data.
#ifndef METASTORE_INTAKE_CHECK_H_
#define METASTORE_INTAKE_CHECK_H_

#include <cstdint>

#include "base/status.h"
#include "codec/requests.h"

namespace metastore::intake {

Code CheckRange(const codec::RangeRequest& request);
Code CheckPut(const codec::PutRequest& request);
Code CheckDeleteRange(const codec::DeleteRangeRequest& request);
/// Operation budget, compare keys, operations, then duplicates of success and of failure.
/// `max_ops` bounds a level; a nested transaction has what the outer level left over.
Code CheckTxn(const codec::TxnRequest& request, int64_t max_ops);

/// Bytes that a request counts for in the quota test; 0 when it cannot grow the store. A
/// transaction costs the larger of its branches, nested ones included.
int64_t PutCost(const codec::PutRequest& request);
int64_t TxnCost(const codec::TxnRequest& request);
inline constexpr int64_t kLeaseGrantCost = 64;

/// A transaction that needs no proposal: every operation of both branches is a range. A nested
/// transaction counts as a write.
bool IsReadOnly(const codec::TxnRequest& request);
/// For a read-only transaction: true when every range is serializable (also without any range).
bool IsSerializable(const codec::TxnRequest& request);

}  // namespace metastore::intake

#endif  // METASTORE_INTAKE_CHECK_H_
