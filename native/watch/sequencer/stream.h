// Stream and Watcher: what the hub knows of one client's watch stream, and how its messages leave.
//
// Owned by the sequencer and touched on the hub's thread only. A stream sends while it has credit;
// what it sends is collected, as one buffer a stream, until the hub has done what there was to do.
// Nothing else waits inside it but the rest of one response that was cut into fragments, and
// requests that came meanwhile. A watcher that missed a change for want of credit reads history.
#ifndef METASTORE_WATCH_SEQUENCER_STREAM_H_
#define METASTORE_WATCH_SEQUENCER_STREAM_H_

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "watch/events/codec.h"
#include "watch/events/event_batch.h"
#include "watch/events/matcher.h"
#include "watch/hub.h"

namespace metastore::watch {

struct Stream;

enum class WatcherState : uint8_t {
  kSynced,     // in the live matcher; has everything that the hub has seen
  kUnsynced,   // reads history, from next_revision on
  kCompacted,  // told that its history is gone; lives on only as an id in use
};

struct Watcher {
  int64_t id = 0;
  Stream* stream = nullptr;
  Span span;
  Shape shape;
  bool fragment = false;
  bool progress_notify = false;
  bool had_events = false;  // since the last progress interval
  WatcherState state = WatcherState::kSynced;
  /// Events below it have been sent or are not wanted. Exact for an unsynced watcher; a synced
  /// one has in truth also all that the hub has seen.
  int64_t next_revision = 0;
  /// No progress is told before the store has reached this revision.
  int64_t progress_from = 0;
  Group* group = nullptr;  // in the matcher it stands in, if any
  size_t group_index = 0;
  /// An unsynced watcher stands in exactly one of these lists: the hub's queue, or its stream's
  /// list of those that wait for credit.
  std::list<Watcher*>* list = nullptr;
  std::list<Watcher*>::iterator place;
};

/// A client's request in its stream's order.
struct Incoming {
  WatchRequest request;
  /// Whether who asks may watch what a create request names; kOk for other requests.
  Code permission = Code::kOk;
  size_t bytes = 0;  // what the gate counted for it
};

struct Stream {
  StreamId id = 0;
  uint64_t outstanding_bytes = 0;  // handed to the transport or in `out`, not yet written
  /// What has been made since the sender last passed messages on.
  StreamMessages out;
  size_t out_place = 0;    // among the sender's streams that have some, while it has
  size_t out_reserve = 0;  // bytes that it had the last time
  bool starved = false;    // has been refused since credit last came
  std::map<int64_t, std::unique_ptr<Watcher>> watchers;
  int64_t next_id = 0;
  size_t not_synced = 0;            // watchers in another state than kSynced
  std::deque<StreamMessages> rest;  // fragments of one response, in order
  std::deque<Incoming> held;        // requests that wait for credit
  std::list<Watcher*> parked;       // unsynced watchers that wait for credit
  int64_t progress_interval_ms = 0;
  int64_t progress_due_ms = 0;
};

/// Collects messages by stream for the sink, and keeps the count of what is outstanding, per stream
/// and in all.
class Sender {
 public:
  Sender(const HubOptions& options, StreamSink* sink)
      : sink_(sink),
        fragment_bytes_(options.fragment_bytes),
        stream_credit_bytes_(options.stream_credit_bytes),
        total_credit_bytes_(options.total_credit_bytes) {}

  /// Whether a new message may leave on the stream. One that is refused wants its credit told.
  bool CanSend(Stream* stream) {
    if (stream->rest.empty() && HasCredit(*stream)) [[likely]]
      return true;
    if (!std::exchange(stream->starved, true)) ++starved_;
    return false;
  }
  /// Whether a stream waits for credit; as long as none does, credit may come late.
  bool WantsCredit() const { return starved_ > 0; }
  /// Whether the streams together have used up half of what they may have outstanding.
  bool Tight() const { return outstanding_bytes_ >= total_credit_bytes_ / 2; }

  /// One message; the stream must be able to send.
  void Send(Stream* stream, std::string_view header, const ResponseFields& fields);
  /// One response with the chunk's events, cut where the watcher asked for fragments and the
  /// response has reached the limit. What the credit does not let through waits in stream->rest.
  void SendChunk(Watcher* watcher, std::string_view header, const Chunk& chunk);
  /// Takes credit back; sends what waits in stream->rest.
  void Return(Stream* stream, uint64_t bytes);
  /// A stream goes, with its outstanding bytes and what it had collected.
  void Forget(Stream* stream);
  /// Passes all that has been collected on to the sink. Also happens in between, when much has.
  void Flush();

 private:
  // One message always passes, however small the credit. A stream that is refused has bytes
  // outstanding, so its next Return comes and asks again: nobody waits for another stream's.
  bool HasCredit(const Stream& stream) const {
    return stream.outstanding_bytes == 0 || (stream.outstanding_bytes < stream_credit_bytes_ &&
                                             outstanding_bytes_ < total_credit_bytes_);
  }
  void SendFragments(Watcher* watcher, std::string_view header, const Chunk& chunk);
  void Append(Stream* stream, std::string_view header, const ResponseFields& fields,
              std::string_view events);
  void Collect(Stream* stream);
  void Count(Stream* stream, uint64_t credit_bytes);

  StreamSink* sink_;
  uint64_t fragment_bytes_;
  uint64_t stream_credit_bytes_;
  uint64_t total_credit_bytes_;
  uint64_t outstanding_bytes_ = 0;  // of all streams
  size_t starved_ = 0;              // streams that are
  std::vector<Stream*> collected_;  // streams with something in `out`
  uint64_t collected_bytes_ = 0;
};

}  // namespace metastore::watch

#endif  // METASTORE_WATCH_SEQUENCER_STREAM_H_
