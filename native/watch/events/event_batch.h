// EventBatch: changes to tell watchers of, each encoded once however many watchers see it.
//
// Made by the sequencer for one publication, or by catch-up for one stretch of history, and thrown
// away after its fan-out. Build() makes the events of one shape of watcher (filters, prev_kv) from
// shared event bytes, cut into chunks that become one response each.
#ifndef METASTORE_WATCH_EVENTS_EVENT_BATCH_H_
#define METASTORE_WATCH_EVENTS_EVENT_BATCH_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "mvcc/events.h"

namespace metastore::watch {

/// What of a watcher's options changes the bytes of its events.
struct Shape {
  static constexpr size_t kCount = 8;
  bool no_put = false;
  bool no_delete = false;
  bool prev_kv = false;
  size_t index() const { return (no_put ? 4u : 0u) + (no_delete ? 2u : 0u) + (prev_kv ? 1u : 0u); }
};

/// Events of whole revisions, for one response.
struct Chunk {
  int64_t first_revision = 0;  // of the oldest event
  int64_t last_revision = 0;   // of the newest event
  std::string events;
  std::vector<size_t> ends;  // where each event ends in `events`
};
using Body = std::vector<Chunk>;

/// Finds the value that a key had before the revision of a change. Null when it had none, or when
/// that value may be compacted.
class PrevSource {
 public:
  virtual ~PrevSource() = default;
  virtual VersionRef Find(const VersionView& version) = 0;
};

/// For changes that have just been published: what they replaced stands in the same publication or
/// in the state before it, which this pins; a compaction in the publication cannot take it away.
class LivePrev final : public PrevSource {
 public:
  LivePrev(Engine* engine, ViewRef before, std::span<const VersionRef> versions)
      : engine_(engine), before_(std::move(before)), versions_(versions) {}
  VersionRef Find(const VersionView& version) override;

 private:
  VersionRef FindRevision(Revision rev);
  VersionRef FindBefore(const VersionView& version);
  Engine* engine_;
  ViewRef before_;
  std::span<const VersionRef> versions_;
};

/// For changes read from history at `view`: nothing below its compact revision is looked at.
class HistoryPrev final : public PrevSource {
 public:
  HistoryPrev(Engine* engine, ViewRef view) : engine_(engine), view_(std::move(view)) {}
  VersionRef Find(const VersionView& version) override;

 private:
  Engine* engine_;
  ViewRef view_;
};

class EventBatch {
 public:
  /// `versions` ascending in (main, sub). A chunk that has reached `chunk_bytes` ends with its
  /// revision. `prev` must outlive the batch.
  EventBatch(std::span<const VersionRef> versions, PrevSource* prev, uint64_t chunk_bytes)
      : versions_(versions), prev_(prev), chunk_bytes_(chunk_bytes) {}

  /// The events of versions[matched[i]] (ascending) that pass the shape's filters, from
  /// `min_revision` on. Empty when none does.
  Body Build(std::span<const uint32_t> matched, Shape shape, int64_t min_revision);

  int64_t RevisionOf(uint32_t position) const { return versions_[position]->rev().main; }

 private:
  struct Slot {
    size_t offset = 0;
    size_t length = 0;  // 0: not encoded yet; no event is empty
  };
  std::string_view Encoded(uint32_t position, bool prev_kv);

  std::span<const VersionRef> versions_;
  PrevSource* prev_;
  uint64_t chunk_bytes_;
  std::string arena_;
  std::vector<Slot> slots_[2];  // by prev_kv; made when first asked for
};

}  // namespace metastore::watch

#endif  // METASTORE_WATCH_EVENTS_EVENT_BATCH_H_
