// Readers: serve reads from pinned views, and entries from the log, on the read executors.
//
// Reads arrive when they may be served (serializable ones at once, linearizable ones when the
// applied index covers their read index); a view is pinned only then, so that it shows at least
// that index. Shared queues: a long range keeps one executor busy, not the reads behind it.
#ifndef METASTORE_MEMBER_WORK_READERS_H_
#define METASTORE_MEMBER_WORK_READERS_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "apply/completions.h"
#include "apply/meter.h"
#include "apply/shared_header.h"
#include "auth/slot.h"
#include "base/executor.h"
#include "base/status.h"
#include "intake/queues.h"
#include "mvcc/store.h"
#include "wal/wal.h"

namespace metastore::member {

/// Entries [from, to] of the log, the last of which has this term.
struct EntryRead {
  intake::Ticket ticket = 0;
  uint64_t from = 0;
  uint64_t to = 0;
  uint64_t term = 0;
};

class Readers {
 public:
  /// All must outlive the readers. `on_failure` runs on a read executor when engine or log fails.
  Readers(const StoreSlot* stores, const auth::TableSlot* tables, wal::Wal* log,
          const apply::SharedHeader* header, apply::CompletionQueue* completions,
          std::vector<Executor*> executors, std::function<void(const Status&)> on_failure,
          const apply::MeterOptions& meter = {});

  /// Any thread. Each read ends with one result.
  void Serve(intake::ReadBatch reads);
  /// Any thread. Ends with one result: the entries as a run, or kInternal when they are no longer
  /// in the log. Goes before other reads, and does not count among them: what follows the log must
  /// not wait for clients.
  void ServeEntries(const EntryRead& read);
  /// Reads that are not yet begun end with kStopped from now on.
  void Stop() { stopping_.store(true); }
  intake::QueueUse use() const { return {operations_.load(), bytes_.load()}; }

 private:
  /// What an executor takes at once: some reads, or one read of entries, or nothing.
  struct Chunk {
    intake::ReadBatch reads;
    std::optional<EntryRead> entries;
  };

  std::vector<size_t> Activate(size_t wanted);  // mutex_ held
  void Wake(const std::vector<size_t>& workers);
  void Work(size_t worker);
  Chunk NextChunk(size_t worker);
  void ServeOneRun(const EntryRead& read, apply::CompletionBatch* batch);
  Status ReadRun(const EntryRead& read, std::string* run) const;
  /// How a read has ended; its reply is the end of `bytes` from `begin` on.
  struct Served {
    Code code = Code::kOk;
    double seconds = 0;
    const std::string* bytes = nullptr;
    size_t begin = 0;
  };
  void Measure(const intake::PendingRead& read, const Served& served,
               apply::CompletionBatch* batch) const;
  /// Serves reads of the chunk from `at` on, fewer where their replies are large. How many.
  size_t ServeSome(const intake::ReadBatch& chunk, size_t at, apply::CompletionBatch* batch);
  /// A read of KV is held to the table, which was the current one when the view had been pinned.
  Status ServeOne(const Store& store, const intake::PendingRead& read, const auth::Table* table,
                  const View& view, const HeaderInfo& header, std::string* reply) const;

  const StoreSlot* const stores_;
  const auth::TableSlot* const tables_;
  wal::Wal* const log_;
  const apply::SharedHeader* const header_;
  apply::CompletionQueue* const completions_;
  const std::vector<Executor*> executors_;
  const std::function<void(const Status&)> on_failure_;
  const apply::Meter meter_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> operations_{0};
  std::atomic<uint64_t> bytes_{0};
  std::mutex mutex_;
  std::deque<intake::PendingRead> queue_;  // guarded by mutex_
  std::deque<EntryRead> entry_reads_;      // guarded by mutex_
  std::vector<bool> active_;               // has a task posted or running; guarded by mutex_
};

}  // namespace metastore::member

#endif  // METASTORE_MEMBER_WORK_READERS_H_
