// See table.h.
#include "wal/replay/table.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace metastore::wal {
namespace {

/// What a cached payload costs: its bytes and about this much for the string and its counters.
constexpr uint64_t kCachedOverheadBytes = 64;

uint64_t Cost(const std::shared_ptr<const std::string>& payload) {
  return payload ? payload->size() + kCachedOverheadBytes : 0;
}

}  // namespace

void EntryTable::Reset(uint64_t index) {
  slots_.clear();
  cache_.clear();
  cached_bytes_ = 0;
  start_ = slots_start_ = cache_start_ = located_ = index;
}

void EntryTable::Append(const Entry& entry) {
  METASTORE_CHECK(entry.index == last() + 1, "entries are contiguous");
  Slot slot;
  slot.term = entry.term;
  slot.size_bytes = entry.payload ? static_cast<uint32_t>(entry.payload->size()) : 0;
  slot.type = entry.type;
  slot.has_data = entry.payload != nullptr;
  slots_.push_back(slot);
  cache_.push_back(entry.payload);
  cached_bytes_ += Cost(entry.payload);
}

void EntryTable::CutTail(uint64_t index) {
  METASTORE_CHECK(index > start_, "the start of the log is never cut from behind");
  while (last() >= index) {
    if (last() > cache_start_) {
      cached_bytes_ -= Cost(cache_.back());
      cache_.pop_back();
    } else {
      cache_start_ = last() - 1;
    }
    slots_.pop_back();
  }
  located_ = std::min(located_, last());
}

void EntryTable::CutHead(uint64_t index) {
  METASTORE_CHECK(index <= last(), "only entries that exist are forgotten");
  start_ = std::max(start_, index);
  located_ = std::max(located_, start_);
}

bool EntryTable::Trim(size_t count, Payloads* dropped) {
  for (size_t n = 0; n < count && slots_start_ < start_; ++n, ++slots_start_) slots_.pop_front();
  for (size_t n = 0; n < count && cache_start_ < start_; ++n) {
    dropped->push_back(cache_.front());
    PopCacheFront();
  }
  return untrimmed();
}

void EntryTable::Locate(uint64_t index, uint64_t segment, uint64_t offset) {
  METASTORE_CHECK(Contains(index), "only live entries have a place");
  METASTORE_CHECK(segment != 0 && segment <= 0xffffffffull && offset <= 0xffffffffull,
                  "segments and offsets are kept in 32 bits");
  Slot& slot = slots_[index - slots_start_ - 1];
  slot.segment = static_cast<uint32_t>(segment);
  slot.offset = static_cast<uint32_t>(offset);
  if (index == located_ + 1) located_ = index;
}

void EntryTable::Evict() {
  while (cached_bytes_ > cache_limit_bytes_ && cache_start_ < located_) PopCacheFront();
}

void EntryTable::PopCacheFront() {
  cached_bytes_ -= Cost(cache_.front());
  cache_.pop_front();
  ++cache_start_;
}

const Slot& EntryTable::At(uint64_t index) const {
  METASTORE_CHECK(Contains(index), "the caller looked whether the entry is live");
  return slots_[index - slots_start_ - 1];
}

bool EntryTable::Cached(uint64_t index, std::shared_ptr<const std::string>* payload) const {
  const Slot& slot = At(index);
  if (!slot.has_data) {
    payload->reset();
    return true;
  }
  if (index <= cache_start_) return false;
  *payload = cache_[index - cache_start_ - 1];
  return true;
}

}  // namespace metastore::wal
