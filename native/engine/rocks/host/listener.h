// What rocksdb reports from its own threads: which writes a flush has made durable, and that a
// background job has failed.
//
// Flushes are atomic over all families, so one sequence number divides what survives a crash from
// what does not. Every batch with an applied index writes a row of the default family; the largest
// sequence number that a flush reports for that family therefore names the last such batch in it.
#ifndef METASTORE_ENGINE_ROCKS_HOST_LISTENER_H_
#define METASTORE_ENGINE_ROCKS_HOST_LISTENER_H_

#include <rocksdb/listener.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

#include "base/status.h"

namespace metastore::rocks {

/// From sequence numbers to the highest applied index that is durable. Any thread.
class DurableIndex {
 public:
  /// What was there at opening is durable.
  void Start(uint64_t applied_index) { durable_.store(applied_index, std::memory_order_release); }

  /// The batch whose last write has this sequence number carries this applied index.
  void Committed(uint64_t sequence, uint64_t applied_index) {
    std::lock_guard guard(mutex_);
    committed_.push_back({sequence, applied_index});
    Settle();
  }

  /// Everything up to this sequence number is in synced files of every family.
  void Flushed(uint64_t sequence) {
    std::lock_guard guard(mutex_);
    flushed_ = std::max(flushed_, sequence);
    Settle();
  }

  uint64_t Get() const { return durable_.load(std::memory_order_acquire); }

 private:
  struct Mark {
    uint64_t sequence;
    uint64_t applied_index;
  };

  void Settle() {
    while (!committed_.empty() && committed_.front().sequence <= flushed_) {
      durable_.store(committed_.front().applied_index, std::memory_order_release);
      committed_.pop_front();
    }
  }

  std::mutex mutex_;
  std::deque<Mark> committed_;  // not yet flushed, ascending; guarded by mutex_
  uint64_t flushed_ = 0;        // guarded by mutex_
  std::atomic<uint64_t> durable_{0};
};

/// The first failure of a background job; there is no way back from it.
class BackgroundFailure {
 public:
  void Set(const std::string& what) {
    std::lock_guard guard(mutex_);
    if (failed_.load(std::memory_order_relaxed)) return;
    what_ = what;
    failed_.store(true, std::memory_order_release);
  }
  Status Get() const {
    if (!failed_.load(std::memory_order_acquire)) [[likely]]
      return Status::Ok();
    std::lock_guard guard(mutex_);
    return Status(Code::kIo, "rocksdb in the background: " + what_);
  }

 private:
  mutable std::mutex mutex_;
  std::string what_;  // guarded by mutex_
  std::atomic<bool> failed_{false};
};

class Listener final : public rocksdb::EventListener {
 public:
  DurableIndex durable;
  BackgroundFailure failure;

  void OnFlushCompleted(rocksdb::DB* /*db*/, const rocksdb::FlushJobInfo& info) override {
    if (info.cf_name == rocksdb::kDefaultColumnFamilyName) durable.Flushed(info.largest_seqno);
  }

  void OnBackgroundError(rocksdb::BackgroundErrorReason /*reason*/,
                         rocksdb::Status* error) override {
    failure.Set(error->ToString());
  }

  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason /*reason*/, rocksdb::Status /*error*/,
                            bool* auto_recovery) override {
    // Pages that failed to reach the disk are not to be trusted by trying again.
    *auto_recovery = false;
  }
};

}  // namespace metastore::rocks

#endif  // METASTORE_ENGINE_ROCKS_HOST_LISTENER_H_
