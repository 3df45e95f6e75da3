// Runner: carries out one decoded entry against the store, between Begin and Commit of its run.
//
// Called by the applier on the apply thread. Alarms and quota are looked at inside the store; what
// it says of the quota is passed on to TypeScript, which raises the alarm.
#ifndef METASTORE_APPLY_RUNNER_H_
#define METASTORE_APPLY_RUNNER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "apply/completions.h"
#include "auth/check.h"
#include "base/status.h"
#include "codec/requests.h"
#include "intake/queues.h"
#include "intake/raft_request.h"
#include "mvcc/store.h"

namespace metastore::apply {

/// One entry of a run: what its bytes say, and who waits for it here.
struct RunEntry {
  intake::RaftRequest request;
  std::optional<intake::Ticket> ticket;
  /// What most entries ask for is decoded ahead, once: its keys are looked up before the run.
  std::variant<std::monostate, codec::PutRequest, codec::DeleteRangeRequest, codec::TxnRequest>
      decoded;
};

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

  /// Takes the tickets of a run's entries, decodes them and adds the keys that they will write or
  /// compare the metadata of, as views into the entries' bytes, for the store's prefetch.
  void Prepare(std::span<RunEntry> entries, std::vector<std::string_view>* keys);

  /// Carries out a native request that was prepared and appends its completions to *batch. An error
  /// means that this process cannot go on: bytes that no member can have proposed, or a failing
  /// engine.
  Status Execute(const RunEntry& entry, const HeaderInfo& header, CompletionBatch* batch);

  /// Set by a compaction since the last call.
  bool TakeCompacted() { return std::exchange(compacted_, false); }
  std::vector<HeldReply>* held() { return &held_; }
  /// How the last request ended.
  Code outcome() const { return outcome_; }
  /// Size of its reply, whether anybody waited for it here or not.
  uint64_t reply_bytes() const { return reply_bytes_; }

 private:
  Status Put(const RunEntry& entry, const HeaderInfo& header, CompletionBatch* batch);
  Status DeleteRange(const RunEntry& entry, const HeaderInfo& header, CompletionBatch* batch);
  Status Txn(const RunEntry& entry, const HeaderInfo& header, CompletionBatch* batch);
  Status Compact(const RunEntry& entry, const HeaderInfo& header, CompletionBatch* batch);
  Status LeaseGrant(const RunEntry& entry, const HeaderInfo& header, CompletionBatch* batch);
  Status LeaseRevoke(const RunEntry& entry, const HeaderInfo& header, CompletionBatch* batch);
  Status LeaseCheckpoint(const RunEntry& entry, CompletionBatch* batch);
  Status Alarm(const RunEntry& entry, const HeaderInfo& header, CompletionBatch* batch);

  /// Whoever proposed the request, held against the run's table.
  auth::Check CheckOf(const RunEntry& entry) const {
    const intake::RequestHeader& header = entry.request.header;
    return auth::Check(table_.get(), {header.user_name, header.auth_revision});
  }
  void Answer(const RunEntry& entry, Code code, std::string_view reply, CompletionBatch* batch);
  /// The shared course of requests with a reply, which is written straight into the batch.
  template <typename Operation>
  Status Write(const RunEntry& entry, CompletionBatch* batch, Operation operation);

  Store* store_;
  std::shared_ptr<const auth::Table> table_;
  intake::Tickets* const tickets_;
  bool compacted_ = false;
  Code outcome_ = Code::kOk;
  uint64_t reply_bytes_ = 0;
  std::vector<HeldReply> held_;
  std::string scratch_;  // replies that nobody waits for here
  std::vector<uint64_t> ids_;
  std::vector<std::optional<intake::Ticket>> taken_;
};

/// True for codes that mean a failing disk, engine or program, never an answer to a client.
bool IsStorageFailure(Code code);

}  // namespace metastore::apply

#endif  // METASTORE_APPLY_RUNNER_H_
