// Store: multi-version key-value state over an Engine, with etcd's semantics.
//
// The apply thread calls Begin / operations / Commit; any thread reads at a pinned View. Between
// Begin and Commit nothing is visible outside; operations of one run see each other through the
// overlay. Replies are appended as protobuf bytes. Deterministic: no clock, no randomness.
#ifndef METASTORE_MVCC_STORE_H_
#define METASTORE_MVCC_STORE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "base/shared_lock.h"
#include "base/status.h"
#include "codec/replies.h"
#include "codec/requests.h"
#include "engine/engine.h"
#include "mvcc/events.h"

namespace metastore {

/// Fields of ResponseHeader besides the revision. Term may change between requests.
struct HeaderInfo {
  uint64_t cluster_id = 0;
  uint64_t member_id = 0;
  uint64_t raft_term = 0;
};

struct StoreOptions {
  /// Leases granted below it are raised to it, seconds.
  int64_t min_lease_ttl_seconds = 2;
  /// Bytes of accounted size from which on writes fail with kNoSpace; <= 0 is off.
  int64_t quota_bytes = 2ll << 30;
  /// Rows that one compaction step removes, and the pause between steps.
  int compaction_batch_limit = 1000;
  int compaction_sleep_ms = 10;
  /// The hash over a compaction's outgoing state reads the whole store; above this many accounted
  /// bytes it is not computed (0 = never compute).
  int64_t compaction_hash_limit_bytes = 256ll << 20;
  Metrics* metrics = Metrics::Unread();
};

struct LeaseRow {
  int64_t id = 0;
  int64_t ttl_seconds = 0;
  int64_t remaining_ttl_seconds = 0;  // 0: none checkpointed
};

struct StoreSizes {
  int64_t db_size_bytes = 0;         // high-water, only Defragment lowers it
  int64_t db_size_in_use_bytes = 0;  // accounted now
};

struct HashResult {
  uint32_t hash = 0;
  int64_t revision = 0;  // current revision, for the header
  int64_t compact_revision = -1;
  int64_t hash_revision = 0;
};

/// A refusal that a client caused changes nothing (but for kNoSpace of a write that was the first
/// over the quota, see TakeQuotaExceeded). kIo, kDamaged and kInternal are failures of our own: on
/// the apply thread the caller ends the process.
class Store {
 public:
  virtual ~Store() = default;

  /// Loads revision, compaction state, leases, alarms and sizes from the engine's meta rows. `sink`
  /// must outlive the store.
  static Result<std::unique_ptr<Store>> Open(const StoreOptions& options,
                                             std::unique_ptr<Engine> engine, PublicationSink* sink);

  // ---- Apply thread. -------------------------------------------------------------------------

  /// Starts a run of entries. `prefetch` names keys that the run will write or compare, so that the
  /// engine can look their metadata up in one go; it warms caches only. Their bytes stay until
  /// Commit.
  virtual void Begin(std::span<const std::string_view> prefetch) = 0;
  /// Each appends the reply message to *reply (left as it was on error) and takes part in the
  /// run's batch. `header` is written with the revision after the operation.
  virtual Status Put(const codec::PutRequest& request, const HeaderInfo& header,
                     std::string* reply) = 0;
  virtual Status DeleteRange(const codec::DeleteRangeRequest& request, const HeaderInfo& header,
                             std::string* reply) = 0;
  virtual Status Txn(const codec::TxnRequest& request, const HeaderInfo& header,
                     std::string* reply) = 0;
  /// Logical compaction: takes effect with this run; rows are removed later by CompactStep. With a
  /// physical request the caller answers only after CompactionDone(revision).
  virtual Status Compact(const codec::CompactionRequest& request, const HeaderInfo& header,
                         std::string* reply) = 0;
  /// `granted` receives the lease as stored (TTL raised to the minimum).
  virtual Status LeaseGrant(const codec::LeaseGrantRequest& request, const HeaderInfo& header,
                            LeaseRow* granted, std::string* reply) = 0;
  virtual Status LeaseRevoke(const codec::LeaseRevokeRequest& request, const HeaderInfo& header,
                             std::string* reply) = 0;
  virtual Status LeaseCheckpoint(const codec::LeaseCheckpointRequest& request) = 0;
  /// Appends the keys attached to a lease as the running entries see them, ascending; none for an
  /// unknown lease.
  virtual Status RunningKeys(int64_t lease, std::vector<std::string>* keys) = 0;
  virtual Status Alarm(const codec::AlarmRequest& request, const HeaderInfo& header,
                       std::string* reply) = 0;
  /// Rows of the caller's own (membership, conf state, cluster version), atomically with the run.
  /// The name must not begin with "mvcc/".
  virtual void PutMeta(std::string key, std::optional<std::string> value) = 0;
  /// True once after a write was applied that found the store over its quota. Such a write takes
  /// effect but answers kNoSpace; the caller raises the NOSPACE alarm unless it is active already.
  virtual bool TakeQuotaExceeded() = 0;
  /// Commits the run: engine batch, in-memory tables, one publication, then events to the sink.
  /// `applied_index` and `term` are those of the run's last entry. A failure ends the process.
  virtual Status Commit(uint64_t applied_index, uint64_t term) = 0;

  /// Computes the hash over the state that a scheduled compaction is about to cut (api: HashKV at a
  /// compacted revision), unless the store is larger than the limit. Background thread, once before
  /// the first CompactStep of a compaction; reads at a pinned view and blocks nobody.
  virtual Status PrepareCompaction() = 0;
  /// One bounded step of physical compaction, between runs. Sets *more when steps remain. Publishes
  /// nothing that readers could notice. Waits for nothing: returns *more with no progress while
  /// readers still hold views that need the rows.
  virtual Status CompactStep(bool* more) = 0;
  /// Highest compact revision whose rows are all removed; -1 before the first. Any thread.
  virtual int64_t CompactionDone() const = 0;
  /// Sets dbSize to what is in use; for Maintenance.Defragment. Apply thread.
  virtual Status Defragment() = 0;

  // ---- Any thread. ---------------------------------------------------------------------------

  /// The newest published state.
  virtual ViewRef Pin() const = 0;
  /// Term of the entry at Pin()->applied_index.
  virtual uint64_t applied_term() const = 0;
  /// Grows with every view that is published: while it is the same, so is Pin().
  uint64_t publication() const { return publication_.load(std::memory_order_acquire); }
  /// The current revision, one atomic load.
  int64_t revision() const { return revision_.load(std::memory_order_acquire); }

  virtual Status Range(const View& view, const codec::RangeRequest& request,
                       const HeaderInfo& header, std::string* reply) const = 0;
  /// As Range, when that needs neither disk nor a wait: false, and nothing appended, when it might.
  /// Takes point reads of what is in memory. Not counted among the ranges of the metrics, as the
  /// caller does that for many at once.
  virtual bool RangeResident(const View& view, const codec::RangeRequest& request,
                             const HeaderInfo& header, std::string* reply,
                             Status* status) const = 0;
  /// For transactions without any write.
  virtual Status ReadOnlyTxn(const View& view, const codec::TxnRequest& request,
                             const HeaderInfo& header, std::string* reply) const = 0;
  virtual Result<HashResult> HashKv(const View& view, int64_t revision) const = 0;
  /// The remembered hashes of compactions, ascending by hash_revision, at most ten.
  virtual std::vector<HashResult> CompactionHashes() const = 0;
  /// Hash over everything stored (Maintenance.Hash).
  virtual Result<uint32_t> Hash(const View& view) const = 0;
  virtual Status AttachedKeys(const View& view, int64_t lease,
                              std::vector<std::string>* keys) const = 0;
  /// Visits exactly the version `rev` (tombstones too), or nothing when compaction has dropped it:
  /// the previous value of a watch event, by VersionView::prev.
  virtual Status GetVersion(const View& view, Revision rev, VersionVisitor visit) const = 0;
  virtual StoreSizes sizes() const = 0;
  /// Active alarms, ordered by kind and member.
  virtual std::vector<codec::AlarmMember> Alarms() const = 0;
  /// True when a write of `cost_bytes` may not grow the store (etcd's quota test).
  virtual bool OverQuota(int64_t cost_bytes) const = 0;
  virtual std::vector<LeaseRow> Leases() const = 0;  // ascending id
  virtual bool LeaseExists(int64_t id) const = 0;
  virtual Engine& engine() const = 0;

 protected:
  std::atomic<int64_t> revision_{1};
  std::atomic<uint64_t> publication_{0};
};

/// Which store is the current one: a snapshot from another member replaces it while the others of
/// its users go on. Any thread.
class StoreSlot {
 public:
  /// For work that may take its time: what it holds stays whole until it lets go, and is then
  /// perhaps closed on its thread.
  std::shared_ptr<Store> Get() const {
    const std::shared_lock<SharedLock> lock(lock_);
    return store_;
  }
  /// For a look in passing, on threads that must not close a store. `use` must not take the slot.
  template <typename Use>
  auto With(Use use) const {
    const std::shared_lock<SharedLock> lock(lock_);
    return use(static_cast<const Store&>(*store_));
  }
  /// Returns the store that was current before.
  std::shared_ptr<Store> Set(std::shared_ptr<Store> store) {
    const std::unique_lock<SharedLock> lock(lock_);
    return std::exchange(store_, std::move(store));
  }

 private:
  mutable SharedLock lock_;
  std::shared_ptr<Store> store_;  // guarded by lock_
};

}  // namespace metastore

#endif  // METASTORE_MVCC_STORE_H_
