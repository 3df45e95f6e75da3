// Parsing and lookups of table.h.
#include "auth/table.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"

namespace metastore::auth {
namespace {

constexpr uint8_t kVersion = 1;
/// The least that a user, or an interval, takes: a count beyond what the bytes can hold must not
/// reserve memory for it.
constexpr size_t kLeastUserBytes = 4 + 1 + 1 + 4 + 4;
constexpr size_t kLeastIntervalBytes = 4 + 4;

bool ReadFlag(ByteReader* reader, bool* out) {
  uint8_t value = 0;
  if (!reader->ReadByte(&value) || value > 1) return false;
  *out = value == 1;
  return true;
}

bool ReadText(ByteReader* reader, std::string_view* out) {
  uint32_t size = 0;
  return reader->ReadLittle32(&size) && reader->ReadBytes(size, out);
}

/// Whether `next` begins behind a gap after `before`.
bool Follows(const Interval& before, const Interval& next) {
  return !before.end.empty() && before.end < next.key;
}

bool ReadIntervals(ByteReader* reader, Intervals* out) {
  uint32_t count = 0;
  if (!reader->ReadLittle32(&count)) return false;
  if (count > reader->rest().size() / kLeastIntervalBytes) return false;
  out->reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    Interval interval;
    if (!ReadText(reader, &interval.key) || !ReadText(reader, &interval.end)) return false;
    if (!interval.end.empty() && interval.end <= interval.key) return false;
    if (!out->empty() && !Follows(out->back(), interval)) return false;
    out->push_back(interval);
  }
  return true;
}

bool ReadUser(ByteReader* reader, User* out) {
  return ReadText(reader, &out->name) && !out->name.empty() && ReadFlag(reader, &out->is_root) &&
         ReadIntervals(reader, &out->read) && ReadIntervals(reader, &out->write);
}

bool ByName(const User& a, const User& b) { return a.name < b.name; }

Status Malformed(const std::string& what) {
  return Status(Code::kUnmarshal, "table of permissions: " + what);
}

}  // namespace

bool Covers(const Intervals& granted, std::string_view key, std::string_view range_end) {
  const auto behind =
      std::upper_bound(granted.begin(), granted.end(), key,
                       [](std::string_view k, const Interval& each) { return k < each.key; });
  if (behind == granted.begin()) return false;
  const std::string_view end = std::prev(behind)->end;
  if (end.empty()) return true;
  if (range_end == std::string_view("\0", 1)) return false;
  return key < end && range_end <= end;
}

Result<std::shared_ptr<const Table>> Table::Parse(std::string_view bytes) {
  std::shared_ptr<Table> table(new Table());
  table->bytes_ = bytes;
  ByteReader reader(table->bytes_);
  uint8_t version = 0;
  uint32_t count = 0;
  if (!reader.ReadByte(&version) || version != kVersion) return Malformed("unknown version");
  if (!ReadFlag(&reader, &table->enabled_) || !reader.ReadLittle64(&table->revision_) ||
      !reader.ReadLittle32(&count) || count > reader.rest().size() / kLeastUserBytes) {
    return Malformed("its head");
  }
  std::vector<User>& users = table->users_;
  users.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    if (!ReadUser(&reader, &users.emplace_back())) {
      return Malformed("user number " + std::to_string(i));
    }
  }
  if (!reader.AtEnd()) return Malformed("bytes behind its end");
  std::sort(users.begin(), users.end(), ByName);
  const auto same = [](const User& a, const User& b) { return a.name == b.name; };
  if (std::adjacent_find(users.begin(), users.end(), same) != users.end()) {
    return Malformed("one name of two users");
  }
  return std::shared_ptr<const Table>(std::move(table));
}

std::shared_ptr<const Table> Table::Unknown() {
  std::shared_ptr<Table> table(new Table());
  table->known_ = false;
  table->enabled_ = true;
  return table;
}

const User* Table::Find(std::string_view name) const {
  const auto at = std::lower_bound(
      users_.begin(), users_.end(), name,
      [](const User& user, std::string_view wanted) { return user.name < wanted; });
  return at != users_.end() && at->name == name ? &*at : nullptr;
}

}  // namespace metastore::auth
