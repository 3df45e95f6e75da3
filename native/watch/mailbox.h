// Mailbox: what other threads tell the hub, in one order, with its bounds.
//
// Filled by the apply thread (publications) and the transports (requests, credit), emptied by the
// hub's thread. Changes beyond the byte bound lose their versions here and are read from history
// later; requests beyond a stream's bound are refused. Credit mostly waits for the next turn, since
// waking a thread for it would cost more than the messages. Nobody waits.
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
struct TickCommand {};
using Command = std::variant<AttachCommand, HeaderInfo, PublishCommand, OpenCommand, CloseCommand,
                             RequestCommand, TickCommand>;

struct Credit {
  StreamId stream = 0;
  uint64_t bytes = 0;
};

/// What the hub's thread takes at once: credit counts before the commands.
struct Mail {
  std::vector<Credit> credit;
  std::vector<Command> commands;
  void clear() {
    credit.clear();
    commands.clear();
  }
};

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
  /// Credit that nobody waits for wakes nobody, but when there is much of it.
  bool PutCredit(StreamId stream, uint64_t bytes);
  /// kTooManyRequests when the stream has too much waiting; silently nothing for a closed stream.
  Status PutRequest(StreamId stream, Incoming incoming, bool* wake);

  /// Everything there is, in order, into `mail`, whose memory is used again. The caller then
  /// empties the mailbox until Rest says true.
  void Take(Mail* mail);
  /// True when nothing is left that is wanted now; the next command will then ask for a wake-up
  /// again, and the next credit, too, if `wants_credit`.
  bool Rest(bool wants_credit);
  /// Outside a turn: credit is wanted from now on, or is not. Answers as Put does.
  bool WantCredit(bool wants_credit);
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
  bool Wake() { return !std::exchange(woken_, true); }

  const uint64_t queued_bytes_most_;
  const size_t stream_requests_most_;
  const uint64_t stream_request_bytes_most_;
  std::atomic<uint64_t> queued_bytes_{0};
  std::atomic<uint64_t> queued_events_{0};
  std::mutex mutex_;
  Mail mail_;                                      // guarded by mutex_, as are the following
  std::unordered_map<StreamId, Waiting> waiting_;  // of open streams
  bool woken_ = false;                             // somebody is about to empty it
  bool wants_credit_ = false;                      // a stream waits for credit
  bool tick_waits_ = false;
  bool stopped_ = false;
};

}  // namespace metastore::watch

#endif  // METASTORE_WATCH_MAILBOX_H_
