// The queues of queues.h. Every method holds one short lock; nothing is called under it.
#include "intake/queues.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"

namespace metastore::intake {
namespace {

/// True when so much more would pass the limits. An empty queue takes anything, so that a single
/// request above the byte limit can still be served.
bool Full(const QueueUse& use, const QueueLimits& limits, uint64_t operations, uint64_t bytes) {
  if (use.operations == 0) return false;
  return use.operations + operations > limits.operations || use.bytes + bytes > limits.bytes;
}

void MoveInto(ReadBatch from, ReadBatch* to) {
  if (to->empty()) {
    *to = std::move(from);
    return;
  }
  to->insert(to->end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

Tickets::Open* Tickets::Find(uint64_t request_id) {
  if (size_ == 0 || request_id == 0) return nullptr;
  for (size_t at = request_id & mask();; at = (at + 1) & mask()) {
    if (slots_[at].request_id == request_id) return &slots_[at];
    if (slots_[at].request_id == 0) return nullptr;
  }
}

void Tickets::Place(const Open& open) {
  size_t at = open.request_id & mask();
  while (slots_[at].request_id != 0) at = (at + 1) & mask();
  slots_[at] = open;
}

void Tickets::Grow() {
  constexpr size_t kFirstSlots = 1024;
  std::vector<Open> old(slots_.empty() ? kFirstSlots : slots_.size() * 2);
  slots_.swap(old);
  for (const Open& open : old) {
    if (open.request_id != 0) Place(open);
  }
}

/// What probed past the freed slot moves back, so that searches still end at the first free one.
void Tickets::Erase(Open* open) {
  size_t hole = static_cast<size_t>(open - slots_.data());
  for (size_t next = (hole + 1) & mask(); slots_[next].request_id != 0;
       next = (next + 1) & mask()) {
    const size_t home = slots_[next].request_id & mask();
    if (((next - home) & mask()) < ((next - hole) & mask())) continue;
    slots_[hole] = slots_[next];
    hole = next;
  }
  slots_[hole] = Open();
  --size_;
}

std::optional<Ticket> Tickets::TakeLocked(uint64_t request_id) {
  Open* open = Find(request_id);
  if (open == nullptr) return std::nullopt;
  const Ticket ticket = open->ticket;
  Erase(open);
  return ticket;
}

void Tickets::Add(uint64_t request_id, Ticket ticket) {
  METASTORE_CHECK(request_id != 0, "a proposal has an id");
  std::lock_guard<std::mutex> lock(mutex_);
  METASTORE_CHECK(Find(request_id) == nullptr, "an id is used once");
  if ((size_ + 1) * 2 > slots_.size()) Grow();
  Place({request_id, ticket, 0});
  ++size_;
}

std::optional<Ticket> Tickets::Take(uint64_t request_id) {
  std::lock_guard<std::mutex> lock(mutex_);
  return TakeLocked(request_id);
}

void Tickets::TakeMany(std::span<const uint64_t> request_ids,
                       std::vector<std::optional<Ticket>>* tickets) {
  tickets->clear();
  std::lock_guard<std::mutex> lock(mutex_);
  for (const uint64_t id : request_ids) tickets->push_back(TakeLocked(id));
}

std::optional<Ticket> Tickets::TakeOf(uint64_t request_id, uint64_t term) {
  std::lock_guard<std::mutex> lock(mutex_);
  const Open* open = Find(request_id);
  if (open == nullptr || open->term != term) return std::nullopt;
  return TakeLocked(request_id);
}

std::vector<Ticket> Tickets::TakeAll() {
  std::vector<Ticket> tickets;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    tickets.reserve(size_);
    for (const Open& open : slots_) {
      if (open.request_id != 0) tickets.push_back(open.ticket);
    }
    slots_.clear();
    size_ = 0;
  }
  std::sort(tickets.begin(), tickets.end());
  return tickets;
}

std::vector<Ticket> Tickets::TakeBefore(uint64_t term) {
  std::vector<Ticket> tickets;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    std::vector<uint64_t> ids;  // first: erasing moves the others about
    for (const Open& open : slots_) {
      if (open.request_id != 0 && open.term != 0 && open.term < term) ids.push_back(open.request_id);
    }
    for (const uint64_t id : ids) tickets.push_back(*TakeLocked(id));
  }
  std::sort(tickets.begin(), tickets.end());
  return tickets;
}

void Tickets::HandOver(const std::vector<uint64_t>& request_ids, uint64_t term) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (const uint64_t id : request_ids) {
    Open* open = Find(id);
    if (open != nullptr) open->term = term;
  }
}

std::optional<Ticket> Tickets::Return(uint64_t request_id, uint64_t term) {
  std::lock_guard<std::mutex> lock(mutex_);
  Open* open = Find(request_id);
  // The term keeps a proposal that is returned twice from being proposed twice.
  if (open == nullptr || open->term != term) return std::nullopt;
  open->term = 0;
  return open->ticket;
}

Code ProposalQueue::Add(Ticket ticket, uint64_t request_id, std::string payload) {
  const uint64_t bytes = payload.size();
  auto shared = std::make_shared<const std::string>(std::move(payload));
  std::lock_guard<std::mutex> lock(mutex_);
  if (Full({queued_.size() + taken_.size(), bytes_}, limits_, 1, bytes)) {
    return Code::kTooManyRequests;
  }
  tickets_->Add(request_id, ticket);
  queued_.push_back({request_id, ticket, 0, std::move(shared)});
  bytes_ += bytes;
  return Code::kOk;
}

Code ProposalQueue::AddForwarded(std::vector<Payload> payloads, uint64_t term) {
  uint64_t bytes = 0;
  for (const Payload& payload : payloads) bytes += payload->size();
  std::lock_guard<std::mutex> lock(mutex_);
  if (Full({queued_.size() + taken_.size(), bytes_}, limits_, payloads.size(), bytes)) {
    return Code::kTooManyRequests;
  }
  for (Payload& payload : payloads) queued_.push_back({0, 0, term, std::move(payload)});
  bytes_ += bytes;
  return Code::kOk;
}

ProposalQueue::Proposal ProposalQueue::PopQueued() {
  Proposal proposal = std::move(queued_.front());
  queued_.pop_front();
  bytes_ -= proposal.payload->size();
  return proposal;
}

std::vector<uint32_t> ProposalQueue::Take(uint64_t max_operations, uint64_t max_bytes,
                                          uint64_t term) {
  std::vector<uint32_t> sizes;
  std::vector<uint64_t> own;
  uint64_t bytes = 0;
  std::lock_guard<std::mutex> lock(mutex_);
  while (!queued_.empty() && sizes.size() < max_operations) {
    const Proposal& next = queued_.front();
    if (next.request_id == 0 && next.term != term) {
      PopQueued();
      continue;
    }
    const uint64_t size = next.payload->size();
    if (!sizes.empty() && bytes + size > max_bytes) break;
    bytes += size;
    sizes.push_back(static_cast<uint32_t>(size));
    if (next.request_id != 0) own.push_back(next.request_id);
    taken_.push_back(PopQueued());
    bytes_ += size;
  }
  tickets_->HandOver(own, term);
  return sizes;
}

std::vector<Payload> ProposalQueue::TakeForwards(uint64_t max_operations, uint64_t max_bytes,
                                                 uint64_t term) {
  std::vector<Payload> payloads;
  std::vector<uint64_t> own;
  uint64_t bytes = 0;
  std::lock_guard<std::mutex> lock(mutex_);
  while (!queued_.empty() && payloads.size() < max_operations) {
    if (queued_.front().request_id == 0) {
      PopQueued();
      continue;
    }
    const uint64_t size = queued_.front().payload->size();
    if (!payloads.empty() && bytes + size > max_bytes) break;
    bytes += size;
    Proposal proposal = PopQueued();
    own.push_back(proposal.request_id);
    payloads.push_back(std::move(proposal.payload));
  }
  tickets_->HandOver(own, term);
  return payloads;
}

void ProposalQueue::Return(std::vector<HandedOver> proposals, uint64_t term) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto it = proposals.rbegin(); it != proposals.rend(); ++it) {
    const auto ticket = tickets_->Return(it->request_id, term);
    if (!ticket.has_value()) continue;
    bytes_ += it->payload->size();
    queued_.push_front({it->request_id, *ticket, 0, std::move(it->payload)});
  }
}

template <typename IsExpired>
std::vector<Ticket> ProposalQueue::ExpireIf(IsExpired is_expired) {
  std::vector<Ticket> expired;
  std::lock_guard<std::mutex> lock(mutex_);
  const auto forget = [&](const Proposal& proposal) {
    if (proposal.request_id == 0 || !is_expired(proposal.ticket)) return false;
    const auto open = tickets_->Take(proposal.request_id);
    if (open.has_value()) expired.push_back(*open);
    bytes_ -= proposal.payload->size();
    return true;
  };
  queued_.erase(std::remove_if(queued_.begin(), queued_.end(), forget), queued_.end());
  return expired;
}

std::vector<Ticket> ProposalQueue::Expire(Ticket ticket) {
  return ExpireIf([ticket](Ticket queued) { return queued <= ticket; });
}

void ProposalQueue::Expire(std::vector<Ticket>* tickets) {
  std::sort(tickets->begin(), tickets->end());
  std::vector<Ticket> expired = ExpireIf([tickets](Ticket queued) {
    return std::binary_search(tickets->begin(), tickets->end(), queued);
  });
  std::sort(expired.begin(), expired.end());
  tickets->swap(expired);
}

bool ProposalQueue::Name(uint64_t count, std::vector<Payload>* payloads) {
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
    const uint64_t id = taken_.front().request_id;
    const auto ticket = id == 0 ? std::nullopt : tickets_->Take(id);
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
  if (Full(use_, limits_, 1, read.request.size())) return Code::kTooManyRequests;
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
