// The table of tickets of intake/queues.h. Every method holds one short lock.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "intake/queues.h"

namespace metastore::intake {

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
      if (open.request_id != 0 && open.term != 0 && open.term < term)
        ids.push_back(open.request_id);
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

}  // namespace metastore::intake
