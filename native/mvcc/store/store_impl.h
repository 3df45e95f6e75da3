// StoreImpl: the Store over an Engine. Composes the parts: the run of entries, leases, alarms,
// sizes, compaction; and publishes what they made as one view.
#ifndef METASTORE_MVCC_STORE_STORE_IMPL_H_
#define METASTORE_MVCC_STORE_STORE_IMPL_H_

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "mvcc/compact/compactor.h"
#include "mvcc/state/alarms.h"
#include "mvcc/state/lease_table.h"
#include "mvcc/state/rows.h"
#include "mvcc/store.h"
#include "mvcc/write/run.h"

namespace metastore::mvcc {

class StoreImpl final : public Store {
 public:
  StoreImpl(const StoreOptions& options, std::unique_ptr<Engine> engine, PublicationSink* sink);
  /// Reads the state that the engine holds and publishes it as the first view, without events.
  Status Load();

  void Begin(std::span<const std::string_view> prefetch) override;
  Status Put(const codec::PutRequest& request, const HeaderInfo& header,
             std::string* reply) override;
  Status DeleteRange(const codec::DeleteRangeRequest& request, const HeaderInfo& header,
                     std::string* reply) override;
  Status Txn(const codec::TxnRequest& request, const HeaderInfo& header,
             std::string* reply) override;
  Status Compact(const codec::CompactionRequest& request, const HeaderInfo& header,
                 std::string* reply) override;
  Status LeaseGrant(const codec::LeaseGrantRequest& request, const HeaderInfo& header,
                    LeaseRow* granted, std::string* reply) override;
  Status LeaseRevoke(const codec::LeaseRevokeRequest& request, const HeaderInfo& header,
                     std::string* reply) override;
  Status LeaseCheckpoint(const codec::LeaseCheckpointRequest& request) override;
  Status RunningKeys(int64_t lease, std::vector<std::string>* keys) override;
  Status Alarm(const codec::AlarmRequest& request, const HeaderInfo& header,
               std::string* reply) override;
  void PutMeta(std::string key, std::optional<std::string> value) override;
  bool TakeQuotaExceeded() override;
  Status Commit(uint64_t applied_index, uint64_t term) override;

  Status PrepareCompaction() override;
  Status CompactStep(bool* more) override;
  int64_t CompactionDone() const override;
  Status Defragment() override;

  ViewRef Pin() const override;
  uint64_t applied_term() const override;
  Status Range(const View& view, const codec::RangeRequest& request, const HeaderInfo& header,
               std::string* reply) const override;
  bool RangeResident(const View& view, const codec::RangeRequest& request, const HeaderInfo& header,
                     std::string* reply, Status* status) const override;
  Status ReadOnlyTxn(const View& view, const codec::TxnRequest& request, const HeaderInfo& header,
                     std::string* reply) const override;
  Result<HashResult> HashKv(const View& view, int64_t revision) const override;
  std::vector<HashResult> CompactionHashes() const override;
  Result<uint32_t> Hash(const View& view) const override;
  Status AttachedKeys(const View& view, int64_t lease,
                      std::vector<std::string>* keys) const override;
  Status GetVersion(const View& view, Revision rev, VersionVisitor visit) const override;
  StoreSizes sizes() const override;
  std::vector<codec::AlarmMember> Alarms() const override;
  bool OverQuota(int64_t cost_bytes) const override;
  std::vector<LeaseRow> Leases() const override;
  bool LeaseExists(int64_t id) const override;
  Engine& engine() const override { return *engine_; }

 private:
  /// Whether something of that cost is over the quota in the running state.
  bool FindsOverQuota(int64_t cost_bytes);
  /// The answer of a write that took effect although it was over the quota.
  Status RefuseReply(size_t start, std::string* reply);
  /// Runs one request: gives it its revision on success, takes it back otherwise.
  template <typename Execute>
  Status RunRequest(std::string* reply, Execute execute);
  /// Hands a batch with `numbers` to the engine and, when it has it, swaps the view. Events are
  /// not sent here.
  Status CommitBatch(const Numbers& numbers, Batch* batch);
  void SwapView(const Numbers& numbers);
  /// Adds what a reader has counted for one request to the metrics, and begins anew.
  void Count(const Reader& reader) const;

  const StoreOptions options_;
  const std::unique_ptr<Engine> engine_;
  PublicationSink* const sink_;

  // Apply thread only.
  Numbers numbers_;  // as committed
  LeaseTable leases_;
  class Alarms alarms_;
  Run run_;
  Generations generations_;
  std::vector<int64_t> compacted_in_run_;  // revisions to be scheduled when the run is committed
  bool quota_exceeded_ = false;

  Compactor compactor_;
  mutable std::mutex view_mutex_;
  ViewRef view_;  // guarded by view_mutex_; written by apply only
  std::atomic<int64_t> db_size_bytes_{0};
  std::atomic<int64_t> in_use_bytes_{0};
  std::atomic<int64_t> finished_compact_revision_{-1};
  std::atomic<uint64_t> applied_term_{0};
};

codec::ResponseHeader HeaderAt(const HeaderInfo& info, int64_t revision);

}  // namespace metastore::mvcc

#endif  // METASTORE_MVCC_STORE_STORE_IMPL_H_
