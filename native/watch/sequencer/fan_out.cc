// From published changes to watchers' messages, and the states of watchers; see sequencer.h.
#include <algorithm>

#include "base/check.h"
#include "watch/sequencer/sequencer.h"

namespace metastore::watch {
namespace {

// When the streams together have much outstanding, responses shrink, so that "one message always
// passes" stays small too.
constexpr uint64_t kTightResponseBytes = 256u << 10;

}  // namespace

uint64_t Sequencer::ChunkBytes() const {
  return sender_.Tight() ? std::min(options_.response_bytes, kTightResponseBytes)
                         : options_.response_bytes;
}

void Sequencer::Publish(Publication publication) {
  METASTORE_CHECK(publication.view != nullptr, "a publication has its view");
  if (view_ == nullptr) return;  // Attach will pin a state that has it
  const ViewRef before = view_;
  const View& after = *publication.view;
  // Attach may have pinned a state newer than publications still on their way.
  if (after.revision < before->revision || after.compact_revision < before->compact_revision) {
    return;
  }
  std::vector<VersionRef>& versions = publication.versions;
  std::erase_if(versions, [&](const VersionRef& v) { return v->rev().main <= before->revision; });
  view_ = std::move(publication.view);
  if (after.revision == before->revision) return;
  const bool whole = !versions.empty() && versions.front()->rev().main == before->revision + 1 &&
                     versions.back()->rev().main == after.revision;
  if (whole) {
    FanOutLive(before, versions);
  } else {
    FallBehind(before->revision + 1);
  }
}

void Sequencer::FanOutLive(const ViewRef& before, const std::vector<VersionRef>& versions) {
  if (matcher_.empty()) return;
  LivePrev prev(&store_->engine(), before, versions);
  EventBatch batch(versions, &prev, ChunkBytes());
  std::vector<Group*> touched;
  for (uint32_t at = 0; at < versions.size(); ++at) {
    matcher_.Match(versions[at]->key(), [&](Group& group) {
      if (group.matched.empty()) touched.push_back(&group);
      group.matched.push_back(at);
    });
  }
  std::vector<Watcher*> behind;
  for (Group* group : touched) DeliverGroup(group, &batch, std::nullopt, &behind);
  // Only now: leaving the matcher may end a group.
  for (Watcher* watcher : behind) MakeUnsynced(watcher);
}

// With a header revision given every response carries it; without, that of its newest event.
void Sequencer::DeliverGroup(Group* group, EventBatch* batch,
                             std::optional<int64_t> header_revision,
                             std::vector<Watcher*>* behind) {
  const std::vector<uint32_t> matched = std::exchange(group->matched, {});
  METASTORE_CHECK(!matched.empty(), "a touched group has changes");
  const int64_t first = batch->RevisionOf(matched.front());
  Stopwatch stopwatch;
  Delivered delivered;
  std::array<std::optional<Body>, Shape::kCount> shared;
  for (Watcher* watcher : group->watchers) {
    bool whole = true;
    if (watcher->next_revision > first) {
      // It starts inside the batch, so that its events are its own.
      const Body own = batch->Build(matched, watcher->shape, watcher->next_revision);
      whole = DeliverBody(watcher, own, header_revision, &delivered);
    } else {
      std::optional<Body>& body = shared[watcher->shape.index()];
      if (!body) body = batch->Build(matched, watcher->shape, first);
      whole = DeliverBody(watcher, *body, header_revision, &delivered);
    }
    if (!whole) behind->push_back(watcher);
  }
  counters_->events_total.fetch_add(delivered.events, std::memory_order_relaxed);
  if (delivered.responses == 0) return;
  // Timed together: a clock read for each would cost as much as the response.
  const double taken = stopwatch.Lap();
  const auto each = [&](uint64_t parts) { return taken / static_cast<double>(parts); };
  options_.metrics->watch_response_seconds.Observe(each(delivered.responses), delivered.responses);
  options_.metrics->watch_event_seconds.Observe(each(delivered.events), delivered.responses);
}

// False when credit ran out: next_revision then names the first change that was not sent.
bool Sequencer::DeliverBody(Watcher* watcher, const Body& body,
                            std::optional<int64_t> header_revision, Delivered* delivered) {
  for (const Chunk& chunk : body) {
    if (!sender_.CanSend(watcher->stream)) {
      watcher->next_revision = chunk.first_revision;
      return false;
    }
    sender_.SendChunk(watcher, Header(header_revision.value_or(chunk.last_revision)), chunk);
    watcher->next_revision = chunk.last_revision + 1;
    ++delivered->responses;
    delivered->events += chunk.ends.size();
  }
  return true;
}

// The changes from `from_revision` up to the view were not published whole: history has them.
void Sequencer::FallBehind(int64_t from_revision) {
  for (auto& [stream_id, stream] : streams_) {
    for (auto& [id, watcher] : stream->watchers) {
      if (watcher->state != WatcherState::kSynced) continue;
      watcher->next_revision = std::max(watcher->next_revision, from_revision);
      if (watcher->next_revision <= view_->revision) MakeUnsynced(watcher.get());
    }
  }
}

void Sequencer::MakeUnsynced(Watcher* watcher) {
  METASTORE_CHECK(watcher->state == WatcherState::kSynced, "was synced");
  METASTORE_CHECK(watcher->next_revision <= view_->revision, "has something to read");
  matcher_.Remove(watcher);
  watcher->state = WatcherState::kUnsynced;
  ++watcher->stream->not_synced;
  counters_->slow_watchers.fetch_add(1, std::memory_order_relaxed);
  watcher->list = sender_.CanSend(watcher->stream) ? &queue_ : &watcher->stream->parked;
  watcher->place = watcher->list->insert(watcher->list->end(), watcher);
}

void Sequencer::Unlist(Watcher* watcher) {
  METASTORE_CHECK(watcher->list != nullptr, "an unsynced watcher is listed");
  watcher->list->erase(watcher->place);
  watcher->list = nullptr;
  counters_->slow_watchers.fetch_sub(1, std::memory_order_relaxed);
}

void Sequencer::MakeSynced(Watcher* watcher) {
  METASTORE_CHECK(watcher->state == WatcherState::kUnsynced, "was behind");
  METASTORE_CHECK(watcher->next_revision > view_->revision, "has read everything");
  Unlist(watcher);
  watcher->state = WatcherState::kSynced;
  --watcher->stream->not_synced;
  matcher_.Add(watcher);
}

void Sequencer::MakeCompacted(Watcher* watcher) {
  METASTORE_CHECK(watcher->state == WatcherState::kUnsynced, "was behind");
  Unlist(watcher);
  watcher->state = WatcherState::kCompacted;
}

// Takes the watcher out of every place but its stream's table.
void Sequencer::Forget(Watcher* watcher) {
  if (watcher->state == WatcherState::kSynced) {
    matcher_.Remove(watcher);
  } else {
    if (watcher->state == WatcherState::kUnsynced) Unlist(watcher);
    --watcher->stream->not_synced;
  }
  counters_->watchers.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace metastore::watch
