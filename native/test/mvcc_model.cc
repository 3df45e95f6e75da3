// The plain model of the store; see support/mvcc_model.h. Slow and simple on purpose: every answer
// is worked out anew from all versions.
#include "test/support/mvcc_model.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "codec/wire.h"

namespace metastore::testing {
namespace {

bool InRange(const std::string& key, std::string_view start, std::string_view end) {
  if (end.empty()) return key == start;
  if (end == std::string_view("\0", 1)) return key >= start;
  return key >= start && key < end;
}

int Sign(int64_t left, int64_t right) { return left < right ? -1 : left > right ? 1 : 0; }

int Sign(std::string_view left, std::string_view right) {
  return left < right ? -1 : left > right ? 1 : 0;
}

std::string Encode(const Kv& kv) {
  std::string out;
  codec::AppendBytesField(1, kv.key, &out);
  codec::AppendInt64Field(2, kv.create, &out);
  codec::AppendInt64Field(3, kv.mod, &out);
  codec::AppendInt64Field(4, kv.version, &out);
  codec::AppendBytesField(5, kv.value, &out);
  codec::AppendInt64Field(6, kv.lease, &out);
  return out;
}

}  // namespace

MvccModel::State MvccModel::At(int64_t revision) const {
  State state;
  for (const auto& [rev, stored] : rows_) {
    if (rev.main > revision) break;
    if (stored.tombstone) {
      state.erase(stored.kv.key);
    } else {
      state[stored.kv.key] = stored.kv;
    }
  }
  return state;
}

void MvccModel::Change(Stored stored) {
  const Revision rev = {revision_ + 1, changes_++};
  stored.kv.mod = rev.main;
  rows_[rev] = stored;
  published_.emplace_back(rev, stored);
}

Status MvccModel::Finish(Status status, const std::map<Revision, Stored>& before) {
  if (status.ok()) {
    if (changes_ > 0) revision_++;
  } else {
    rows_ = before;
    published_.resize(published_.size() - static_cast<size_t>(changes_));
  }
  changes_ = 0;
  return status;
}

std::vector<std::pair<Revision, MvccModel::Stored>> MvccModel::TakeChanges() {
  return std::exchange(published_, {});
}

Status MvccModel::CheckPut(const codec::PutRequest& request) const {
  if (request.lease != 0 && !leases_.contains(request.lease)) return Code::kLeaseNotFound;
  const bool needs_key = request.ignore_value || request.ignore_lease;
  if (needs_key && !At().contains(std::string(request.key))) return Code::kKeyNotFound;
  return Status::Ok();
}

Status MvccModel::DoPut(const codec::PutRequest& request, Reply* reply) {
  State state = At();
  const auto found = state.find(std::string(request.key));
  const bool exists = found != state.end();
  if ((request.ignore_value || request.ignore_lease) && !exists) return Code::kKeyNotFound;
  Stored stored;
  stored.kv.key = request.key;
  stored.kv.value = request.ignore_value ? found->second.value : std::string(request.value);
  stored.kv.lease = request.ignore_lease ? found->second.lease : request.lease;
  stored.kv.create = exists ? found->second.create : revision_ + 1;
  stored.kv.version = exists ? found->second.version + 1 : 1;
  if (request.prev_kv && exists) reply->kvs.push_back(found->second);
  Change(stored);
  reply->header.revision = Now();
  return Status::Ok();
}

void MvccModel::DoDelete(const codec::DeleteRangeRequest& request, Reply* reply) {
  for (const auto& [key, kv] : At()) {
    if (!InRange(key, request.key, request.range_end)) continue;
    reply->count++;
    if (request.prev_kv) reply->kvs.push_back(kv);
    Stored stored;
    stored.tombstone = true;
    stored.kv.key = key;
    Change(stored);
  }
  reply->header.revision = Now();
}

Status MvccModel::DoRange(const codec::RangeRequest& request, Reply* reply) const {
  if (request.revision > Now()) return Code::kFutureRevision;
  if (request.revision > 0 && request.revision < compact_) return Code::kCompacted;
  reply->header.revision = Now();
  std::vector<Kv> found;
  for (const auto& [key, kv] : At(request.revision > 0 ? request.revision : INT64_MAX)) {
    if (InRange(key, request.key, request.range_end)) found.push_back(kv);
  }
  reply->count = static_cast<int64_t>(found.size());
  if (request.count_only) return Status::Ok();
  const bool filtered = request.min_mod_revision != 0 || request.max_mod_revision != 0 ||
                        request.min_create_revision != 0 || request.max_create_revision != 0;
  const auto limit = static_cast<uint64_t>(request.limit);
  if (request.limit > 0 && request.sort_order == 0 && !filtered && found.size() > limit + 1) {
    found.resize(limit + 1);
  }
  std::erase_if(found, [&](const Kv& kv) {
    return (request.max_mod_revision != 0 && kv.mod > request.max_mod_revision) ||
           (request.min_mod_revision != 0 && kv.mod < request.min_mod_revision) ||
           (request.max_create_revision != 0 && kv.create > request.max_create_revision) ||
           (request.min_create_revision != 0 && kv.create < request.min_create_revision);
  });
  const auto by_target = [&](const Kv& left, const Kv& right) {
    int sign = 0;
    switch (request.sort_target) {
      case 1:
        sign = Sign(left.version, right.version);
        break;
      case 2:
        sign = Sign(left.create, right.create);
        break;
      case 3:
        sign = Sign(left.mod, right.mod);
        break;
      case 4:
        sign = Sign(left.value, right.value);
        break;
      default:
        sign = Sign(left.key, right.key);
        break;
    }
    return request.sort_order == 2 ? sign > 0 : sign < 0;
  };
  std::stable_sort(found.begin(), found.end(), by_target);
  if (request.limit > 0 && found.size() > limit) {
    found.resize(limit);
    reply->more = true;
  }
  for (Kv& kv : found) {
    if (!request.keys_only) continue;
    kv.value.clear();
    if (request.sort_target != 4) kv.lease = 0;
  }
  reply->kvs = std::move(found);
  return Status::Ok();
}

Status MvccModel::Put(const codec::PutRequest& request, Reply* reply) {
  METASTORE_RETURN_IF_ERROR(CheckPut(request));
  const auto before = rows_;
  return Finish(DoPut(request, reply), before);
}

Status MvccModel::Delete(const codec::DeleteRangeRequest& request, Reply* reply) {
  const auto before = rows_;
  DoDelete(request, reply);
  return Finish(Status::Ok(), before);
}

Status MvccModel::Range(const codec::RangeRequest& request, Reply* reply) const {
  return DoRange(request, reply);
}

// ---- Transactions. -----------------------------------------------------------------------------

bool MvccModel::Holds(const codec::Compare& compare) const {
  std::vector<std::optional<Kv>> found;
  for (const auto& [key, kv] : At()) {
    if (InRange(key, compare.key, compare.range_end)) found.emplace_back(kv);
  }
  if (found.empty()) found.emplace_back(std::nullopt);
  for (const std::optional<Kv>& one : found) {
    if (!one && compare.target == 3) return false;
    const Kv kv = one.value_or(Kv());
    const int64_t given =
        compare.union_field == compare.target + 4 && compare.target != 3 ? compare.number : 0;
    int sign = 0;
    switch (compare.target) {
      case 0:
        sign = Sign(kv.version, given);
        break;
      case 1:
        sign = Sign(kv.create, given);
        break;
      case 2:
        sign = Sign(kv.mod, given);
        break;
      case 3:
        sign = Sign(kv.value, compare.union_field == 7 ? compare.value : std::string_view());
        break;
      case 4:
        sign = Sign(kv.lease, given);
        break;
      default:
        break;
    }
    const bool holds = compare.result == 0   ? sign == 0
                       : compare.result == 1 ? sign > 0
                       : compare.result == 2 ? sign < 0
                       : compare.result == 3 ? sign != 0
                                             : true;
    if (!holds) return false;
  }
  return true;
}

void MvccModel::Choose(const codec::TxnRequest& request, std::vector<bool>* path) const {
  bool holds = true;
  for (const codec::Compare& compare : request.compare) holds = holds && Holds(compare);
  path->push_back(holds);
  for (const codec::RequestOp& op : holds ? request.success : request.failure) {
    if (op.index() == 4) Choose(*std::get<4>(op), path);
  }
}

Status MvccModel::CheckTxn(const codec::TxnRequest& request,
                           std::vector<bool>::const_iterator* path) const {
  const bool holds = *(*path)++;
  for (const codec::RequestOp& op : holds ? request.success : request.failure) {
    if (op.index() == 0) return Code::kKeyNotFound;
    if (op.index() == 1) {
      const int64_t revision = std::get<1>(op).revision;
      if (revision != 0 && revision > revision_) return Code::kFutureRevision;
      if (revision != 0 && revision < compact_) return Code::kCompacted;
    }
    if (op.index() == 2) METASTORE_RETURN_IF_ERROR(CheckPut(std::get<2>(op)));
    if (op.index() == 4) METASTORE_RETURN_IF_ERROR(CheckTxn(*std::get<4>(op), path));
  }
  return Status::Ok();
}

Status MvccModel::RunTxn(const codec::TxnRequest& request, std::vector<bool>::const_iterator* path,
                         Reply* reply) {
  reply->succeeded = *(*path)++;
  for (const codec::RequestOp& op : reply->succeeded ? request.success : request.failure) {
    Reply inner;
    inner.kind = static_cast<int>(op.index());
    inner.has_header = true;
    if (op.index() == 1) METASTORE_RETURN_IF_ERROR(DoRange(std::get<1>(op), &inner));
    if (op.index() == 2) METASTORE_RETURN_IF_ERROR(DoPut(std::get<2>(op), &inner));
    if (op.index() == 3) DoDelete(std::get<3>(op), &inner);
    if (op.index() == 4) METASTORE_RETURN_IF_ERROR(RunTxn(*std::get<4>(op), path, &inner));
    reply->responses.push_back(std::move(inner));
  }
  return Status::Ok();
}

Status MvccModel::Txn(const codec::TxnRequest& request, Reply* reply) {
  std::vector<bool> path;
  Choose(request, &path);
  auto check = path.cbegin();
  METASTORE_RETURN_IF_ERROR(CheckTxn(request, &check));
  const auto before = rows_;
  auto run = path.cbegin();
  Status status = RunTxn(request, &run, reply);
  reply->header.revision = Now();
  return Finish(std::move(status), before);
}

// ---- Leases, compaction, hashes. ---------------------------------------------------------------

Status MvccModel::Grant(int64_t id, int64_t ttl) {
  if (ttl > 9000000000) return Code::kLeaseTtlTooLarge;
  if (leases_.contains(id)) return Code::kLeaseExists;
  leases_[id] = std::max<int64_t>(ttl, 2);
  return Status::Ok();
}

std::vector<std::string> MvccModel::Attached(int64_t lease) const {
  std::vector<std::string> keys;
  for (const auto& [key, kv] : At()) {
    if (kv.lease == lease) keys.push_back(key);
  }
  return keys;
}

Status MvccModel::Revoke(int64_t id) {
  if (leases_.erase(id) == 0) return Code::kLeaseNotFound;
  for (const std::string& key : Attached(id)) {
    Stored stored;
    stored.tombstone = true;
    stored.kv.key = key;
    Change(stored);
  }
  return Finish(Status::Ok(), rows_);
}

uint32_t MvccModel::Hash(const std::map<Revision, Stored>& rows, int64_t upto, int64_t compact,
                         bool keep_deletions) {
  std::map<std::string, Revision> newest;
  for (const auto& [rev, stored] : rows) {
    if (rev.main <= upto) newest[stored.kv.key] = rev;
  }
  std::set<Revision> keep;
  for (const auto& [key, rev] : newest) {
    if (!rows.at(rev).tombstone || (keep_deletions && rev.main == upto)) keep.insert(rev);
  }
  uint32_t hash = Crc32c(0, "key");
  for (const auto& [rev, stored] : rows) {
    if (rev.main > upto) continue;
    if (rev.main <= compact && !keep.empty() && !keep.contains(rev)) continue;
    if (stored.tombstone && rev.main == compact) continue;
    std::string row;
    AppendBig64(&row, static_cast<uint64_t>(rev.main));
    row += '_';
    AppendBig64(&row, static_cast<uint64_t>(rev.sub));
    Kv kv = stored.kv;
    if (stored.tombstone) {
      row += 't';
      kv = Kv();
      kv.key = stored.kv.key;
    }
    hash = Crc32c(hash, row + Encode(kv));
  }
  return hash;
}

Status MvccModel::Compact(int64_t revision) {
  if (revision <= compact_) return Code::kCompacted;
  if (revision > revision_) return Code::kFutureRevision;
  compaction_hashes_[revision] = {Hash(rows_, revision, compact_, true), compact_};
  if (compaction_hashes_.size() > 10) compaction_hashes_.erase(compaction_hashes_.begin());
  compact_ = revision;
  std::map<std::string, Revision> newest;
  for (const auto& [rev, stored] : rows_) {
    if (rev.main <= revision) newest[stored.kv.key] = rev;
  }
  std::erase_if(rows_, [&](const auto& row) {
    const auto& [rev, stored] = row;
    if (rev.main > revision) return false;
    if (stored.tombstone) return rev.main < revision;
    return newest[stored.kv.key] != rev;
  });
  return Status::Ok();
}

int64_t MvccModel::StoredBytes() const {
  int64_t bytes = 64 * static_cast<int64_t>(leases_.size());
  for (const auto& [rev, stored] : rows_) {
    bytes += AccountedSize(stored.kv.key.size(), stored.kv.value.size());
  }
  return bytes;
}

}  // namespace metastore::testing
