// CompletionBatch and CompletionQueue: everything that native code tells TypeScript, in order, and
// results on their way to calls of the data plane, which TypeScript never sees.
//
// A batch is built without locks by one thread (a run of apply, a chunk of reads) and appended in
// one go; the queue wakes its consumer once until it is drained. Record layouts:
// src/storage/completions.ts.
#ifndef METASTORE_APPLY_COMPLETIONS_H_
#define METASTORE_APPLY_COMPLETIONS_H_

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/call_id.h"
#include "base/metrics.h"
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
  kDemand,
};

/// What calls of the data plane have put into the queues. Exported to TypeScript; append only.
enum Demand : uint8_t {
  kDemandProposals = 1,
  kDemandReads = 2,
};

/// A result that belongs to a call of the data plane.
struct PlaneResult {
  plane::CallId call = 0;
  Code code = Code::kOk;
  std::string_view reply;
};
/// Cuts the first result off `records`; false when there is none left.
bool NextPlaneResult(std::string_view* records, PlaneResult* result);

/// Takes the results of calls of the data plane. Any thread; called without a lock held.
class ResultSink {
 public:
  virtual ~ResultSink() = default;
  /// Results for the calls of one lane, in the order in which they came to be, for
  /// NextPlaneResult. Their bytes count as waiting until CompletionQueue::Delivered.
  virtual void Results(size_t lane, std::string records) = 0;
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
  CompletionBatch() = default;
  CompletionBatch(const CompletionBatch&) = delete;

  void Durable(uint64_t sequence);
  void Applied(uint64_t index, int64_t revision);
  /// A whole result. The reply is left out unless the code is kOk. A ticket with kPlaneBit sends it
  /// to the sink instead of the queue.
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
  std::string* reply() { return lane_ == kNoLane ? &bytes_ : &plane_[lane_]; }
  void EndResult(Code code);

  bool empty() const { return bytes_.empty() && !has_plane_; }
  /// Whether it tells TypeScript of nothing but how far apply has come.
  bool is_progress_alone() const { return !tells_more_; }
  /// Bytes that wait for TypeScript.
  size_t size_bytes() const { return bytes_.size(); }
  /// All bytes of it, those for calls of the data plane too.
  size_t all_bytes() const;
  /// Forgets everything.
  void Clear();

 private:
  friend class CompletionQueue;
  using Lanes = std::array<std::string, plane::kMostLanes>;
  static constexpr size_t kNoLane = plane::kMostLanes;
  void Begin(Kind kind);
  void End();
  void EndPlaneResult(Code code);
  void Number(uint64_t value);
  void SignedNumber(int64_t value);

  std::string bytes_;
  size_t record_ = 0;      // where the open record starts
  size_t lane_ = kNoLane;  // for which the open result is
  bool has_plane_ = false;
  bool tells_more_ = false;   // than kApplied
  bool has_results_ = false;  // for TypeScript
  Lanes plane_;               // results for calls of the data plane, by lane
};

class CompletionQueue {
 public:
  /// `wake` is called on any thread, without locks held, when something has come since the last
  /// Drain; once until the next one.
  explicit CompletionQueue(std::function<void()> wake, Metrics* metrics = Metrics::Unread())
      : wake_(std::move(wake)), metrics_(metrics) {}

  /// Where results of the data plane go; without one they are dropped. Before the first of its
  /// requests is submitted, and never changed.
  void SetSink(std::shared_ptr<ResultSink> sink);

  /// Appends the batch's records after all earlier ones, and hands results of the data plane to the
  /// sink; *batch is empty afterwards. After Fatal everything is dropped: nothing may be
  /// acknowledged any more.
  void Append(CompletionBatch* batch);
  /// The same without a wake-up: TypeScript comes to it by itself soon enough, or with whatever
  /// wakes it next.
  void AppendQuietly(CompletionBatch* batch);
  /// Calls of the data plane have put something into the queues: a `demand` record says so at the
  /// next Drain, one for however many. After the request has been put there; `waiting` proposals
  /// are there then, where they are held.
  void Want(Demand demand, uint64_t waiting = 0);
  /// A write of proposals to the log is under way. Proposals that come meanwhile could only be
  /// written behind it: they wake nobody by themselves, but with its end, all together.
  void WriteBegins() { writes_.fetch_add(1); }
  void WriteEnds();
  /// TypeScript is to take a turn although no record waits for it.
  void Nudge() { Wake(); }
  /// TypeScript takes what waits later, and then all of it: until Release proposals wake it only
  /// when `wake_at` of them wait. Whoever holds sees to it that the turn comes.
  void Hold(uint32_t wake_at) { wake_at_.store(wake_at); }
  bool holds() const { return wake_at_.load() != 0; }
  /// TypeScript is about to take what waits: only what comes from here on wakes it.
  void Release();
  /// The sink's results of so many bytes have reached their calls. Any thread.
  void Delivered(size_t bytes);
  /// Tells of a failure of disk or engine, once; later calls are ignored.
  void Fatal(std::string_view message);
  /// Takes all records. Empty when nothing has been completed since the last call.
  std::string Drain();

  /// Blocks while more than the bound waits to be drained, or to be delivered by the sink, so that
  /// producers of large results cannot outrun their consumers. Never for apply or the log: those
  /// must go on.
  void WaitForRoom();
  /// Lets everybody through WaitForRoom from now on (shutdown).
  void Open();
  bool failed() const { return failed_.load(); }

 private:
  static constexpr size_t kRoomBytes = 64u << 20;
  /// Of results for calls of the data plane, which are delivered much sooner.
  static constexpr size_t kPlaneRoomBytes = 16u << 20;
  void Wake();
  /// False when there was nothing to be told of.
  bool Add(CompletionBatch* batch);
  void HandOut(CompletionBatch* batch);

  void Replied(double seconds) {
    if (seconds >= 0) metrics_->Passed(Stage::kReply, seconds);
  }

  const std::function<void()> wake_;
  Metrics* const metrics_;
  Since results_wait_;  // for TypeScript
  /// For the plane; of what comes when nothing else is on its way.
  Since delivering_;
  /// A wake-up has been sent that no Drain has answered yet.
  std::atomic<bool> woken_{false};
  std::atomic<uint8_t> demand_{0};
  std::atomic<uint32_t> writes_{0};   // under way
  std::atomic<uint32_t> wake_at_{0};  // proposals that wake although they are held; 0: none are
  std::atomic<size_t> undelivered_{0};
  std::atomic<ResultSink*> sink_{nullptr};
  std::shared_ptr<ResultSink> sink_owner_;  // set once, with sink_
  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::string bytes_;                // guarded by mutex_
  std::atomic<bool> failed_{false};  // written under mutex_
  bool unbounded_ = false;           // guarded by mutex_
};

}  // namespace metastore::apply

#endif  // METASTORE_APPLY_COMPLETIONS_H_
