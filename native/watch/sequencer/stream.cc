// How messages leave a stream; see stream.h.
#include "watch/sequencer/stream.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "watch/events/frame.h"

namespace metastore::watch {
namespace {

// Collected bytes that are passed on before the hub's turn ends: transports then write the first
// while the rest is being encoded, and the memory in between stays in the caches.
constexpr uint64_t kCollectedBytesMost = 256u << 10;

}  // namespace

uint64_t StreamMessages::credit_bytes() const {
  return frames.size() - uint64_t{count} * kFramePrefixBytes;
}

void Sender::Count(Stream* stream, uint64_t credit_bytes) {
  stream->outstanding_bytes += credit_bytes;
  outstanding_bytes_ += credit_bytes;
  collected_bytes_ += credit_bytes;
}

// Makes sure that what is appended to stream->out next is not forgotten.
void Sender::Collect(Stream* stream) {
  if (stream->out.count > 0) return;
  stream->out_place = collected_.size();
  collected_.push_back(stream);
  // Streams tend to be sent as much as the last time.
  stream->out.frames.reserve(stream->out_reserve);
}

void Sender::Append(Stream* stream, std::string_view header, const ResponseFields& fields,
                    std::string_view events) {
  Collect(stream);
  std::string& frames = stream->out.frames;
  const size_t before = frames.size();
  AppendFramedResponse(header, fields, events, &frames);
  ++stream->out.count;
  Count(stream, frames.size() - before - kFramePrefixBytes);
  if (collected_bytes_ >= kCollectedBytesMost) Flush();
}

void Sender::Flush() {
  if (collected_.empty()) return;
  for (Stream* stream : collected_) {
    StreamMessages out = std::exchange(stream->out, {});
    METASTORE_CHECK(out.count > 0, "a collected stream has messages");
    out.stream = stream->id;
    stream->out_reserve = std::min<size_t>(out.frames.size(), kCollectedBytesMost);
    sink_->Messages(std::move(out));
  }
  collected_.clear();
  collected_bytes_ = 0;
  sink_->Pause();
}

void Sender::Send(Stream* stream, std::string_view header, const ResponseFields& fields) {
  METASTORE_CHECK(CanSend(stream), "a message leaves within its stream's credit");
  Append(stream, header, fields, {});
}

void Sender::SendChunk(Watcher* watcher, std::string_view header, const Chunk& chunk) {
  METASTORE_CHECK(!chunk.ends.empty(), "no response without events is made here");
  const ResponseFields fields{.watch_id = watcher->id};
  watcher->had_events = true;
  if (chunk.ends.size() > 1) {
    // What no message could hold is cut unasked.
    const uint64_t most = watcher->fragment ? fragment_bytes_ : kLargestFrameBytes;
    if (ResponseSize(header, fields, chunk.events.size()) >= most) {
      return SendFragments(watcher, header, chunk);
    }
  }
  Append(watcher->stream, header, fields, chunk.events);
}

// Each piece takes events while it stays below the limit, and at least one. The size counts the
// mark that more follows, also for the piece that turns out to be the last.
void Sender::SendFragments(Watcher* watcher, std::string_view header, const Chunk& chunk) {
  Stream* stream = watcher->stream;
  METASTORE_CHECK(stream->rest.empty(), "one response at a time");
  ResponseFields fields{.watch_id = watcher->id, .fragment = true};
  const uint64_t most = std::min<uint64_t>(fragment_bytes_, kLargestFrameBytes);
  const std::string_view events = chunk.events;
  size_t first = 0;
  size_t from = 0;
  while (first < chunk.ends.size()) {
    size_t past = first + 1;
    while (past < chunk.ends.size() &&
           ResponseSize(header, fields, chunk.ends[past] - from) < most) {
      ++past;
    }
    const size_t to = chunk.ends[past - 1];
    ResponseFields piece = fields;
    piece.fragment = past < chunk.ends.size();
    if (CanSend(stream)) {
      Append(stream, header, piece, events.substr(from, to - from));
    } else {
      StreamMessages& waiting = stream->rest.emplace_back();
      waiting.count = 1;
      AppendFramedResponse(header, piece, events.substr(from, to - from), &waiting.frames);
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
  if (std::exchange(stream->starved, false)) --starved_;
  while (!stream->rest.empty() && HasCredit(*stream)) {
    Collect(stream);
    StreamMessages next = std::move(stream->rest.front());
    stream->rest.pop_front();
    Count(stream, next.credit_bytes());
    stream->out.frames.append(next.frames);
    stream->out.count += next.count;
    if (collected_bytes_ >= kCollectedBytesMost) Flush();
  }
}

void Sender::Forget(Stream* stream) {
  outstanding_bytes_ -= stream->outstanding_bytes;
  if (stream->starved) --starved_;
  if (stream->out.count == 0) return;
  Stream* last = collected_.back();
  METASTORE_CHECK(collected_[stream->out_place] == stream, "the stream has its place");
  collected_[stream->out_place] = last;
  last->out_place = stream->out_place;
  collected_.pop_back();
}

}  // namespace metastore::watch
