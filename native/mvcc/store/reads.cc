// What any thread may ask of the store, at a view that it has pinned.
#include "base/check.h"
#include "mvcc/read/hash.h"
#include "mvcc/read/range.h"
#include "mvcc/state/sizes.h"
#include "mvcc/store/store_impl.h"
#include "mvcc/write/txn.h"

namespace metastore::mvcc {

ViewRef StoreImpl::Pin() const {
  const std::lock_guard lock(view_mutex_);
  return view_;
}

uint64_t StoreImpl::applied_term() const { return applied_term_.load(std::memory_order_relaxed); }

Status StoreImpl::Range(const View& view, const codec::RangeRequest& request,
                        const HeaderInfo& header, std::string* reply) const {
  const ViewReader reader(engine_.get(), view);
  Status status = mvcc::Range(reader, request, HeaderAt(header, view.revision), reply);
  Count(reader);
  return status;
}

bool StoreImpl::RangeResident(const View& view, const codec::RangeRequest& request,
                              const HeaderInfo& header, std::string* reply, Status* status) const {
  const ResidentReader reader(engine_.get(), view);
  Status outcome = mvcc::Range(reader, request, HeaderAt(header, view.revision), reply);
  if (reader.away()) return false;
  *status = std::move(outcome);
  return true;
}

Status StoreImpl::ReadOnlyTxn(const View& view, const codec::TxnRequest& request,
                              const HeaderInfo& header, std::string* reply) const {
  const ViewReader reader(engine_.get(), view);
  Status status = ExecuteTxn(reader, nullptr, request, HeaderAt(header, view.revision), reply);
  Count(reader);
  return status;
}

Result<HashResult> StoreImpl::HashKv(const View& view, int64_t revision) const {
  // A remembered hash answers for exactly its revision, even for one compacted since, and even for
  // 0 after a compaction to 0.
  if (std::optional<HashResult> known = compactor_.Find(revision)) {
    known->revision = view.revision;
    return *known;
  }
  if (revision > 0 && revision < view.compact_revision) return Code::kCompacted;
  if (revision > view.revision) return Code::kFutureRevision;
  HashResult result;
  result.revision = view.revision;
  result.compact_revision = view.compact_revision;
  result.hash_revision = revision == 0 ? view.revision : revision;
  if (revision < 0) {
    result.hash = EmptyHash();
    return result;
  }
  HashWindow window;
  window.upto = result.hash_revision;
  window.compact_revision = view.compact_revision;
  window.finished_compact_revision = view.finished_compact_revision;
  METASTORE_RETURN_IF_ERROR(HashHistory(engine_.get(), *view.snapshot, window, &result.hash));
  return result;
}

std::vector<HashResult> StoreImpl::CompactionHashes() const { return compactor_.Hashes(); }

Result<uint32_t> StoreImpl::Hash(const View& view) const {
  uint32_t hash = 0;
  METASTORE_RETURN_IF_ERROR(HashStored(engine_.get(), *view.snapshot, &hash));
  return hash;
}

Status StoreImpl::AttachedKeys(const View& view, int64_t lease,
                               std::vector<std::string>* keys) const {
  const auto visit = [keys](std::string_view key) {
    keys->emplace_back(key);
    return true;
  };
  return engine_->ScanAttached(*view.snapshot, lease, visit);
}

Status StoreImpl::GetVersion(const View& view, Revision rev, VersionVisitor visit) const {
  return engine_->GetRevision(*view.snapshot, rev, visit);
}

StoreSizes StoreImpl::sizes() const {
  StoreSizes sizes;
  sizes.db_size_bytes = db_size_bytes_.load(std::memory_order_relaxed);
  sizes.db_size_in_use_bytes = in_use_bytes_.load(std::memory_order_relaxed);
  METASTORE_CHECK(sizes.db_size_bytes >= kEmptyStoreBytes, "sizes are never nothing");
  return sizes;
}

bool StoreImpl::OverQuota(int64_t cost_bytes) const {
  return IsOverQuota(db_size_bytes_.load(std::memory_order_relaxed), cost_bytes,
                     options_.quota_bytes);
}

std::vector<codec::AlarmMember> StoreImpl::Alarms() const { return alarms_.All(); }

std::vector<LeaseRow> StoreImpl::Leases() const { return leases_.All(); }

bool StoreImpl::LeaseExists(int64_t id) const { return leases_.Exists(id); }

}  // namespace metastore::mvcc
