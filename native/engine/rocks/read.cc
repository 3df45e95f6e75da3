// The readers' side of the rocksdb engine: point reads, ranges, history, revisions, small rows.
//
// A read at the snapshot's own revision needs `key` only. An older one takes from `key` what was
// written early enough. Else it begins at the oldest version that is too new and has a row in
// `hist`, or at the one in `key`, and goes from version to predecessor: at most some 16 steps.
#include <algorithm>
#include <limits>

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "codec/key_encoding.h"
#include "engine/rocks/rocks_engine.h"

namespace metastore::rocks {
namespace {

constexpr int64_t kMaxSub = std::numeric_limits<int64_t>::max();

const RocksSnapshot& Of(const EngineSnapshot& snapshot) {
  return static_cast<const RocksSnapshot&>(snapshot);
}

rocksdb::ReadOptions At(const EngineSnapshot& snapshot) {
  rocksdb::ReadOptions options;
  options.snapshot = Of(snapshot).snapshot;
  return options;
}

/// Rows of one family in [from, to); an empty `to` is no bound. Owns what the iterator refers to.
class Rows {
 public:
  Rows(const RocksSnapshot& snapshot, Family family, rocksdb::ReadOptions options, std::string from,
       std::string to)
      : to_(std::move(to)), bound_(to_) {
    if (!to_.empty()) options.iterate_upper_bound = &bound_;
    iterator_.reset(snapshot.database->db->NewIterator(options, snapshot.database->family(family)));
    iterator_->Seek(from);
  }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  bool Valid() const { return iterator_->Valid(); }
  void Next() { iterator_->Next(); }
  void Seek(const std::string& key) { iterator_->Seek(key); }
  void SeekForPrev(const std::string& key) { iterator_->SeekForPrev(key); }
  std::string_view key() const { return ViewOf(iterator_->key()); }
  std::string_view value() const { return ViewOf(iterator_->value()); }
  Status status() const { return FromRocks(iterator_->status(), "scan"); }

 private:
  std::string to_;
  rocksdb::Slice bound_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

std::string Escaped(std::string_view key) {
  std::string escaped;
  codec::AppendEscapedKey(key, &escaped);
  return escaped;
}

/// The row of `hist` that all rows of the key with main > at come before or are.
std::string RowAbove(std::string_view key, int64_t at) {
  std::string row;
  codec::AppendHistoryKey(key, at + 1, 0, &row);
  return row;
}

/// Walks `hist` from key to key, showing of each that has any the oldest row with main > at: from
/// that version its predecessors lead to the newest with main <= at.
class HistoryWalk {
 public:
  /// `at` is below the newest revision.
  HistoryWalk(const RocksSnapshot& snapshot, const KeyRange& range, int64_t at)
      : rows_(snapshot, kHist, At(snapshot), Escaped(range.start),
              range.unbounded ? std::string() : Escaped(range.end)),
        at_(at) {}

  /// Must be called before the first look, and after NextKey.
  Status Settle() {
    valid_ = false;
    while (rows_.Valid() && !valid_) {
      METASTORE_RETURN_IF_ERROR(codec::DecodeHistoryKey(rows_.key(), &key_, &rev_.main, &rev_.sub));
      row_ = Escaped(key_);
      if (rev_.main <= at_) {
        METASTORE_RETURN_IF_ERROR(LeaveKey());
      } else {
        METASTORE_RETURN_IF_ERROR(FindOldestAbove());
      }
    }
    return rows_.status();
  }

  /// Leaves the key that is shown.
  Status NextKey() {
    METASTORE_RETURN_IF_ERROR(LeaveKey());
    return Settle();
  }

  bool valid() const { return valid_; }
  const std::string& key() const { return key_; }
  Revision rev() const { return rev_; }

 private:
  static constexpr int kStepsBeforeSeek = 4;

  /// From a row with main > at to the last such row of its key. A key with few of them is stepped
  /// over, one with many is searched.
  Status FindOldestAbove() {
    valid_ = true;
    for (int steps = 0; steps < kStepsBeforeSeek; ++steps) {
      rows_.Next();
      if (!rows_.Valid() || !rows_.key().starts_with(row_)) return rows_.status();
      Revision rev;
      METASTORE_RETURN_IF_ERROR(codec::DecodeHistoryRevision(rows_.key(), &rev.main, &rev.sub));
      if (rev.main <= at_) return Status::Ok();
      rev_ = rev;
    }
    rows_.SeekForPrev(RowAbove(key_, at_));
    METASTORE_RETURN_IF_ERROR(rows_.status());
    if (!rows_.Valid()) return Status(Code::kDamaged, "history rows out of order");
    return codec::DecodeHistoryRevision(rows_.key(), &rev_.main, &rev_.sub);
  }

  /// To the first row of the next key.
  Status LeaveKey() {
    for (int steps = 0; steps < kStepsBeforeSeek; ++steps) {
      if (!rows_.Valid() || !rows_.key().starts_with(row_)) return rows_.status();
      rows_.Next();
    }
    // The terminator's last byte can be raised: nothing else sorts between.
    row_.back() = static_cast<char>(row_.back() + 1);
    rows_.Seek(row_);
    return rows_.status();
  }

  Rows rows_;
  const int64_t at_;
  bool valid_ = false;
  std::string key_;
  std::string row_;  // key_ escaped: what its rows begin with
  Revision rev_;
};

/// Reads the row of `rev` into *pinned; false when there is none.
Result<bool> ReadRev(const RocksSnapshot& snapshot, Revision rev, rocksdb::PinnableSlice* pinned,
                     VersionView* view) {
  char row[codec::kRevisionKeyBytes];
  codec::PutRevisionKey(row, rev.main, rev.sub);
  pinned->Reset();
  const rocksdb::Status got = snapshot.database->db->Get(
      At(snapshot), snapshot.database->family(kRev), rocksdb::Slice(row, sizeof row), pinned);
  if (got.IsNotFound()) return false;
  if (!got.ok()) return FromRocks(got, "get");
  Status decoded = DecodeRevRow(rev, ViewOf(*pinned), view);
  if (!decoded.ok()) return decoded;
  return true;
}

/// From version `rev` along the predecessors to the first with main <= at, which is visited unless
/// it is a tombstone; main 0 is no version. Every one on the way must be there.
Status VisitFrom(const RocksSnapshot& snapshot, Revision rev, int64_t at, VersionVisitor visit,
                 bool* more) {
  rocksdb::PinnableSlice pinned;
  while (rev.main != 0) {
    VersionView view;
    Result<bool> found = ReadRev(snapshot, rev, &pinned, &view);
    if (!found.ok()) return found.TakeStatus();
    if (!*found) {
      return Status(Code::kDamaged, "revision " + std::to_string(rev.main) + "." +
                                        std::to_string(rev.sub) + " is missing");
    }
    if (rev.main <= at) {
      if (!view.tombstone) *more = visit(view);
      return Status::Ok();
    }
    if (view.prev >= rev) return Status(Code::kDamaged, "a version that replaced a later one");
    rev = view.prev;
  }
  return Status::Ok();
}

/// Whether a version replaced one that shows at `at`, so that nothing need be searched.
bool ReplacedOneAt(const VersionView& view, int64_t at) {
  return view.prev.main > 0 && view.prev.main <= at;
}

}  // namespace

RocksSnapshot::RocksSnapshot(DatabaseRef of)
    : database(std::move(of)), snapshot(database->db->GetSnapshot()) {}

RocksSnapshot::~RocksSnapshot() { database->db->ReleaseSnapshot(snapshot); }

Status RocksEngine::Get(const EngineSnapshot& snapshot, std::string_view key, int64_t at,
                        VersionVisitor visit) {
  METASTORE_CHECK(at <= snapshot.revision, "reads stay within what is pinned");
  const uint64_t hash = HashBytes(key);
  if (const VersionRef hot = hot_.Find(key, hash, at)) {
    visit(hot->view());
    return Status::Ok();
  }
  rocksdb::PinnableSlice pinned;
  const rocksdb::Status got =
      db_->Get(At(snapshot), database_->family(kKey), SliceOf(key), &pinned);
  VersionView view;
  if (got.ok()) {
    METASTORE_RETURN_IF_ERROR(DecodeKeyRow(key, ViewOf(pinned), &view));
    if (view.rev.main <= at) {
      hot_.Offer(view, hash, snapshot.revision);
      visit(view);
      return Status::Ok();
    }
  } else if (!got.IsNotFound()) {
    return FromRocks(got, "get");
  }
  if (at >= snapshot.revision) return Status::Ok();
  return GetHistoric(Of(snapshot), key, at, got.ok() ? &view : nullptr, visit);
}

bool RocksEngine::GetResident(const EngineSnapshot& snapshot, std::string_view key, int64_t at,
                              VersionVisitor visit) {
  METASTORE_CHECK(at <= snapshot.revision, "reads stay within what is pinned");
  const VersionRef hot = hot_.Find(key, HashBytes(key), at);
  if (hot) visit(hot->view());
  return static_cast<bool>(hot);
}

Status RocksEngine::GetHistoric(const RocksSnapshot& snapshot, std::string_view key, int64_t at,
                                const VersionView* newest, VersionVisitor visit) {
  if (at < 0) return Status::Ok();
  bool more = true;
  Revision from = newest != nullptr ? newest->prev : Revision();
  if (newest != nullptr && ReplacedOneAt(*newest, at)) {
    return VisitFrom(snapshot, from, at, visit, &more);
  }
  const std::string first = Escaped(key);
  const rocksdb::Slice bound(first);
  rocksdb::ReadOptions options = At(snapshot);
  options.iterate_lower_bound = &bound;
  const std::unique_ptr<rocksdb::Iterator> rows(
      db_->NewIterator(options, database_->family(kHist)));
  rows->SeekForPrev(RowAbove(key, at));
  METASTORE_RETURN_IF_ERROR(FromRocks(rows->status(), "get"));
  if (rows->Valid() && rows->key().starts_with(first)) {
    const std::string_view row = ViewOf(rows->key());
    METASTORE_RETURN_IF_ERROR(codec::DecodeHistoryRevision(row, &from.main, &from.sub));
  }
  return VisitFrom(snapshot, from, at, visit, &more);
}

Status RocksEngine::GetRevision(const EngineSnapshot& snapshot, Revision rev,
                                VersionVisitor visit) {
  if (rev.main < 0 || rev.sub < 0) return Status::Ok();
  rocksdb::PinnableSlice pinned;
  VersionView view;
  Result<bool> found = ReadRev(Of(snapshot), rev, &pinned, &view);
  if (!found.ok()) return found.TakeStatus();
  if (*found) visit(view);
  return Status::Ok();
}

Status RocksEngine::Scan(const EngineSnapshot& snapshot, const KeyRange& range, int64_t at,
                         bool /*keys_only*/, VersionVisitor visit) {
  METASTORE_CHECK(at <= snapshot.revision, "reads stay within what is pinned");
  if (!range.unbounded && range.end <= range.start) return Status::Ok();
  if (at < snapshot.revision) return ScanHistoric(Of(snapshot), range, at, visit);
  Rows rows(Of(snapshot), kKey, At(snapshot), std::string(range.start),
            range.unbounded ? std::string() : std::string(range.end));
  for (; rows.Valid(); rows.Next()) {
    VersionView view;
    METASTORE_RETURN_IF_ERROR(DecodeKeyRow(rows.key(), rows.value(), &view));
    if (!visit(view)) return Status::Ok();
  }
  return rows.status();
}

bool RocksEngine::ScanResident(const EngineSnapshot& snapshot, const KeyRange& range, int64_t at,
                               size_t most, VersionVisitor visit) {
  METASTORE_CHECK(at <= snapshot.revision, "reads stay within what is pinned");
  if (at < snapshot.revision) return false;
  if (!range.unbounded && range.end <= range.start) return true;
  rocksdb::ReadOptions options = At(snapshot);
  // Reaching what is not in memory, or many removed rows, ends the walk with a status.
  options.read_tier = rocksdb::kBlockCacheTier;
  options.max_skippable_internal_keys = most;
  Rows rows(Of(snapshot), kKey, options, std::string(range.start),
            range.unbounded ? std::string() : std::string(range.end));
  for (size_t seen = 0; rows.Valid(); rows.Next(), ++seen) {
    VersionView view;
    if (seen == most || !DecodeKeyRow(rows.key(), rows.value(), &view).ok()) return false;
    if (!visit(view)) return true;
  }
  return rows.status().ok();
}

Status RocksEngine::ScanHistoric(const RocksSnapshot& snapshot, const KeyRange& range, int64_t at,
                                 VersionVisitor visit) {
  if (at < 0) return Status::Ok();
  Rows keys(snapshot, kKey, At(snapshot), std::string(range.start),
            range.unbounded ? std::string() : std::string(range.end));
  HistoryWalk history(snapshot, range, at);
  METASTORE_RETURN_IF_ERROR(history.Settle());
  bool more = true;
  while (more && (keys.Valid() || history.valid())) {
    const bool only_history = history.valid() && (!keys.Valid() || history.key() < keys.key());
    const bool both = !only_history && history.valid() && history.key() == keys.key();
    Revision from = only_history || both ? history.rev() : Revision();
    if (!only_history) {
      VersionView view;
      METASTORE_RETURN_IF_ERROR(DecodeKeyRow(keys.key(), keys.value(), &view));
      if (view.rev.main <= at) {
        more = visit(view);
        from = Revision();
      } else if (!both || ReplacedOneAt(view, at)) {
        from = view.prev;
      }
      keys.Next();
    }
    if (more) METASTORE_RETURN_IF_ERROR(VisitFrom(snapshot, from, at, visit, &more));
    if (more && (only_history || both)) METASTORE_RETURN_IF_ERROR(history.NextKey());
  }
  return keys.status();
}

Status RocksEngine::ScanRevisions(const EngineSnapshot& snapshot, Revision from, int64_t to_main,
                                  VersionVisitor visit) {
  if (to_main < 0 || from.main > to_main) return Status::Ok();
  std::string start(codec::kRevisionKeyBytes, '\0');
  codec::PutRevisionKey(start.data(), std::max<int64_t>(from.main, 0),
                        std::max<int64_t>(from.sub, 0));
  std::string end;
  if (to_main < std::numeric_limits<int64_t>::max()) {
    end.resize(codec::kRevisionKeyBytes);
    codec::PutRevisionKey(end.data(), to_main + 1, 0);
  }
  rocksdb::ReadOptions options = At(snapshot);
  options.fill_cache = false;  // read once, in bulk: it must not push out what point reads need
  Rows rows(Of(snapshot), kRev, options, std::move(start), std::move(end));
  for (; rows.Valid(); rows.Next()) {
    Revision rev;
    VersionView view;
    METASTORE_RETURN_IF_ERROR(codec::DecodeRevisionKey(rows.key(), &rev.main, &rev.sub));
    METASTORE_RETURN_IF_ERROR(DecodeRevRow(rev, rows.value(), &view));
    if (!visit(view)) return Status::Ok();
  }
  return rows.status();
}

Status RocksEngine::GetMeta(const EngineSnapshot& snapshot, std::string_view key,
                            std::optional<std::string>* value) {
  value->reset();
  rocksdb::PinnableSlice pinned;
  const rocksdb::Status got =
      db_->Get(At(snapshot), database_->family(kMeta), SliceOf(key), &pinned);
  if (got.ok()) value->emplace(ViewOf(pinned));
  return got.IsNotFound() ? Status::Ok() : FromRocks(got, "get");
}

Status RocksEngine::ScanMeta(const EngineSnapshot& snapshot, std::string_view prefix,
                             RowVisitor visit) {
  Rows rows(Of(snapshot), kMeta, At(snapshot), std::string(prefix), PrefixEnd(prefix));
  for (; rows.Valid(); rows.Next()) {
    if (!visit(rows.key(), rows.value())) return Status::Ok();
  }
  return rows.status();
}

Status RocksEngine::ScanAttached(const EngineSnapshot& snapshot, int64_t lease, KeyVisitor visit) {
  std::string prefix;
  codec::AppendAttachmentKey(lease, std::string_view(), &prefix);
  Rows rows(Of(snapshot), kAttach, At(snapshot), prefix, PrefixEnd(prefix));
  for (; rows.Valid(); rows.Next()) {
    if (!visit(rows.key().substr(codec::kAttachmentPrefixBytes))) return Status::Ok();
  }
  return rows.status();
}

}  // namespace metastore::rocks
