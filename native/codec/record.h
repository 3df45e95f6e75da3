// The binary record of one key-value pair, as engines and images store it.
//
// keyLen(4) key valueLen(4) value createRevision(8) modRevision(8) version(8) lease(8), all
// little-endian; docs/formats/record.md. Decoding trusts nothing: every length is checked.
#ifndef METASTORE_CODEC_RECORD_H_
#define METASTORE_CODEC_RECORD_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"

namespace metastore::codec {

/// One pair; the views point into the bytes that were decoded.
struct Record {
  std::string_view key;
  std::string_view value;
  int64_t create_revision = 0;
  int64_t mod_revision = 0;
  int64_t version = 0;
  int64_t lease = 0;
  bool operator==(const Record&) const = default;
};

/// Bytes of a record besides its key and value.
inline constexpr size_t kRecordOverheadBytes = 4 + 4 + 4 * 8;

constexpr size_t RecordSize(size_t key_bytes, size_t value_bytes) {
  return kRecordOverheadBytes + key_bytes + value_bytes;
}

/// Appends RecordSize(key, value) bytes. Key and value are below 4 GiB each (checked).
void AppendRecord(const Record& record, std::string* out);

/// Decodes a record that `bytes` begins with and moves the reader behind it; kDamaged when the
/// bytes end too early. The reader has then moved by an unspecified amount.
Status ReadRecord(ByteReader* reader, Record* out);

/// Decodes bytes that are exactly one record; kDamaged for anything less or more.
Status DecodeRecord(std::string_view bytes, Record* out);

}  // namespace metastore::codec

#endif  // METASTORE_CODEC_RECORD_H_
