// Mailbox: what other threads tell the hub, in one order, with its bounds.
//
// Filled by the apply thread (publications) and the transports (requests, credit), emptied by the
// hub's thread. Changes beyond the byte bound lose their versions here and are read from history
// later; requests beyond a stream's bound are refused. Nobody waits.
#ifndef METASTORE_WATCH_MAILBOX_H_
#define METASTORE_WATCH_MAILBOX_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "watch/hub.h"
#include "watch/sequencer/sequencer.h"

namespace metastore::watch {

struct AttachCommand {
  std::shared_ptr<Store> store;
};
struct PublishCommand {
  Publication publication;
  uint64_t bytes = 0;  // counted for it
};
struct OpenCommand {
  StreamId stream = 0;
};
struct CloseCommand {
  StreamId stream = 0;
};
struct RequestCommand {
  StreamId stream = 0;
  Incoming incoming;
};
struct CreditCommand {
  StreamId stream = 0;
  uint64_t bytes = 0;
};
struct TickCommand {};
using Command = std::variant<AttachCommand, HeaderInfo, PublishCommand, OpenCommand, CloseCommand,
                             RequestCommand, CreditCommand, TickCommand>;

class Mailbox {
 public:
  explicit Mailbox(const HubOptions& options)
      : queued_bytes_most_(options.queued_bytes),
        stream_requests_most_(options.stream_requests),
        stream_request_bytes_most_(options.stream_request_bytes) {}

  /// Each of the following answers whether the hub's thread must be woken: true for what comes into
  /// a mailbox that nobody is about to empty.
  bool Put(Command command);
  bool PutPublication(Publication publication);
  bool PutOpen(StreamId stream);
  bool PutClose(StreamId stream);
  /// kTooManyRequests when the stream has too much waiting; silently nothing for a closed stream.
  Status PutRequest(StreamId stream, Incoming incoming, bool* wake);

  /// Everything there is, in order. The caller then empties the mailbox until Rest() says true.
  std::vector<Command> Take();
  /// True when the mailbox is empty; the next command will then ask for a wake-up again.
  bool Rest();
  /// The hub has dealt with these.
  void Release(const std::vector<Handled>& requests);
  void Release(const PublishCommand& command);
  /// Refuses and forgets everything from now on.
  void Stop();

  uint64_t queued_events() const { return queued_events_.load(std::memory_order_relaxed); }

 private:
  struct Waiting {
    size_t requests = 0;
    uint64_t bytes = 0;
  };
  bool Add(Command command);

  const uint64_t queued_bytes_most_;
  const size_t stream_requests_most_;
  const uint64_t stream_request_bytes_most_;
  std::atomic<uint64_t> queued_bytes_{0};
  std::atomic<uint64_t> queued_events_{0};
  std::mutex mutex_;
  std::vector<Command> commands_;                  // guarded by mutex_, as are the following
  std::unordered_map<StreamId, Waiting> waiting_;  // of open streams
  bool woken_ = false;                             // somebody is about to empty it
  bool tick_waits_ = false;
  bool stopped_ = false;
};

}  // namespace metastore::watch

#endif  // METASTORE_WATCH_MAILBOX_H_
