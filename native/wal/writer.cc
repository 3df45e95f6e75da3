// The writer's steps: take all that waits, write it as one, sync once, report, in that order.
//
// One failure of a write or sync ends it: the kernel may have dropped the pages, so a retry could
// report durable what is not. Everything queued then and later gets that failure.
#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "wal/log.h"

namespace metastore::wal {
namespace {

/// One group's limit: a backlog beyond it is written in several, so that memory and the time of a
/// sync stay bounded.
constexpr uint64_t kMaxGroupBytes = 32 << 20;

/// Forgotten entries that are let go of at a time, behind a group or while nothing waits: some 20
/// microseconds.
constexpr size_t kTrimEntries = 256;

std::vector<double> PowersOfTwo(double first, int count) {
  std::vector<double> bounds;
  for (int n = 0; n < count; ++n, first *= 2) bounds.push_back(first);
  return bounds;
}

/// Adds a value to cumulative counts.
void Count(double value, const std::vector<double>& bounds, std::vector<uint64_t>* buckets) {
  buckets->resize(bounds.size());
  for (size_t n = 0; n < bounds.size(); ++n) {
    if (value <= bounds[n]) ++(*buckets)[n];
  }
}

Status Copy(const Status& status) {
  return status.ok() ? Status::Ok() : Status(status.code(), std::string(status.detail()));
}

}  // namespace

const std::vector<double> kSyncSecondsBounds = PowersOfTwo(0.001, 14);
const std::vector<double> kBatchEntriesBounds = PowersOfTwo(1, 13);

void Log::RunStep() {
  switch (phase_) {
    case Phase::kIdle:
      StepWrite();
      break;
    case Phase::kWritten:
      StepSync();
      break;
    case Phase::kDurable:
      StepReport();
      break;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  scheduled_ = false;
  if (!closing_ && (phase_ != Phase::kIdle || !queue_.empty() || table_.untrimmed())) {
    ScheduleLocked();
  }
}

bool Log::TakeGroup() {
  std::lock_guard<std::mutex> lock(mutex_);
  uint64_t bytes = 0;
  while (!queue_.empty()) {
    bytes += queue_.front().Bytes();
    if (!group_.empty() && bytes > kMaxGroupBytes) break;
    group_.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return !group_.empty();
}

void Log::StepWrite() {
  if (!TakeGroup()) return Trim(kTrimEntries);
  phase_ = Phase::kDurable;
  if (!failed_.ok()) return;
  Stopwatch stopwatch;
  Status status = WriteGroup();
  if (!status.ok()) return Fail(std::move(status));
  options_.metrics->wal_write_seconds.Observe(stopwatch.Lap());
  for (const Operation& operation : group_) {
    // A new start is synced in any case: files are removed on the strength of it.
    const bool start = operation.kind != Kind::kAppend;
    if (start || (operation.sync && !options_.unsafe_no_fsync)) phase_ = Phase::kWritten;
  }
}

Status Log::WriteGroup() {
  uint64_t bytes = kMarkBytes;
  for (const Operation& operation : group_) bytes += operation.Bytes();
  if (tail_->NeedsRotation(bytes)) {
    METASTORE_RETURN_IF_ERROR(tail_->Rotate(written_));
    std::lock_guard<std::mutex> lock(mutex_);
    segments_.push_back(tail_->segment());
  }
  RecordEncoder* encoder = tail_->Begin();
  offsets_.clear();
  for (const Operation& operation : group_) Encode(operation, encoder);
  METASTORE_RETURN_IF_ERROR(tail_->Write());
  Locate(offsets_);
  return Status::Ok();
}

void Log::Encode(const Operation& operation, RecordEncoder* encoder) {
  if (operation.kind == Kind::kTruncate) {
    encoder->AddPoint(RecordType::kStart, operation.index, operation.term);
    written_.start_index = operation.index;
    written_.start_term = operation.term;
    return;
  }
  if (operation.kind == Kind::kReset) {
    encoder->AddPoint(RecordType::kReset, operation.index, operation.term);
    written_.start_index = written_.last_index = operation.index;
    written_.start_term = written_.last_term = operation.term;
    std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& segment : segments_) segment->base_index = operation.index;
    return;
  }
  if (!operation.entries.empty() && operation.entries.front().index <= written_.last_index) {
    std::lock_guard<std::mutex> lock(mutex_);
    LowerBases(segments_, operation.entries.front().index);
  }
  for (const Entry& entry : operation.entries) {
    const bool last = &entry == &operation.entries.back() && !operation.hard_state;
    offsets_.push_back(encoder->offset());
    encoder->AddEntry(entry, last ? kFlagLast : 0);
    written_.last_index = entry.index;
    written_.last_term = entry.term;
  }
  if (operation.hard_state) {
    encoder->AddHardState(*operation.hard_state, kFlagLast);
    written_.hard_state = *operation.hard_state;
  }
}

void Log::Locate(const std::vector<uint64_t>& offsets) {
  std::lock_guard<std::mutex> lock(mutex_);
  tail_->segment()->size_bytes = tail_->offset();
  stats_.bytes_written = tail_->bytes_written();
  options_.metrics->wal_bytes.Set(stats_.bytes_written);
  size_t n = 0;
  for (const Operation& operation : group_) {
    for (const Entry& entry : operation.entries) {
      const uint64_t offset = offsets[n++];
      // Forgotten or replaced in the meantime: the table has no place for it.
      if (entry.index > operation.valid_to || !table_.Contains(entry.index)) continue;
      table_.Locate(entry.index, tail_->segment()->sequence, offset);
    }
  }
  table_.Evict();
  stats_.entries += n;
  if (n != 0) {
    ++stats_.groups;
    stats_.batch_entries_sum += static_cast<double>(n);
    options_.metrics->wal_batch_entries.Observe(static_cast<double>(n));
    Count(static_cast<double>(n), kBatchEntriesBounds, &stats_.batch_entries_buckets);
  }
}

void Log::StepSync() {
  phase_ = Phase::kDurable;
  const auto begin = std::chrono::steady_clock::now();
  Status status = tail_->Sync();
  if (!status.ok()) return Fail(std::move(status));
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  group_synced_ = true;
  options_.metrics->wal_sync_seconds.Observe(taken.count());
  std::function<void(double)> tell;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    ++stats_.syncs;
    stats_.sync_seconds_sum += taken.count();
    Count(taken.count(), kSyncSecondsBounds, &stats_.sync_seconds_buckets);
    if (taken.count() > options_.slow_sync_seconds) tell = slow_sync_;
  }
  if (tell) tell(taken.count());
}

void Log::StepReport() {
  phase_ = Phase::kIdle;
  bool removes = false;
  for (const Operation& operation : group_) removes = removes || operation.kind != Kind::kAppend;
  // The new start is durable: what only the old one needed can go.
  if (removes && failed_.ok()) {
    Status status = RemoveSegments();
    if (!status.ok()) Fail(std::move(status));
  }
  for (Operation& operation : group_) {
    if (operation.done) operation.done(Copy(failed_));
  }
  bool idle = false;
  std::deque<Operation> reported;  // let go of outside the lock: it may be many
  {
    std::lock_guard<std::mutex> lock(mutex_);
    reported.swap(group_);
    idle = queue_.empty();
  }
  if (group_synced_ && idle && failed_.ok()) {
    // No further group proves this one durable; a mark does, and costs no sync.
    Status status = tail_->WriteMark();
    if (!status.ok()) Fail(std::move(status));
  }
  group_synced_ = false;
  // Faster than entries come, so that an end is reached under any load.
  Trim(kTrimEntries + offsets_.size());
}

void Log::Trim(size_t count) {
  EntryTable::Payloads dropped;  // freed outside the lock
  std::lock_guard<std::mutex> lock(mutex_);
  (void)table_.Trim(count, &dropped);
}

Status Log::RemoveSegments() {
  std::vector<std::shared_ptr<Segment>> removed;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    // By what is written and durable, not by the table: it is ahead by all that is queued, and a
    // crash now would need what only that makes superfluous.
    while (segments_.size() > 1 && segments_[1]->base_index <= written_.start_index) {
      removed.push_back(std::move(segments_.front()));
      segments_.pop_front();
    }
  }
  for (const auto& segment : removed) METASTORE_RETURN_IF_ERROR(files_->Remove(segment->path));
  if (sweeper_ != nullptr && !removed.empty()) sweeper_->Post([removed = std::move(removed)] {});
  return Status::Ok();
}

void Log::Fail(Status status) {
  if (failed_.ok()) failed_ = std::move(status);
}

}  // namespace metastore::wal
