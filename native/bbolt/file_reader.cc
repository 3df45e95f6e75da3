// Reading of file_reader.h.
#include "bbolt/file_reader.h"

#include <utility>

#include "base/bytes.h"

namespace metastore::bbolt {
namespace {

constexpr size_t kMetaBytes = 64;
/// A page for each of as many children as a page of the smallest size can name is far less deep.
constexpr int kMaxDepth = 40;
constexpr uint64_t kSmallestPage = 512;
constexpr uint64_t kLargestPage = 64 << 10;

Status Damaged(uint64_t page, const char* what) {
  return Status(Code::kDamaged, "page " + std::to_string(page) + ": " + what);
}

struct PageHead {
  uint64_t page = 0;
  uint16_t flags = 0;
  uint16_t count = 0;
  uint32_t overflow = 0;
};

PageHead ReadPageHead(std::string_view bytes) {
  PageHead head;
  head.page = GetLittle64(bytes.data());
  const uint32_t both = GetLittle32(bytes.data() + 8);
  head.flags = static_cast<uint16_t>(both);
  head.count = static_cast<uint16_t>(both >> 16);
  head.overflow = GetLittle32(bytes.data() + 12);
  return head;
}

/// `length` bytes from where an element says that its data lies; false unless they are in the run.
bool DataOf(std::string_view run, size_t element, uint64_t pos, uint64_t length,
            std::string_view* data) {
  const uint64_t at = element + pos;
  if (at > run.size() || length > run.size() - at) return false;
  *data = run.substr(at, length);
  return true;
}

}  // namespace

Result<FileReader> FileReader::Open(File* file, uint64_t size_bytes) {
  FileReader reader(file);
  METASTORE_RETURN_IF_ERROR(reader.FindMeta(size_bytes));
  Walk walk;
  walk.met.resize(reader.meta_.pages);
  const auto keep = [&reader](uint32_t flags, std::string_view key, std::string_view value) {
    if ((flags & kBucketElement) == 0) return Status(Code::kDamaged, "a row beside the buckets");
    if (value.size() < kBucketHeadBytes) return Status(Code::kDamaged, "the head of a bucket");
    reader.buckets_.emplace(key, value);
    return Status::Ok();
  };
  METASTORE_RETURN_IF_ERROR(reader.WalkPage(reader.meta_.root, 0, &walk, keep));
  return reader;
}

bool FileReader::ReadMeta(uint64_t offset, uint64_t page, Meta* meta) {
  std::string bytes;
  const size_t length = kPageHeadBytes + kMetaBytes;
  if (!file_->ReadAt(offset, length, &bytes).ok() || bytes.size() != length) return false;
  const PageHead head = ReadPageHead(bytes);
  const std::string_view body = std::string_view(bytes).substr(kPageHeadBytes);
  ByteReader reader(body);
  uint32_t magic = 0, version = 0, flags = 0;
  uint64_t sequence = 0, checksum = 0;
  const bool whole = reader.ReadLittle32(&magic) && reader.ReadLittle32(&version) &&
                     reader.ReadLittle32(&meta->page_bytes) && reader.ReadLittle32(&flags) &&
                     reader.ReadLittle64(&meta->root) && reader.ReadLittle64(&sequence) &&
                     reader.ReadLittle64(&meta->freelist) && reader.ReadLittle64(&meta->pages) &&
                     reader.ReadLittle64(&meta->txid) && reader.ReadLittle64(&checksum);
  return whole && head.page == page && (head.flags & kMetaPage) != 0 && magic == kMagic &&
         version == kVersion && checksum == Fnv1a64(body.substr(0, kMetaBytes - sizeof checksum));
}

/// The newer of the two that are whole; a writer that was interrupted has left the older one.
Status FileReader::FindMeta(uint64_t size_bytes) {
  Meta found[2];
  bool whole[2] = {ReadMeta(0, 0, &found[0]), false};
  // Where the second one stands depends on the size of pages, which the first one tells if it can.
  for (uint64_t bytes = kSmallestPage; bytes <= kLargestPage && !whole[1]; bytes *= 2) {
    if (whole[0] && found[0].page_bytes != bytes) continue;
    whole[1] = ReadMeta(bytes, 1, &found[1]) && found[1].page_bytes == bytes;
  }
  if (!whole[0] && !whole[1]) return Status(Code::kWrongFormat, "not a bbolt database");
  const bool second = whole[1] && (!whole[0] || found[1].txid > found[0].txid);
  meta_ = found[second ? 1 : 0];
  const uint64_t bytes = meta_.page_bytes;
  const bool sized = bytes >= kSmallestPage && bytes <= kLargestPage && (bytes & (bytes - 1)) == 0;
  if (!sized) return Damaged(second ? 1 : 0, "the size of pages");
  if (meta_.pages > size_bytes / bytes) {
    return Status(Code::kDamaged, "the file ends before its " + std::to_string(meta_.pages) +
                                      " pages of " + std::to_string(bytes) + " bytes");
  }
  return Status::Ok();
}

Status FileReader::ReadRun(uint64_t page, Walk* walk, std::string* run) {
  if (page < 2 || page >= meta_.pages) return Damaged(page, "there is no such page");
  const uint64_t page_bytes = meta_.page_bytes;
  METASTORE_RETURN_IF_ERROR(file_->ReadAt(page * page_bytes, page_bytes, run));
  if (run->size() != page_bytes) return Damaged(page, "it is cut off");
  const PageHead head = ReadPageHead(*run);
  if (head.page != page) return Damaged(page, "another number stands in it");
  if (head.overflow >= meta_.pages - page) return Damaged(page, "its end is behind the file's");
  for (uint64_t i = page; i <= page + head.overflow; i++) {
    if (walk->met[i]) return Damaged(i, "it is used twice");
    walk->met[i] = true;
  }
  if (head.overflow == 0) return Status::Ok();
  const uint64_t bytes = (uint64_t{head.overflow} + 1) * page_bytes;
  METASTORE_RETURN_IF_ERROR(file_->ReadAt(page * page_bytes, bytes, run));
  return run->size() == bytes ? Status::Ok() : Damaged(page, "it is cut off");
}

Status FileReader::WalkPage(uint64_t page, int depth, Walk* walk, ElementVisitor visit) {
  if (depth > kMaxDepth) return Damaged(page, "the tree is too deep");
  std::string run;
  METASTORE_RETURN_IF_ERROR(ReadRun(page, walk, &run));
  const PageHead head = ReadPageHead(run);
  if (head.flags == kLeafPage) return WalkLeaf(page, run, walk, visit);
  if (head.flags == kBranchPage) return WalkBranch(page, run, depth, walk, visit);
  return Damaged(page, "neither branch nor leaf");
}

Status FileReader::WalkLeaf(uint64_t page, std::string_view run, Walk* walk,
                            ElementVisitor visit) const {
  const size_t count = ReadPageHead(run).count;
  if (kPageHeadBytes + count * kElementBytes > run.size()) return Damaged(page, "too many rows");
  for (size_t i = 0; i < count; i++) {
    const size_t element = kPageHeadBytes + i * kElementBytes;
    const char* fields = run.data() + element;
    const uint64_t pos = GetLittle32(fields + 4);
    const uint64_t key_bytes = GetLittle32(fields + 8);
    const uint64_t value_bytes = GetLittle32(fields + 12);
    std::string_view data;
    if (!DataOf(run, element, pos, key_bytes + value_bytes, &data)) {
      return Damaged(page, "a row lies outside");
    }
    const std::string_view key = data.substr(0, key_bytes);
    if (key.empty() || key <= walk->last_key) return Damaged(page, "the order of keys");
    walk->last_key.assign(key);
    METASTORE_RETURN_IF_ERROR(visit(GetLittle32(fields), key, data.substr(key_bytes)));
  }
  return Status::Ok();
}

Status FileReader::WalkBranch(uint64_t page, std::string_view run, int depth, Walk* walk,
                              ElementVisitor visit) {
  const size_t count = ReadPageHead(run).count;
  if (kPageHeadBytes + count * kElementBytes > run.size()) return Damaged(page, "too many rows");
  if (count == 0) return Damaged(page, "a branch without children");
  for (size_t i = 0; i < count; i++) {
    const uint64_t child = GetLittle64(run.data() + kPageHeadBytes + i * kElementBytes + 8);
    METASTORE_RETURN_IF_ERROR(WalkPage(child, depth + 1, walk, visit));
  }
  return Status::Ok();
}

std::vector<std::string> FileReader::buckets() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : buckets_) names.push_back(name);
  return names;
}

Status FileReader::Scan(std::string_view bucket, Visitor visit) {
  const auto found = buckets_.find(bucket);
  if (found == buckets_.end()) return Status::Ok();
  const std::string_view value = found->second;
  const auto row = [&](uint32_t flags, std::string_view key, std::string_view bytes) {
    if ((flags & kBucketElement) != 0) return Status(Code::kDamaged, "a bucket in a bucket");
    return visit(key, bytes);
  };
  Walk walk;
  Status status;
  const uint64_t root = GetLittle64(value.data());
  if (root == 0) {
    const std::string_view run = value.substr(kBucketHeadBytes);
    const bool leaf = run.size() >= kPageHeadBytes && ReadPageHead(run).flags == kLeafPage;
    status = leaf ? WalkLeaf(0, run, &walk, row) : Damaged(0, "a bucket without its rows");
  } else {
    walk.met.resize(meta_.pages);
    status = WalkPage(root, 0, &walk, row);
  }
  if (status.ok() || status.code() != Code::kDamaged) return status;
  return Status(Code::kDamaged,
                "bucket " + std::string(bucket) + ": " + std::string(status.detail()));
}

}  // namespace metastore::bbolt
