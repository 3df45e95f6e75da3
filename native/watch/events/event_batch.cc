// Encoding of changes and the search for what they replaced; see event_batch.h.
#include "watch/events/event_batch.h"

#include <algorithm>

#include "base/check.h"
#include "watch/events/codec.h"

namespace metastore::watch {
namespace {

bool IsCreation(const VersionView& version) {
  return !version.tombstone && version.create_revision == version.rev.main;
}

// The engine failing to read leaves no way to tell watchers the truth; like every failure of
// storage it ends the process.
void MustRead(const Status& status) { METASTORE_CHECK(status.ok(), status.ToString().c_str()); }

VersionRef Copy(Engine* engine, const EngineSnapshot& snapshot, Revision rev) {
  VersionRef found;
  MustRead(engine->GetRevision(snapshot, rev, [&](const VersionView& view) {
    found = Version::Make(view);
    return false;
  }));
  return found;
}

VersionRef CopyAt(Engine* engine, const EngineSnapshot& snapshot, std::string_view key,
                  int64_t at) {
  VersionRef found;
  MustRead(engine->Get(snapshot, key, at, [&](const VersionView& view) {
    found = Version::Make(view);
    return false;
  }));
  return found;
}

VersionRef LiveOnly(VersionRef version) {
  return version && version->view().tombstone ? VersionRef() : version;
}

}  // namespace

VersionRef LivePrev::FindRevision(Revision rev) {
  const auto found = std::lower_bound(
      versions_.begin(), versions_.end(), rev,
      [](const VersionRef& version, Revision wanted) { return version->rev() < wanted; });
  if (found != versions_.end() && (*found)->rev() == rev) return *found;
  if (rev.main > before_->revision) return VersionRef();
  return Copy(engine_, *before_->snapshot, rev);
}

// The newest version of the key in revisions before the change's own.
VersionRef LivePrev::FindBefore(const VersionView& version) {
  auto at = std::lower_bound(
      versions_.begin(), versions_.end(), version.rev.main,
      [](const VersionRef& other, int64_t main) { return other->rev().main < main; });
  while (at != versions_.begin()) {
    --at;
    if ((*at)->key() == version.key) return *at;
  }
  return CopyAt(engine_, *before_->snapshot, version.key, before_->revision);
}

VersionRef LivePrev::Find(const VersionView& version) {
  if (IsCreation(version)) return VersionRef();
  // A predecessor of the same revision (a transaction may change a key twice) is not what the key
  // was before the revision, and after a deletion of the same revision none is named.
  const Revision prev = version.prev;
  if (prev.main != 0 && prev.main < version.rev.main) return LiveOnly(FindRevision(prev));
  if (version.rev.sub == 0) return VersionRef();
  return LiveOnly(FindBefore(version));
}

VersionRef HistoryPrev::Find(const VersionView& version) {
  const int64_t at = version.rev.main - 1;
  if (IsCreation(version) || at < 1 || at < view_->compact_revision) return VersionRef();
  const Revision prev = version.prev;
  if (prev.main != 0 && prev.main <= at) {
    return LiveOnly(Copy(engine_, *view_->snapshot, prev));
  }
  if (version.rev.sub == 0) return VersionRef();
  return CopyAt(engine_, *view_->snapshot, version.key, at);
}

std::string_view EventBatch::Encoded(uint32_t position, bool prev_kv) {
  const VersionView& version = versions_[position]->view();
  std::vector<Slot>& slots = slots_[prev_kv ? 1 : 0];
  if (slots.empty()) slots.resize(versions_.size());
  Slot& slot = slots[position];
  if (slot.length == 0) {
    slot.offset = arena_.size();
    const VersionRef prev = prev_kv ? prev_->Find(version) : VersionRef();
    AppendEvent(version, prev ? &prev->view() : nullptr, &arena_);
    slot.length = arena_.size() - slot.offset;
  }
  return std::string_view(arena_).substr(slot.offset, slot.length);
}

Body EventBatch::Build(std::span<const uint32_t> matched, Shape shape, int64_t min_revision) {
  Body body;
  for (const uint32_t position : matched) {
    const VersionView& version = versions_[position]->view();
    if (version.rev.main < min_revision) continue;
    if (version.tombstone ? shape.no_delete : shape.no_put) continue;
    const int64_t revision = version.rev.main;
    if (body.empty() ||
        (body.back().last_revision != revision && body.back().events.size() >= chunk_bytes_)) {
      body.emplace_back().first_revision = revision;
    }
    Chunk& chunk = body.back();
    METASTORE_CHECK(chunk.last_revision <= revision, "changes ascend");
    chunk.last_revision = revision;
    chunk.events.append(Encoded(position, shape.prev_kv));
    chunk.ends.push_back(chunk.events.size());
  }
  return body;
}

}  // namespace metastore::watch
