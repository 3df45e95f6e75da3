// Encodings of format.h.
#include "bbolt/format.h"

#include "base/bytes.h"
#include "base/check.h"

namespace metastore::bbolt {

uint64_t Fnv1a64(std::string_view bytes) {
  uint64_t hash = 14695981039346656037u;
  for (const char byte : bytes) {
    hash ^= static_cast<uint8_t>(byte);
    hash *= 1099511628211u;
  }
  return hash;
}

void AppendPageHead(uint64_t page, PageFlags flags, uint16_t count, uint32_t overflow,
                    std::string* out) {
  AppendLittle64(out, page);
  AppendLittle32(out, static_cast<uint32_t>(flags) | static_cast<uint32_t>(count) << 16);
  AppendLittle32(out, overflow);
}

void AppendMetaPage(uint64_t page, const Meta& meta, std::string* out) {
  METASTORE_CHECK(page < 2, "the first two pages are the meta pages");
  const size_t start = out->size();
  AppendPageHead(page, kMetaPage, 0, 0, out);
  const size_t body = out->size();
  AppendLittle32(out, kMagic);
  AppendLittle32(out, kVersion);
  AppendLittle32(out, meta.page_bytes);
  AppendLittle32(out, 0);  // flags
  AppendLittle64(out, meta.root);
  AppendLittle64(out, 0);  // sequence of the root bucket
  AppendLittle64(out, meta.freelist);
  AppendLittle64(out, meta.pages);
  AppendLittle64(out, meta.txid);
  AppendLittle64(out, Fnv1a64(std::string_view(*out).substr(body)));
  out->resize(start + meta.page_bytes, '\0');
}

}  // namespace metastore::bbolt
