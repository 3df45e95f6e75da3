// Streams and their requests; see sequencer.h. Behaviour: docs of etcd's Watch API (v3.7).
#include "watch/sequencer/sequencer.h"

#include <algorithm>

#include "base/check.h"

namespace metastore::watch {
namespace {

constexpr std::string_view kReasonCompacted =
    "etcdserver: mvcc: required revision has been compacted";
constexpr std::string_view kReasonEmptyRange = "mvcc: watcher range is empty";
constexpr std::string_view kReasonDuplicateId =
    "mvcc: duplicate watch ID provided on the WatchStream";
constexpr int64_t kNoWatchId = -1;
constexpr int64_t kLeastProgressIntervalMs = 100;

// False for a range without keys.
bool MakeSpan(CreateRequest* request, Span* span) {
  span->start = request->key.empty() ? std::string(kLeastKey) : std::move(request->key);
  std::string end = std::move(request->range_end);
  if (end.empty()) return true;
  if (end == std::string_view("\0", 1)) {
    span->single = false;
    span->unbounded = true;
    return true;
  }
  if (end <= span->start) return false;
  // [key, key + 00) holds that key alone, and the hash table is the cheaper index.
  if (end.size() == span->start.size() + 1 && end.back() == '\0' && end.starts_with(span->start)) {
    return true;
  }
  span->single = false;
  span->end = std::move(end);
  return true;
}

}  // namespace

Sequencer::Sequencer(const HubOptions& options, StreamSink* sink, Counters* counters)
    : options_(options), counters_(counters), sender_(options, sink) {
  options_.catch_up_revisions = std::max(options_.catch_up_revisions, 1);
  options_.progress_notify_ms = std::max(options_.progress_notify_ms, kLeastProgressIntervalMs);
}

void Sequencer::Attach(std::shared_ptr<Store> store) {
  METASTORE_CHECK(store != nullptr, "a store to attach");
  const bool again = view_ != nullptr;
  const int64_t before = again ? view_->revision : 0;
  view_ = store->Pin();  // first, since a view must not outlive its store
  store_ = std::move(store);
  if (!again) return;
  METASTORE_CHECK(view_->revision >= before, "a member's state does not go back");
  if (view_->revision > before) FallBehind(before + 1);
}

void Sequencer::Detach() {
  view_ = nullptr;
  store_ = nullptr;
}

void Sequencer::SetHeader(const HeaderInfo& header) {
  header_ = header;
  header_revision_ = -1;
}

std::string_view Sequencer::Header(int64_t revision) {
  if (revision != header_revision_) {
    header_bytes_ = EncodeHeader(header_, revision);
    header_revision_ = revision;
  }
  return header_bytes_;
}

// What a client may know of already: the store publishes before it hands changes to the hub.
int64_t Sequencer::NewestRevision() const { return std::max(view_->revision, store_->revision()); }

Stream* Sequencer::Find(StreamId id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

void Sequencer::Open(StreamId id) {
  METASTORE_CHECK(view_ != nullptr, "the store is attached before the first stream");
  auto stream = std::make_unique<Stream>();
  stream->id = id;
  // Drawn once per stream, so that the streams of a restarted member do not tick together.
  const int64_t interval = options_.progress_notify_ms;
  const uint64_t share = static_cast<uint64_t>(interval / 10) + 1;
  stream->progress_interval_ms = interval + static_cast<int64_t>(options_.random() % share);
  stream->progress_due_ms = options_.now_ms() + stream->progress_interval_ms;
  const bool fresh = streams_.emplace(id, std::move(stream)).second;
  METASTORE_CHECK(fresh, "a stream id is used once at a time");
  counters_->streams.store(streams_.size(), std::memory_order_relaxed);
}

void Sequencer::Close(StreamId id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  Stream* stream = found->second.get();
  for (auto& [watch_id, watcher] : stream->watchers) Forget(watcher.get());
  sender_.Forget(stream);
  streams_.erase(found);
  counters_->streams.store(streams_.size(), std::memory_order_relaxed);
}

void Sequencer::Handle(StreamId id, Incoming incoming) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;  // closed while the request was on its way
  if (!stream->held.empty() || !sender_.CanSend(stream)) {
    stream->held.push_back(std::move(incoming));
    return;
  }
  Process(stream, std::move(incoming));
}

void Sequencer::Credit(StreamId id, uint64_t bytes) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  sender_.Return(stream, bytes);
  GoOn(stream);
}

// Requests go before events: a client that asks must not wait for a history that never ends.
void Sequencer::GoOn(Stream* stream) {
  while (!stream->held.empty() && sender_.CanSend(stream)) {
    Incoming next = std::move(stream->held.front());
    stream->held.pop_front();
    Process(stream, std::move(next));
  }
  if (!sender_.CanSend(stream)) return;
  for (Watcher* watcher : stream->parked) watcher->list = &queue_;
  queue_.splice(queue_.end(), stream->parked);
}

void Sequencer::Process(Stream* stream, Incoming incoming) {
  handled_.emplace_back(stream->id, incoming.bytes);
  switch (incoming.request.kind) {
    case RequestKind::kNone:
      return;
    case RequestKind::kCreate:
      Create(stream, std::move(incoming.request.create), incoming.permission);
      return;
    case RequestKind::kCancel:
      Cancel(stream, incoming.request.cancel_id);
      return;
    case RequestKind::kProgress:
      Progress(stream);
      return;
  }
}

void Sequencer::Reject(Stream* stream, std::string_view reason) {
  const ResponseFields fields{
      .watch_id = kNoWatchId, .created = true, .canceled = true, .cancel_reason = reason};
  sender_.Send(stream, Header(NewestRevision()), fields);
}

void Sequencer::Create(Stream* stream, CreateRequest request, Code permission) {
  if (request.start_revision < 0) return Reject(stream, kReasonCompacted);
  if (permission != Code::kOk) return Reject(stream, GrpcText(permission));
  Stopwatch stopwatch;
  auto watcher = std::make_unique<Watcher>();
  if (!MakeSpan(&request, &watcher->span)) return Reject(stream, kReasonEmptyRange);
  int64_t id = request.watch_id;
  if (id == 0) {
    while (stream->watchers.contains(stream->next_id)) ++stream->next_id;
    id = stream->next_id++;
  } else if (stream->watchers.contains(id)) {
    return Reject(stream, kReasonDuplicateId);
  }
  const int64_t current = NewestRevision();
  watcher->id = id;
  watcher->stream = stream;
  watcher->shape = {request.no_put, request.no_delete, request.prev_kv};
  watcher->fragment = request.fragment;
  watcher->progress_notify = request.progress_notify;
  const bool from_now = request.start_revision == 0;
  watcher->next_revision = from_now ? current + 1 : request.start_revision;
  watcher->progress_from = from_now ? current : request.start_revision;
  Watcher* added = watcher.get();
  stream->watchers.emplace(id, std::move(watcher));
  counters_->watchers.fetch_add(1, std::memory_order_relaxed);

  const ResponseFields fields{.watch_id = id, .created = true};
  sender_.Send(stream, Header(current), fields);
  matcher_.Add(added);
  if (added->next_revision <= view_->revision) MakeUnsynced(added);
  options_.metrics->watch_control_seconds.Observe(stopwatch.Lap());
}

// An id that the stream does not know gets no answer at all.
void Sequencer::Cancel(Stream* stream, int64_t watch_id) {
  const auto found = stream->watchers.find(watch_id);
  if (found == stream->watchers.end()) return;
  Forget(found->second.get());
  stream->watchers.erase(found);
  const ResponseFields fields{.watch_id = watch_id, .canceled = true};
  sender_.Send(stream, Header(NewestRevision()), fields);
}

bool Sequencer::AtProgress(const Watcher& watcher) const {
  return watcher.state == WatcherState::kSynced && view_->revision >= watcher.progress_from;
}

// Told at once or not at all: an answer kept for later would be for another question.
void Sequencer::Progress(Stream* stream) {
  if (stream->watchers.empty() || stream->not_synced > 0) return;
  for (const auto& [id, watcher] : stream->watchers) {
    if (!AtProgress(*watcher)) return;
  }
  const ResponseFields fields{.watch_id = kNoWatchId};
  sender_.Send(stream, Header(view_->revision), fields);
}

void Sequencer::NotifyProgress(Stream* stream) {
  for (auto& [id, watcher] : stream->watchers) {
    if (!watcher->progress_notify) continue;
    const bool had_events = std::exchange(watcher->had_events, false);
    if (had_events || !AtProgress(*watcher) || !sender_.CanSend(stream)) continue;
    const ResponseFields fields{.watch_id = id};
    sender_.Send(stream, Header(view_->revision), fields);
  }
}

void Sequencer::Tick() {
  const int64_t now = options_.now_ms();
  for (auto& [id, stream] : streams_) {
    if (now < stream->progress_due_ms || !sender_.CanSend(stream.get())) continue;
    const int64_t late = (now - stream->progress_due_ms) / stream->progress_interval_ms;
    stream->progress_due_ms += (late + 1) * stream->progress_interval_ms;
    Stopwatch stopwatch;
    NotifyProgress(stream.get());
    options_.metrics->watch_progress_seconds.Observe(stopwatch.Lap());
  }
}

}  // namespace metastore::watch
