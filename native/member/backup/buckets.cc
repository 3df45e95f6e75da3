// Conversions of buckets.h.
#include "member/backup/buckets.h"

#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "apply/applier.h"
#include "base/bytes.h"
#include "bbolt/format.h"
#include "codec/wire.h"
#include "member/transfer/parts.h"
#include "mvcc/state/rows.h"

namespace metastore::member::backup {
namespace {

constexpr std::string_view kNames[] = {"alarm",   "auth",  "authRoles", "authUsers",
                                       "cluster", "lease", "members",   "members_removed",
                                       "meta"};

Status BadRow(std::string_view name) {
  return Status(Code::kDamaged, "meta row " + std::string(name));
}

std::string Big64(uint64_t number) {
  std::string out;
  AppendBig64(&out, number);
  return out;
}

std::string RevisionName(int64_t main) {
  std::string out = Big64(static_cast<uint64_t>(main));
  out.push_back('_');
  AppendBig64(&out, 0);
  return out;
}

bool ParseNumber(std::string_view text, uint64_t* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

/// The rows of the store itself.
class OwnRows {
 public:
  explicit OwnRows(Buckets* out) : out_(out) {}

  Status Take(std::string_view name, std::string_view value) {
    if (name == mvcc::kNumbersRow) return Numbers(value);
    if (name.starts_with(mvcc::kLeasePrefix)) return Lease(name, value);
    if (name.starts_with(mvcc::kAlarmPrefix)) return Alarm(name);
    return Status::Ok();
  }

 private:
  Status Numbers(std::string_view value) {
    mvcc::Numbers numbers;
    METASTORE_RETURN_IF_ERROR(mvcc::DecodeNumbers(value, &numbers));
    Bucket& meta = (*out_)["meta"];
    meta["consistent_index"] = Big64(numbers.applied_index);
    meta["term"] = Big64(numbers.applied_term);
    if (numbers.compact_revision >= 0) {
      // What a compaction has still to remove is not in a backup, so it is finished there.
      meta["scheduledCompactRev"] = RevisionName(numbers.compact_revision);
      meta["finishedCompactRev"] = RevisionName(numbers.compact_revision);
    }
    return Status::Ok();
  }

  Status Lease(std::string_view name, std::string_view value) {
    LeaseRow lease;
    METASTORE_RETURN_IF_ERROR(mvcc::DecodeLease(name, value, &lease));
    std::string message;
    codec::AppendInt64Field(1, lease.id, &message);
    codec::AppendInt64Field(2, lease.ttl_seconds, &message);
    codec::AppendInt64Field(3, lease.remaining_ttl_seconds, &message);
    (*out_)["lease"][Big64(static_cast<uint64_t>(lease.id))] = std::move(message);
    return Status::Ok();
  }

  Status Alarm(std::string_view name) {
    codec::AlarmMember alarm;
    METASTORE_RETURN_IF_ERROR(mvcc::DecodeAlarm(name, &alarm));
    std::string message;
    codec::AppendVarintField(1, alarm.member_id, &message);
    codec::AppendVarintField(2, static_cast<uint32_t>(alarm.alarm), &message);
    if (!message.empty()) (*out_)["alarm"][std::move(message)] = {};
    return Status::Ok();
  }

  Buckets* const out_;
};

/// The rows that TypeScript has stored, by their name without its prefix.
Status TakeServerRow(std::string_view name, std::string_view value, Buckets* out) {
  constexpr std::pair<std::string_view, std::string_view> kFolders[] = {
      {"members/", "members"},
      {"members_removed/", "members_removed"},
      {"authUsers/", "authUsers"},
      {"authRoles/", "authRoles"}};
  for (const auto& [prefix, bucket] : kFolders) {
    if (!name.starts_with(prefix)) continue;
    const std::string_view key = name.substr(prefix.size());
    if (key.empty() || key.size() > bbolt::kMaxKeyBytes) return BadRow(name.substr(0, 80));
    out->find(bucket)->second.insert_or_assign(std::string(key), std::string(value));
    return Status::Ok();
  }
  if (name == "cluster_version") (*out)["cluster"]["clusterVersion"] = value;
  if (name == "downgrade") (*out)["cluster"]["downgrade"] = value;
  if (name == "storage_version") (*out)["meta"]["storageVersion"] = value;
  if (name == transfer::kConfStateRow) {
    return ConvertConfState(value, &(*out)["meta"]["confState"]);
  }
  if (name == "auth/enabled") {
    if (value != "0" && value != "1") return BadRow(name);
    (*out)["auth"]["authEnabled"] = std::string(1, value == "1" ? '\1' : '\0');
  }
  if (name == "auth/revision") {
    uint64_t revision = 0;
    if (!ParseNumber(value, &revision)) return BadRow(name);
    (*out)["auth"]["authRevision"] = Big64(revision);
  }
  return Status::Ok();
}

/// A list of quoted decimal numbers behind `"name":[`; false unless it is there in that form.
bool ReadIds(std::string_view row, std::string_view name, std::vector<uint64_t>* ids) {
  const std::string head = "\"" + std::string(name) + "\":[";
  const size_t at = row.find(head);
  if (at == std::string_view::npos) return false;
  std::string_view rest = row.substr(at + head.size());
  const size_t end = rest.find(']');
  if (end == std::string_view::npos) return false;
  rest = rest.substr(0, end);
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view item = rest.substr(0, comma);
    uint64_t id = 0;
    if (item.size() < 3 || item.front() != '"' || item.back() != '"') return false;
    if (!ParseNumber(item.substr(1, item.size() - 2), &id)) return false;
    ids->push_back(id);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return true;
}

bool ReadText(ByteReader* reader, std::string_view* text) {
  uint32_t length = 0;
  return reader->ReadLittle32(&length) && reader->ReadBytes(length, text);
}

}  // namespace

Status ConvertConfState(std::string_view row, std::string* json) {
  constexpr std::pair<std::string_view, std::string_view> kFields[] = {
      {"voters", "voters"},
      {"learners", "learners"},
      {"votersOutgoing", "voters_outgoing"},
      {"learnersNext", "learners_next"}};
  std::string out = "{";
  for (const auto& [ours, theirs] : kFields) {
    std::vector<uint64_t> ids;
    if (!ReadIds(row, ours, &ids)) return BadRow(transfer::kConfStateRow);
    if (ids.empty()) continue;
    out.append("\"").append(theirs).append("\":[");
    for (const uint64_t id : ids) out.append(std::to_string(id)).push_back(',');
    out.back() = ']';
    out.push_back(',');
  }
  const bool leaves = row.find("\"autoLeave\":true") != std::string_view::npos;
  if (!leaves && row.find("\"autoLeave\":false") == std::string_view::npos) {
    return BadRow(transfer::kConfStateRow);
  }
  out.append("\"auto_leave\":").append(leaves ? "true}" : "false}");
  *json = std::move(out);
  return Status::Ok();
}

Status DecodeRows(std::string_view bytes, Buckets* out) {
  ByteReader reader(bytes);
  while (!reader.AtEnd()) {
    std::string_view bucket, key, value;
    const bool whole =
        ReadText(&reader, &bucket) && ReadText(&reader, &key) && ReadText(&reader, &value);
    const bool known = std::find(std::begin(kNames), std::end(kNames), bucket) != std::end(kNames);
    if (!whole || !known || key.empty() || key.size() > bbolt::kMaxKeyBytes) {
      return Status(Code::kDamaged, "rows for a backup");
    }
    (*out)[std::string(bucket)][std::string(key)] = value;
  }
  return Status::Ok();
}

Status CollectBuckets(Engine* engine, const EngineSnapshot& snapshot, const Buckets& extra,
                      Buckets* out) {
  for (const std::string_view name : kNames) (*out)[std::string(name)];
  // A store that has never known users is at this revision of its permissions.
  (*out)["auth"]["authRevision"] = Big64(1);
  for (const auto& [name, rows] : extra) {
    for (const auto& [key, value] : rows) (*out)[name][key] = value;
  }
  Status status;
  OwnRows own(out);
  const auto take_own = [&](std::string_view name, std::string_view value) {
    status = own.Take(name, value);
    return status.ok();
  };
  METASTORE_RETURN_IF_ERROR(engine->ScanMeta(snapshot, mvcc::kOwnPrefix, take_own));
  METASTORE_RETURN_IF_ERROR(std::move(status));
  const auto take_server = [&](std::string_view name, std::string_view value) {
    status = TakeServerRow(name.substr(apply::kMetaPrefix.size()), value, out);
    return status.ok();
  };
  METASTORE_RETURN_IF_ERROR(engine->ScanMeta(snapshot, apply::kMetaPrefix, take_server));
  return status;
}

}  // namespace metastore::member::backup
