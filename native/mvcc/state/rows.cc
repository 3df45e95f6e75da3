// Encodings of the store's meta rows; see rows.h.
#include "mvcc/state/rows.h"

#include <array>

#include "base/bytes.h"

namespace metastore::mvcc {
namespace {

constexpr uint8_t kNumbersVersion = 1;
constexpr uint64_t kSignBit = uint64_t{1} << 63;

/// The fields in their stored order.
template <typename N, typename Each>
void ForEachNumber(N& numbers, Each each) {
  each(numbers.revision);
  each(numbers.compact_revision);
  each(numbers.finished_compact_revision);
  each(numbers.pass_target);
  each(numbers.cursor.main);
  each(numbers.cursor.sub);
  each(numbers.key_count);
  each(numbers.stored_bytes);
  each(numbers.high_water_bytes);
  each(numbers.applied_index);
  each(numbers.applied_term);
}

Status BadRow(std::string_view name) {
  return Status(Code::kDamaged, "meta row " + std::string(name));
}

bool Plausible(const Numbers& numbers) {
  return numbers.revision >= 1 && numbers.compact_revision >= -1 &&
         numbers.compact_revision <= numbers.revision && numbers.finished_compact_revision >= -1 &&
         numbers.finished_compact_revision <= numbers.compact_revision &&
         numbers.pass_target <= numbers.compact_revision && numbers.cursor.main >= 0 &&
         numbers.cursor.sub >= 0 && numbers.key_count >= 0 && numbers.stored_bytes >= 0 &&
         numbers.high_water_bytes >= 0;
}

}  // namespace

std::string EncodeNumbers(const Numbers& numbers) {
  std::string out(1, static_cast<char>(kNumbersVersion));
  ForEachNumber(
      numbers, [&out](const auto& number) { AppendLittle64(&out, static_cast<uint64_t>(number)); });
  return out;
}

Status DecodeNumbers(std::string_view bytes, Numbers* out) {
  ByteReader reader(bytes);
  uint8_t version = 0;
  if (!reader.ReadByte(&version)) return BadRow(kNumbersRow);
  if (version != kNumbersVersion) {
    return Status(Code::kWrongFormat, "meta row version " + std::to_string(version));
  }
  bool whole = true;
  ForEachNumber(*out, [&](auto& number) {
    uint64_t raw = 0;
    whole = whole && reader.ReadLittle64(&raw);
    number = static_cast<std::remove_reference_t<decltype(number)>>(raw);
  });
  if (!whole || !reader.AtEnd() || !Plausible(*out)) return BadRow(kNumbersRow);
  return Status::Ok();
}

std::string LeaseRowName(int64_t id) {
  std::string name(kLeasePrefix);
  AppendBig64(&name, static_cast<uint64_t>(id) ^ kSignBit);
  return name;
}

std::string EncodeLease(const LeaseRow& lease) {
  std::string out;
  AppendLittle64(&out, static_cast<uint64_t>(lease.ttl_seconds));
  AppendLittle64(&out, static_cast<uint64_t>(lease.remaining_ttl_seconds));
  return out;
}

Status DecodeLease(std::string_view name, std::string_view value, LeaseRow* out) {
  if (!name.starts_with(kLeasePrefix)) return BadRow("of a lease");
  ByteReader id(name.substr(kLeasePrefix.size()));
  ByteReader rest(value);
  uint64_t raw_id = 0, ttl = 0, remaining = 0;
  const bool whole = id.ReadBig64(&raw_id) && id.AtEnd() && rest.ReadLittle64(&ttl) &&
                     rest.ReadLittle64(&remaining) && rest.AtEnd();
  if (!whole) return BadRow("of a lease");
  out->id = static_cast<int64_t>(raw_id ^ kSignBit);
  out->ttl_seconds = static_cast<int64_t>(ttl);
  out->remaining_ttl_seconds = static_cast<int64_t>(remaining);
  return Status::Ok();
}

std::string AlarmRowName(const codec::AlarmMember& alarm) {
  std::string name(kAlarmPrefix);
  AppendBig32(&name, static_cast<uint32_t>(alarm.alarm));
  AppendBig64(&name, alarm.member_id);
  return name;
}

Status DecodeAlarm(std::string_view name, codec::AlarmMember* out) {
  if (!name.starts_with(kAlarmPrefix)) return BadRow("of an alarm");
  ByteReader reader(name.substr(kAlarmPrefix.size()));
  uint32_t alarm = 0;
  if (!reader.ReadBig32(&alarm) || !reader.ReadBig64(&out->member_id) || !reader.AtEnd()) {
    return BadRow("of an alarm");
  }
  out->alarm = static_cast<int32_t>(alarm);
  return Status::Ok();
}

}  // namespace metastore::mvcc
