// ProposalQueue, Tickets and ReadQueue: what waits between a transport and Raft.
//
// A proposal is queued, then taken (Raft has been told of its size), then named by append as part
// of a run, or it leaves for the member that leads; from then on only its ticket is remembered, by
// request id, until apply answers. Reads wait for a ReadIndex round in batches. All have bounds.
#ifndef METASTORE_INTAKE_QUEUES_H_
#define METASTORE_INTAKE_QUEUES_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "intake/admission.h"

namespace metastore::intake {

/// Names a request to whoever waits for its result: a number of TypeScript's below 2^53, or a call
/// of the data plane with kPlaneBit.
using Ticket = uint64_t;

struct QueueLimits {
  uint64_t operations = 0;
  uint64_t bytes = 0;
};

struct QueueUse {
  uint64_t operations = 0;
  uint64_t bytes = 0;
};

/// True when so much more would pass the limits. An empty queue takes anything, so that a single
/// request above the byte limit can still be served.
inline bool IsFull(const QueueUse& use, const QueueLimits& limits, uint64_t operations,
                   uint64_t bytes) {
  if (use.operations == 0) return false;
  return use.operations + operations > limits.operations || use.bytes + bytes > limits.bytes;
}

/// Tickets of proposals by request id. Each is taken exactly once: by apply, or by a failure. Knows
/// in which term a proposal was handed over to Raft or to the leader; 0 while it is queued.
///
/// A table with open addressing: request ids count up, so that those which wait lie side by side.
class Tickets {
 public:
  /// The id is not 0 and not in use.
  void Add(uint64_t request_id, Ticket ticket);
  /// Nothing for a request that another member proposed, or that has been answered already.
  std::optional<Ticket> Take(uint64_t request_id);
  /// The same for many at once, one result for each id; nothing for id 0.
  void TakeMany(std::span<const uint64_t> request_ids, std::vector<std::optional<Ticket>>* tickets);
  /// The same, but only when the proposal was handed over in this term.
  std::optional<Ticket> TakeOf(uint64_t request_id, uint64_t term);
  /// Ascending.
  std::vector<Ticket> TakeAll();
  /// Takes, ascending, what was handed over in a term before this one.
  std::vector<Ticket> TakeBefore(uint64_t term);

  void HandOver(const std::vector<uint64_t>& request_ids, uint64_t term);
  /// Back to the queue: the ticket of a request that was handed over in `term` and is not answered.
  std::optional<Ticket> Return(uint64_t request_id, uint64_t term);

 private:
  struct Open {
    uint64_t request_id = 0;  // 0: free
    Ticket ticket = 0;
    uint64_t term = 0;
  };

  // mutex_ held.
  Open* Find(uint64_t request_id);
  std::optional<Ticket> TakeLocked(uint64_t request_id);
  void Place(const Open& open);
  void Grow();
  void Erase(Open* open);
  size_t mask() const { return slots_.size() - 1; }

  std::mutex mutex_;
  std::vector<Open> slots_;  // a power of two, or none; at most half used; guarded by mutex_
  size_t size_ = 0;          // guarded by mutex_
};

/// An entry's payload on its way.
using Payload = std::shared_ptr<const std::string>;

/// A proposal that has left this queue for the member that leads, or comes from there.
struct HandedOver {
  uint64_t request_id = 0;
  Payload payload;
};

class ProposalQueue {
 public:
  ProposalQueue(const QueueLimits& limits, Tickets* tickets, Metrics* metrics = Metrics::Unread())
      : limits_(limits), tickets_(tickets), metrics_(metrics) {}

  /// From now on up to so many operations and bytes of KV are taken as one entry; 1 for none.
  void BatchEntries(uint64_t operations, uint64_t bytes);

  /// kTooManyRequests when full. One request always fits into an empty queue.
  Code Add(Ticket ticket, uint64_t request_id, std::string payload);

  /// Queues what another member handed over in `term`, all or none; without tickets. An empty queue
  /// takes any number. kTooManyRequests when full.
  Code AddForwarded(std::vector<Payload> payloads, uint64_t term);

  /// Moves the oldest proposals to the taken ones, while they stay within both limits but at least
  /// one, as entries; the entries' payload sizes in bytes. Nothing while fewer than `at_least`
  /// wait. Other members' of another term than `term` are forgotten: who handed them over may have
  /// reported them as failed.
  std::vector<uint32_t> Take(uint64_t max_operations, uint64_t max_bytes, uint64_t term,
                             uint64_t at_least = 0);
  /// The same for whoever appends them at once: the entries' payloads, which are named thereby.
  std::vector<Payload> TakeOut(uint64_t max_operations, uint64_t max_bytes, uint64_t term);
  /// Whether there is something to take.
  bool empty() const;
  /// How many proposals wait.
  uint64_t Waiting() const;
  /// Removes the oldest of this member's proposals, within the limits as Take, to be handed over to
  /// the leader of `term`; their tickets stay. Other members' that stand between are forgotten.
  std::vector<Payload> TakeForwards(uint64_t max_operations, uint64_t max_bytes, uint64_t term);
  /// Puts what was handed over in `term` and not proposed back to the front, in order; what has
  /// been answered is left out. Past the limits, too: it was admitted before.
  void Return(std::vector<HandedOver> proposals, uint64_t term);
  /// Forgets queued proposals of this member with a ticket up to this one; their tickets.
  std::vector<Ticket> Expire(Ticket ticket);
  /// The same for certain tickets: afterwards *tickets are those that were forgotten, ascending.
  void Expire(std::vector<Ticket>* tickets);

  /// The payloads of the `count` oldest taken entries, in order. False when fewer are taken.
  bool Name(uint64_t count, std::vector<Payload>* payloads);

  /// Forgets the `count` oldest taken entries; the tickets of all their operations go to *failed
  /// (those not answered yet). False when fewer are taken.
  bool Drop(uint64_t count, std::vector<Ticket>* failed);

  /// Forgets the queued proposals. The taken ones keep their place: Raft knows of them.
  void Clear();

  /// Queued and taken together.
  QueueUse use() const;

 private:
  struct Proposal {
    uint64_t request_id = 0;  // 0: another member's
    Ticket ticket = 0;
    uint64_t term = 0;  // in which another member handed it over
    Payload payload;
  };
  /// What Raft knows as one entry.
  struct Entry {
    Payload payload;
    uint64_t operations = 1;
    uint64_t request_id = 0;                 // of a single one
    std::vector<uint64_t> request_ids = {};  // of a batch
  };
  template <typename IsExpired>
  std::vector<Ticket> ExpireIf(IsExpired is_expired);
  /// The oldest queued proposal, out of the queue and its counts; mutex_ held.
  Proposal PopQueued();
  /// Forgets other members' of another term in front of the queue; false when nothing is left.
  bool SkipForeign(uint64_t term);
  /// Calls `take(Entry)` for each entry of a Take; mutex_ held. How many operations they hold.
  template <typename TakeEntry>
  uint64_t TakeEach(uint64_t max_operations, uint64_t max_bytes, uint64_t term, TakeEntry take);
  /// The next entry: the oldest proposal, and those behind it that may share its entry.
  Entry NextEntry(uint64_t max_operations, uint64_t max_bytes, uint64_t term,
                  std::vector<uint64_t>* own);
  Entry PopTaken();

  const QueueLimits limits_;
  Tickets* const tickets_;
  Metrics* const metrics_;
  mutable std::mutex mutex_;
  std::deque<Proposal> queued_;    // guarded by mutex_
  std::deque<Entry> taken_;        // guarded by mutex_
  uint64_t taken_operations_ = 0;  // guarded by mutex_
  uint64_t bytes_ = 0;             // of both; guarded by mutex_
  uint64_t batch_operations_ = 1;  // guarded by mutex_
  uint64_t batch_bytes_ = 0;       // guarded by mutex_
  Since waiting_;                  // of the oldest that is queued, or of the last Take
};

/// A read with a copy of its request; the answer goes to the ticket.
struct PendingRead {
  Ticket ticket = 0;
  Method method = Method::kRange;
  /// Set instead of a method for the keys of one lease.
  std::optional<int64_t> lease_keys;
  std::string request;
  /// Null for nobody: reads are moved about a lot, and mostly without auth.
  std::unique_ptr<const auth::HeldCaller> caller = nullptr;

  auth::Caller asked_by() const { return caller == nullptr ? auth::Caller() : caller->view(); }
};
using ReadBatch = std::vector<PendingRead>;

class ReadQueue {
 public:
  explicit ReadQueue(const QueueLimits& limits) : limits_(limits) {}

  Code Add(PendingRead read);
  /// Names the batch of all reads that wait now; 0 when none does. Reads added later belong to the
  /// next batch: a ReadIndex round must start after the reads that it confirms have arrived.
  uint32_t Freeze();
  /// The round confirmed `read_index`: returns the batch when `applied` covers it, else keeps it
  /// for TakeReady. Empty for an unknown batch (it has been failed).
  ReadBatch Release(uint32_t batch, uint64_t read_index, const std::atomic<uint64_t>& applied);
  /// All released reads that `applied` covers. Call after having stored the applied index.
  ReadBatch TakeReady(uint64_t applied);
  /// Takes a frozen batch out, to be failed.
  ReadBatch Remove(uint32_t batch);
  /// Takes everything out, to be failed.
  ReadBatch RemoveAll();
  QueueUse use() const;

 private:
  void Forget(const ReadBatch& reads);

  const QueueLimits limits_;
  mutable std::mutex mutex_;
  ReadBatch waiting_;                            // guarded by mutex_
  std::map<uint32_t, ReadBatch> frozen_;         // guarded by mutex_
  std::multimap<uint64_t, ReadBatch> released_;  // by read index; guarded by mutex_
  uint32_t next_batch_ = 1;                      // guarded by mutex_
  QueueUse use_;                                 // guarded by mutex_
};

}  // namespace metastore::intake

#endif  // METASTORE_INTAKE_QUEUES_H_
