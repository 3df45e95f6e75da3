// The readers' side of the rocksdb engine: point reads, ranges, history, revisions, small rows.
//
// A read at the snapshot's own revision needs `key` only. An older one takes from `key` what was
// written early enough, and finds the rest in `hist`, whose rows of one key begin with the newest.
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
  std::string_view key() const { return ViewOf(iterator_->key()); }
  std::string_view value() const { return ViewOf(iterator_->value()); }
  Status status() const { return FromRocks(iterator_->status(), "scan"); }

 private:
  std::string to_;
  rocksdb::Slice bound_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
};

/// Walks `hist` from key to key, showing of each the newest version with main <= at.
class HistoryWalk {
 public:
  HistoryWalk(const RocksSnapshot& snapshot, const KeyRange& range, int64_t at)
      : rows_(snapshot, kHist, At(snapshot), Escaped(range.start),
              range.unbounded ? std::string() : Escaped(range.end)),
        at_(at) {}

  /// Must be called before the first look, and after NextKey.
  Status Settle() {
    valid_ = false;
    std::string previous;
    for (int steps = 0; rows_.Valid();) {
      METASTORE_RETURN_IF_ERROR(codec::DecodeHistoryKey(rows_.key(), &key_, &rev_.main, &rev_.sub));
      if (rev_.main <= at_) {
        valid_ = true;
        return DecodeHistRow(rows_.value(), &tombstone_);
      }
      // A key with few newer versions is stepped over, one with many is searched.
      steps = key_ == previous ? steps + 1 : 0;
      if (steps < kStepsBeforeSeek) {
        rows_.Next();
        previous = key_;
      } else {
        row_.clear();
        codec::AppendHistoryKey(key_, at_, kMaxSub, &row_);
        rows_.Seek(row_);
        steps = 0;
      }
    }
    return rows_.status();
  }

  /// Leaves the key that is shown.
  Status NextKey() {
    row_ = Escaped(key_);
    for (int steps = 0; steps < kStepsBeforeSeek; ++steps) {
      rows_.Next();
      if (!rows_.Valid() || !rows_.key().starts_with(row_)) return Settle();
    }
    // The terminator's last byte can be raised: nothing else sorts between.
    row_.back() = static_cast<char>(row_.back() + 1);
    rows_.Seek(row_);
    return Settle();
  }

  bool valid() const { return valid_; }
  const std::string& key() const { return key_; }
  Revision rev() const { return rev_; }
  bool tombstone() const { return tombstone_; }

 private:
  static constexpr int kStepsBeforeSeek = 4;

  static std::string Escaped(std::string_view key) {
    std::string escaped;
    codec::AppendEscapedKey(key, &escaped);
    return escaped;
  }

  Rows rows_;
  const int64_t at_;
  bool valid_ = false;
  std::string key_;
  Revision rev_;
  bool tombstone_ = false;
  std::string row_;
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

/// The row that `hist` names must be there.
Status VisitRev(const RocksSnapshot& snapshot, Revision rev, VersionVisitor visit, bool* more) {
  rocksdb::PinnableSlice pinned;
  VersionView view;
  Result<bool> found = ReadRev(snapshot, rev, &pinned, &view);
  if (!found.ok()) return found.TakeStatus();
  if (!*found) {
    return Status(Code::kDamaged, "revision " + std::to_string(rev.main) + "." +
                                      std::to_string(rev.sub) + " is missing");
  }
  *more = visit(view);
  return Status::Ok();
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
  if (got.ok()) {
    VersionView view;
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
  return GetHistoric(Of(snapshot), key, at, visit);
}

bool RocksEngine::GetResident(const EngineSnapshot& snapshot, std::string_view key, int64_t at,
                              VersionVisitor visit) {
  METASTORE_CHECK(at <= snapshot.revision, "reads stay within what is pinned");
  const VersionRef hot = hot_.Find(key, HashBytes(key), at);
  if (hot) visit(hot->view());
  return static_cast<bool>(hot);
}

Status RocksEngine::GetHistoric(const RocksSnapshot& snapshot, std::string_view key, int64_t at,
                                VersionVisitor visit) {
  std::string from, to;
  codec::AppendHistoryKey(key, std::max<int64_t>(at, 0), kMaxSub, &from);
  codec::AppendEscapedKey(key, &to);
  to.back() = static_cast<char>(to.back() + 1);
  Rows rows(snapshot, kHist, At(snapshot), from, to);
  if (!rows.Valid()) return rows.status();
  Revision rev;
  bool tombstone = false;
  METASTORE_RETURN_IF_ERROR(codec::DecodeHistoryRevision(rows.key(), &rev.main, &rev.sub));
  METASTORE_RETURN_IF_ERROR(DecodeHistRow(rows.value(), &tombstone));
  if (tombstone || at < 0) return Status::Ok();
  bool more = true;
  return VisitRev(snapshot, rev, visit, &more);
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

Status RocksEngine::ScanHistoric(const RocksSnapshot& snapshot, const KeyRange& range, int64_t at,
                                 VersionVisitor visit) {
  Rows keys(snapshot, kKey, At(snapshot), std::string(range.start),
            range.unbounded ? std::string() : std::string(range.end));
  HistoryWalk history(snapshot, range, at);
  METASTORE_RETURN_IF_ERROR(history.Settle());
  bool more = true;
  while (more && (keys.Valid() || history.valid())) {
    const bool only_history = history.valid() && (!keys.Valid() || history.key() < keys.key());
    const bool both = !only_history && history.valid() && history.key() == keys.key();
    bool from_history = only_history;
    if (!only_history) {
      VersionView view;
      METASTORE_RETURN_IF_ERROR(DecodeKeyRow(keys.key(), keys.value(), &view));
      if (view.rev.main <= at) {
        more = visit(view);
      } else {
        from_history = both;
      }
      keys.Next();
    }
    if (from_history && !history.tombstone()) {
      METASTORE_RETURN_IF_ERROR(VisitRev(snapshot, history.rev(), visit, &more));
    }
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
