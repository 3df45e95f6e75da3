// Hashes; see hash.h.
#include "mvcc/read/hash.h"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "mvcc/compact/superseded.h"
#include "mvcc/read/range.h"
#include "mvcc/state/rows.h"

namespace metastore::mvcc {
namespace {

constexpr std::string_view kVersionsName = "key";

/// Continues a sum over one row: its name, then its pair. The value is not copied.
uint32_t SumVersion(uint32_t sum, const VersionView& version, std::string* scratch) {
  scratch->clear();
  AppendBig64(scratch, static_cast<uint64_t>(version.rev.main));
  scratch->push_back('_');
  AppendBig64(scratch, static_cast<uint64_t>(version.rev.sub));
  std::string behind;  // holds a lease at most: no allocation
  if (version.tombstone) {
    scratch->push_back('t');
    codec::KeyValue only_key;
    only_key.key = version.key;
    codec::SplitKeyValue(only_key, scratch, &behind);
    return Crc32c(sum, *scratch);
  }
  codec::SplitKeyValue(ToKeyValue(version), scratch, &behind);
  return Crc32c(Crc32c(Crc32c(sum, *scratch), version.value), behind);
}

/// Whether any key counts as kept at the window's end.
Status AnythingKept(Engine* engine, const EngineSnapshot& snapshot, const HashWindow& window,
                    bool* kept) {
  *kept = false;
  const auto found = [kept](const VersionView&) {
    *kept = true;
    return false;
  };
  const KeyRange everything = {{}, {}, true};
  if (window.upto > 0) {
    METASTORE_RETURN_IF_ERROR(engine->Scan(snapshot, everything, window.upto, true, found));
  }
  if (*kept || !window.keep_deletions_at_upto || window.upto <= 0) return Status::Ok();
  const auto deletion = [kept](const VersionView& version) {
    *kept = version.tombstone;
    return !*kept;
  };
  return engine->ScanRevisions(snapshot, {window.upto, 0}, window.upto, deletion);
}

/// Walks the rows and sums those that belong to the window.
class WindowSum {
 public:
  WindowSum(const HashWindow& window, Superseded* superseded)
      : window_(window), superseded_(superseded), sum_(EmptyHash()) {}

  /// False when the next part of the superseded versions is needed, from next() on.
  bool Add(const VersionView& version) {
    if (version.rev.main <= window_.compact_revision) {
      if (!superseded_->Covers(version.rev)) {
        next_ = version.rev;
        return false;
      }
      if (version.tombstone || superseded_->Contains(version.rev)) return true;
    }
    sum_ = SumVersion(sum_, version, &scratch_);
    return true;
  }

  /// Where the walk goes on; main 0 when it has ended.
  Revision TakeNext() { return std::exchange(next_, Revision()); }
  uint32_t sum() const { return sum_; }

 private:
  const HashWindow& window_;
  Superseded* superseded_;
  uint32_t sum_;
  std::string scratch_;
  Revision next_;
};

}  // namespace

uint32_t EmptyHash() { return Crc32c(0, kVersionsName); }

Status HashHistory(Engine* engine, const EngineSnapshot& snapshot, const HashWindow& window,
                   uint32_t* hash, size_t superseded_at_once) {
  METASTORE_CHECK(superseded_at_once > 0, "at least one is remembered");
  METASTORE_CHECK(window.compact_revision <= window.upto, "a window ends above its cut");
  bool kept = false;
  METASTORE_RETURN_IF_ERROR(AnythingKept(engine, snapshot, window, &kept));
  // With nothing kept, all that the compaction itself left is summed.
  const int64_t superseding_to = kept ? window.upto : window.compact_revision;
  Superseded superseded(engine, snapshot, window.finished_compact_revision, superseding_to,
                        window.compact_revision, superseded_at_once);
  WindowSum sum(window, &superseded);
  Revision from = {1, 0};
  do {
    if (window.compact_revision > 0) METASTORE_RETURN_IF_ERROR(superseded.Load(from));
    const auto visit = [&sum](const VersionView& version) { return sum.Add(version); };
    METASTORE_RETURN_IF_ERROR(engine->ScanRevisions(snapshot, from, window.upto, visit));
    const Revision next = sum.TakeNext();
    METASTORE_CHECK(next.main == 0 || next > from || from == Revision({1, 0}), "walks go on");
    from = next;
  } while (from.main != 0);
  *hash = sum.sum();
  return Status::Ok();
}

Status HashStored(Engine* engine, const EngineSnapshot& snapshot, uint32_t* hash) {
  uint32_t sum = 0;
  std::string scratch;
  const auto row = [&sum](std::string_view name, std::string_view value) {
    sum = Crc32c(Crc32c(sum, name), value);
    return true;
  };
  METASTORE_RETURN_IF_ERROR(engine->ScanMeta(snapshot, kAlarmPrefix, row));
  sum = Crc32c(sum, kVersionsName);
  const auto version = [&](const VersionView& view) {
    sum = SumVersion(sum, view, &scratch);
    return true;
  };
  constexpr int64_t kLast = std::numeric_limits<int64_t>::max();
  METASTORE_RETURN_IF_ERROR(engine->ScanRevisions(snapshot, {0, 0}, kLast, version));
  METASTORE_RETURN_IF_ERROR(engine->ScanMeta(snapshot, kLeasePrefix, row));
  *hash = sum;
  return Status::Ok();
}

}  // namespace metastore::mvcc
