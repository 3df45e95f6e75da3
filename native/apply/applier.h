// Applier: carries committed entries into the store, in runs, on the apply executor.
//
// Order for every run: operations, one commit (state and applied index together), then results and
// the 'applied' record, then waiting reads. An entry that TypeScript must decide ends a run; apply
// stands until ControlDone. Between runs the executor may do other work (compaction steps).
#ifndef METASTORE_APPLY_APPLIER_H_
#define METASTORE_APPLY_APPLIER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apply/completions.h"
#include "apply/meter.h"
#include "apply/runner.h"
#include "apply/shared_header.h"
#include "auth/slot.h"
#include "base/executor.h"
#include "base/metrics.h"
#include "base/status.h"
#include "intake/queues.h"
#include "mvcc/store.h"
#include "wal/wal.h"

namespace metastore::apply {

/// Rows that TypeScript stores through control entries carry this prefix in the engine, so that
/// they never meet the store's own.
inline constexpr std::string_view kMetaPrefix = "server/";

struct ApplierOptions {
  /// Bounds of one run, so that results leave and other work gets its turn.
  uint64_t max_run_entries = 512;
  uint64_t max_run_bytes = 4u << 20;
  MeterOptions meter = {};
};

struct ApplierParts {
  wal::Wal* log = nullptr;
  Store* store = nullptr;
  intake::Tickets* tickets = nullptr;
  CompletionQueue* completions = nullptr;
  const SharedHeader* header = nullptr;
  auth::TableSlot* tables = nullptr;
  Executor* executor = nullptr;
  /// On the apply thread, after the index has been applied and can be read.
  std::function<void(uint64_t index)> on_applied;
  /// On the apply thread, after a run that compacted: rows wait to be removed.
  std::function<void()> on_compacted;
  /// On the apply thread, once: nothing will be applied any more.
  std::function<void(const Status&)> on_failure;
};

struct MetaChange {
  std::string key;
  std::optional<std::string> value;
};

using PermissionTable = std::shared_ptr<const auth::Table>;

class Applier {
 public:
  /// `applied` is the index that the store holds at the start.
  Applier(const ApplierOptions& options, ApplierParts parts, uint64_t applied);

  /// Entries up to `index` are committed, and durable in the local log. Any thread.
  void ApplyTo(uint64_t index);
  /// The same; TypeScript is not woken to be told that they are applied, unless there is more to
  /// tell. `here`: on the calling thread, where nothing else is under way, which saves a thread
  /// change.
  void ApplyCommitted(uint64_t index, bool here = false);
  /// Ends the control entry at `index`. Any thread; a failure when apply does not stand there. The
  /// table of permissions, unless null, is the current one from this entry on: neither a read of
  /// this index nor a later entry meets the one before.
  void ControlDone(uint64_t index, std::vector<MetaChange> meta, Code code, std::string reply,
                   PermissionTable table);
  /// One step of physical compaction between runs; `done(more)` on the apply thread, not called
  /// after a failure or stop.
  void CompactStep(std::function<void(bool more)> done);
  /// Maintenance.Defragment, between runs.
  void Defragment(intake::Ticket ticket);
  /// A snapshot at `index` has replaced the state by `store`, which is readable already. Apply
  /// thread; kInternal, and nothing changes, when entries are on their way or the index is no step
  /// forward, kStopped after a failure or stop.
  Status Replace(Store* store, uint64_t index);
  /// Whether nothing that is committed waits to be applied. Any thread.
  bool AtRest() const { return applied_.load() == target_.load(); }
  /// Ends after the current run; entries that remain are applied after the next start.
  void Stop() { stopping_.store(true); }

  const std::atomic<uint64_t>& applied() const { return applied_; }

 private:
  /// Raises the target; false when it is as high already.
  bool Ask(uint64_t index);
  void Schedule();
  void Step();
  void RunOnce(uint64_t target);
  /// Decodes entries_ into requests_ up to the first control entry, which it puts into control_, or
  /// as many as make a run; how many entries. On an error the last one looked at is at failed_at_.
  Result<size_t> DecodeRun();
  Status ApplyRun(size_t count);
  void Halt(const wal::Entry& entry, const intake::RaftRequest& request);
  void FinishControl(uint64_t index, std::vector<MetaChange> meta, Code code,
                     const std::string& reply, const PermissionTable& table);
  Status CommitControl(std::vector<MetaChange> meta);
  /// Makes the run visible to readers and TypeScript.
  void Publish(uint64_t index);
  void AnswerHeld();
  void Fail(Status status, uint64_t index);
  bool idle() const { return halted_at_ != 0 || failed_ || stopping_.load(); }

  const ApplierOptions options_;
  const ApplierParts parts_;
  std::atomic<uint64_t> target_{0};
  /// Up to here nobody waits to hear how far apply has come.
  std::atomic<uint64_t> quiet_to_{0};
  std::atomic<uint64_t> applied_;
  std::atomic<bool> scheduled_{false};
  std::atomic<bool> stopping_{false};
  Since asked_;  // since when there is something to apply

  // Of the apply thread alone.
  Store* store_;
  Runner runner_;
  const Meter meter_;
  CompletionBatch batch_;
  std::vector<wal::Entry> entries_;
  std::vector<RunEntry> requests_;  // an entry may hold several
  std::vector<intake::RaftRequest> operations_;
  std::optional<intake::RaftRequest> control_;
  size_t failed_at_ = 0;
  std::vector<std::string_view> keys_;  // that the run will write
  uint64_t halted_at_ = 0;              // 0: apply does not stand
  uint64_t halted_term_ = 0;
  uint64_t halted_request_ = 0;
  bool failed_ = false;
};

}  // namespace metastore::apply

#endif  // METASTORE_APPLY_APPLIER_H_
