// The loop of applier.h.
#include "apply/applier.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "intake/raft_request.h"

namespace metastore::apply {

Applier::Applier(const ApplierOptions& options, ApplierParts parts, uint64_t applied)
    : options_(options),
      parts_(std::move(parts)),
      target_(applied),
      applied_(applied),
      store_(parts_.store),
      runner_(parts_.store, parts_.tickets),
      meter_(options_.meter) {}

bool Applier::Ask(uint64_t index) {
  uint64_t known = target_.load();
  while (known < index) {
    asked_.Begin();
    if (target_.compare_exchange_weak(known, index)) return true;
  }
  return false;
}

void Applier::ApplyTo(uint64_t index) {
  if (Ask(index)) Schedule();
}

void Applier::ApplyCommitted(uint64_t index, bool here) {
  quiet_to_.store(index);
  if (!Ask(index)) return;
  if (here && parts_.executor->TryRun([this] { Step(); })) return;
  Schedule();
}

void Applier::Schedule() {
  if (!scheduled_.exchange(true)) parts_.executor->Post([this] { Step(); });
}

void Applier::Step() {
  // Cleared before the target is read: a later ApplyTo either is seen here or posts a new step.
  scheduled_.store(false);
  if (idle()) return;
  const uint64_t target = target_.load();
  if (applied_.load() >= target) return;
  RunOnce(target);
  if (!idle() && applied_.load() < target_.load()) Schedule();
}

void Applier::RunOnce(uint64_t target) {
  const uint64_t from = applied_.load() + 1;
  runner_.Use(parts_.tables->Get());
  if (!runner_.knows_permissions()) {
    return Fail(Status(Code::kInternal, "entries before setAuth has told users and roles"), from);
  }
  const uint64_t to = std::min(target, from + options_.max_run_entries - 1);
  entries_.clear();
  Status status = parts_.log->Read(from, to, options_.max_run_bytes, &entries_);
  if (!status.ok()) return Fail(std::move(status), from);
  METASTORE_CHECK(!entries_.empty() && entries_.front().index == from, "log returned another run");
  Result<size_t> count = DecodeRun();
  if (!count.ok()) return Fail(count.TakeStatus(), from + failed_at_);
  if (*count > 0) {
    status = ApplyRun(*count);
    if (!status.ok()) return Fail(std::move(status), entries_[*count - 1].index);
  }
  if (control_.has_value()) Halt(entries_[*count], *control_);
  entries_.clear();
  requests_.clear();
}

Result<size_t> Applier::DecodeRun() {
  requests_.clear();
  control_.reset();
  for (size_t i = 0; i < entries_.size(); ++i) {
    // What an entry holds is applied together with its index.
    if (requests_.size() >= options_.max_run_entries) return i;
    failed_at_ = i;
    const wal::Entry& entry = entries_[i];
    const bool has_data = entry.payload != nullptr && !entry.payload->empty();
    if (entry.type != 0) {
      control_.emplace();
      if (has_data) control_->message = *entry.payload;
      return i;
    }
    if (!has_data) continue;  // a new leader's empty entry
    operations_.clear();
    METASTORE_RETURN_IF_ERROR(intake::DecodeOperations(*entry.payload, &operations_));
    for (const intake::RaftRequest& operation : operations_) {
      if (!intake::IsNativeField(operation.field)) {
        METASTORE_CHECK(operations_.size() == 1, "only requests of KV share an entry");
        control_ = operation;
        return i;
      }
      requests_.emplace_back().request = operation;
    }
  }
  return entries_.size();
}

Status Applier::ApplyRun(size_t count) {
  keys_.clear();
  runner_.Prepare(requests_, &keys_);
  const HeaderInfo header = parts_.header->Get();
  store_->Begin(keys_);
  meter_.metrics().apply_run_entries.Observe(static_cast<double>(count));
  Stopwatch stopwatch;
  for (const RunEntry& entry : requests_) {
    METASTORE_RETURN_IF_ERROR(runner_.Execute(entry, header, &batch_));
    meter_.Applied(entry.request, runner_.outcome(), runner_.reply_bytes(), stopwatch.Lap(),
                   &batch_);
  }
  const wal::Entry& last = entries_[count - 1];
  METASTORE_RETURN_IF_ERROR(store_->Commit(last.index, last.term));
  Publish(last.index);
  return Status::Ok();
}

void Applier::Publish(uint64_t index) {
  METASTORE_CHECK(index > applied_.load(), "applied index goes forward");
  applied_.store(index);
  const double took = asked_.End();
  if (took >= 0) meter_.metrics().Passed(Stage::kApply, took);
  if (index < target_.load()) asked_.Begin();
  batch_.Applied(index, store_->revision());
  if (index <= quiet_to_.load() && batch_.is_progress_alone()) {
    parts_.completions->AppendQuietly(&batch_);
  } else {
    parts_.completions->Append(&batch_);
  }
  parts_.on_applied(index);
  if (runner_.TakeCompacted()) parts_.on_compacted();
}

void Applier::Halt(const wal::Entry& entry, const intake::RaftRequest& request) {
  halted_at_ = entry.index;
  halted_term_ = entry.term;
  halted_request_ = request.header.id;
  batch_.Control(entry.index, entry.term, entry.type, request.message);
  parts_.completions->Append(&batch_);
}

void Applier::ControlDone(uint64_t index, std::vector<MetaChange> meta, Code code,
                          std::string reply, PermissionTable table) {
  parts_.executor->Post(
      [this, index, meta = std::move(meta), code, reply = std::move(reply),
       table = std::move(table)] { FinishControl(index, meta, code, reply, table); });
}

void Applier::FinishControl(uint64_t index, std::vector<MetaChange> meta, Code code,
                            const std::string& reply, const PermissionTable& table) {
  if (failed_) return;
  if (index == 0 || index != halted_at_) {
    return Fail(Status(Code::kInternal, "controlDone for an entry at which apply does not stand"),
                index);
  }
  Status status = CommitControl(std::move(meta));
  if (!status.ok()) return Fail(std::move(status), index);
  // Behind the commit and before any other: a state that is newer than this entry is only seen
  // together with this table.
  if (table != nullptr) parts_.tables->Set(table);
  halted_at_ = 0;
  if (halted_request_ != 0) {
    const auto ticket = parts_.tickets->Take(halted_request_);
    if (ticket.has_value()) batch_.Result(*ticket, code, reply);
  }
  Publish(index);
  if (!idle() && applied_.load() < target_.load()) Schedule();
}

Status Applier::CommitControl(std::vector<MetaChange> meta) {
  store_->Begin({});
  for (MetaChange& row : meta) {
    store_->PutMeta(std::string(kMetaPrefix) + row.key, std::move(row.value));
  }
  return store_->Commit(halted_at_, halted_term_);
}

void Applier::CompactStep(std::function<void(bool more)> done) {
  parts_.executor->Post([this, done = std::move(done)] {
    if (failed_ || stopping_.load()) return;
    bool more = false;
    Stopwatch stopwatch;
    Status status = store_->CompactStep(&more);
    meter_.metrics().compaction_pause_ms.Observe(stopwatch.Lap() * 1000);
    if (!status.ok()) return Fail(std::move(status), applied_.load());
    AnswerHeld();
    done(more);
  });
}

void Applier::AnswerHeld() {
  std::vector<HeldReply>* held = runner_.held();
  if (held->empty()) return;
  const int64_t done = store_->CompactionDone();
  const auto is_done = [&](const HeldReply& reply) {
    if (reply.revision > done) return false;
    batch_.Result(reply.ticket, Code::kOk, reply.reply);
    return true;
  };
  held->erase(std::remove_if(held->begin(), held->end(), is_done), held->end());
  parts_.completions->Append(&batch_);
}

void Applier::Defragment(intake::Ticket ticket) {
  parts_.executor->Post([this, ticket] {
    if (failed_) return;
    Metrics& metrics = meter_.metrics();
    metrics.defragmenting.Set(1);
    Stopwatch stopwatch;
    Status status = store_->Defragment();
    metrics.defrag_seconds.Observe(stopwatch.Lap());
    metrics.defragmenting.Set(0);
    if (IsStorageFailure(status.code())) return Fail(std::move(status), applied_.load());
    batch_.Result(ticket, status.code(), {});
    parts_.completions->Append(&batch_);
  });
}

Status Applier::Replace(Store* store, uint64_t index) {
  if (failed_ || stopping_.load()) return Code::kStopped;
  if (!AtRest() || index <= applied_.load()) {
    return Status(Code::kInternal, "a snapshot at index " + std::to_string(index) +
                                       " while entries up to " + std::to_string(target_.load()) +
                                       " are on their way");
  }
  METASTORE_CHECK(halted_at_ == 0, "a control entry is an entry on its way");
  store_ = store;
  runner_.Use(store);
  target_.store(index);
  applied_.store(index);
  AnswerHeld();
  parts_.on_applied(index);
  return Status::Ok();
}

void Applier::Fail(Status status, uint64_t index) {
  failed_ = true;
  batch_.Clear();
  parts_.on_failure(Status(status.code(), "apply at index " + std::to_string(index) + ": " +
                                              std::string(status.detail())));
}

}  // namespace metastore::apply
