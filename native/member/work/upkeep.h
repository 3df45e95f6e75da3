// Upkeep: slow work beside the requests: the pacing of physical compaction, and checkpoints.
//
// Runs on its own executor, so that neither apply nor JavaScript waits for a flush, an image or a
// pause. Compaction's steps themselves run on apply, between runs of entries.
#ifndef METASTORE_MEMBER_WORK_UPKEEP_H_
#define METASTORE_MEMBER_WORK_UPKEEP_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "apply/applier.h"
#include "apply/completions.h"
#include "base/executor.h"
#include "base/file.h"
#include "base/status.h"
#include "mvcc/store.h"

namespace metastore::member {

struct UpkeepParts {
  const StoreSlot* stores = nullptr;
  apply::Applier* applier = nullptr;
  apply::CompletionQueue* completions = nullptr;
  FileLayer* files = nullptr;
  Executor* executor = nullptr;
  std::string image_dir;  // of the memory engine
  int compaction_sleep_ms = 10;
  Metrics* metrics = Metrics::Unread();
  std::function<void(const Status&)> on_failure;
};

class Upkeep {
 public:
  /// `durable_applied` is the index of the state that was loaded.
  Upkeep(UpkeepParts parts, uint64_t durable_applied);

  /// A compaction waits for its rows to be removed: prepares it, then paces its steps until none
  /// remain. Any thread; calls during one are remembered.
  void ScheduleCompaction();
  /// Makes the applied state durable without the log; Completion 'checkpoint'. Any thread.
  void Checkpoint();
  /// Highest applied index that would survive without the log.
  uint64_t durable_applied() const;
  /// A snapshot that holds this index has replaced the state, durably. Any thread.
  void Installed(uint64_t index) { RaiseDurable(index); }
  /// Ends pauses and begins nothing new. What was cut short is resumed at the next start.
  void Stop();

 private:
  void NextStep();
  void AfterStep(bool more);
  void TellHash(const HashResult& hash);
  void TellFinished();
  void WriteCheckpoint();
  Status MakeDurable();
  void RaiseDurable(uint64_t index);
  void Pause();

  const UpkeepParts parts_;
  std::atomic<uint64_t> durable_applied_;
  std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;    // guarded by mutex_
  bool compacting_ = false;  // guarded by mutex_
  /// When the running compaction's first step was asked for; upkeep thread only.
  std::chrono::steady_clock::time_point begun_;
  /// The newest compaction whose hash the log has told of; upkeep thread only.
  int64_t told_hash_revision_ = 0;
  bool again_ = false;  // a compaction came during one; guarded by mutex_
};

}  // namespace metastore::member

#endif  // METASTORE_MEMBER_WORK_UPKEEP_H_
