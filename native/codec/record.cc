// Encoding and decoding of records; see record.h.
#include "codec/record.h"

#include <limits>

#include "base/check.h"

namespace metastore::codec {
namespace {

bool ReadSized(ByteReader* reader, std::string_view* out) {
  uint32_t length = 0;
  return reader->ReadLittle32(&length) && reader->ReadBytes(length, out);
}

bool ReadSigned(ByteReader* reader, int64_t* out) {
  uint64_t raw = 0;
  if (!reader->ReadLittle64(&raw)) return false;
  *out = static_cast<int64_t>(raw);
  return true;
}

}  // namespace

void AppendRecord(const Record& record, std::string* out) {
  constexpr size_t kLongest = std::numeric_limits<uint32_t>::max();
  METASTORE_CHECK(record.key.size() <= kLongest && record.value.size() <= kLongest,
                  "lengths are 32 bits wide");
  AppendLittle32(out, static_cast<uint32_t>(record.key.size()));
  out->append(record.key);
  AppendLittle32(out, static_cast<uint32_t>(record.value.size()));
  out->append(record.value);
  char numbers[32];
  PutLittle64(numbers, static_cast<uint64_t>(record.create_revision));
  PutLittle64(numbers + 8, static_cast<uint64_t>(record.mod_revision));
  PutLittle64(numbers + 16, static_cast<uint64_t>(record.version));
  PutLittle64(numbers + 24, static_cast<uint64_t>(record.lease));
  out->append(numbers, sizeof numbers);
}

Status ReadRecord(ByteReader* reader, Record* out) {
  const bool whole = ReadSized(reader, &out->key) && ReadSized(reader, &out->value) &&
                     ReadSigned(reader, &out->create_revision) &&
                     ReadSigned(reader, &out->mod_revision) && ReadSigned(reader, &out->version) &&
                     ReadSigned(reader, &out->lease);
  if (!whole) return Status(Code::kDamaged, "record ends early");
  return Status::Ok();
}

Status DecodeRecord(std::string_view bytes, Record* out) {
  ByteReader reader(bytes);
  METASTORE_RETURN_IF_ERROR(ReadRecord(&reader, out));
  if (!reader.AtEnd()) return Status(Code::kDamaged, "bytes behind the record");
  return Status::Ok();
}

}  // namespace metastore::codec
