// Opening, committing, publishing and compacting; the requests are in apply.cc, what any
// thread may ask is in reads.cc.
#include <utility>

#include "base/check.h"
#include "mvcc/read/hash.h"
#include "mvcc/state/sizes.h"
#include "mvcc/store/store_impl.h"

namespace metastore {

Result<std::unique_ptr<Store>> Store::Open(const StoreOptions& options,
                                           std::unique_ptr<Engine> engine, PublicationSink* sink) {
  METASTORE_CHECK(engine != nullptr && sink != nullptr, "a store has an engine and a sink");
  METASTORE_CHECK(options.compaction_batch_limit > 0, "steps remove something");
  auto store = std::make_unique<mvcc::StoreImpl>(options, std::move(engine), sink);
  METASTORE_RETURN_IF_ERROR(store->Load());
  return std::unique_ptr<Store>(std::move(store));
}

namespace mvcc {

StoreImpl::StoreImpl(const StoreOptions& options, std::unique_ptr<Engine> engine,
                     PublicationSink* sink)
    : options_(options), engine_(std::move(engine)), sink_(sink), run_(engine_.get(), &leases_) {}

Status StoreImpl::Load() {
  // The revision that a snapshot shows is in the state itself: look first, then pin for readers.
  const EngineSnapshotRef first = engine_->Pin(1);
  std::optional<std::string> row;
  METASTORE_RETURN_IF_ERROR(engine_->GetMeta(*first, kNumbersRow, &row));
  if (row) METASTORE_RETURN_IF_ERROR(DecodeNumbers(*row, &numbers_));
  METASTORE_RETURN_IF_ERROR(leases_.Load(engine_.get(), *first, options_.min_lease_ttl_seconds));
  METASTORE_RETURN_IF_ERROR(alarms_.Load(engine_.get(), *first));
  compactor_.Restore(numbers_);
  SwapView(numbers_);
  return Status::Ok();
}

void StoreImpl::SwapView(const Numbers& numbers) {
  METASTORE_CHECK(numbers.revision >= numbers_.revision, "revisions never go back");
  numbers_ = numbers;
  auto view = std::make_shared<View>();
  view->revision = numbers.revision;
  view->compact_revision = numbers.compact_revision;
  view->applied_index = numbers.applied_index;
  view->key_count = numbers.key_count;
  view->finished_compact_revision = numbers.finished_compact_revision;
  view->snapshot = engine_->Pin(numbers.revision);
  view->generation = generations_.Token(numbers.compact_revision);
  db_size_bytes_.store(DbSizeBytes(numbers.stored_bytes, numbers.high_water_bytes),
                       std::memory_order_relaxed);
  in_use_bytes_.store(InUseBytes(numbers.stored_bytes), std::memory_order_relaxed);
  finished_compact_revision_.store(numbers.finished_compact_revision, std::memory_order_release);
  applied_term_.store(numbers.applied_term, std::memory_order_relaxed);
  ViewRef old = std::move(view);
  {
    // Both under the lock: who has pinned a view finds a revision no lower.
    const std::lock_guard lock(view_mutex_);
    revision_.store(numbers.revision, std::memory_order_release);
    old.swap(view_);
    publication_.fetch_add(1, std::memory_order_release);
  }
}

Status StoreImpl::CommitBatch(const Numbers& numbers, Batch* batch) {
  batch->meta.push_back({std::string(kNumbersRow), EncodeNumbers(numbers)});
  batch->revision = numbers.revision;
  Stopwatch stopwatch;
  METASTORE_RETURN_IF_ERROR(engine_->Commit(*batch));
  const double written = stopwatch.Lap();
  leases_.Publish();
  alarms_.Publish();
  SwapView(numbers);
  options_.metrics->commit_write_seconds.Observe(written);
  options_.metrics->commit_seconds.Observe(written + stopwatch.Lap());
  return Status::Ok();
}

void StoreImpl::Begin(std::span<const std::string_view> prefetch) {
  // The newest view is apply's own: nobody else replaces it.
  const Status status = run_.Begin(Pin(), numbers_, prefetch);
  METASTORE_CHECK(status.ok(), "looking keys up needs a working engine");
  METASTORE_CHECK(compacted_in_run_.empty(), "the last run was committed");
}

Status StoreImpl::Commit(uint64_t applied_index, uint64_t term) {
  METASTORE_CHECK(run_.open(), "a run was begun");
  METASTORE_CHECK(applied_index >= numbers_.applied_index, "entries are applied in order");
  Numbers& numbers = run_.numbers();
  numbers.applied_index = applied_index;
  numbers.applied_term = term;
  numbers.high_water_bytes = DbSizeBytes(numbers.stored_bytes, numbers.high_water_bytes);
  Batch& batch = run_.batch();
  batch.versions.swap(run_.overlay().writes());
  batch.applied_index = applied_index;
  METASTORE_RETURN_IF_ERROR(CommitBatch(numbers, &batch));
  for (const int64_t revision : compacted_in_run_) compactor_.Schedule(revision);
  compacted_in_run_.clear();
  Publication publication;
  publication.view = Pin();
  publication.versions.reserve(batch.versions.size());
  for (VersionWrite& write : batch.versions) {
    publication.versions.push_back(std::move(write.version));
  }
  run_.End();
  sink_->Publish(std::move(publication));
  return Status::Ok();
}

// ---- Compaction. -----------------------------------------------------------------------------

Status StoreImpl::PrepareCompaction() {
  const int64_t limit = options_.compaction_hash_limit_bytes;
  if (limit <= 0 || in_use_bytes_.load(std::memory_order_relaxed) > limit) return Status::Ok();
  const std::optional<int64_t> revision = compactor_.BeginHash();
  if (!revision) return Status::Ok();
  const ViewRef view = Pin();
  METASTORE_CHECK(view->finished_compact_revision < *revision, "steps wait for the hash");
  METASTORE_CHECK(view->compact_revision >= *revision, "it has been published");
  HashWindow window;
  window.upto = *revision;
  window.compact_revision = view->finished_compact_revision;
  window.finished_compact_revision = view->finished_compact_revision;
  window.keep_deletions_at_upto = true;
  HashResult result;
  Status status = HashHistory(engine_.get(), *view->snapshot, window, &result.hash);
  if (!status.ok()) {
    compactor_.Hashed(std::nullopt);
    return status;
  }
  result.compact_revision = window.compact_revision;
  result.hash_revision = *revision;
  compactor_.Hashed(result);
  return Status::Ok();
}

Status StoreImpl::CompactStep(bool* more) {
  METASTORE_CHECK(!run_.open(), "steps stand between runs");
  *more = false;
  const std::optional<int64_t> current = compactor_.Current();
  if (!current) return Status::Ok();
  *more = true;
  // An engine that removes in place must wait for the readers who may still look below.
  if (!engine_->persistent() && !generations_.FreeBelow(*current)) return Status::Ok();
  if (!compactor_.BeginStep()) return Status::Ok();
  Numbers numbers = numbers_;
  if (numbers.pass_target != *current) {
    METASTORE_CHECK(numbers.pass_target < *current, "passes go forward");
    numbers.pass_target = *current;
    numbers.cursor = {std::max<int64_t>(numbers.finished_compact_revision, 0), 0};
  }
  Batch batch;
  METASTORE_RETURN_IF_ERROR(CollectRemovals(engine_.get(), *view_->snapshot,
                                            options_.compaction_batch_limit, &numbers, &batch));
  METASTORE_RETURN_IF_ERROR(CommitBatch(numbers, &batch));
  options_.metrics->compacted_keys.Add(batch.removals.size());
  if (numbers.finished_compact_revision == *current) compactor_.Finished();
  *more = compactor_.Current().has_value();
  return Status::Ok();
}

int64_t StoreImpl::CompactionDone() const {
  return finished_compact_revision_.load(std::memory_order_acquire);
}

Status StoreImpl::Defragment() {
  METASTORE_CHECK(!run_.open(), "between runs");
  Numbers numbers = numbers_;
  numbers.high_water_bytes = InUseBytes(numbers.stored_bytes);
  Batch batch;
  return CommitBatch(numbers, &batch);
}

}  // namespace mvcc
}  // namespace metastore
