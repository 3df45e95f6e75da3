// How messages leave a stream; see stream.h.
#include "watch/sequencer/stream.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace metastore::watch {

void Sender::Hand(Stream* stream, std::string bytes) {
  stream->outstanding_bytes += bytes.size();
  outstanding_bytes_ += bytes.size();
  sink_->Message(stream->id, std::move(bytes));
}

void Sender::Send(Stream* stream, std::string bytes) {
  METASTORE_CHECK(CanSend(*stream), "a message leaves within its stream's credit");
  Hand(stream, std::move(bytes));
}

void Sender::SendChunk(Watcher* watcher, std::string_view header, const Chunk& chunk) {
  METASTORE_CHECK(!chunk.ends.empty(), "no response without events is made here");
  Stopwatch stopwatch;
  const ResponseFields fields{.watch_id = watcher->id};
  if (watcher->fragment && chunk.ends.size() > 1 &&
      ResponseSize(header, fields, chunk.events.size()) >= fragment_bytes_) {
    SendFragments(watcher, header, chunk);
  } else {
    Send(watcher->stream, EncodeResponse(header, fields, chunk.events));
  }
  watcher->had_events = true;
  const double taken = stopwatch.Lap();
  metrics_->watch_response_seconds.Observe(taken);
  metrics_->watch_event_seconds.Observe(taken / static_cast<double>(chunk.ends.size()));
}

// Each piece takes events while it stays below the limit, and at least one. The size counts the
// mark that more follows, also for the piece that turns out to be the last.
void Sender::SendFragments(Watcher* watcher, std::string_view header, const Chunk& chunk) {
  Stream* stream = watcher->stream;
  METASTORE_CHECK(stream->rest.empty(), "one response at a time");
  ResponseFields fields{.watch_id = watcher->id, .fragment = true};
  const std::string_view events = chunk.events;
  size_t first = 0;
  size_t from = 0;
  while (first < chunk.ends.size()) {
    size_t past = first + 1;
    while (past < chunk.ends.size() &&
           ResponseSize(header, fields, chunk.ends[past] - from) < fragment_bytes_) {
      ++past;
    }
    const size_t to = chunk.ends[past - 1];
    ResponseFields piece = fields;
    piece.fragment = past < chunk.ends.size();
    std::string bytes = EncodeResponse(header, piece, events.substr(from, to - from));
    if (CanSend(*stream)) {
      Hand(stream, std::move(bytes));
    } else {
      stream->rest.push_back(std::move(bytes));
    }
    first = past;
    from = to;
  }
}

void Sender::Return(Stream* stream, uint64_t bytes) {
  // The transport counts for itself; more than was handed out returns no more than that.
  const uint64_t returned = std::min(bytes, stream->outstanding_bytes);
  stream->outstanding_bytes -= returned;
  outstanding_bytes_ -= returned;
  while (!stream->rest.empty() && HasCredit(*stream)) {
    std::string next = std::move(stream->rest.front());
    stream->rest.pop_front();
    Hand(stream, std::move(next));
  }
}

}  // namespace metastore::watch
