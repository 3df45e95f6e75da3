// Encoding and decoding of image frames; see frame.h.
#include "mvcc/image/frame.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "codec/record.h"

namespace metastore::mvcc {
namespace {

constexpr uint32_t kHeadVersion = 1;

void AppendSigned(std::string* out, int64_t value) {
  AppendLittle64(out, static_cast<uint64_t>(value));
}

bool ReadSigned(ByteReader* reader, int64_t* out) {
  uint64_t raw = 0;
  if (!reader->ReadLittle64(&raw)) return false;
  *out = static_cast<int64_t>(raw);
  return true;
}

bool ReadRevision(ByteReader* reader, Revision* out) {
  return ReadSigned(reader, &out->main) && ReadSigned(reader, &out->sub) && out->main >= 0 &&
         out->sub >= 0;
}

bool CouldExist(const VersionView& version) {
  if (version.key.empty() || version.rev.main < 2 || version.prev >= version.rev) return false;
  if (version.tombstone) {
    return version.value.empty() && version.create_revision == 0 && version.version == 0 &&
           version.lease == 0;
  }
  return version.create_revision > 0 && version.create_revision <= version.rev.main &&
         version.version > 0;
}

}  // namespace

size_t BeginFrame(FrameKind kind, std::string* out) {
  const size_t start = out->size();
  out->append(kFrameHeadBytes, '\0');
  out->push_back(static_cast<char>(kind));
  return start;
}

void EndFrame(size_t start, std::string* out) {
  METASTORE_CHECK(out->size() > start + kFrameHeadBytes, "a frame was begun");
  const std::string_view body = std::string_view(*out).substr(start + kFrameHeadBytes);
  METASTORE_CHECK(body.size() <= UINT32_MAX, "a frame holds one large row at most");
  const uint32_t checksum = Crc32c(0, body);
  char* head = out->data() + start;
  PutLittle32(head, static_cast<uint32_t>(body.size()));
  PutLittle32(head + 4, checksum);
  PutLittle32(head + 8, Crc32c(0, std::string_view(head, 8)));
}

bool ReadFrameHead(std::string_view head, uint32_t* length, uint32_t* checksum) {
  METASTORE_CHECK(head.size() == kFrameHeadBytes, "a whole head");
  *length = GetLittle32(head.data());
  *checksum = GetLittle32(head.data() + 4);
  return *length > 0 && Crc32c(0, head.substr(0, 8)) == GetLittle32(head.data() + 8);
}

void AppendHead(const ImageInfo& info, std::string* out) {
  AppendLittle32(out, kHeadVersion);
  AppendLittle64(out, info.applied_index);
  AppendLittle64(out, info.applied_term);
  AppendSigned(out, info.revision);
  AppendSigned(out, info.compact_revision);
}

Status ReadHead(std::string_view payload, ImageInfo* info) {
  ByteReader reader(payload);
  uint32_t version = 0;
  if (!reader.ReadLittle32(&version)) return Status(Code::kDamaged, "image head");
  if (version != kHeadVersion) {
    return Status(Code::kWrongFormat, "image version " + std::to_string(version));
  }
  const bool whole = reader.ReadLittle64(&info->applied_index) &&
                     reader.ReadLittle64(&info->applied_term) &&
                     ReadSigned(&reader, &info->revision) &&
                     ReadSigned(&reader, &info->compact_revision) && reader.AtEnd();
  if (!whole || info->revision < 1 || info->compact_revision < -1 ||
      info->compact_revision > info->revision) {
    return Status(Code::kDamaged, "image head");
  }
  return Status::Ok();
}

void AppendMetaRow(std::string_view name, std::string_view value, std::string* out) {
  AppendLittle32(out, static_cast<uint32_t>(name.size()));
  out->append(name);
  AppendLittle32(out, static_cast<uint32_t>(value.size()));
  out->append(value);
}

bool ReadMetaRow(ByteReader* reader, std::string_view* name, std::string_view* value) {
  uint32_t length = 0;
  return reader->ReadLittle32(&length) && length > 0 && reader->ReadBytes(length, name) &&
         reader->ReadLittle32(&length) && reader->ReadBytes(length, value);
}

void AppendVersionRow(const VersionView& version, std::string* out) {
  AppendSigned(out, version.rev.sub);
  AppendSigned(out, version.prev.main);
  AppendSigned(out, version.prev.sub);
  AppendLittle32(out, version.prev_size_bytes);
  out->push_back(version.tombstone ? 1 : 0);
  codec::AppendRecord({version.key, version.value, version.create_revision, version.rev.main,
                       version.version, version.lease},
                      out);
}

bool ReadVersionRow(ByteReader* reader, VersionView* version) {
  constexpr size_t kLongest = size_t{1} << 31;
  uint8_t flags = 0;
  codec::Record record;
  const bool whole = ReadSigned(reader, &version->rev.sub) &&
                     ReadRevision(reader, &version->prev) &&
                     reader->ReadLittle32(&version->prev_size_bytes) && reader->ReadByte(&flags) &&
                     codec::ReadRecord(reader, &record).ok();
  if (!whole || flags > 1 || version->rev.sub < 0) return false;
  if (record.key.size() > kLongest || record.value.size() > kLongest) return false;
  version->tombstone = flags == 1;
  version->key = record.key;
  version->value = record.value;
  version->create_revision = record.create_revision;
  version->rev.main = record.mod_revision;
  version->version = record.version;
  version->lease = record.lease;
  return CouldExist(*version);
}

void AppendEnd(const ImageEnd& end, std::string* out) {
  AppendLittle64(out, end.meta_rows);
  AppendLittle64(out, end.versions);
  AppendLittle32(out, end.checksum);
}

bool ReadEnd(std::string_view payload, ImageEnd* end) {
  ByteReader reader(payload);
  return reader.ReadLittle64(&end->meta_rows) && reader.ReadLittle64(&end->versions) &&
         reader.ReadLittle32(&end->checksum) && reader.AtEnd();
}

}  // namespace metastore::mvcc
