// Readers: serve reads from pinned views on the read executors.
//
// Reads arrive when they may be served (serializable ones at once, linearizable ones when the
// applied index covers their read index); a view is pinned only then, so that it shows at least
// that index. One shared queue: a long range keeps one executor busy, not the reads behind it.
#ifndef METASTORE_MEMBER_WORK_READERS_H_
#define METASTORE_MEMBER_WORK_READERS_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "apply/completions.h"
#include "apply/shared_header.h"
#include "base/executor.h"
#include "base/status.h"
#include "intake/queues.h"
#include "mvcc/store.h"

namespace metastore::member {

class Readers {
 public:
  /// All must outlive the readers. `on_failure` runs on a read executor when the engine fails.
  Readers(const Store* store, const apply::SharedHeader* header,
          apply::CompletionQueue* completions, std::vector<Executor*> executors,
          std::function<void(const Status&)> on_failure);

  /// Any thread. Each read ends with one result.
  void Serve(intake::ReadBatch reads);
  /// Reads that are not yet begun end with kStopped from now on.
  void Stop() { stopping_.store(true); }
  intake::QueueUse use() const { return {operations_.load(), bytes_.load()}; }

 private:
  void Work(size_t worker);
  intake::ReadBatch NextChunk(size_t worker);
  void ServeChunk(const intake::ReadBatch& chunk, apply::CompletionBatch* batch);
  Status ServeOne(const intake::PendingRead& read, const View& view, const HeaderInfo& header,
                  std::string* reply) const;
  Status ServeHash(const intake::PendingRead& read, const View& view, const HeaderInfo& header,
                   std::string* reply) const;

  const Store* const store_;
  const apply::SharedHeader* const header_;
  apply::CompletionQueue* const completions_;
  const std::vector<Executor*> executors_;
  const std::function<void(const Status&)> on_failure_;
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> operations_{0};
  std::atomic<uint64_t> bytes_{0};
  std::mutex mutex_;
  std::deque<intake::PendingRead> queue_;  // guarded by mutex_
  std::vector<bool> active_;               // has a task posted or running; guarded by mutex_
};

}  // namespace metastore::member

#endif  // METASTORE_MEMBER_WORK_READERS_H_
