// Walking of survey.h.
#include "member/backup/restore/survey.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "codec/wire.h"
#include "member/backup/buckets.h"

namespace metastore::member::backup {
namespace {

constexpr size_t kRevisionBytes = 17;
constexpr size_t kTombstoneBytes = 18;

Status BadRow(std::string_view what) { return Status(Code::kDamaged, std::string(what)); }

bool ParseRevision(std::string_view name, Revision* rev) {
  ByteReader reader(name);
  uint64_t main = 0, sub = 0;
  uint8_t between = 0;
  const bool whole = reader.ReadBig64(&main) && reader.ReadByte(&between) &&
                     reader.ReadBig64(&sub) && reader.AtEnd() && between == '_';
  rev->main = static_cast<int64_t>(main);
  rev->sub = static_cast<int64_t>(sub);
  return whole && rev->main >= 0 && rev->sub >= 0;
}

Status ParseKeyValue(std::string_view row, int64_t* mod_revision, VersionView* version) {
  codec::WireReader reader(row);
  codec::WireField field;
  using codec::WireType;
  while (reader.Next(&field)) {
    if (field.Is(1, WireType::length_delimited)) version->key = field.bytes;
    if (field.Is(2, WireType::varint)) version->create_revision = field.Int64();
    if (field.Is(3, WireType::varint)) *mod_revision = field.Int64();
    if (field.Is(4, WireType::varint)) version->version = field.Int64();
    if (field.Is(5, WireType::length_delimited)) version->value = field.bytes;
    if (field.Is(6, WireType::varint)) version->lease = field.Int64();
  }
  return reader.ok() ? Status::Ok() : BadRow("a pair is not a message");
}

Status ReadCompaction(bbolt::FileReader* reader, Survey* out) {
  const auto row = [out](std::string_view key, std::string_view value) {
    if (key == "storageVersion") out->storage_version = value;
    if (key != "scheduledCompactRev" && key != "finishedCompactRev") return Status::Ok();
    Revision rev;
    if (!ParseRevision(value, &rev)) return BadRow("the compact revision");
    out->compact_revision = std::max(out->compact_revision, rev.main);
    return Status::Ok();
  };
  return reader->Scan("meta", row);
}

}  // namespace

Status ParseVersion(std::string_view name, std::string_view row, VersionView* version) {
  *version = VersionView();
  version->tombstone = name.size() == kTombstoneBytes && name.back() == 't';
  if (!ParseRevision(name.substr(0, kRevisionBytes), &version->rev) ||
      (name.size() != kRevisionBytes && !version->tombstone)) {
    return BadRow("the name of a version");
  }
  int64_t mod_revision = 0;
  METASTORE_RETURN_IF_ERROR(ParseKeyValue(row, &mod_revision, version));
  if (version->tombstone) {
    // Other fields of a deletion mean nothing.
    const std::string_view key = version->key;
    const Revision rev = version->rev;
    *version = VersionView();
    version->key = key;
    version->rev = rev;
    version->tombstone = true;
    return key.empty() || rev.main < 2 ? BadRow("a deletion") : Status::Ok();
  }
  if (version->key.empty()) return Status::Ok();
  const bool could_exist = version->rev.main >= 2 && mod_revision == version->rev.main &&
                           version->create_revision > 0 &&
                           version->create_revision <= version->rev.main && version->version > 0;
  return could_exist ? Status::Ok()
                     : BadRow("a pair at revision " + std::to_string(version->rev.main));
}

Status TakeSurvey(bbolt::FileReader* reader, const int64_t* cut, Survey* out) {
  METASTORE_RETURN_IF_ERROR(ReadCompaction(reader, out));
  const int64_t upto = cut != nullptr ? *cut : out->compact_revision;
  Revision last;
  const auto version_row = [&](std::string_view name, std::string_view row) {
    VersionView version;
    METASTORE_RETURN_IF_ERROR(ParseVersion(name, row, &version));
    if (version.rev <= last) return BadRow("two rows of one revision");
    last = version.rev;
    if (version.key.empty()) return Status::Ok();
    Survey::Newest& newest = out->newest[std::string(version.key)];
    if (newest.live == version.tombstone) out->live_keys += version.tombstone ? -1 : 1;
    newest.live = !version.tombstone;
    if (version.rev.main <= upto) newest.rev = version.rev;
    return Status::Ok();
  };
  for (const std::string& name : reader->buckets()) {
    out->hash = Crc32c(out->hash, name);
    const auto row = [&](std::string_view key, std::string_view value) {
      out->hash = Crc32c(Crc32c(out->hash, key), value);
      return name == kVersionsBucket ? version_row(key, value) : Status::Ok();
    };
    METASTORE_RETURN_IF_ERROR(reader->Scan(name, row));
  }
  out->revision = last.main;
  return Status::Ok();
}

}  // namespace metastore::member::backup
