// Transactions: one recursion that checks the chosen path, and one that executes it, for
// transactions that write (on a Run) and for those that only read (on any Reader).
#ifndef METASTORE_MVCC_WRITE_TXN_H_
#define METASTORE_MVCC_WRITE_TXN_H_

#include <string>
#include <vector>

#include "codec/replies.h"
#include "codec/requests.h"
#include "mvcc/write/run.h"

namespace metastore::mvcc {

/// What a put, or a transaction (the dearer of its branches, nested ones included), costs against
/// the quota, bytes.
int64_t CostOf(const codec::PutRequest& request);
int64_t CostOf(const codec::TxnRequest& request);

/// Applies a put or a deletion inside an open request of the run and appends its response.
Status ExecutePut(Run* run, const codec::PutRequest& request, codec::ResponseHeader header,
                  std::string* reply);
Status ExecuteDeleteRange(Run* run, const codec::DeleteRangeRequest& request,
                          codec::ResponseHeader header, std::string* reply);

/// Chooses the path, checks every operation on it in order, executes it and appends a TxnResponse
/// with `header` and the revision after it. `run` null: nothing may be written, and a write among
/// the operations is kInternal. On an error the reply is left as it was; the caller takes back what
/// the run has changed (only a key that the transaction itself deleted can fail that late).
Status ExecuteTxn(const Reader& reader, Run* run, const codec::TxnRequest& request,
                  codec::ResponseHeader header, std::string* reply);

}  // namespace metastore::mvcc

#endif  // METASTORE_MVCC_WRITE_TXN_H_
