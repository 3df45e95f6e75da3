// The rocksdb engine's rows: what stands behind each row key, and how it is read back.
//
// Written by commit.cc, read by read.cc; docs/formats/rocksdb.md is the description. Little-endian
// numbers in values, order-keeping encodings (codec/key_encoding.h) in keys. Everything read is
// checked: a row that does not fit is kDamaged.
#ifndef METASTORE_ENGINE_ROCKS_ROWS_H_
#define METASTORE_ENGINE_ROCKS_ROWS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "engine/version.h"

namespace metastore::rocks {

/// Column families, in the order in which the database is opened with them. The default one holds
/// the engine's own rows, so that meta rows can have any name.
enum Family : size_t { kOwn, kRev, kKey, kHist, kMeta, kAttach, kFamilies };
inline constexpr const char* kFamilyNames[kFamilies] = {"default", "rev",  "key",
                                                        "hist",    "meta", "attach"};

/// Own rows.
inline constexpr std::string_view kFormatRow = "format";
inline constexpr std::string_view kAppliedRow = "applied";
/// 8 bytes: up to this store revision, `hist` names every superseded version (below); 0 without it.
inline constexpr std::string_view kDenseRow = "dense";
/// The value of kFormatRow. Databases of the former format are taken over; any other is refused.
inline constexpr std::string_view kFormat = "metastore rocksdb engine 2";
inline constexpr std::string_view kFormerFormat = "metastore rocksdb engine 1";

/// rev: flags(1) prevMain(8) prevSub(8) prevSize(4), then the binary record.
void EncodeRevRow(const VersionView& view, std::string* out);
/// `rev` comes from the row's key. The views in *out point into `bytes`.
Status DecodeRevRow(Revision rev, std::string_view bytes, VersionView* out);

/// key: sub(8) prevMain(8) prevSub(8) prevSize(4) createRevision(8) modRevision(8) version(8)
/// lease(8), then the value. Only live versions have one.
inline constexpr size_t kKeyRowHeaderBytes = 60;
void EncodeKeyRowHeader(const VersionView& view, char* to);
/// The views in *out point into `key` and `bytes`.
Status DecodeKeyRow(std::string_view key, std::string_view bytes, VersionView* out);

/// hist: flags(1). It has a row for every tombstone, and for those superseded versions for which
/// this holds of the version of the put that replaced them. The others are found from the next
/// newer one that has a row, or from `key`, as each version names its predecessor. In the former
/// format every superseded version had one.
inline constexpr uint64_t kHistoryStride = 16;
inline bool IsNamedInHistory(int64_t replaced_by_version) {
  return static_cast<uint64_t>(replaced_by_version) % kHistoryStride == 1;
}
inline constexpr std::string_view kHistLive = std::string_view("\0", 1);
inline constexpr std::string_view kHistTombstone = std::string_view("\1", 1);
Status DecodeHistRow(std::string_view bytes, bool* tombstone);

/// The first byte string above all that begin with `prefix`; empty when there is none.
std::string PrefixEnd(std::string_view prefix);

}  // namespace metastore::rocks

#endif  // METASTORE_ENGINE_ROCKS_ROWS_H_
