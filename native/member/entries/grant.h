// Grant: TypeScript's permission to append proposals in its name, while this member is the whole
// cluster and so decides alone.
//
// While it holds, the log's thread takes what waits in the proposal queue by itself, gives the
// entries their indexes, and has them applied when they are durable. TypeScript asks now and then
// what has been taken. MemberCore owns it; the whole course: docs/transport/data-plane.md.
#ifndef METASTORE_MEMBER_ENTRIES_GRANT_H_
#define METASTORE_MEMBER_ENTRIES_GRANT_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "apply/applier.h"
#include "apply/completions.h"
#include "base/metrics.h"
#include "base/status.h"
#include "intake/queues.h"
#include "wal/wal.h"

namespace metastore::member {

/// What is granted.
struct GrantTerms {
  uint64_t term = 0;
  /// The entry behind the last one that TypeScript has appended.
  uint64_t first_index = 0;
  /// Of what is taken at once.
  uint64_t run_operations = 0;
  uint64_t run_bytes = 0;
  /// Nothing is taken while so much of it is not applied.
  uint64_t ahead_entries = 0;
  uint64_t ahead_bytes = 0;
};

/// What has been taken since TypeScript was told last.
struct Given {
  bool is_news = false;  // anything of what follows
  /// Of the entries taken so far, now and before, those up to here are durable; 0 for none.
  uint64_t durable = 0;
  uint64_t first_index = 0;    // of the entries below, if any
  std::vector<uint32_t> runs;  // entries that were taken together
};

struct GrantParts {
  intake::ProposalQueue* proposals = nullptr;
  wal::Wal* log = nullptr;
  apply::Applier* applier = nullptr;
  apply::CompletionQueue* completions = nullptr;
  Metrics* metrics = Metrics::Unread();
  /// Raised to what has become durable.
  std::function<void(uint64_t index)> committed;
  std::function<void(const Status&)> on_failure;
};

class Grant {
 public:
  explicit Grant(GrantParts parts) : parts_(std::move(parts)) {}

  // TypeScript's thread.

  /// kInternal where the log does not end in front of the first index, or a grant holds already.
  Status Give(const GrantTerms& terms);
  /// When it returns nothing is taken any more, and all that has been is in the log's queue.
  Given Revoke();
  /// What there is to tell; where there is nothing, the next run wakes TypeScript when it is
  /// durable.
  Given Tell();

  /// Any thread: something has been put into the queue. False when nobody here takes it.
  bool Kick();
  /// Apply thread: more has been applied.
  void Applied();
  bool holds() const { return holds_.load(); }

 private:
  struct Run {
    uint64_t last_index = 0;
    uint64_t bytes = 0;
  };

  void Post();
  /// On the log's thread: takes a run, or ends.
  void Work();
  /// One run; false when there is nothing to take. mutex_ held.
  bool TakeRun();
  bool HasRoom();  // mutex_ held
  void Append(std::vector<intake::Payload> payloads);
  void Durable(uint64_t last_index, uint64_t entries, int64_t begun_ns, const Status& status);
  Given TellLocked();

  const GrantParts parts_;
  /// Somebody works, or is about to: whoever adds something need not ask for it.
  std::atomic<bool> works_{false};
  /// Work has stopped because too much is not applied.
  std::atomic<bool> stalled_{false};
  /// TypeScript knows of all that has been taken and wants to hear of more.
  std::atomic<bool> tells_{true};
  std::atomic<bool> holds_{false};  // changed under mutex_

  std::mutex mutex_;
  GrantTerms terms_;           // guarded by mutex_
  uint64_t next_index_ = 0;    // guarded by mutex_
  Given given_;                // guarded by mutex_
  uint64_t told_durable_ = 0;  // guarded by mutex_
  std::deque<Run> ahead_;      // not known to be applied; guarded by mutex_
  uint64_t ahead_bytes_ = 0;   // of them; guarded by mutex_
};

}  // namespace metastore::member

#endif  // METASTORE_MEMBER_ENTRIES_GRANT_H_
