// Walking of remaining.h.
#include "mvcc/image/remaining.h"

#include <utility>

#include "base/check.h"

namespace metastore::mvcc {

RemainingVersions::RemainingVersions(Engine* engine, ViewRef view, size_t superseded_at_once)
    : engine_(engine),
      view_(std::move(view)),
      superseded_(engine, *view_->snapshot, view_->finished_compact_revision,
                  view_->compact_revision, view_->compact_revision, superseded_at_once) {}

bool RemainingVersions::Remains(const VersionView& version) {
  if (version.rev.main > view_->compact_revision) return true;
  if (version.tombstone) return version.rev.main == view_->compact_revision;
  return !superseded_.Contains(version.rev);
}

Status RemainingVersions::Visit(VersionVisitor take, bool* done) {
  enum class End { kRows, kCover, kTaker } end;
  do {
    const bool below_cut = next_.main <= view_->compact_revision;
    if (below_cut && (!loaded_ || !superseded_.Covers(next_))) {
      METASTORE_RETURN_IF_ERROR(superseded_.Load(next_));
      loaded_ = true;
    }
    end = End::kRows;
    const Revision first = next_;
    const auto visit = [&](const VersionView& version) {
      next_ = version.rev;
      if (version.rev.main <= view_->compact_revision && !superseded_.Covers(version.rev)) {
        end = End::kCover;
      } else if (Remains(version) && !take(version)) {
        end = End::kTaker;
      }
      return end == End::kRows;
    };
    METASTORE_RETURN_IF_ERROR(
        engine_->ScanRevisions(*view_->snapshot, first, view_->revision, visit));
    METASTORE_CHECK(end != End::kCover || next_ > first, "walks go on");
  } while (end == End::kCover);
  *done = end == End::kRows;
  return Status::Ok();
}

}  // namespace metastore::mvcc
