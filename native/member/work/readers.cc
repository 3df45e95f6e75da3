// The work of readers.h.
#include "member/work/readers.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "apply/runner.h"
#include "auth/check.h"
#include "base/bytes.h"
#include "codec/replies.h"
#include "codec/requests.h"
#include "member/entries/entry_run.h"

namespace metastore::member {
namespace {

/// Reads that share one pinned view and one append of completions; small, so that the executors
/// share a burst and a view is not held for long.
constexpr size_t kChunkReads = 16;
/// Replies that go out together, beyond which further reads wait for room again.
constexpr size_t kChunkBytes = 1u << 20;

codec::ResponseHeader ToResponseHeader(const HeaderInfo& header, int64_t revision) {
  codec::ResponseHeader out;
  out.cluster_id = header.cluster_id;
  out.member_id = header.member_id;
  out.revision = revision;
  out.raft_term = header.raft_term;
  return out;
}

Status ServeLeaseKeys(const Store& store, const View& view, int64_t lease, std::string* reply) {
  std::vector<std::string> keys;
  METASTORE_RETURN_IF_ERROR(store.AttachedKeys(view, lease, &keys));
  for (const std::string& key : keys) {
    AppendLittle32(reply, static_cast<uint32_t>(key.size()));
    reply->append(key);
  }
  return Status::Ok();
}

Status ServeHash(const Store& store, const intake::PendingRead& read, const View& view,
                 const HeaderInfo& header, std::string* reply) {
  if (read.method == intake::Method::kHash) {
    auto hash = store.Hash(view);
    if (!hash.ok()) return hash.TakeStatus();
    codec::AppendHashResponse(ToResponseHeader(header, view.revision), *hash, reply);
    return Status::Ok();
  }
  if (read.method != intake::Method::kHashKv) return Code::kUnknownMethod;
  codec::HashKvRequest request;
  METASTORE_RETURN_IF_ERROR(codec::Decode(read.request, &request));
  auto hash = store.HashKv(view, request.revision);
  if (!hash.ok()) return hash.TakeStatus();
  codec::AppendHashKvResponse(ToResponseHeader(header, hash->revision), hash->hash,
                              hash->compact_revision, hash->hash_revision, reply);
  return Status::Ok();
}

/// Of a transaction without writes: nothing in it names a lease.
constexpr auto kNoLeases = [](int64_t, std::vector<std::string>*) { return Status::Ok(); };

/// A right that has changed during the read may be one that has been taken away: that counts,
/// whatever the read has come to. A broken disk is told of all the same.
Status Behind(const auth::Check& check, const auth::TableSlot& tables, Status read) {
  const bool changed = check.revision() != 0 && check.revision() != tables.revision();
  return changed && !apply::IsStorageFailure(read.code()) ? Status(Code::kAuthOldRevision)
                                                          : std::move(read);
}

Status ServeKv(const Store& store, const intake::PendingRead& read, const auth::Check& check,
               const auth::TableSlot& tables, const View& view, const HeaderInfo& header,
               std::string* reply) {
  if (read.method == intake::Method::kRange) {
    codec::RangeRequest range;
    METASTORE_RETURN_IF_ERROR(codec::Decode(read.request, &range));
    METASTORE_RETURN_IF_ERROR(check.Range(range));
    return Behind(check, tables, store.Range(view, range, header, reply));
  }
  codec::TxnRequest txn;
  METASTORE_RETURN_IF_ERROR(codec::Decode(read.request, &txn));
  METASTORE_RETURN_IF_ERROR(check.Txn(txn, kNoLeases));
  return Behind(check, tables, store.ReadOnlyTxn(view, txn, header, reply));
}

}  // namespace

Readers::Readers(const StoreSlot* stores, const auth::TableSlot* tables, wal::Wal* log,
                 const apply::SharedHeader* header, apply::CompletionQueue* completions,
                 std::vector<Executor*> executors, std::function<void(const Status&)> on_failure,
                 const apply::MeterOptions& meter)
    : stores_(stores),
      tables_(tables),
      log_(log),
      header_(header),
      completions_(completions),
      executors_(std::move(executors)),
      on_failure_(std::move(on_failure)),
      meter_(meter),
      active_(executors_.size(), false) {}

void Readers::Serve(intake::ReadBatch reads) {
  if (reads.empty()) return;
  uint64_t bytes = 0;
  for (const intake::PendingRead& read : reads) bytes += read.request.size();
  operations_.fetch_add(reads.size());
  bytes_.fetch_add(bytes);
  std::vector<size_t> wake;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    queue_.insert(queue_.end(), std::make_move_iterator(reads.begin()),
                  std::make_move_iterator(reads.end()));
    wake = Activate((queue_.size() + kChunkReads - 1) / kChunkReads);
  }
  Wake(wake);
}

void Readers::ServeEntries(const EntryRead& read) {
  std::vector<size_t> wake;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    entry_reads_.push_back(read);
    wake = Activate(1);
  }
  Wake(wake);
}

std::vector<size_t> Readers::Activate(size_t wanted) {
  std::vector<size_t> workers;
  for (size_t i = 0; i < executors_.size() && workers.size() < wanted; ++i) {
    if (active_[i]) continue;
    active_[i] = true;
    workers.push_back(i);
  }
  return workers;
}

void Readers::Wake(const std::vector<size_t>& workers) {
  for (size_t worker : workers) executors_[worker]->Post([this, worker] { Work(worker); });
}

void Readers::Work(size_t worker) {
  apply::CompletionBatch batch;
  for (;;) {
    completions_->WaitForRoom();
    const Chunk chunk = NextChunk(worker);
    if (chunk.entries.has_value()) {
      ServeOneRun(*chunk.entries, &batch);
      completions_->Append(&batch);
    } else if (chunk.reads.empty()) {
      return;
    }
    for (size_t at = 0; at < chunk.reads.size();) {
      if (at > 0) completions_->WaitForRoom();
      at += ServeSome(chunk.reads, at, &batch);
      completions_->Append(&batch);
    }
  }
}

Readers::Chunk Readers::NextChunk(size_t worker) {
  Chunk chunk;
  uint64_t bytes = 0;
  std::lock_guard<std::mutex> lock(mutex_);
  if (!entry_reads_.empty()) {
    chunk.entries = entry_reads_.front();
    entry_reads_.pop_front();
    return chunk;
  }
  // A share of what waits, so that a small batch still uses every executor.
  const size_t share = (queue_.size() + executors_.size() - 1) / executors_.size();
  const size_t count = std::min(share, kChunkReads);
  for (size_t i = 0; i < count; ++i) {
    bytes += queue_.front().request.size();
    chunk.reads.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  if (count == 0) active_[worker] = false;
  operations_.fetch_sub(count);
  bytes_.fetch_sub(bytes);
  return chunk;
}

void Readers::ServeOneRun(const EntryRead& read, apply::CompletionBatch* batch) {
  batch->BeginResult(read.ticket);
  Status status = stopping_.load() ? Status(Code::kStopped) : ReadRun(read, batch->reply());
  batch->EndResult(status.code());
  if (status.code() == Code::kIo || status.code() == Code::kDamaged) on_failure_(status);
}

Status Readers::ReadRun(const EntryRead& read, std::string* run) const {
  std::vector<wal::Entry> entries;
  METASTORE_RETURN_IF_ERROR(log_->Read(read.from, read.to, UINT64_MAX, &entries));
  // The same term at the end means the same entries before it; with another one, the tail has been
  // replaced since somebody asked, who may no longer be entitled to send what is there now.
  if (entries.back().term != read.term) {
    return Status(Code::kInternal, "the entries have been replaced");
  }
  AppendEntryRun(entries, run);
  return Status::Ok();
}

size_t Readers::ServeSome(const intake::ReadBatch& chunk, size_t at,
                          apply::CompletionBatch* batch) {
  const std::shared_ptr<const Store> store = stores_->Get();
  const ViewRef view = store->Pin();
  // After the view: what the state holds is only read under permissions that are as new.
  const std::shared_ptr<const auth::Table> table = tables_->Get();
  const HeaderInfo header = header_->Get();
  meter_.metrics().open_reads.Add();
  Stopwatch stopwatch;
  size_t end = at;
  while (end < chunk.size() && batch->all_bytes() < kChunkBytes) {
    const intake::PendingRead& read = chunk[end++];
    batch->BeginResult(read.ticket);
    std::string* reply = batch->reply();
    const size_t begin = reply->size();
    Status status = stopping_.load() ? Status(Code::kStopped)
                                     : ServeOne(*store, read, table.get(), *view, header, reply);
    batch->EndResult(status.code());
    const Served served{status.code(), stopwatch.Lap(), reply, begin};
    Measure(read, served, batch);
    if (status.code() == Code::kIo || status.code() == Code::kDamaged) on_failure_(status);
  }
  meter_.metrics().open_reads.Subtract(1);
  return end - at;
}

void Readers::Measure(const intake::PendingRead& read, const Served& served,
                      apply::CompletionBatch* batch) const {
  if (read.lease_keys.has_value()) return;
  if (read.method == intake::Method::kHash) {
    meter_.metrics().hash_seconds.Observe(served.seconds);
  } else if (read.method == intake::Method::kHashKv) {
    meter_.metrics().hash_rev_seconds.Observe(served.seconds);
  } else {
    // A copy of a view would do for most, but what is told of lies in the same bytes.
    std::string_view reply;
    if (served.code == Code::kOk) reply = std::string_view(*served.bytes).substr(served.begin);
    const bool transaction = read.method == intake::Method::kTxn;
    meter_.Served(transaction, read.request, served.code, reply, served.seconds, batch);
  }
}

Status Readers::ServeOne(const Store& store, const intake::PendingRead& read,
                         const auth::Table* table, const View& view, const HeaderInfo& header,
                         std::string* reply) const {
  if (read.lease_keys.has_value()) {
    return ServeLeaseKeys(store, view, *read.lease_keys, reply);
  }
  if (read.method != intake::Method::kRange && read.method != intake::Method::kTxn) {
    return ServeHash(store, read, view, header, reply);
  }
  const auth::Caller caller = read.asked_by();
  if (caller.refusal != Code::kOk) return caller.refusal;
  const auth::Check check(table, caller);
  return ServeKv(store, read, check, *tables_, view, header, reply);
}

}  // namespace metastore::member
