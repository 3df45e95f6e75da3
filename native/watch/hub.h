// WatchHub: sequences every watch stream's messages.
//
// One thread consumes what apply publishes and the requests of all streams, and alone decides the
// order of each stream's messages. Matching: a hash table for single keys, an interval tree for
// ranges. A stream that does not take its messages falls behind; its watchers then read history from
// the store again, so memory stays bounded. Transports feed request bytes and take message bytes.
#ifndef METASTORE_WATCH_HUB_H_
#define METASTORE_WATCH_HUB_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "base/status.h"
#include "mvcc/events.h"
#include "mvcc/store.h"

namespace metastore::watch {

struct HubOptions {
  /// Fragment limit: a message of at least this many bytes is cut where a watcher asked for it.
  uint64_t fragment_bytes = (1536u << 10) + (512u << 10);
  /// Interval of progress notifications, milliseconds (>= 100).
  int64_t progress_notify_ms = 600000;
  /// Bytes of messages that a stream may have outstanding at its transport; at least one message
  /// always passes.
  uint64_t stream_credit_bytes = 1u << 20;
  /// Revisions read from history per watcher and pass.
  int catch_up_revisions = 1000;
  Executor* executor = nullptr;  // own thread when null
  /// Milliseconds on a monotonic clock; injected by tests.
  std::function<int64_t()> now_ms;
};

using StreamId = uint64_t;

/// Where messages go. Called on the hub's thread; must not block or call the hub.
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  /// One WatchResponse message, protobuf bytes.
  virtual void Message(StreamId stream, std::string bytes) = 0;
};

struct HubStats {
  uint64_t streams = 0;
  uint64_t watchers = 0;
  uint64_t slow_watchers = 0;     // reading history
  uint64_t pending_events = 0;
  uint64_t events_total = 0;
};

class WatchHub : public PublicationSink {
 public:
  /// The store is attached after construction, since the store wants its sink first.
  static std::unique_ptr<WatchHub> Create(const HubOptions& options, StreamSink* sink);
  virtual void Attach(Store* store) = 0;
  /// Fields of response headers; the term changes.
  virtual void SetHeader(const HeaderInfo& header) = 0;

  /// Any thread. Requests of one stream are handled in the order given.
  virtual void Open(StreamId stream) = 0;
  /// Protobuf bytes of one WatchRequest; kUnmarshal when they are not one (the stream is then to be
  /// ended by the transport).
  virtual Status Request(StreamId stream, std::string_view bytes) = 0;
  /// A create_request that the caller has decided to refuse: answers created+canceled with the
  /// reason, watch id -1, in the stream's order.
  virtual void Refuse(StreamId stream, std::string reason) = 0;
  /// The transport has written messages of this many bytes.
  virtual void Credit(StreamId stream, uint64_t bytes) = 0;
  virtual void Close(StreamId stream) = 0;
  /// Every 100 ms or so from a timer thread of the hub; exposed for manual executors.
  virtual void Tick() = 0;

  virtual HubStats stats() const = 0;
  virtual void Stop() = 0;
};

}  // namespace metastore::watch

#endif  // METASTORE_WATCH_HUB_H_
