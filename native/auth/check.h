// Check: one caller held against one table of permissions.
//
// Used by apply (with the entry's header), by the readers after their wait, by watch creates and by
// TypeScript's own checks. The verdict depends on table, caller and request alone, so that all
// members agree. Rules: etcd's documentation of role-based access control.
#ifndef METASTORE_AUTH_CHECK_H_
#define METASTORE_AUTH_CHECK_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "auth/caller.h"
#include "auth/table.h"
#include "base/function_ref.h"
#include "base/status.h"
#include "codec/requests.h"

namespace metastore::auth {

/// Appends the keys attached to a lease as the check's state has them; none for an unknown lease.
using LeaseKeys = FunctionRef<Status(int64_t lease, std::vector<std::string>* keys)>;

class Check {
 public:
  /// A null table: auth is off, everything passes. The table must outlive the check.
  Check(const Table* table, const Caller& caller) {
    if (table != nullptr && table->enabled()) Hold(*table, caller);
  }

  /// Each is kOk, or the first that applies: kUserEmpty for a caller without a revision,
  /// kAuthOldRevision for one of an earlier revision than the table's, kPermissionDenied.
  Code Read(std::string_view key, std::string_view range_end) const;
  Code Write(std::string_view key, std::string_view range_end) const;
  Code Range(const codec::RangeRequest& request) const {
    return Read(request.key, request.range_end);
  }
  Code DeleteRange(const codec::DeleteRangeRequest& request) const;
  /// Also fails as `lease_keys` does.
  Status Put(const codec::PutRequest& request, LeaseKeys lease_keys) const;
  /// All compares and all operations of both branches, nested ones too. One that names no key
  /// passes for anybody.
  Status Txn(const codec::TxnRequest& request, LeaseKeys lease_keys) const;
  /// To write every key attached to the lease; administrators pass whatever their revision.
  Status Lease(int64_t lease, LeaseKeys lease_keys) const;

  /// Holds the role root: kOk, kUserEmpty, kUserNotFound or kPermissionDenied, whatever the
  /// revision.
  Code Admin() const { return admin_; }

  /// The revision by which the caller was judged; 0 for nobody and while auth is off.
  uint64_t revision() const { return revision_; }

 private:
  void Hold(const Table& table, const Caller& caller);
  Status Operations(const std::vector<codec::RequestOp>& operations, LeaseKeys lease_keys) const;
  Status AttachedKeys(int64_t lease, LeaseKeys lease_keys) const;

  /// What every key is answered with; kOk: look at the user.
  Code keys_ = Code::kOk;
  Code admin_ = Code::kOk;
  /// Null: nothing is looked at.
  const User* user_ = nullptr;
  uint64_t revision_ = 0;
};

}  // namespace metastore::auth

#endif  // METASTORE_AUTH_CHECK_H_
