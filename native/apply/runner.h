// Runner: carries out one decoded entry against the store, between Begin and Commit of its run.
//
// Called by the applier on the apply thread. Alarms and quota are looked at inside the store; what
// it says of the quota is passed on to TypeScript, which raises the alarm.
#ifndef METASTORE_APPLY_RUNNER_H_
#define METASTORE_APPLY_RUNNER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apply/completions.h"
#include "auth/check.h"
#include "base/status.h"
#include "intake/queues.h"
#include "intake/raft_request.h"
#include "mvcc/store.h"

namespace metastore::apply {

/// A physical compaction's answer, held back until its rows are gone.
struct HeldReply {
  int64_t revision = 0;
  intake::Ticket ticket = 0;
  std::string reply;
};

class Runner {
 public:
  Runner(Store* store, intake::Tickets* tickets) : store_(store), tickets_(tickets) {}

  /// Another store from now on.
  void Use(Store* store) { store_ = store; }
  /// The table of permissions that the next run is held to; null while auth is off.
  void Use(std::shared_ptr<const auth::Table> table) { table_ = std::move(table); }
  bool knows_permissions() const { return table_ == nullptr || table_->known(); }

  /// Carries out a native request and appends its completions to *batch. An error means that this
  /// process cannot go on: bytes that no member can have proposed, or a failing engine.
  Status Execute(const intake::RaftRequest& request, const HeaderInfo& header,
                 CompletionBatch* batch);

  /// Adds the keys that the request will write, for the store's prefetch.
  static void CollectKeys(const intake::RaftRequest& request, std::vector<std::string>* keys);

  /// Set by a compaction since the last call.
  bool TakeCompacted() { return std::exchange(compacted_, false); }
  std::vector<HeldReply>* held() { return &held_; }
  /// How the last request ended.
  Code outcome() const { return outcome_; }
  /// Size of its reply, whether anybody waited for it here or not.
  uint64_t reply_bytes() const { return reply_bytes_; }

 private:
  using MaybeTicket = std::optional<intake::Ticket>;

  Status Put(const intake::RaftRequest& request, const HeaderInfo& header, CompletionBatch* batch);
  Status DeleteRange(const intake::RaftRequest& request, const HeaderInfo& header,
                     CompletionBatch* batch);
  Status Txn(const intake::RaftRequest& request, const HeaderInfo& header, CompletionBatch* batch);
  Status Compact(const intake::RaftRequest& request, const HeaderInfo& header,
                 CompletionBatch* batch);
  Status LeaseGrant(const intake::RaftRequest& request, const HeaderInfo& header,
                    CompletionBatch* batch);
  Status LeaseRevoke(const intake::RaftRequest& request, const HeaderInfo& header,
                     CompletionBatch* batch);
  Status LeaseCheckpoint(const intake::RaftRequest& request, CompletionBatch* batch);
  Status Alarm(const intake::RaftRequest& request, const HeaderInfo& header,
               CompletionBatch* batch);

  /// Whoever proposed the request, held against the run's table.
  auth::Check CheckOf(const intake::RaftRequest& request) const {
    const intake::RequestHeader& header = request.header;
    return auth::Check(table_.get(), {header.user_name, header.auth_revision});
  }
  MaybeTicket TakeTicket(const intake::RaftRequest& request);
  void Answer(const intake::RaftRequest& request, Code code, std::string_view reply,
              CompletionBatch* batch);
  /// The shared course of requests with a reply, which is written straight into the batch.
  template <typename Operation>
  Status Write(const intake::RaftRequest& request, CompletionBatch* batch, Operation operation);

  Store* store_;
  std::shared_ptr<const auth::Table> table_;
  intake::Tickets* const tickets_;
  bool compacted_ = false;
  Code outcome_ = Code::kOk;
  uint64_t reply_bytes_ = 0;
  std::vector<HeldReply> held_;
  std::string scratch_;  // replies that nobody waits for here
};

/// True for codes that mean a failing disk, engine or program, never an answer to a client.
bool IsStorageFailure(Code code);

}  // namespace metastore::apply

#endif  // METASTORE_APPLY_RUNNER_H_
