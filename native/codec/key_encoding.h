// Byte strings that sort as the things they name: revisions, (key, descending revision), leases.
//
// The rocksdb engine's row keys; docs/formats/rocksdb.md. User keys are arbitrary bytes, so where
// something follows one it is escaped (00 -> 00 ff) and terminated (00 01), which keeps the order.
#ifndef METASTORE_CODEC_KEY_ENCODING_H_
#define METASTORE_CODEC_KEY_ENCODING_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace metastore::codec {

/// 8-byte big-endian main, 8-byte big-endian sub. Both are never negative (checked).
inline constexpr size_t kRevisionKeyBytes = 16;
void PutRevisionKey(char* to, int64_t main, int64_t sub);
/// kDamaged unless `bytes` is 16 long and names a revision that can exist.
Status DecodeRevisionKey(std::string_view bytes, int64_t* main, int64_t* sub);

/// Appends the escaped, terminated key: for any a, b the results compare as a and b do, and no
/// result is a prefix of another.
void AppendEscapedKey(std::string_view key, std::string* out);
/// Reads an escaped key at the front of *bytes into *key (replaced) and moves *bytes behind it.
Status ReadEscapedKey(std::string_view* bytes, std::string* key);

/// Escaped key, then main and sub complemented: newer revisions of one key sort first.
void AppendHistoryKey(std::string_view key, int64_t main, int64_t sub, std::string* out);
Status DecodeHistoryKey(std::string_view bytes, std::string* key, int64_t* main, int64_t* sub);
/// The revision that a row key of `hist` ends with; the caller knows that it is one.
Status DecodeHistoryRevision(std::string_view bytes, int64_t* main, int64_t* sub);

/// 8-byte big-endian lease with its sign bit flipped (any int64 sorts as a number), then the key.
void AppendAttachmentKey(int64_t lease, std::string_view key, std::string* out);
inline constexpr size_t kAttachmentPrefixBytes = 8;

}  // namespace metastore::codec

#endif  // METASTORE_CODEC_KEY_ENCODING_H_
