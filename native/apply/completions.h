// CompletionBatch and CompletionQueue: everything that native code tells TypeScript, in order.
//
// A batch is built without locks by one thread (a run of apply, a chunk of reads) and appended to
// the queue in one go; the queue wakes its consumer when it stops being empty. Record layouts:
// src/storage/completions.ts.
#ifndef METASTORE_APPLY_COMPLETIONS_H_
#define METASTORE_APPLY_COMPLETIONS_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "base/status.h"

namespace metastore::apply {

/// Exported to TypeScript by name; append only.
enum class Kind : uint8_t {
  kDurable = 1,
  kApplied,
  kResult,
  kControl,
  kLease,
  kLeaseCheckpoint,
  kWatch,
  kCheckpoint,
  kTruncated,
  kLog,
  kAlarm,
  kQuotaExceeded,
  kFatal,
  kHeld,
  kSlow,
};

/// What a slow request was.
enum class SlowKind : uint8_t { kEntry, kRange, kTxn, kFailedEntry };

/// A request that took long, or failed.
struct Measured {
  double seconds = 0;
  Code code = Code::kOk;
  uint64_t reply_bytes = 0;
  int64_t rows = -1;  // of a range; -1 for others
  /// Of an entry the InternalRaftRequest, otherwise the client's own.
  std::string_view request;
};

class CompletionBatch {
 public:
  void Durable(uint64_t sequence);
  void Applied(uint64_t index, int64_t revision);
  /// A whole result. The reply is left out unless the code is kOk.
  void Result(uint64_t ticket, Code code, std::string_view reply);
  void Control(uint64_t index, uint64_t term, uint8_t type, std::string_view request);
  void Lease(int64_t id, int64_t ttl_seconds);
  void LeaseCheckpoint(int64_t id, int64_t remaining_ttl_seconds);
  void Watch(uint64_t stream, std::string_view message);
  void Checkpoint(uint64_t durable_applied_index);
  void Truncated(uint64_t start_index);
  /// `level` 0 info, 1 warn, 2 error.
  void Log(uint8_t level, std::string_view message, std::string_view fields_json);
  void Alarm(uint64_t member_id, int32_t alarm, bool active);
  void QuotaExceeded();
  /// The ticket's operation has been applied, but its answer waits for work in the background.
  void Held(uint64_t ticket);
  void Slow(SlowKind kind, const Measured& measured);

  /// A result whose reply is appended to *reply() by the caller, who then calls EndResult. With a
  /// code other than kOk what was appended is cut off again.
  void BeginResult(uint64_t ticket);
  std::string* reply() { return &bytes_; }
  void EndResult(Code code);

  bool empty() const { return bytes_.empty(); }
  size_t size_bytes() const { return bytes_.size(); }

 private:
  friend class CompletionQueue;
  void Begin(Kind kind);
  void End();
  void Number(uint64_t value);
  void SignedNumber(int64_t value);

  std::string bytes_;
  size_t record_ = 0;  // where the open record starts
};

class CompletionQueue {
 public:
  /// `wake` is called on any thread, without locks held, when the queue stops being empty.
  explicit CompletionQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

  /// Appends the batch's records after all earlier ones; *batch is empty afterwards. After Fatal
  /// everything is dropped: nothing may be acknowledged any more.
  void Append(CompletionBatch* batch);
  /// Tells of a failure of disk or engine, once; later calls are ignored.
  void Fatal(std::string_view message);
  /// Takes all records. Empty when nothing has been completed since the last call.
  std::string Drain();

  /// Blocks while more than the bound waits to be drained, so that producers of large results
  /// cannot outrun their consumer. Never for apply or the log: those must go on.
  void WaitForRoom();
  /// Lets everybody through WaitForRoom from now on (shutdown).
  void Open();
  bool failed() const;

 private:
  static constexpr size_t kRoomBytes = 64u << 20;
  const std::function<void()> wake_;
  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::string bytes_;       // guarded by mutex_
  bool failed_ = false;     // guarded by mutex_
  bool unbounded_ = false;  // guarded by mutex_
};

}  // namespace metastore::apply

#endif  // METASTORE_APPLY_COMPLETIONS_H_
