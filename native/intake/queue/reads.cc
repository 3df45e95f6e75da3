// The reads of intake/queues.h that wait for a round. Every method holds one short lock.
#include <algorithm>
#include <iterator>
#include <utility>

#include "intake/queues.h"

namespace metastore::intake {
namespace {

void MoveInto(ReadBatch from, ReadBatch* to) {
  if (to->empty()) {
    *to = std::move(from);
    return;
  }
  to->insert(to->end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

Code ReadQueue::Add(PendingRead read) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (IsFull(use_, limits_, 1, read.request.size())) return Code::kTooManyRequests;
  use_.operations += 1;
  use_.bytes += read.request.size();
  waiting_.push_back(std::move(read));
  return Code::kOk;
}

uint32_t ReadQueue::Freeze() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (waiting_.empty()) return 0;
  const uint32_t batch = next_batch_;
  next_batch_ = next_batch_ == UINT32_MAX ? 1 : next_batch_ + 1;
  frozen_.emplace(batch, std::exchange(waiting_, {}));
  return batch;
}

ReadBatch ReadQueue::Release(uint32_t batch, uint64_t read_index,
                             const std::atomic<uint64_t>& applied) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = frozen_.find(batch);
  if (it == frozen_.end()) return {};
  ReadBatch reads = std::move(it->second);
  frozen_.erase(it);
  // Read under the lock: apply stores the index before it takes the lock in TakeReady, so that
  // either this sees the new index or TakeReady sees this batch.
  if (applied.load(std::memory_order_seq_cst) < read_index) {
    released_.emplace(read_index, std::move(reads));
    return {};
  }
  Forget(reads);
  return reads;
}

ReadBatch ReadQueue::TakeReady(uint64_t applied) {
  std::lock_guard<std::mutex> lock(mutex_);
  ReadBatch ready;
  const auto end = released_.upper_bound(applied);
  for (auto it = released_.begin(); it != end; ++it) MoveInto(std::move(it->second), &ready);
  released_.erase(released_.begin(), end);
  Forget(ready);
  return ready;
}

ReadBatch ReadQueue::Remove(uint32_t batch) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = frozen_.find(batch);
  if (it == frozen_.end()) return {};
  ReadBatch reads = std::move(it->second);
  frozen_.erase(it);
  Forget(reads);
  return reads;
}

ReadBatch ReadQueue::RemoveAll() {
  std::lock_guard<std::mutex> lock(mutex_);
  ReadBatch all = std::exchange(waiting_, {});
  for (auto& [batch, reads] : frozen_) MoveInto(std::move(reads), &all);
  for (auto& [index, reads] : released_) MoveInto(std::move(reads), &all);
  frozen_.clear();
  released_.clear();
  Forget(all);
  return all;
}

QueueUse ReadQueue::use() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return use_;
}

void ReadQueue::Forget(const ReadBatch& reads) {
  use_.operations -= reads.size();
  for (const PendingRead& read : reads) use_.bytes -= read.request.size();
}

}  // namespace metastore::intake
