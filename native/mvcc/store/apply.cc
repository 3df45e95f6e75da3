// The requests that apply runs. Each: guards, quota, checks, the change itself, the reply.
#include <algorithm>
#include <limits>

#include "base/check.h"
#include "mvcc/state/sizes.h"
#include "mvcc/store/store_impl.h"
#include "mvcc/write/txn.h"

namespace metastore::mvcc {
namespace {

constexpr int64_t kLargestLeaseTtlSeconds = 9'000'000'000;

}  // namespace

codec::ResponseHeader HeaderAt(const HeaderInfo& info, int64_t revision) {
  return {info.cluster_id, info.member_id, revision, info.raft_term};
}

bool StoreImpl::FindsOverQuota(int64_t cost_bytes) {
  const Numbers& numbers = run_.numbers();
  const int64_t db_size = DbSizeBytes(numbers.stored_bytes, numbers.high_water_bytes);
  return IsOverQuota(db_size, cost_bytes, options_.quota_bytes);
}

bool StoreImpl::TakeQuotaExceeded() { return std::exchange(quota_exceeded_, false); }

template <typename Execute>
Status StoreImpl::RunRequest(std::string* reply, Execute execute) {
  const size_t start = reply->size();
  run_.Open();
  Status status = execute();
  Count(run_);
  if (status.ok()) {
    run_.Close();
    Numbers& numbers = run_.numbers();
    numbers.high_water_bytes = DbSizeBytes(numbers.stored_bytes, numbers.high_water_bytes);
  } else {
    run_.TakeBack();
    reply->resize(start);
  }
  return status;
}

Status StoreImpl::Put(const codec::PutRequest& request, const HeaderInfo& header,
                      std::string* reply) {
  METASTORE_RETURN_IF_ERROR(alarms_.GuardGrowing());
  const bool over = FindsOverQuota(CostOf(request));
  Status checked = run_.CheckPut(request);
  if (!checked.ok()) {
    if (checked.code() == Code::kKeyNotFound) ++run_.tally().ranges;  // that was looked for
    Count(run_);
    return checked;
  }
  const size_t start = reply->size();
  METASTORE_RETURN_IF_ERROR(
      RunRequest(reply, [&] { return ExecutePut(&run_, request, HeaderAt(header, 0), reply); }));
  return over ? RefuseReply(start, reply) : Status::Ok();
}

Status StoreImpl::DeleteRange(const codec::DeleteRangeRequest& request, const HeaderInfo& header,
                              std::string* reply) {
  METASTORE_RETURN_IF_ERROR(alarms_.GuardReplicated());
  return RunRequest(reply,
                    [&] { return ExecuteDeleteRange(&run_, request, HeaderAt(header, 0), reply); });
}

Status StoreImpl::Txn(const codec::TxnRequest& request, const HeaderInfo& header,
                      std::string* reply) {
  const int64_t cost = CostOf(request);
  METASTORE_RETURN_IF_ERROR(cost > 0 ? alarms_.GuardGrowing() : alarms_.GuardReplicated());
  const bool over = FindsOverQuota(cost);
  const size_t start = reply->size();
  METASTORE_RETURN_IF_ERROR(RunRequest(
      reply, [&] { return ExecuteTxn(run_, &run_, request, HeaderAt(header, 0), reply); }));
  return over ? RefuseReply(start, reply) : Status::Ok();
}

void StoreImpl::Count(const Reader& reader) const {
  Tally& tally = reader.tally();
  tally.EndGroup();
  Metrics& metrics = *options_.metrics;
  if (tally.ranges > 0) metrics.ranges.Add(tally.ranges);
  if (tally.puts > 0) metrics.puts.Add(tally.puts);
  if (tally.put_bytes > 0) metrics.put_bytes.Add(tally.put_bytes);
  if (tally.deletes > 0) metrics.deletes.Add(tally.deletes);
  if (tally.groups > 0) metrics.txns.Add(tally.groups);
  tally = Tally();
}

Status StoreImpl::RefuseReply(size_t start, std::string* reply) {
  METASTORE_CHECK(reply->size() >= start, "replies are appended");
  reply->resize(start);
  quota_exceeded_ = true;
  return Code::kNoSpace;
}

Status StoreImpl::Compact(const codec::CompactionRequest& request, const HeaderInfo& header,
                          std::string* reply) {
  METASTORE_CHECK(run_.open(), "requests belong to a run");
  METASTORE_RETURN_IF_ERROR(alarms_.GuardReplicated());
  Numbers& numbers = run_.numbers();
  if (request.revision <= numbers.compact_revision) return Code::kCompacted;
  if (request.revision > numbers.revision) return Code::kFutureRevision;
  numbers.compact_revision = request.revision;
  options_.metrics->ranges.Add();  // as etcd, which reads a key to tell the revision
  compacted_in_run_.push_back(request.revision);
  codec::AppendHeaderOnly(HeaderAt(header, numbers.revision), reply);
  return Status::Ok();
}

Status StoreImpl::LeaseGrant(const codec::LeaseGrantRequest& request, const HeaderInfo& header,
                             LeaseRow* granted, std::string* reply) {
  METASTORE_CHECK(run_.open(), "requests belong to a run");
  METASTORE_RETURN_IF_ERROR(alarms_.GuardGrowing());
  const bool over = FindsOverQuota(kLeaseBytes);
  // Admission gives every grant an id; an entry without one comes from nobody we know.
  if (request.id == 0) return Code::kLeaseNotFound;
  if (request.ttl_seconds > kLargestLeaseTtlSeconds) return Code::kLeaseTtlTooLarge;
  if (leases_.Find(request.id)) return Code::kLeaseExists;
  LeaseRow lease;
  lease.id = request.id;
  lease.ttl_seconds = std::max(request.ttl_seconds, options_.min_lease_ttl_seconds);
  leases_.Stage(lease, &run_.batch());
  run_.numbers().stored_bytes += kLeaseBytes;
  *granted = lease;
  options_.metrics->leases_granted.Add();
  options_.metrics->lease_ttl.Observe(static_cast<double>(lease.ttl_seconds));
  const size_t start = reply->size();
  codec::AppendLeaseGrantResponse(HeaderAt(header, run_.numbers().revision), lease.id,
                                  lease.ttl_seconds, reply);
  return over ? RefuseReply(start, reply) : Status::Ok();
}

Status StoreImpl::LeaseRevoke(const codec::LeaseRevokeRequest& request, const HeaderInfo& header,
                              std::string* reply) {
  METASTORE_RETURN_IF_ERROR(alarms_.GuardReplicated());
  if (!leases_.Find(request.id)) return Code::kLeaseNotFound;
  std::vector<Victim> victims;
  METASTORE_RETURN_IF_ERROR(run_.AttachedVictims(request.id, &victims));
  METASTORE_RETURN_IF_ERROR(RunRequest(reply, [&] {
    run_.Delete(victims);
    run_.tally().deletes += victims.size();
    return Status::Ok();
  }));
  options_.metrics->leases_revoked.Add();
  leases_.StageRemoval(request.id, &run_.batch());
  run_.numbers().stored_bytes -= kLeaseBytes;
  codec::AppendHeaderOnly(HeaderAt(header, run_.numbers().revision), reply);
  return Status::Ok();
}

Status StoreImpl::LeaseCheckpoint(const codec::LeaseCheckpointRequest& request) {
  METASTORE_CHECK(run_.open(), "requests belong to a run");
  for (const codec::LeaseCheckpoint& checkpoint : request.checkpoints) {
    std::optional<LeaseRow> lease = leases_.Find(checkpoint.id);
    if (!lease) continue;  // revoked since the leader looked
    lease->remaining_ttl_seconds = std::max<int64_t>(checkpoint.remaining_ttl_seconds, 0);
    leases_.Stage(*lease, &run_.batch());
  }
  return Status::Ok();
}

Status StoreImpl::RunningKeys(int64_t lease, std::vector<std::string>* keys) {
  METASTORE_CHECK(run_.open(), "requests belong to a run");
  if (!leases_.Find(lease)) return Status::Ok();
  std::vector<Victim> attached;
  METASTORE_RETURN_IF_ERROR(run_.AttachedVictims(lease, &attached));
  for (const Victim& each : attached) keys->emplace_back(each.version->view().key);
  return Status::Ok();
}

Status StoreImpl::Alarm(const codec::AlarmRequest& request, const HeaderInfo& header,
                        std::string* reply) {
  METASTORE_CHECK(run_.open(), "requests belong to a run");
  std::vector<codec::AlarmMember> affected;
  METASTORE_RETURN_IF_ERROR(alarms_.Run(request, &run_.batch(), &affected));
  codec::AppendAlarmResponse(HeaderAt(header, run_.numbers().revision), affected, reply);
  return Status::Ok();
}

void StoreImpl::PutMeta(std::string key, std::optional<std::string> value) {
  METASTORE_CHECK(run_.open(), "rows belong to a run");
  METASTORE_CHECK(!key.empty() && !key.starts_with(kOwnPrefix), "the store's own names");
  run_.batch().meta.push_back({std::move(key), std::move(value)});
}

}  // namespace metastore::mvcc
