// WatchHub: sequences every watch stream's messages.
//
// One thread consumes what apply publishes and the requests of all streams, and alone decides the
// order of each stream's messages; apply's own stands in for it when there is little to do.
// Matching: a hash table for single keys, an interval tree for ranges. A stream that does not take
// its messages falls behind; its watchers then read history from the store again, so memory stays
// bounded. Transports feed request bytes and take message bytes. Inside: sequencer/ over events/.
#ifndef METASTORE_WATCH_HUB_H_
#define METASTORE_WATCH_HUB_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "auth/caller.h"
#include "auth/slot.h"
#include "base/executor.h"
#include "base/metrics.h"
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
  /// Events of one response stop at the revision that brings them to this many bytes.
  uint64_t response_bytes = 8u << 20;
  /// Bytes outstanding over all streams; above it a stream has one message outstanding at most.
  uint64_t total_credit_bytes = 256u << 20;
  /// Bytes of published changes that may wait for the hub; what comes above is read from history.
  uint64_t queued_bytes = 64u << 20;
  /// Requests of one stream that may wait, by number and by bytes; more are refused.
  size_t stream_requests = 16384;
  uint64_t stream_request_bytes = 4u << 20;
  /// Who may watch what, if there is anything to be asked.
  const auth::TableSlot* tables = nullptr;
  /// 64 random bits; draws each stream's share of the progress interval. Injected by tests.
  std::function<uint64_t()> random;
  Metrics* metrics = Metrics::Unread();
};

using StreamId = uint64_t;

/// What one stream is sent at once, in order: WatchResponse messages, each behind its prefix of
/// gRPC (watch/events/frame.h), so that a transport may write them as they are.
struct StreamMessages {
  StreamId stream = 0;
  uint32_t count = 0;
  std::string frames;

  /// What the messages count for in the stream's credit: their bytes without prefixes.
  uint64_t credit_bytes() const;
};

/// Where messages go. Called on the hub's thread or on apply's, one call at a time; must not block
/// or call the hub.
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  virtual void Messages(StreamMessages messages) = 0;
  /// Nothing more comes for now: whoever collects messages passes them on.
  virtual void Pause() {}
};

struct HubStats {
  uint64_t streams = 0;
  uint64_t watchers = 0;
  uint64_t slow_watchers = 0;  // reading history
  uint64_t pending_events = 0;
  uint64_t events_total = 0;
};

class WatchHub : public PublicationSink {
 public:
  /// The store is attached after construction, since the store wants its sink first; before the
  /// first stream is opened. Attached again, when a snapshot has replaced the store, every watcher
  /// goes on from the new one's history; the old store is let go of when the hub has come to it.
  /// Requests that come after this call has returned are answered from the new store.
  static std::unique_ptr<WatchHub> Create(const HubOptions& options, StreamSink* sink);
  virtual void Attach(std::shared_ptr<Store> store) = 0;
  /// The caller keeps the store for as long as the hub, or until another one is attached.
  void Attach(Store* store) { Attach(std::shared_ptr<Store>(std::shared_ptr<void>(), store)); }
  /// Fields of response headers; the term changes.
  virtual void SetHeader(const HeaderInfo& header) = 0;

  /// Any thread. Requests of one stream are handled in the order given.
  virtual void Open(StreamId stream) = 0;
  /// Protobuf bytes of one WatchRequest; kUnmarshal when they are not one, kTooManyRequests when
  /// more than the stated number waits because the client does not read (the stream is then to be
  /// ended by the transport). Who may not watch what a create_request names is told so in the
  /// stream's order, as for other creates that fail; permissions are those of this moment.
  virtual Status Request(StreamId stream, std::string_view bytes, const auth::Caller& caller) = 0;
  Status Request(StreamId stream, std::string_view bytes) { return Request(stream, bytes, {}); }
  /// The transport has written messages of this many bytes, prefixes not counted.
  virtual void Credit(StreamId stream, uint64_t bytes) = 0;
  virtual void Close(StreamId stream) = 0;
  /// Every 100 ms or so from a timer thread of the hub; exposed for manual executors.
  virtual void Tick() = 0;

  virtual HubStats stats() const = 0;
  /// Ends all work and joins the hub's own threads; later calls do nothing. The store may go once
  /// this has returned. With an executor of the caller's, the hub must outlive the tasks posted to
  /// it. Not from the sink.
  virtual void Stop() = 0;
};

}  // namespace metastore::watch

#endif  // METASTORE_WATCH_HUB_H_
