// ProposalQueue, Tickets and ReadQueue: what waits between a transport and Raft.
//
// A proposal is queued, then taken (Raft has been told of its size), then named by append as part
// of a run; from then on only its ticket is remembered, by request id, until apply answers. Reads
// wait for a ReadIndex round in batches. All have bounds; past them a request is refused at once.
#ifndef METASTORE_INTAKE_QUEUES_H_
#define METASTORE_INTAKE_QUEUES_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/status.h"
#include "intake/admission.h"

namespace metastore::intake {

/// Names a request to whoever waits for its result; chosen by TypeScript, below 2^53.
using Ticket = uint64_t;

struct QueueLimits {
  uint64_t operations = 0;
  uint64_t bytes = 0;
};

struct QueueUse {
  uint64_t operations = 0;
  uint64_t bytes = 0;
};

/// Tickets of proposals by request id. Each is taken exactly once: by apply, or by a failure.
class Tickets {
 public:
  void Add(uint64_t request_id, Ticket ticket);
  /// Nothing for a request that another member proposed, or that has been answered already.
  std::optional<Ticket> Take(uint64_t request_id);
  std::vector<Ticket> TakeAll();

 private:
  std::mutex mutex_;
  std::unordered_map<uint64_t, Ticket> by_request_;  // guarded by mutex_
};

class ProposalQueue {
 public:
  ProposalQueue(const QueueLimits& limits, Tickets* tickets) : limits_(limits), tickets_(tickets) {}

  /// kTooManyRequests when full. One request always fits into an empty queue.
  Code Add(Ticket ticket, uint64_t request_id, std::string payload);

  /// Moves the oldest proposals to the taken ones, while they stay within both limits but at least
  /// one; their payload sizes in bytes.
  std::vector<uint32_t> Take(uint64_t max_operations, uint64_t max_bytes);

  /// The payloads of the `count` oldest taken proposals, in order. False when fewer are taken.
  bool Name(uint64_t count, std::vector<std::shared_ptr<const std::string>>* payloads);

  /// Forgets the `count` oldest taken proposals; their tickets go to *failed (those not answered
  /// yet). False when fewer are taken.
  bool Drop(uint64_t count, std::vector<Ticket>* failed);

  /// Forgets the queued proposals. The taken ones keep their place: Raft knows of them.
  void Clear();

  /// Queued and taken together.
  QueueUse use() const;

 private:
  struct Proposal {
    uint64_t request_id = 0;
    std::shared_ptr<const std::string> payload;
  };

  const QueueLimits limits_;
  Tickets* const tickets_;
  mutable std::mutex mutex_;
  std::deque<Proposal> queued_;  // guarded by mutex_
  std::deque<Proposal> taken_;   // guarded by mutex_
  uint64_t bytes_ = 0;           // of both; guarded by mutex_
};

/// A read with a copy of its request; the answer goes to the ticket.
struct PendingRead {
  Ticket ticket = 0;
  Method method = Method::kRange;
  /// Set instead of a method for the keys of one lease.
  std::optional<int64_t> lease_keys;
  std::string request;
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
