// Reader: one state to read from, whoever holds it: a pinned view (reader threads), or a view with
// the uncommitted changes of the running entries on top (apply). Range, compares and transactions
// are written against it once.
#ifndef METASTORE_MVCC_READ_READER_H_
#define METASTORE_MVCC_READ_READER_H_

#include <cstdint>
#include <limits>
#include <string_view>

#include "base/status.h"
#include "engine/engine.h"
#include "mvcc/events.h"

namespace metastore::mvcc {

/// Reads at this revision see everything there is, changes of the running transaction included.
inline constexpr int64_t kCurrent = std::numeric_limits<int64_t>::max();

/// Operations of a request, for the metrics. A group is what etcd counts as one transaction.
struct Tally {
  uint64_t ranges = 0;
  uint64_t puts = 0;
  uint64_t put_bytes = 0;
  uint64_t deletes = 0;
  uint64_t groups = 0;  // of more than one operation

  /// What was counted since the last call belongs together.
  void EndGroup() {
    const uint64_t all = ranges + puts + deletes;
    if (all > grouped_ + 1) ++groups;
    grouped_ = all;
  }

 private:
  uint64_t grouped_ = 0;
};

class Reader {
 public:
  virtual ~Reader() = default;
  /// Counted here, since a reader is what all parts of a request have in common.
  Tally& tally() const { return tally_; }
  /// Revision of the newest change that reads at kCurrent can see.
  virtual int64_t revision() const = 0;
  virtual int64_t compact_revision() const = 0;
  /// Live keys at kCurrent.
  virtual int64_t key_count() const = 0;
  /// Visits the live version of `key` at `at`, or nothing. `at`: kCurrent or a readable revision.
  virtual Status Get(std::string_view key, int64_t at, VersionVisitor visit) const = 0;
  /// As Get at kCurrent, but that the value may be left empty.
  virtual Status GetMeta(std::string_view key, VersionVisitor visit) const {
    return Get(key, kCurrent, visit);
  }
  /// Visits the live versions of a range at `at`, ascending by key. With `keys_only` values may be
  /// left empty.
  virtual Status Scan(const KeyRange& range, int64_t at, bool keys_only,
                      VersionVisitor visit) const = 0;

 private:
  mutable Tally tally_;
};

/// How a request names keys: one key, [key, end), or everything from key on (end = one zero byte).
struct KeySelector {
  std::string_view key;
  std::string_view range_end;

  bool single() const { return range_end.empty(); }
  bool unbounded() const { return range_end == std::string_view("\0", 1); }
  /// Every key there can be: keys are never empty, so the least one is a single zero byte.
  bool everything() const { return unbounded() && (key.empty() || key == range_end); }
  KeyRange range() const {
    return {key, unbounded() ? std::string_view() : range_end, unbounded()};
  }
};

/// Get or Scan, whichever the selector asks for. An inverted range selects nothing.
Status ReadSelected(const Reader& reader, const KeySelector& selector, int64_t at, bool keys_only,
                    VersionVisitor visit);

/// A pinned view. Reads at revisions that the caller has checked against the view.
class ViewReader final : public Reader {
 public:
  ViewReader(Engine* engine, const View& view) : engine_(engine), view_(view) {}
  int64_t revision() const override { return view_.revision; }
  int64_t compact_revision() const override { return view_.compact_revision; }
  int64_t key_count() const override { return view_.key_count; }
  Status Get(std::string_view key, int64_t at, VersionVisitor visit) const override;
  Status Scan(const KeyRange& range, int64_t at, bool keys_only,
              VersionVisitor visit) const override;

 private:
  Engine* engine_;
  const View& view_;
};

/// A pinned view, read as far as that needs no disk: whatever else it comes to fails, and the
/// reader is `away` from then on. Ranges are read as far as they are short.
class ResidentReader final : public Reader {
 public:
  ResidentReader(Engine* engine, const View& view) : engine_(engine), view_(view) {}
  int64_t revision() const override { return view_.revision; }
  int64_t compact_revision() const override { return view_.compact_revision; }
  int64_t key_count() const override { return view_.key_count; }
  Status Get(std::string_view key, int64_t at, VersionVisitor visit) const override;
  Status Scan(const KeyRange& range, int64_t at, bool keys_only,
              VersionVisitor visit) const override;
  bool away() const { return away_; }

 private:
  Status Leave() const {
    away_ = true;
    return Code::kInternal;
  }

  Engine* engine_;
  const View& view_;
  mutable bool away_ = false;
};

}  // namespace metastore::mvcc

#endif  // METASTORE_MVCC_READ_READER_H_
