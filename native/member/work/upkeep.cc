// The work of upkeep.h.
#include "member/work/upkeep.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <utility>
#include <vector>

#include "mvcc/image.h"

namespace metastore::member {

Upkeep::Upkeep(UpkeepParts parts, uint64_t durable_applied)
    : parts_(std::move(parts)), durable_applied_(durable_applied) {}

void Upkeep::ScheduleCompaction() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return;
    if (compacting_) {
      again_ = true;
      return;
    }
    compacting_ = true;
  }
  parts_.executor->Post([this] {
    begun_ = std::chrono::steady_clock::now();
    NextStep();
  });
}

/// Before every step, since a step may have ended one compaction with another behind it; costs
/// nothing when there is nothing to prepare.
void Upkeep::NextStep() {
  const std::shared_ptr<Store> store = parts_.stores->Get();
  Status status = store->PrepareCompaction();
  if (!status.ok()) return parts_.on_failure(status);
  const std::vector<HashResult> hashes = store->CompactionHashes();
  if (!hashes.empty()) TellHash(hashes.back());
  parts_.applier->CompactStep(
      [this](bool more) { parts_.executor->Post([this, more] { AfterStep(more); }); });
}

void Upkeep::AfterStep(bool more) {
  if (more) {
    Pause();
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (stopping_) return;
    }
    return NextStep();
  }
  TellFinished();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_ || !again_) {
      compacting_ = false;
      return;
    }
    again_ = false;
  }
  NextStep();
}

/// Members compare these: whoever looks for a difference finds it in their logs too.
void Upkeep::TellHash(const HashResult& hash) {
  if (hash.hash_revision <= told_hash_revision_) return;
  told_hash_revision_ = hash.hash_revision;
  char fields[96];
  std::snprintf(fields, sizeof fields, "{\"hash\":%u,\"revision\":%lld,\"compact-revision\":%lld}",
                hash.hash, static_cast<long long>(hash.hash_revision),
                static_cast<long long>(hash.compact_revision));
  apply::CompletionBatch batch;
  batch.Log(0, "storing new hash", fields);
  parts_.completions->Append(&batch);
}

void Upkeep::TellFinished() {
  const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - begun_;
  begun_ = std::chrono::steady_clock::now();
  parts_.metrics->compaction_total_ms.Observe(taken.count());
  parts_.metrics->compaction_last.Set(static_cast<uint64_t>(std::time(nullptr)));
  const int64_t done =
      parts_.stores->With([](const Store& store) { return store.CompactionDone(); });
  const StoreSizes sizes = parts_.stores->With([](const Store& store) { return store.sizes(); });
  char fields[192];
  std::snprintf(fields, sizeof fields,
                "{\"compact-revision\":%lld,\"took\":\"%.3fms\",\"current-db-size-bytes\":%lld,"
                "\"current-db-size-in-use-bytes\":%lld}",
                static_cast<long long>(done), taken.count(),
                static_cast<long long>(sizes.db_size_bytes),
                static_cast<long long>(sizes.db_size_in_use_bytes));
  apply::CompletionBatch batch;
  batch.Log(0, "finished scheduled compaction", fields);
  parts_.completions->Append(&batch);
}

/// Leaves the disk and the apply thread to others between two steps.
void Upkeep::Pause() {
  if (parts_.compaction_sleep_ms <= 0) return;
  std::unique_lock<std::mutex> lock(mutex_);
  stop_.wait_for(lock, std::chrono::milliseconds(parts_.compaction_sleep_ms),
                 [this] { return stopping_; });
}

void Upkeep::Checkpoint() {
  parts_.executor->Post([this] { WriteCheckpoint(); });
}

void Upkeep::WriteCheckpoint() {
  Stopwatch stopwatch;
  Status status = MakeDurable();
  parts_.metrics->checkpoint_seconds.Observe(stopwatch.Lap());
  if (!status.ok()) return parts_.on_failure(status);
  apply::CompletionBatch batch;
  batch.Checkpoint(durable_applied());
  parts_.completions->Append(&batch);
}

Status Upkeep::MakeDurable() {
  const std::shared_ptr<Store> store = parts_.stores->Get();
  Engine& engine = store->engine();
  if (engine.persistent()) return engine.Flush();
  const ViewRef view = store->Pin();
  if (view->applied_index <= durable_applied_.load()) return Status::Ok();
  ImageInfo info;
  METASTORE_RETURN_IF_ERROR(SaveImage(parts_.files, parts_.image_dir, &engine, view, &info));
  RaiseDurable(info.applied_index);
  return Status::Ok();
}

/// An image of the old state may have been on its way while a snapshot replaced that state.
void Upkeep::RaiseDurable(uint64_t index) {
  uint64_t known = durable_applied_.load();
  while (known < index && !durable_applied_.compare_exchange_weak(known, index)) {
  }
}

uint64_t Upkeep::durable_applied() const {
  const uint64_t by_engine =
      parts_.stores->With([](const Store& store) { return store.engine().DurableAppliedIndex(); });
  return std::max(durable_applied_.load(), by_engine);
}

void Upkeep::Stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
}

}  // namespace metastore::member
