// The queues of queues.h. Every method holds one short lock; nothing is called under it.
#include "intake/queues.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace metastore::intake {
namespace {

/// True when one more of `bytes` would pass the limits. An empty queue takes anything, so that a
/// single request above the byte limit can still be served.
bool Full(const QueueUse& use, const QueueLimits& limits, uint64_t bytes) {
  if (use.operations == 0) return false;
  return use.operations >= limits.operations || use.bytes + bytes > limits.bytes;
}

void MoveInto(ReadBatch from, ReadBatch* to) {
  if (to->empty()) {
    *to = std::move(from);
    return;
  }
  to->insert(to->end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

void Tickets::Add(uint64_t request_id, Ticket ticket) {
  std::lock_guard<std::mutex> lock(mutex_);
  by_request_.emplace(request_id, ticket);
}

std::optional<Ticket> Tickets::Take(uint64_t request_id) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = by_request_.find(request_id);
  if (it == by_request_.end()) return std::nullopt;
  const Ticket ticket = it->second;
  by_request_.erase(it);
  return ticket;
}

std::vector<Ticket> Tickets::TakeAll() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Ticket> tickets;
  tickets.reserve(by_request_.size());
  for (const auto& [id, ticket] : by_request_) tickets.push_back(ticket);
  by_request_.clear();
  std::sort(tickets.begin(), tickets.end());
  return tickets;
}

Code ProposalQueue::Add(Ticket ticket, uint64_t request_id, std::string payload) {
  const uint64_t bytes = payload.size();
  auto shared = std::make_shared<const std::string>(std::move(payload));
  std::lock_guard<std::mutex> lock(mutex_);
  if (Full({queued_.size() + taken_.size(), bytes_}, limits_, bytes)) {
    return Code::kTooManyRequests;
  }
  tickets_->Add(request_id, ticket);
  queued_.push_back({request_id, std::move(shared)});
  bytes_ += bytes;
  return Code::kOk;
}

std::vector<uint32_t> ProposalQueue::Take(uint64_t max_operations, uint64_t max_bytes) {
  std::vector<uint32_t> sizes;
  uint64_t bytes = 0;
  std::lock_guard<std::mutex> lock(mutex_);
  while (!queued_.empty() && sizes.size() < max_operations) {
    const uint64_t size = queued_.front().payload->size();
    if (!sizes.empty() && bytes + size > max_bytes) break;
    bytes += size;
    sizes.push_back(static_cast<uint32_t>(size));
    taken_.push_back(std::move(queued_.front()));
    queued_.pop_front();
  }
  return sizes;
}

bool ProposalQueue::Name(uint64_t count,
                         std::vector<std::shared_ptr<const std::string>>* payloads) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (count > taken_.size()) return false;
  for (uint64_t i = 0; i < count; ++i) {
    bytes_ -= taken_.front().payload->size();
    payloads->push_back(std::move(taken_.front().payload));
    taken_.pop_front();
  }
  return true;
}

bool ProposalQueue::Drop(uint64_t count, std::vector<Ticket>* failed) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (count > taken_.size()) return false;
  for (uint64_t i = 0; i < count; ++i) {
    bytes_ -= taken_.front().payload->size();
    const auto ticket = tickets_->Take(taken_.front().request_id);
    if (ticket.has_value()) failed->push_back(*ticket);
    taken_.pop_front();
  }
  return true;
}

void ProposalQueue::Clear() {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const Proposal& proposal : queued_) bytes_ -= proposal.payload->size();
  queued_.clear();
}

QueueUse ProposalQueue::use() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return {queued_.size() + taken_.size(), bytes_};
}

Code ReadQueue::Add(PendingRead read) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (Full(use_, limits_, read.request.size())) return Code::kTooManyRequests;
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
