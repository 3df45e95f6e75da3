// The rules of check.h.
#include "auth/check.h"

#include <memory>
#include <variant>

namespace metastore::auth {
namespace {

Code CheckAdmin(const User* user, const Caller& caller) {
  if (caller.user_name.empty()) return Code::kUserEmpty;
  if (user == nullptr) return Code::kUserNotFound;
  return user->is_root ? Code::kOk : Code::kPermissionDenied;
}

}  // namespace

void Check::Hold(const Table& table, const Caller& caller) {
  if (!table.known()) {
    // Clients ask again after this code, with a new token, and by then it is known.
    keys_ = admin_ = Code::kAuthOldRevision;
    return;
  }
  const User* user = table.Find(caller.user_name);
  admin_ = CheckAdmin(user, caller);
  revision_ =
      caller.auth_revision == kCurrentAuthRevision ? table.revision() : caller.auth_revision;
  if (revision_ == 0) {
    keys_ = Code::kUserEmpty;
  } else if (revision_ < table.revision()) {
    keys_ = Code::kAuthOldRevision;
  } else if (user == nullptr) {
    keys_ = Code::kPermissionDenied;
  } else if (!user->is_root) {
    user_ = user;
  }
}

Code Check::Read(std::string_view key, std::string_view range_end) const {
  if (user_ == nullptr) return keys_;
  return Covers(user_->read, key, range_end) ? Code::kOk : Code::kPermissionDenied;
}

Code Check::Write(std::string_view key, std::string_view range_end) const {
  if (user_ == nullptr) return keys_;
  return Covers(user_->write, key, range_end) ? Code::kOk : Code::kPermissionDenied;
}

Code Check::DeleteRange(const codec::DeleteRangeRequest& request) const {
  const Code code = Write(request.key, request.range_end);
  if (code != Code::kOk || !request.prev_kv) return code;
  return Read(request.key, request.range_end);
}

Status Check::Put(const codec::PutRequest& request, LeaseKeys lease_keys) const {
  METASTORE_RETURN_IF_ERROR(Write(request.key, {}));
  // Attaching a key means that others' revoking deletes it, and that the caller may not revoke what
  // others have attached: so it takes the right to write all of them.
  METASTORE_RETURN_IF_ERROR(AttachedKeys(request.lease, lease_keys));
  return request.prev_kv ? Read(request.key, {}) : Code::kOk;
}

Status Check::AttachedKeys(int64_t lease, LeaseKeys lease_keys) const {
  if (lease == 0 || (user_ == nullptr && keys_ == Code::kOk)) return Status::Ok();
  std::vector<std::string> keys;
  METASTORE_RETURN_IF_ERROR(lease_keys(lease, &keys));
  for (const std::string& key : keys) METASTORE_RETURN_IF_ERROR(Write(key, {}));
  return Status::Ok();
}

Status Check::Lease(int64_t lease, LeaseKeys lease_keys) const {
  return admin_ == Code::kOk ? Status::Ok() : AttachedKeys(lease, lease_keys);
}

Status Check::Txn(const codec::TxnRequest& request, LeaseKeys lease_keys) const {
  for (const codec::Compare& compare : request.compare) {
    METASTORE_RETURN_IF_ERROR(Read(compare.key, compare.range_end));
  }
  METASTORE_RETURN_IF_ERROR(Operations(request.success, lease_keys));
  return Operations(request.failure, lease_keys);
}

Status Check::Operations(const std::vector<codec::RequestOp>& operations,
                         LeaseKeys lease_keys) const {
  for (const codec::RequestOp& operation : operations) {
    if (const auto* range = std::get_if<codec::RangeRequest>(&operation)) {
      METASTORE_RETURN_IF_ERROR(Range(*range));
    } else if (const auto* put = std::get_if<codec::PutRequest>(&operation)) {
      METASTORE_RETURN_IF_ERROR(Put(*put, lease_keys));
    } else if (const auto* deletion = std::get_if<codec::DeleteRangeRequest>(&operation)) {
      METASTORE_RETURN_IF_ERROR(DeleteRange(*deletion));
    } else if (const auto* txn = std::get_if<std::unique_ptr<codec::TxnRequest>>(&operation)) {
      METASTORE_RETURN_IF_ERROR(Txn(**txn, lease_keys));
    }
  }
  return Status::Ok();
}

}  // namespace metastore::auth
