// Requests, batches and shutdown of core.h; opening is in open.cc.
#include "member/core.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/check.h"
#include "member/entries/entry_run.h"
#include "member/work/watch_sink.h"

namespace metastore::member {

MemberCore::~MemberCore() {
  if (!closed_.load()) (void)Close();
}

void MemberCore::SetHeader(const HeaderInfo& header) {
  header_.Set(header);
  hub_->SetHeader(header);
}

void MemberCore::SetCommitted(uint64_t index) {
  uint64_t known = committed_.load();
  while (known < index && !committed_.compare_exchange_weak(known, index)) {
  }
}

void MemberCore::RouteStreams(watch::StreamSink* plane) { watch_sink_->Route(plane); }

uint64_t MemberCore::Backlog() const {
  const uint64_t committed = committed_.load();
  const uint64_t applied = applier_->applied().load();
  return committed > applied ? committed - applied : 0;
}

Result<intake::Route> MemberCore::Refuse(Code code) {
  // Before a proposal exists, only the quota refuses with this code: TypeScript is to raise the
  // alarm.
  if (code == Code::kNoSpace && !quota_told_.exchange(true)) {
    apply::CompletionBatch batch;
    batch.QuotaExceeded();
    completions_.Append(&batch);
  }
  return code;
}

Result<intake::Route> MemberCore::Submit(intake::Ticket ticket, intake::Method method,
                                         std::string_view request, const intake::Caller& caller) {
  intake::ReadBatch reads;
  auto route = Submit(ticket, method, request, caller, false, &reads);
  readers_->Serve(std::move(reads));
  if (route.ok() && *route == intake::Route::kProposed) Proposed(plane::IsOfPlane(ticket));
  return route;
}

Result<intake::Route> MemberCore::Submit(intake::Ticket ticket, intake::Method method,
                                         std::string_view request, const intake::Caller& caller,
                                         bool confirmed, intake::ReadBatch* reads) {
  if (refusing()) return Code::kStopped;
  auto admitted = admission_->Admit(method, request, caller, Backlog());
  if (!admitted.ok()) return Refuse(admitted.status().code());
  if (admitted->route == intake::Route::kProposed) return Queue(ticket, std::move(*admitted));
  if (method == intake::Method::kDefragment) {
    applier_->Defragment(ticket);
    return intake::Route::kServing;
  }
  intake::PendingRead read{ticket, method, std::nullopt, std::string(request)};
  if (!caller.is_nobody()) read.caller = std::make_unique<auth::HeldCaller>(caller);
  Code code = AdmitRead(read, *reads);
  if (code != Code::kOk) return code;
  if (admitted->route == intake::Route::kServing || confirmed) {
    reads->push_back(std::move(read));
    return intake::Route::kServing;
  }
  code = reads_.Add(std::move(read));
  if (code != Code::kOk) return code;
  if (plane::IsOfPlane(ticket)) completions_.Want(apply::kDemandReads);
  return intake::Route::kReadWaits;
}

std::unique_ptr<ResidentReads> MemberCore::NewResidentReads() {
  ResidentParts parts;
  parts.stores = &stores_;
  parts.tables = &tables_;
  parts.header = &header_;
  parts.completions = &completions_;
  parts.closing = &closing_;
  parts.failed = &failed_;
  parts.meter = meter_;
  return std::make_unique<ResidentReads>(parts);
}

Result<intake::Route> MemberCore::SubmitInternal(intake::Ticket ticket, std::string_view request,
                                                 const intake::Caller& caller) {
  if (refusing()) return Code::kStopped;
  auto admitted = admission_->AdmitInternal(request, caller, Backlog());
  if (!admitted.ok()) return admitted.status().code();
  auto route = Queue(ticket, std::move(*admitted));
  if (route.ok()) Proposed(plane::IsOfPlane(ticket));
  return route;
}

void MemberCore::Proposed(bool of_plane) {
  if (grant_->Kick()) return;
  const bool holds = completions_.holds();
  // TypeScript knows of its own, but not whether there are enough.
  if (!of_plane && !holds) return;
  const uint64_t waiting = holds ? proposals_.Waiting() : 0;
  completions_.Want(apply::kDemandProposals, waiting);
}

Result<intake::Route> MemberCore::Queue(intake::Ticket ticket, intake::Admitted admitted) {
  const Code code = proposals_.Add(ticket, admitted.request_id, std::move(admitted.payload));
  if (code != Code::kOk) return code;
  return intake::Route::kProposed;
}

/// Reads that wait for a round, reads that wait for an executor and those on their way there share
/// the limits.
Code MemberCore::AdmitRead(const intake::PendingRead& read, const intake::ReadBatch& others) const {
  const intake::QueueUse waiting = reads_.use();
  const intake::QueueUse serving = readers_->use();
  const uint64_t operations = waiting.operations + serving.operations + others.size();
  if (operations == 0) return Code::kOk;
  const uint64_t bytes = waiting.bytes + serving.bytes + read.request.size();
  const bool full = operations >= queue_limits_.operations || bytes > queue_limits_.bytes;
  return full ? Code::kTooManyRequests : Code::kOk;
}

void MemberCore::LeaseKeys(intake::Ticket ticket, int64_t lease) {
  intake::PendingRead read{ticket, intake::Method::kRange, lease, std::string()};
  const Code code = refusing() ? Code::kStopped : AdmitRead(read, {});
  intake::ReadBatch batch;
  batch.push_back(std::move(read));
  if (code != Code::kOk) return FailRead(batch, code);
  readers_->Serve(std::move(batch));
}

std::vector<uint32_t> MemberCore::TakeProposals(uint64_t max_operations, uint64_t max_bytes,
                                                uint64_t term, uint64_t at_least) {
  std::vector<uint32_t> sizes = proposals_.Take(max_operations, max_bytes, term, at_least);
  if (!sizes.empty()) taken_.Begin();
  return sizes;
}

void MemberCore::Apply(uint64_t index, bool quiet) {
  const double waited = durable_.End();
  if (waited >= 0) metrics_->Passed(Stage::kCommit, waited);
  if (quiet) {
    applier_->ApplyCommitted(index);
  } else {
    applier_->ApplyTo(index);
  }
}

void MemberCore::HoldProposals(uint32_t wake_at) {
  if (wake_at != 0) {
    completions_.Hold(wake_at);
  } else {
    completions_.Release();
  }
}

Status MemberCore::DropProposals(uint64_t count, Code code) {
  std::vector<intake::Ticket> failed;
  if (!proposals_.Drop(count, &failed)) {
    return Status(Code::kInternal, "dropProposals: fewer proposals are taken");
  }
  FailTickets(failed, code);
  return Status::Ok();
}

void MemberCore::FailTickets(const std::vector<intake::Ticket>& tickets, Code code) {
  apply::CompletionBatch batch;
  for (const intake::Ticket ticket : tickets) batch.Result(ticket, code, {});
  completions_.Append(&batch);
}

void MemberCore::FailRead(const intake::ReadBatch& reads, Code code) {
  apply::CompletionBatch batch;
  for (const intake::PendingRead& read : reads) batch.Result(read.ticket, code, {});
  completions_.Append(&batch);
}

void MemberCore::FailAll(Code code) {
  proposals_.Clear();
  FailTickets(tickets_.TakeAll(), code);
  FailRead(reads_.RemoveAll(), code);
}

void MemberCore::ReleaseReads(uint32_t batch, uint64_t read_index) {
  readers_->Serve(reads_.Release(batch, read_index, applier_->applied()));
}

void MemberCore::FailReads(uint32_t batch, Code code) { FailRead(reads_.Remove(batch), code); }

Status MemberCore::GrantProposals(const GrantTerms& terms) {
  if (refusing()) return Code::kStopped;
  return grant_->Give(terms);
}

Status MemberCore::Append(uint64_t sequence, std::vector<AppendRun> runs,
                          const wal::HardState* hard_state, bool sync, bool alone) {
  std::vector<wal::Entry> entries;
  bool proposals = false;
  if (!runs.empty() && grant_->holds()) {
    return Status(Code::kInternal, "append: entries while proposals are granted");
  }
  for (const AppendRun& run : runs) proposals |= run.kind == AppendRun::Kind::kQueued;
  for (AppendRun& run : runs) METASTORE_RETURN_IF_ERROR(CollectRun(&run, &entries));
  for (size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].index != entries[i - 1].index + 1) {
      return Status(Code::kInternal, "append: entries are not contiguous");
    }
  }
  const uint64_t committed = alone && !entries.empty() ? entries.back().index : 0;
  const double waited = entries.empty() ? -1 : taken_.End();
  if (waited >= 0) metrics_->Passed(Stage::kPropose, waited);
  const int64_t begun_ns = entries.empty() ? 0 : MonotonicNs();
  if (proposals) completions_.WriteBegins();
  const auto done = [this, sequence, alone, committed, begun_ns, proposals](Status status) {
    if (!status.ok()) return OnFailure(status);
    if (begun_ns != 0) {
      metrics_->Passed(Stage::kLog, static_cast<double>(MonotonicNs() - begun_ns) * 1e-9);
      if (committed == 0) durable_.Begin();
    }
    apply::CompletionBatch batch;
    batch.Durable(sequence);
    if (!alone) {
      completions_.Append(&batch);
    } else {
      // In front of what apply has to say: TypeScript hears of things in their order.
      completions_.AppendQuietly(&batch);
      if (committed != 0) applier_->ApplyCommitted(committed);
    }
    if (proposals) completions_.WriteEnds();
  };
  log_->Append(std::move(entries), hard_state, sync, done);
  return Status::Ok();
}

Status MemberCore::CollectRun(AppendRun* run, std::vector<wal::Entry>* entries) {
  if (run->kind == AppendRun::Kind::kInline) {
    entries->push_back({run->first_index, run->term, run->type, std::move(run->data)});
    return Status::Ok();
  }
  if (run->kind == AppendRun::Kind::kReceived) {
    if (CopyRun(run->received, run->offset, run->count, run->first_index, entries)) {
      return Status::Ok();
    }
    return Status(Code::kInternal, "append: a received run does not hold the entries");
  }
  std::vector<intake::Payload> payloads;
  if (!proposals_.Name(run->count, &payloads)) {
    return Status(Code::kInternal, "append: a queued run names more proposals than are taken");
  }
  for (uint64_t i = 0; i < run->count; ++i) {
    entries->push_back({run->first_index + i, run->term, 0, std::move(payloads[i])});
  }
  return Status::Ok();
}

Status MemberCore::EntryInfos(uint64_t from, uint64_t to, std::vector<wal::EntryInfo>* infos) {
  return log_->Infos(from, to, infos);
}

Status MemberCore::EntryData(uint64_t index, std::shared_ptr<const std::string>* data) {
  std::vector<wal::Entry> entries;
  METASTORE_RETURN_IF_ERROR(log_->Read(index, index, 0, &entries));
  METASTORE_CHECK(entries.size() == 1, "one entry was asked for");
  *data = std::move(entries[0].payload);
  return Status::Ok();
}

void MemberCore::ControlDone(uint64_t index, std::vector<apply::MetaChange> meta, Code code,
                             std::string reply, apply::PermissionTable table) {
  applier_->ControlDone(index, std::move(meta), code, std::move(reply), std::move(table));
}

Code MemberCore::CheckRange(const auth::Caller& caller, bool is_write, std::string_view key,
                            std::string_view range_end) const {
  if (caller.refusal != Code::kOk) return caller.refusal;
  const apply::PermissionTable table = tables_.Get();
  const auth::Check check(table.get(), caller);
  return is_write ? check.Write(key, range_end) : check.Read(key, range_end);
}

Status MemberCore::TruncateLog(uint64_t index) {
  if (index > upkeep_->durable_applied()) {
    return Status(Code::kInternal,
                  "truncateLog: no checkpoint covers index " + std::to_string(index));
  }
  const auto report = [this](const Status& status) {
    if (!status.ok()) return OnFailure(status);
    apply::CompletionBatch batch;
    batch.Truncated(log_->start_index());
    completions_.Append(&batch);
  };
  if (index <= log_->start_index()) {
    report(Status::Ok());
    return Status::Ok();
  }
  std::vector<wal::EntryInfo> infos;
  METASTORE_RETURN_IF_ERROR(log_->Infos(index, index, &infos));
  log_->Truncate(index, infos[0].term, report);
  return Status::Ok();
}

std::string MemberCore::Drain() {
  quota_told_.store(false);
  return completions_.Drain();
}

void MemberCore::OnFailure(const Status& status) {
  failed_.store(true);
  completions_.Fatal(status.ToString());
}

CoreStatus MemberCore::status() const {
  CoreStatus status;
  stores_.With([&](const Store& store) {
    const ViewRef view = store.Pin();
    status.revision = view->revision;
    status.compact_revision = view->compact_revision;
    status.sizes = store.sizes();
    status.engine = store.engine().Stats();
  });
  status.applied_index = applier_->applied().load();
  status.durable_applied_index = upkeep_->durable_applied();
  status.log_start_index = log_->start_index();
  status.log_last_index = log_->last_index();
  status.log = log_->stats();
  const intake::QueueUse proposals = proposals_.use();
  const intake::QueueUse waiting = reads_.use();
  const intake::QueueUse serving = readers_->use();
  status.queued = {proposals.operations + waiting.operations + serving.operations,
                   proposals.bytes + waiting.bytes + serving.bytes};
  status.watch = hub_->stats();
  return status;
}

std::vector<double> MemberCore::MetricValues() const {
  stores_.With([&](const Store& store) {
    metrics_->keys.Set(static_cast<uint64_t>(store.Pin()->key_count));
  });
  metrics_->pending_events.Set(hub_->stats().pending_events);
  return metrics_->Values();
}

void MemberCore::TellSlowSync(double seconds) {
  char fields[80];
  std::snprintf(fields, sizeof fields, "{\"took\":\"%.6gs\",\"expected-duration\":\"1s\"}",
                seconds);
  apply::CompletionBatch batch;
  batch.Log(1, "slow fdatasync", fields);
  completions_.Append(&batch);
}

Status MemberCore::Close() {
  METASTORE_CHECK(!closed_.exchange(true), "a core is closed once");
  closing_.store(true);
  if (applier_ == nullptr) {  // opening failed half-way: nothing runs but what was made so far
    for (auto& executor : own_executors_) executor->Stop();
    if (hub_ != nullptr) hub_->Stop();
    return log_ != nullptr ? log_->Close() : Status::Ok();
  }
  (void)grant_->Revoke();
  FailAll(Code::kStopped);
  transfers_->Stop();
  backups_->Stop();
  completions_.Open();
  readers_->Stop();
  for (Executor* executor : read_executors_) executor->Stop();
  applier_->Stop();
  apply_executor_->Stop();
  hub_->Stop();
  if (stepped_) stepped_->StopWatch();
  upkeep_->Stop();
  upkeep_executor_->Stop();
  Status status = log_->Close();
  Engine& engine = stores_.Get()->engine();
  if (status.ok() && !completions_.failed() && engine.persistent()) {
    status = engine.Flush();  // the next start then has nothing to apply again
  }
  if (!status.ok()) OnFailure(status);
  return status;
}

void MemberCore::Crash() {
  METASTORE_CHECK(stepped_ != nullptr, "only a stepped core can be stopped anywhere");
  METASTORE_CHECK(!closed_.exchange(true), "a core ends once");
  closing_.store(true);
  files_->Freeze();
  stepped_->Drop();
  stores_.Get()->engine().Abandon();
  hub_->Stop();  // it lets go of the store before that goes
}

}  // namespace metastore::member
