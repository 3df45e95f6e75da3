// The calls of the Wal: bookkeeping at once and in memory, the rest queued for the writer.
#include "wal/wal.h"

#include <algorithm>

#include "base/check.h"
#include "wal/log.h"

namespace metastore::wal {
namespace {

/// Entries between which others lie are read in one call when the gap costs less than a call.
constexpr uint64_t kReadAheadGapBytes = 4096;
constexpr uint64_t kMaxReadBytes = 4 << 20;

uint64_t EndOf(const Slot& slot) {
  return slot.offset + RecordBytes(kEntryPrefixBytes + slot.size_bytes);
}

}  // namespace

uint64_t Log::Operation::Bytes() const {
  uint64_t bytes = kRecordHeaderBytes + 24;  // a hard state or a point
  for (const Entry& entry : entries) {
    bytes += RecordBytes(kEntryPrefixBytes + (entry.payload ? entry.payload->size() : 0));
  }
  return bytes;
}

void Log::Append(std::vector<Entry> entries, const HardState* hard_state, bool sync,
                 std::function<void(Status)> done) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!entries.empty()) {
    const uint64_t first = entries.front().index;
    METASTORE_CHECK(first > queued_.start_index && first <= queued_.last_index + 1,
                    "an append continues the log or replaces its tail");
    METASTORE_CHECK(first > queued_.hard_state.commit, "a committed entry is never replaced");
    if (first <= queued_.last_index) ReplaceFrom(first);
    for (const Entry& entry : entries) {
      METASTORE_CHECK(!entry.payload || entry.payload->size() <= kMaxEntryBytes,
                      "admission bounds the size of a request");
      table_.Append(entry);
    }
    queued_.last_index = entries.back().index;
    queued_.last_term = entries.back().term;
  }
  Operation operation;
  if (hard_state != nullptr) {
    METASTORE_CHECK(hard_state->commit <= queued_.last_index,
                    "what is committed is in the log first");
    queued_.hard_state = *hard_state;
    operation.hard_state = *hard_state;
  }
  operation.entries = std::move(entries);
  operation.sync = sync;
  operation.done = std::move(done);
  Queue(std::move(operation));
}

void Log::Post(std::function<void()> task) {
  executor_->Post([anchor = anchor_, task = std::move(task)] {
    std::lock_guard<std::mutex> lock(anchor->mutex);
    if (anchor->log != nullptr) task();
  });
}

void Log::Truncate(uint64_t index, uint64_t term, std::function<void(Status)> done) {
  std::lock_guard<std::mutex> lock(mutex_);
  METASTORE_CHECK(index <= queued_.last_index, "only entries that exist are forgotten");
  Operation operation;
  operation.done = std::move(done);
  if (index > queued_.start_index) {
    METASTORE_CHECK(table_.At(index).term == term, "the caller means this very entry");
    table_.CutHead(index);
    queued_.start_index = index;
    queued_.start_term = term;
    operation.kind = Kind::kTruncate;
    operation.index = index;
    operation.term = term;
  }
  Queue(std::move(operation));
}

void Log::Reset(uint64_t index, uint64_t term, std::function<void(Status)> done) {
  std::lock_guard<std::mutex> lock(mutex_);
  METASTORE_CHECK(index >= queued_.hard_state.commit, "a snapshot never goes back");
  ReplaceFrom(0);
  queued_.start_index = queued_.last_index = index;
  queued_.start_term = queued_.last_term = term;
  table_.Reset(index);
  Operation operation;
  operation.kind = Kind::kReset;
  operation.index = index;
  operation.term = term;
  operation.done = std::move(done);
  Queue(std::move(operation));
}

void Log::ReplaceFrom(uint64_t index) {
  // Entries that still wait to be written must not take places in the table that are others' now.
  const uint64_t valid_to = index == 0 ? 0 : index - 1;
  for (Operation& operation : queue_) operation.valid_to = std::min(operation.valid_to, valid_to);
  for (Operation& operation : group_) operation.valid_to = std::min(operation.valid_to, valid_to);
  if (index != 0) table_.CutTail(index);
}

void Log::Queue(Operation operation) {
  METASTORE_CHECK(!closing_, "no calls after Close");
  queue_.push_back(std::move(operation));
  ScheduleLocked();
}

void Log::ScheduleLocked() {
  if (scheduled_) return;
  scheduled_ = executor_->Post([anchor = anchor_] {
    std::lock_guard<std::mutex> lock(anchor->mutex);
    if (anchor->log != nullptr) anchor->log->RunStep();
  });
}

std::shared_ptr<Segment> Log::SegmentOf(uint64_t sequence) const {
  METASTORE_CHECK(!segments_.empty() && sequence >= segments_.front()->sequence,
                  "a live entry's segment has not been removed");
  const uint64_t n = sequence - segments_.front()->sequence;
  METASTORE_CHECK(n < segments_.size(), "segments are contiguous");
  return segments_[n];
}

Status Log::Read(uint64_t from, uint64_t to, uint64_t max_bytes, std::vector<Entry>* entries) {
  entries->clear();
  std::vector<Page> pages;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (from > to || !table_.Contains(from) || !table_.Contains(to)) {
      return Status(Code::kInternal, "log entries from " + std::to_string(from) + " to " +
                                         std::to_string(to) + " are not in (" +
                                         std::to_string(table_.start()) + ", " +
                                         std::to_string(table_.last()) + "]");
    }
    uint64_t bytes = 0;
    for (uint64_t index = from; index <= to; ++index) {
      const Slot& slot = table_.At(index);
      bytes += slot.size_bytes;
      if (index != from && bytes > max_bytes) break;
      Entry entry;
      entry.index = index;
      entry.term = slot.term;
      entry.type = slot.type;
      if (!table_.Cached(index, &entry.payload)) {
        pages.push_back({entries->size(), index, slot, SegmentOf(slot.segment)});
      }
      entries->push_back(std::move(entry));
    }
  }
  const Status status = ReadPages(pages, entries);
  if (!status.ok()) {
    entries->clear();
    return Status(status.code(), std::string(status.detail()));
  }
  return Status::Ok();
}

bool Log::ReadCached(uint64_t from, uint64_t to, std::vector<Entry>* entries) {
  entries->clear();
  std::lock_guard<std::mutex> lock(mutex_);
  if (from > to || !table_.Contains(from) || !table_.Contains(to)) return false;
  // Newer payloads leave the cache after older ones, so the oldest that has data decides soon.
  for (uint64_t index = from; index <= to; ++index) {
    const Slot& slot = table_.At(index);
    Entry entry{index, slot.term, slot.type, nullptr};
    if (!table_.Cached(index, &entry.payload)) {
      entries->clear();
      return false;
    }
    entries->push_back(std::move(entry));
  }
  return true;
}

Status Log::ReadPages(const std::vector<Page>& pages, std::vector<Entry>* entries) {
  std::string bytes;
  for (size_t first = 0; first < pages.size();) {
    // Neighbours in one segment come with one read.
    const Segment& segment = *pages[first].segment;
    const uint64_t from = pages[first].slot.offset;
    uint64_t end = EndOf(pages[first].slot);
    size_t past = first + 1;
    for (; past < pages.size() && pages[past].segment == pages[first].segment; ++past) {
      const Slot& slot = pages[past].slot;
      if (slot.offset > end + kReadAheadGapBytes || EndOf(slot) - from > kMaxReadBytes) break;
      end = EndOf(slot);
    }
    METASTORE_RETURN_IF_ERROR(segment.file->ReadAt(from, end - from, &bytes));
    for (; first < past; ++first) {
      const Page& page = pages[first];
      const uint64_t at = page.slot.offset - from;
      const std::string_view record =
          at < bytes.size() ? std::string_view(bytes).substr(at) : std::string_view();
      METASTORE_RETURN_IF_ERROR(
          DecodeEntry(segment, page.index, page.slot, record, &(*entries)[page.result]));
    }
  }
  return Status::Ok();
}

Status Log::Infos(uint64_t from, uint64_t to, std::vector<EntryInfo>* infos) {
  infos->clear();
  std::lock_guard<std::mutex> lock(mutex_);
  if (from > to || !table_.Contains(from) || !table_.Contains(to)) {
    return Status(Code::kInternal, "entries outside the log");
  }
  infos->reserve(to - from + 1);
  for (uint64_t index = from; index <= to; ++index) {
    const Slot& slot = table_.At(index);
    infos->push_back({slot.term, slot.size_bytes, slot.type, slot.has_data});
  }
  return Status::Ok();
}

uint64_t Log::start_index() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return queued_.start_index;
}

uint64_t Log::last_index() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return queued_.last_index;
}

WalStats Log::stats() const {
  std::lock_guard<std::mutex> lock(mutex_);
  WalStats stats = stats_;
  stats.segments = segments_.size();
  for (const auto& segment : segments_) stats.log_bytes += segment->size_bytes;
  return stats;
}

void Log::OnSlowSync(std::function<void(double seconds)> tell) {
  std::lock_guard<std::mutex> lock(mutex_);
  slow_sync_ = std::move(tell);
}

Status Log::Close() {
  std::lock_guard<std::mutex> step(anchor_->mutex);
  if (anchor_->log == nullptr) return Status(Code::kInternal, "the log has been closed before");
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  // The steps that the executor would run are run here: it may be one that nobody steps any more.
  for (;;) {
    if (phase_ == Phase::kIdle) {
      std::lock_guard<std::mutex> lock(mutex_);
      if (queue_.empty()) break;
    }
    RunStep();
  }
  anchor_->log = nullptr;
  if (!failed_.ok()) return Status(failed_.code(), std::string(failed_.detail()));
  return tail_->Finish();
}

}  // namespace metastore::wal
