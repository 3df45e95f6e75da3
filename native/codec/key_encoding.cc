// Encoding and decoding of the engine's row keys; see key_encoding.h.
#include "codec/key_encoding.h"

#include "base/bytes.h"
#include "base/check.h"

namespace metastore::codec {
namespace {

constexpr char kEscape = '\x00';
constexpr char kEscapedZero = '\xff';
constexpr char kTerminator = '\x01';
constexpr uint64_t kSignBit = uint64_t{1} << 63;

bool Possible(int64_t main, int64_t sub) { return main >= 0 && sub >= 0; }

}  // namespace

void PutRevisionKey(char* to, int64_t main, int64_t sub) {
  METASTORE_CHECK(Possible(main, sub), "revisions are not negative");
  PutBig64(to, static_cast<uint64_t>(main));
  PutBig64(to + 8, static_cast<uint64_t>(sub));
}

Status DecodeRevisionKey(std::string_view bytes, int64_t* main, int64_t* sub) {
  if (bytes.size() != kRevisionKeyBytes) {
    return Status(Code::kDamaged, "revision key of " + std::to_string(bytes.size()) + " bytes");
  }
  *main = static_cast<int64_t>(GetBig64(bytes.data()));
  *sub = static_cast<int64_t>(GetBig64(bytes.data() + 8));
  if (!Possible(*main, *sub)) return Status(Code::kDamaged, "negative revision");
  return Status::Ok();
}

void AppendEscapedKey(std::string_view key, std::string* out) {
  size_t from = 0;
  for (;;) {
    const size_t zero = key.find(kEscape, from);
    if (zero == std::string_view::npos) break;
    out->append(key.substr(from, zero - from));
    out->push_back(kEscape);
    out->push_back(kEscapedZero);
    from = zero + 1;
  }
  out->append(key.substr(from));
  out->push_back(kEscape);
  out->push_back(kTerminator);
}

Status ReadEscapedKey(std::string_view* bytes, std::string* key) {
  key->clear();
  for (;;) {
    const size_t zero = bytes->find(kEscape);
    if (zero == std::string_view::npos || zero + 1 == bytes->size()) {
      return Status(Code::kDamaged, "escaped key without an end");
    }
    key->append(bytes->substr(0, zero));
    const char after = (*bytes)[zero + 1];
    bytes->remove_prefix(zero + 2);
    if (after == kTerminator) return Status::Ok();
    if (after != kEscapedZero) return Status(Code::kDamaged, "escaped key with a stray zero");
    key->push_back('\0');
  }
}

void AppendHistoryKey(std::string_view key, int64_t main, int64_t sub, std::string* out) {
  METASTORE_CHECK(Possible(main, sub), "revisions are not negative");
  AppendEscapedKey(key, out);
  AppendBig64(out, ~static_cast<uint64_t>(main));
  AppendBig64(out, ~static_cast<uint64_t>(sub));
}

Status DecodeHistoryKey(std::string_view bytes, std::string* key, int64_t* main, int64_t* sub) {
  METASTORE_RETURN_IF_ERROR(ReadEscapedKey(&bytes, key));
  if (bytes.size() != kRevisionKeyBytes) {
    return Status(Code::kDamaged, "history key with a wrong tail");
  }
  return DecodeHistoryRevision(bytes, main, sub);
}

Status DecodeHistoryRevision(std::string_view bytes, int64_t* main, int64_t* sub) {
  if (bytes.size() < kRevisionKeyBytes) return Status(Code::kDamaged, "history key too short");
  const char* tail = bytes.data() + bytes.size() - kRevisionKeyBytes;
  *main = static_cast<int64_t>(~GetBig64(tail));
  *sub = static_cast<int64_t>(~GetBig64(tail + 8));
  if (!Possible(*main, *sub)) return Status(Code::kDamaged, "negative revision");
  return Status::Ok();
}

void AppendAttachmentKey(int64_t lease, std::string_view key, std::string* out) {
  AppendBig64(out, static_cast<uint64_t>(lease) ^ kSignBit);
  out->append(key);
}

}  // namespace metastore::codec
