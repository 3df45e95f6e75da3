// Reading at a pinned view; see reader.h.
#include "mvcc/read/reader.h"

#include <algorithm>

#include "base/check.h"

namespace metastore::mvcc {
namespace {

/// A range that has more than this is long: whoever reads it must not keep others waiting.
constexpr size_t kResidentKeys = 32;
constexpr size_t kResidentBytes = 64 << 10;

}  // namespace

Status ReadSelected(const Reader& reader, const KeySelector& selector, int64_t at, bool keys_only,
                    VersionVisitor visit) {
  if (selector.single()) return reader.Get(selector.key, at, visit);
  if (!selector.unbounded() && selector.range_end <= selector.key) return Status::Ok();
  return reader.Scan(selector.range(), at, keys_only, visit);
}

Status ViewReader::Get(std::string_view key, int64_t at, VersionVisitor visit) const {
  METASTORE_CHECK(at >= view_.compact_revision && at > 0, "the caller checks revisions");
  METASTORE_CHECK(at == kCurrent || at <= view_.revision, "the caller checks revisions");
  return engine_->Get(*view_.snapshot, key, std::min(at, view_.revision), visit);
}

Status ViewReader::Scan(const KeyRange& range, int64_t at, bool keys_only,
                        VersionVisitor visit) const {
  METASTORE_CHECK(at >= view_.compact_revision && at > 0, "the caller checks revisions");
  METASTORE_CHECK(at == kCurrent || at <= view_.revision, "the caller checks revisions");
  return engine_->Scan(*view_.snapshot, range, std::min(at, view_.revision), keys_only, visit);
}

Status ResidentReader::Get(std::string_view key, int64_t at, VersionVisitor visit) const {
  METASTORE_CHECK(at >= view_.compact_revision && at > 0, "the caller checks revisions");
  METASTORE_CHECK(at == kCurrent || at <= view_.revision, "the caller checks revisions");
  const bool found =
      engine_->GetResident(*view_.snapshot, key, std::min(at, view_.revision), visit);
  return found ? Status::Ok() : Leave();
}

Status ResidentReader::Scan(const KeyRange& range, int64_t at, bool /*keys_only*/,
                            VersionVisitor visit) const {
  METASTORE_CHECK(at >= view_.compact_revision && at > 0, "the caller checks revisions");
  METASTORE_CHECK(at == kCurrent || at <= view_.revision, "the caller checks revisions");
  size_t room = kResidentBytes;
  bool fits = true;
  const auto each = [&](const VersionView& version) {
    const size_t bytes = version.key.size() + version.value.size();
    fits = bytes <= room;
    if (!fits) return false;
    room -= bytes;
    return visit(version);
  };
  const bool whole = engine_->ScanResident(*view_.snapshot, range, std::min(at, view_.revision),
                                           kResidentKeys, each);
  return whole && fits ? Status::Ok() : Leave();
}

}  // namespace metastore::mvcc
