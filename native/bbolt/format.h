// The pages of a bbolt database file, version 2: the format of etcd's own store, and so of the
// backups that its tools take and give. Numbers are little-endian; a page run is one page and the
// `overflow` pages behind it. docs/formats/backup.md describes what of it is written.
#ifndef METASTORE_BBOLT_FORMAT_H_
#define METASTORE_BBOLT_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace metastore::bbolt {

inline constexpr uint32_t kMagic = 0xed0cdaed;
inline constexpr uint32_t kVersion = 2;
/// Files name their page size; this is the one that we write.
inline constexpr size_t kPageBytes = 4096;

/// id u64, flags u16, count u16, overflow u32.
inline constexpr size_t kPageHeadBytes = 16;
enum PageFlags : uint16_t {
  kBranchPage = 0x01,
  kLeafPage = 0x02,
  kMetaPage = 0x04,
  kFreelistPage = 0x10,
};

/// Of a leaf: flags, pos, ksize, vsize (u32 each); of a branch: pos, ksize (u32), page u64. `pos`
/// is where the key begins, counted from the element itself; a value stands behind its key.
inline constexpr size_t kElementBytes = 16;
/// Flag of a leaf's element whose value is a bucket.
inline constexpr uint32_t kBucketElement = 0x01;

/// What a bucket's value begins with: root page u64 (0: a leaf page follows inline), sequence u64.
inline constexpr size_t kBucketHeadBytes = 16;
/// Other writers keep larger buckets on pages of their own.
inline constexpr size_t kInlineBucketBytes = kPageBytes / 4;

inline constexpr size_t kMaxKeyBytes = 32768;
inline constexpr size_t kMaxValueBytes = (size_t{1} << 31) - 2;

struct Meta {
  uint32_t page_bytes = kPageBytes;
  uint64_t root = 0;      // of the bucket that holds all others
  uint64_t freelist = 0;  // kNoFreelist: found by walking
  uint64_t pages = 0;     // all pages have smaller numbers
  uint64_t txid = 0;
};
inline constexpr uint64_t kNoFreelist = ~uint64_t{0};

uint64_t Fnv1a64(std::string_view bytes);

void AppendPageHead(uint64_t page, PageFlags flags, uint16_t count, uint32_t overflow,
                    std::string* out);
/// A whole page; `page` is 0 or 1.
void AppendMetaPage(uint64_t page, const Meta& meta, std::string* out);

}  // namespace metastore::bbolt

#endif  // METASTORE_BBOLT_FORMAT_H_
