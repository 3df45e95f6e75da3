// Meta rows of the store itself: one row of numbers, and one row a lease and an alarm.
//
// All names begin with "mvcc/"; other names belong to the store's callers. The numbers row is
// written with every batch, so revision, sizes and the progress of a compaction are exactly those
// of the rows they describe, whatever a crash leaves. Formats: docs/formats/image.md.
#ifndef METASTORE_MVCC_STATE_ROWS_H_
#define METASTORE_MVCC_STATE_ROWS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "codec/replies.h"
#include "engine/version.h"
#include "mvcc/store.h"

namespace metastore::mvcc {

inline constexpr std::string_view kOwnPrefix = "mvcc/";
inline constexpr std::string_view kNumbersRow = "mvcc/numbers";
inline constexpr std::string_view kLeasePrefix = "mvcc/lease/";
inline constexpr std::string_view kAlarmPrefix = "mvcc/alarm/";

/// Invariants: compact_revision <= revision, finished_compact_revision <= compact_revision, and a
/// pass (target above finished) has removed everything that rows before `cursor` supersede.
struct Numbers {
  int64_t revision = 1;
  int64_t compact_revision = -1;
  int64_t finished_compact_revision = -1;
  int64_t pass_target = -1;
  Revision cursor;
  int64_t key_count = 0;
  /// Accounted bytes of all rows, and the most that dbSize has been since the last defragmentation.
  int64_t stored_bytes = 0;
  int64_t high_water_bytes = 0;
  uint64_t applied_index = 0;
  uint64_t applied_term = 0;
  bool operator==(const Numbers&) const = default;
};

std::string EncodeNumbers(const Numbers& numbers);
/// kDamaged when the bytes are not such a row, kWrongFormat when it is of a later version.
Status DecodeNumbers(std::string_view bytes, Numbers* out);

/// Leases sort by id as a signed number.
std::string LeaseRowName(int64_t id);
std::string EncodeLease(const LeaseRow& lease);
Status DecodeLease(std::string_view name, std::string_view value, LeaseRow* out);

std::string AlarmRowName(const codec::AlarmMember& alarm);
Status DecodeAlarm(std::string_view name, codec::AlarmMember* out);

}  // namespace metastore::mvcc

#endif  // METASTORE_MVCC_STATE_ROWS_H_
