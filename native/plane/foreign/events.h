// EventQueue: everything that the plane tells TypeScript, in order and drained once per wake-up.
//
// Lanes append; TypeScript takes all that waits in one Buffer. Record layouts:
// src/storage/plane-events.ts.
#ifndef METASTORE_PLANE_FOREIGN_EVENTS_H_
#define METASTORE_PLANE_FOREIGN_EVENTS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plane/call.h"
#include "plane/http2/session.h"

namespace metastore::plane {

/// Exported to TypeScript by name; append only.
enum class EventKind : uint8_t {
  kCall = 1,
  kMessage,
  kHalfClose,
  kEnded,
  kTaken,
  kHttp,
  kOutput,
  kClosed,
  kKeepAlives,
  kCaller,
  kSlow,
  kLog,
};

/// Records that one thread gathers, to be appended in one go.
class EventBatch {
 public:
  /// `message`: the whole request when it is there already, and nothing more follows; else null.
  void Call(CallId call, uint64_t connection, const RequestHead& head, const std::string* message);
  void Message(CallId call, std::string_view bytes);
  void HalfClose(CallId call);
  /// Nobody waits for the answer any more.
  void Ended(CallId call);
  /// Messages that were sent and have left.
  void Taken(CallId call, uint64_t messages);
  void Http(CallId call, uint64_t connection, const HttpHead& head);
  /// For the client of an attached connection.
  void Output(uint64_t connection, std::string_view bytes);
  void Closed(uint64_t connection);
  /// `level` 0 info, 1 warn, 2 error.
  void Log(uint8_t level, std::string_view text);
  /// A record of any kind, whose fields the caller has written.
  void Raw(EventKind kind, std::string_view fields);

  bool empty() const { return bytes_.empty(); }
  size_t size_bytes() const { return bytes_.size(); }

 private:
  friend class EventQueue;
  void Begin(EventKind kind);
  void End();
  void Number(uint64_t value);
  void SignedNumber(int64_t value);
  void Text(std::string_view text);
  void Pairs(const std::vector<std::pair<std::string, std::string>>& pairs);

  std::string bytes_;
  size_t record_ = 0;  // where the open record starts
};

class EventQueue {
 public:
  /// `wake` is called on any thread, without locks held, when the queue stops being empty.
  explicit EventQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

  /// Any thread. *batch is empty afterwards.
  void Append(EventBatch* batch);
  /// Any thread. One record whose fields the caller has written.
  void Raw(EventKind kind, std::string_view fields);
  /// Takes all records. Empty when there are none.
  std::string Drain();
  /// Any thread. TypeScript is so far behind that new calls are better refused.
  bool is_full() const { return waiting_bytes_.load(std::memory_order_relaxed) > kMostBytes; }

 private:
  static constexpr size_t kMostBytes = 64u << 20;
  const std::function<void()> wake_;
  std::atomic<size_t> waiting_bytes_{0};  // written under mutex_
  std::mutex mutex_;
  std::string bytes_;  // guarded by mutex_
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_FOREIGN_EVENTS_H_
