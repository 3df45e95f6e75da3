// The queue of proposals of intake/queues.h. Every method holds one short lock; nothing is called
// under it but the tickets.
#include <algorithm>
#include <utility>

#include "intake/queues.h"
#include "intake/raft_request.h"

namespace metastore::intake {

Code ProposalQueue::Add(Ticket ticket, uint64_t request_id, std::string payload) {
  const uint64_t bytes = payload.size();
  auto shared = std::make_shared<const std::string>(std::move(payload));
  std::lock_guard<std::mutex> lock(mutex_);
  if (IsFull({queued_.size() + taken_operations_, bytes_}, limits_, 1, bytes)) {
    return Code::kTooManyRequests;
  }
  tickets_->Add(request_id, ticket);
  queued_.push_back({request_id, ticket, 0, std::move(shared)});
  bytes_ += bytes;
  if (queued_.size() == 1) waiting_.Begin();
  return Code::kOk;
}

Code ProposalQueue::AddForwarded(std::vector<Payload> payloads, uint64_t term) {
  uint64_t bytes = 0;
  for (const Payload& payload : payloads) bytes += payload->size();
  std::lock_guard<std::mutex> lock(mutex_);
  if (IsFull({queued_.size() + taken_operations_, bytes_}, limits_, payloads.size(), bytes)) {
    return Code::kTooManyRequests;
  }
  for (Payload& payload : payloads) queued_.push_back({0, 0, term, std::move(payload)});
  bytes_ += bytes;
  waiting_.Begin();
  return Code::kOk;
}

ProposalQueue::Proposal ProposalQueue::PopQueued() {
  Proposal proposal = std::move(queued_.front());
  queued_.pop_front();
  bytes_ -= proposal.payload->size();
  return proposal;
}

void ProposalQueue::BatchEntries(uint64_t operations, uint64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  batch_operations_ = std::clamp<uint64_t>(operations, 1, kMostBatchOperations);
  batch_bytes_ = std::min<uint64_t>(bytes, kMostBatchBytes);
}

bool ProposalQueue::SkipForeign(uint64_t term) {
  while (!queued_.empty() && queued_.front().request_id == 0 && queued_.front().term != term) {
    PopQueued();
  }
  return !queued_.empty();
}

ProposalQueue::Entry ProposalQueue::NextEntry(uint64_t max_operations, uint64_t max_bytes,
                                              uint64_t term, std::vector<uint64_t>* own) {
  Proposal first = PopQueued();
  if (first.request_id != 0) own->push_back(first.request_id);
  Entry entry;
  entry.request_id = first.request_id;
  const uint64_t most = std::min(batch_operations_, max_operations);
  uint64_t bytes = first.payload->size();
  const uint64_t most_bytes = std::min(batch_bytes_, max_bytes);
  std::vector<Payload> payloads;
  if (most > 1 && bytes < most_bytes && IsBatchable(*first.payload)) {
    entry.request_ids.push_back(first.request_id);
    while (payloads.size() + 1 < most && SkipForeign(term)) {
      const Payload& next = queued_.front().payload;
      bytes += next->size() + sizeof(uint32_t);
      if (bytes > most_bytes || !IsBatchable(*next)) break;
      Proposal proposal = PopQueued();
      if (proposal.request_id != 0) own->push_back(proposal.request_id);
      entry.request_ids.push_back(proposal.request_id);
      payloads.push_back(std::move(proposal.payload));
    }
  }
  if (payloads.empty()) {
    entry.request_ids.clear();
    entry.payload = std::move(first.payload);
    return entry;
  }
  entry.operations = payloads.size() + 1;
  std::vector<std::string_view> views = {*first.payload};
  for (const Payload& payload : payloads) views.push_back(*payload);
  entry.payload = std::make_shared<const std::string>(EncodeBatch(views));
  metrics_->entry_operations.Observe(static_cast<double>(entry.operations));
  return entry;
}

template <typename TakeEntry>
uint64_t ProposalQueue::TakeEach(uint64_t max_operations, uint64_t max_bytes, uint64_t term,
                                 TakeEntry take) {
  std::vector<uint64_t> own;
  uint64_t bytes = 0;
  uint64_t operations = 0;
  while (operations < max_operations && SkipForeign(term)) {
    const uint64_t next_bytes = queued_.front().payload->size();
    if (operations != 0 && bytes + next_bytes > max_bytes) break;
    const uint64_t room = std::max(max_bytes - std::min(bytes, max_bytes), next_bytes);
    Entry entry = NextEntry(max_operations - operations, room, term, &own);
    bytes += entry.payload->size();
    operations += entry.operations;
    take(std::move(entry));
  }
  if (operations != 0) {
    const double waited = waiting_.End();
    if (waited >= 0) metrics_->Passed(Stage::kQueue, waited);
    if (!queued_.empty()) waiting_.Begin();
  }
  tickets_->HandOver(own, term);
  return operations;
}

std::vector<uint32_t> ProposalQueue::Take(uint64_t max_operations, uint64_t max_bytes,
                                          uint64_t term, uint64_t at_least) {
  std::vector<uint32_t> sizes;
  std::lock_guard<std::mutex> lock(mutex_);
  if (queued_.size() < at_least) return sizes;
  taken_operations_ += TakeEach(max_operations, max_bytes, term, [&](Entry entry) {
    bytes_ += entry.payload->size();
    sizes.push_back(static_cast<uint32_t>(entry.payload->size()));
    taken_.push_back(std::move(entry));
  });
  return sizes;
}

std::vector<Payload> ProposalQueue::TakeOut(uint64_t max_operations, uint64_t max_bytes,
                                            uint64_t term) {
  std::vector<Payload> payloads;
  std::lock_guard<std::mutex> lock(mutex_);
  TakeEach(max_operations, max_bytes, term,
           [&](Entry entry) { payloads.push_back(std::move(entry.payload)); });
  return payloads;
}

uint64_t ProposalQueue::Waiting() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return queued_.size();
}

bool ProposalQueue::empty() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return queued_.empty();
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

ProposalQueue::Entry ProposalQueue::PopTaken() {
  Entry entry = std::move(taken_.front());
  taken_.pop_front();
  bytes_ -= entry.payload->size();
  taken_operations_ -= entry.operations;
  return entry;
}

bool ProposalQueue::Name(uint64_t count, std::vector<Payload>* payloads) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (count > taken_.size()) return false;
  for (uint64_t i = 0; i < count; ++i) payloads->push_back(PopTaken().payload);
  return true;
}

bool ProposalQueue::Drop(uint64_t count, std::vector<Ticket>* failed) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (count > taken_.size()) return false;
  std::vector<std::optional<Ticket>> tickets;
  for (uint64_t i = 0; i < count; ++i) {
    Entry entry = PopTaken();
    if (entry.request_ids.empty()) entry.request_ids.push_back(entry.request_id);
    tickets_->TakeMany(entry.request_ids, &tickets);
    for (const std::optional<Ticket>& ticket : tickets) {
      if (ticket.has_value()) failed->push_back(*ticket);
    }
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
  return {queued_.size() + taken_operations_, bytes_};
}

}  // namespace metastore::intake
