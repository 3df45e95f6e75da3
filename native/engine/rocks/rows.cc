// Encoding and decoding of the rocksdb engine's rows; see rows.h.
#include "engine/rocks/rows.h"

#include "base/bytes.h"
#include "codec/record.h"

namespace metastore::rocks {
namespace {

constexpr uint8_t kTombstoneFlag = 1;

int64_t GetSigned(const char* from) { return static_cast<int64_t>(GetLittle64(from)); }
void PutSigned(char* to, int64_t value) { PutLittle64(to, static_cast<uint64_t>(value)); }

Status Damaged(const char* what) { return Status(Code::kDamaged, what); }

}  // namespace

void EncodeRevRow(const VersionView& view, std::string* out) {
  out->clear();
  out->reserve(21 + codec::RecordSize(view.key.size(), view.value.size()));
  out->push_back(view.tombstone ? static_cast<char>(kTombstoneFlag) : '\0');
  char prev[20];
  PutSigned(prev, view.prev.main);
  PutSigned(prev + 8, view.prev.sub);
  PutLittle32(prev + 16, view.prev_size_bytes);
  out->append(prev, sizeof prev);
  codec::Record record;
  record.key = view.key;
  record.value = view.value;
  record.create_revision = view.create_revision;
  record.mod_revision = view.rev.main;
  record.version = view.version;
  record.lease = view.lease;
  codec::AppendRecord(record, out);
}

Status DecodeRevRow(Revision rev, std::string_view bytes, VersionView* out) {
  ByteReader reader(bytes);
  uint8_t flags = 0;
  uint64_t prev_main = 0, prev_sub = 0;
  if (!reader.ReadByte(&flags) || !reader.ReadLittle64(&prev_main) ||
      !reader.ReadLittle64(&prev_sub) || !reader.ReadLittle32(&out->prev_size_bytes)) {
    return Damaged("rev row ends early");
  }
  codec::Record record;
  METASTORE_RETURN_IF_ERROR(codec::ReadRecord(&reader, &record));
  if (!reader.AtEnd() || flags > kTombstoneFlag) return Damaged("rev row of another form");
  if (record.mod_revision != rev.main) return Damaged("rev row under another revision");
  out->rev = rev;
  out->prev = Revision{static_cast<int64_t>(prev_main), static_cast<int64_t>(prev_sub)};
  out->tombstone = flags == kTombstoneFlag;
  out->create_revision = record.create_revision;
  out->version = record.version;
  out->lease = record.lease;
  out->key = record.key;
  out->value = record.value;
  return Status::Ok();
}

void EncodeKeyRowHeader(const VersionView& view, char* to) {
  PutSigned(to, view.rev.sub);
  PutSigned(to + 8, view.prev.main);
  PutSigned(to + 16, view.prev.sub);
  PutLittle32(to + 24, view.prev_size_bytes);
  PutSigned(to + 28, view.create_revision);
  PutSigned(to + 36, view.rev.main);
  PutSigned(to + 44, view.version);
  PutSigned(to + 52, view.lease);
}

Status DecodeKeyRow(std::string_view key, std::string_view bytes, VersionView* out) {
  if (bytes.size() < kKeyRowHeaderBytes) return Damaged("key row ends early");
  const char* from = bytes.data();
  out->rev = Revision{GetSigned(from + 36), GetSigned(from)};
  out->prev = Revision{GetSigned(from + 8), GetSigned(from + 16)};
  out->prev_size_bytes = GetLittle32(from + 24);
  out->tombstone = false;
  out->create_revision = GetSigned(from + 28);
  out->version = GetSigned(from + 44);
  out->lease = GetSigned(from + 52);
  out->key = key;
  out->value = bytes.substr(kKeyRowHeaderBytes);
  if (out->rev.main <= 0 || out->rev.sub < 0) return Damaged("key row without a revision");
  return Status::Ok();
}

Status DecodeHistRow(std::string_view bytes, bool* tombstone) {
  if (bytes != kHistLive && bytes != kHistTombstone) return Damaged("hist row of another form");
  *tombstone = bytes == kHistTombstone;
  return Status::Ok();
}

std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (!end.empty()) end.back() = static_cast<char>(static_cast<uint8_t>(end.back()) + 1);
  return end;
}

}  // namespace metastore::rocks
