// MemberCore: one member's native side, without Node. The addon is its only caller besides tests.
//
// Owns the data directory's lock, log, engine, store, watch hub and the threads over them.
// TypeScript decides (Raft, membership, leases' deadlines) and drives it in batches; results,
// messages and events come back through one queue. All methods are called on one thread unless they
// say otherwise; none of them waits for disk but Open and Close.
#ifndef METASTORE_MEMBER_CORE_H_
#define METASTORE_MEMBER_CORE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apply/applier.h"
#include "apply/completions.h"
#include "apply/shared_header.h"
#include "auth/check.h"
#include "auth/slot.h"
#include "base/executor.h"
#include "base/metrics.h"
#include "base/status.h"
#include "intake/admission.h"
#include "intake/id_generator.h"
#include "intake/queues.h"
#include "member/backup/backups.h"
#include "member/disk/directory.h"
#include "member/entries/grant.h"
#include "member/options.h"
#include "member/transfer/transfers.h"
#include "member/work/readers.h"
#include "member/work/resident.h"
#include "member/work/stepped.h"
#include "member/work/upkeep.h"

namespace metastore::member {

/// One part of an append: a run of taken proposals, entries of a run that another member sent, or a
/// single entry with its bytes.
struct AppendRun {
  enum class Kind : uint8_t { kQueued, kReceived, kInline };
  Kind kind = Kind::kInline;
  uint64_t first_index = 0;
  uint64_t term = 0;          // received entries have their own
  uint64_t count = 1;         // unless inline
  std::string_view received;  // valid during the call
  uint64_t offset = 0;        // of the first record in it
  uint8_t type = 0;           // of an inline entry
  std::shared_ptr<const std::string> data;
};

class MemberCore {
 public:
  /// Opens or creates the data directory, recovers the log and loads the state; nothing is served
  /// before it returns. `wake` is called on any thread when completions wait. Fails with kLocked,
  /// kWrongFormat, kDamaged or kIo, naming file and reason. Blocks.
  static Result<std::unique_ptr<MemberCore>> Open(const MemberOptions& options,
                                                  std::function<void()> wake,
                                                  RecoveredState* recovered);
  ~MemberCore();

  /// Takes the results of tickets with kPlaneBit; before the first of them. It must stand until the
  /// core is gone, and forget what comes once its plane has ended.
  void SetResultSink(std::shared_ptr<apply::ResultSink> sink) {
    completions_.SetSink(std::move(sink));
  }
  /// As CompletionQueue::Delivered. Any thread.
  void ResultsDelivered(size_t bytes) { completions_.Delivered(bytes); }

  void SetHeader(const HeaderInfo& header);
  /// A lower index than before says nothing: what is granted is committed unasked.
  void SetCommitted(uint64_t index);

  /// Any thread. The result comes as a completion unless this fails. What is queued for a call of
  /// the data plane is told of by a `demand` completion; TypeScript knows of its own.
  Result<intake::Route> Submit(intake::Ticket ticket, intake::Method method,
                               std::string_view request, const intake::Caller& caller);
  /// As Submit, for many at once: what is to be served is added to *reads instead, for Serve, and
  /// behind the last that is proposed Proposed() is called. A read that is `confirmed`
  /// (ResidentReads) waits for no round.
  Result<intake::Route> Submit(intake::Ticket ticket, intake::Method method,
                               std::string_view request, const intake::Caller& caller,
                               bool confirmed, intake::ReadBatch* reads);
  /// Any thread. Something has been proposed, by a call of the data plane or not.
  void Proposed(bool of_plane);
  /// Any thread. Each read ends with one result.
  void Serve(intake::ReadBatch reads) { readers_->Serve(std::move(reads)); }
  /// For one thread; the core outlives it.
  std::unique_ptr<ResidentReads> NewResidentReads();

  Result<intake::Route> SubmitInternal(intake::Ticket ticket, std::string_view request,
                                       const intake::Caller& caller);
  /// Any thread. Keys attached to a lease, each behind its u32 length, as the ticket's result.
  void LeaseKeys(intake::Ticket ticket, int64_t lease);

  std::vector<uint32_t> TakeProposals(uint64_t max_operations, uint64_t max_bytes, uint64_t term,
                                      uint64_t at_least = 0);
  /// From now on so many operations and bytes of KV share an entry; 1 for none. Only where every
  /// member reads such entries.
  void BatchEntries(uint64_t operations, uint64_t bytes) {
    proposals_.BatchEntries(operations, bytes);
  }
  /// kInternal when fewer are taken.
  Status DropProposals(uint64_t count, Code code);
  void FailAll(Code code);

  // What travels between members; member/entries/calls.cc.

  /// Proposals for another member that leads; empty when none waits.
  std::string TakeForwards(uint64_t max_operations, uint64_t max_bytes, uint64_t term);
  /// Back into the queue with kOk, else failed with the code. kInternal for other bytes than
  /// TakeForwards gave.
  Status ReturnForwards(std::string_view forwards, Code code);
  /// Another member's, all or none; their number, or kUnmarshal, kTooManyRequests, kStopped.
  Result<uint64_t> EnqueueForwarded(std::string_view forwards);
  void FailHandedOver(uint64_t before_term, Code code);
  std::vector<intake::Ticket> ExpireQueued(intake::Ticket ticket);
  /// Any thread. Takes those of the plane's tickets that still wait to be proposed out of the queue
  /// and forgets them; *tickets are those afterwards, ascending.
  void ExpireQueued(std::vector<intake::Ticket>* tickets) { proposals_.Expire(tickets); }
  /// Entries as a run; empty when one of them is not in memory.
  std::string CachedEntries(uint64_t from, uint64_t to);
  /// Any thread. The same from disk, as the ticket's result.
  void ReadEntries(intake::Ticket ticket, uint64_t from, uint64_t to);

  uint32_t FreezeReads() { return reads_.Freeze(); }
  void ReleaseReads(uint32_t batch, uint64_t read_index);
  void FailReads(uint32_t batch, Code code);

  /// Completion 'durable' with the sequence follows. kInternal when the runs name proposals that
  /// are not taken. `alone`: this member decides alone, so what is durable here is committed.
  /// Entries are then applied as soon as they are durable, before TypeScript has heard of it, and
  /// neither wakes it, nor does a hard state.
  Status Append(uint64_t sequence, std::vector<AppendRun> runs, const wal::HardState* hard_state,
                bool sync, bool alone = false);
  /// From now on what is proposed is appended unasked, until RevokeGrant: this member is the whole
  /// cluster, leads in the term, and has appended all that it had to itself (Grant). kInternal when
  /// the log does not end in front of the first index, or a grant holds. Entries cannot be appended
  /// meanwhile.
  Status GrantProposals(const GrantTerms& terms);
  /// What has been appended so, since the last such call.
  Given Granted() { return grant_->Tell(); }
  Given RevokeGrant() { return grant_->Revoke(); }
  Status EntryInfos(uint64_t from, uint64_t to, std::vector<wal::EntryInfo>* infos);
  /// Any thread; may read the disk.
  Status EntryData(uint64_t index, std::shared_ptr<const std::string>* data);

  /// `quiet`: TypeScript is not woken to be told of it, unless there is more to tell.
  void Apply(uint64_t index, bool quiet = false);
  /// From now on proposals wake only when so many wait; 0: each does. See CompletionQueue::Hold.
  void HoldProposals(uint32_t wake_at);
  uint64_t WaitingProposals() const { return proposals_.Waiting(); }
  void ControlDone(uint64_t index, std::vector<apply::MetaChange> meta, Code code,
                   std::string reply, apply::PermissionTable table);

  /// The permissions that the state has, after a start and after an install. With auth on nobody
  /// passes a check before, and applying an entry is a failure of this process.
  void SetAuth(apply::PermissionTable table) { tables_.Set(std::move(table)); }
  /// Any thread. Whether the caller may read or write the keys, by the current table.
  Code CheckRange(const auth::Caller& caller, bool is_write, std::string_view key,
                  std::string_view range_end) const;

  void Checkpoint() { upkeep_->Checkpoint(); }
  /// kInternal unless a checkpoint covers the index; then Completion 'truncated' follows.
  Status TruncateLog(uint64_t index);

  /// Snapshots to and from other members.
  transfer::Transfers& transfers() { return *transfers_; }
  /// The state as a file for clients' tools.
  backup::Backups& backups() { return *backups_; }

  uint64_t NextId() { return ids_.Next(); }
  watch::WatchHub& hub() { return *hub_; }
  /// Any thread. Where the hub's messages of the data plane's streams (kPlaneBit) go; null to drop
  /// them, after which no call of the old one is under way.
  void RouteStreams(watch::StreamSink* plane);

  /// Completion records since the last call; empty when there are none.
  std::string Drain();
  CoreStatus status() const;
  /// Of the state: never behind a result that somebody has been told.
  int64_t revision() const {
    return stores_.With([](const Store& store) { return store.revision(); });
  }
  /// Any thread. What members compare; see Store::CompactionHashes.
  std::vector<HashResult> CompactionHashes() const {
    return stores_.With([](const Store& store) { return store.CompactionHashes(); });
  }
  /// In the order of Metrics::Layout.
  std::vector<double> MetricValues() const;

  /// Refuses new work, fails what waits, stops readers, apply, watch and upkeep, closes the log,
  /// then makes the engine's state durable. Blocks; once. Drain still works afterwards.
  Status Close();

  // Of a stepped core; member/work/stepped.h.

  bool stepped() const { return stepped_ != nullptr; }
  /// Runs the oldest task of one executor; false when it has none, or is no stepped core's.
  bool Step(StepExecutor which) { return stepped_ != nullptr && stepped_->Step(which); }
  /// As a power cut: nothing runs or reaches the disk any more. Destroy the core next; then the
  /// directory can be opened again.
  void Crash();

 private:
  struct Opened;  // what Open has found before the core can be built
  class WatchSink;

  MemberCore(const MemberOptions& options, std::unique_ptr<Metrics> metrics,
             std::function<void()> wake, uint64_t member_id, uint64_t start_ms);
  static Result<std::unique_ptr<MemberCore>> OpenOn(const MemberOptions& options,
                                                    std::unique_ptr<SteppedExecutors> stepped,
                                                    std::function<void()> wake,
                                                    RecoveredState* recovered);
  static Status OpenStore(const MemberOptions& options, MemberCore* core, uint64_t* image_index);
  static Status FillRecovered(const wal::Recovered& log, MemberCore* core,
                              RecoveredState* recovered);
  void StartTransfers(const MemberOptions& options);
  void Start(const MemberOptions& options, const RecoveredState& recovered, uint64_t image_index);
  Executor* Own(Executor* given, const std::string& name);

  uint64_t Backlog() const;
  Result<intake::Route> Queue(intake::Ticket ticket, intake::Admitted admitted);
  Result<intake::Route> Refuse(Code code);
  bool refusing() const { return closing_.load() || failed_.load(); }
  Status CollectRun(AppendRun* run, std::vector<wal::Entry>* entries);
  Code AdmitRead(const intake::PendingRead& read, const intake::ReadBatch& others) const;
  void FailTickets(const std::vector<intake::Ticket>& tickets, Code code);
  void FailRead(const intake::ReadBatch& reads, Code code);
  void OnFailure(const Status& status);
  void TellSlowSync(double seconds);

  // In the order of their making; the destructor goes the other way.
  FileLayer* files_;
  DataDirectory directory_;
  std::unique_ptr<Metrics> metrics_;
  const intake::QueueLimits queue_limits_;
  apply::CompletionQueue completions_;
  apply::SharedHeader header_;
  auth::TableSlot tables_;
  intake::IdGenerator ids_;
  intake::Tickets tickets_;
  intake::ProposalQueue proposals_;
  intake::ReadQueue reads_;
  std::unique_ptr<WatchSink> watch_sink_;
  std::unique_ptr<watch::WatchHub> hub_;
  /// Of the rocksdb engine's database; Transfers goes on with it.
  std::shared_ptr<Tenancy> tenancy_;
  StoreSlot stores_;
  std::unique_ptr<wal::Wal> log_;
  std::unique_ptr<intake::Admission> admission_;
  std::vector<std::unique_ptr<Executor>> own_executors_;
  std::unique_ptr<SteppedExecutors> stepped_;  // null in production
  std::unique_ptr<SharedExecutor> apply_executor_;
  Executor* upkeep_executor_ = nullptr;
  std::vector<Executor*> read_executors_;
  std::unique_ptr<apply::Applier> applier_;
  std::unique_ptr<Grant> grant_;
  std::unique_ptr<Readers> readers_;
  std::unique_ptr<Upkeep> upkeep_;
  std::unique_ptr<transfer::Transfers> transfers_;
  std::unique_ptr<backup::Backups> backups_;

  apply::MeterOptions meter_;  // of reads and entries
  Since taken_;                // until appended
  Since durable_;              // until known to be committed
  std::atomic<uint64_t> committed_{0};
  std::atomic<bool> closing_{false};
  /// Disk or engine failed: no request is taken any more, none that waits is acknowledged.
  std::atomic<bool> failed_{false};
  std::atomic<bool> closed_{false};
  /// An unread 'quota' record is on its way: more would say nothing new.
  std::atomic<bool> quota_told_{false};
};

}  // namespace metastore::member

#endif  // METASTORE_MEMBER_CORE_H_
