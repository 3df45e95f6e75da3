// Images as files of a directory; see image.h.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <functional>

#include "base/check.h"
#include "mvcc/image/frame.h"

namespace metastore {
namespace {

constexpr std::string_view kSuffix = ".image";
constexpr std::string_view kTemporarySuffix = ".image.tmp";
constexpr size_t kIndexDigits = 16;
constexpr size_t kImagesKept = 2;
/// Written out at once: the log's next sync waits behind it at the disk.
constexpr uint64_t kSyncedBytes = 1 << 20;

/// The applied index of `<16 hex digits><suffix>`, or none.
std::optional<uint64_t> ParseName(std::string_view name, std::string_view suffix) {
  if (name.size() != kIndexDigits + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
  uint64_t index = 0;
  const char* end = name.data() + kIndexDigits;
  const auto [parsed, error] = std::from_chars(name.data(), end, index, 16);
  if (error != std::errc() || parsed != end) return std::nullopt;
  return index;
}

Status WriteStream(File* file, ImageStream* stream) {
  uint64_t offset = 0;
  uint64_t synced = 0;
  bool done = false;
  while (!done) {
    std::string piece;
    METASTORE_RETURN_IF_ERROR(stream->Next(&piece, &done));
    METASTORE_RETURN_IF_ERROR(file->WriteAt(offset, piece));
    offset += piece.size();
    if (offset - synced < kSyncedBytes) continue;
    METASTORE_RETURN_IF_ERROR(file->Sync());
    synced = offset;
  }
  METASTORE_CHECK(offset == stream->info().size_bytes, "every byte was written");
  return file->Sync();
}

/// Removes all but the newest images, and files of writes that never ended. Only those are ours:
/// other names are left alone.
Status RemoveOld(FileLayer* files, const std::string& directory) {
  Result<std::vector<uint64_t>> images = ListImages(files, directory);
  if (!images.ok()) return images.TakeStatus();
  for (size_t i = kImagesKept; i < images->size(); i++) {
    METASTORE_RETURN_IF_ERROR(files->Remove(ImagePath(directory, (*images)[i])));
  }
  Result<std::vector<std::string>> names = files->List(directory);
  if (!names.ok()) return names.TakeStatus();
  for (const std::string& name : *names) {
    if (!ParseName(name, kTemporarySuffix)) continue;
    METASTORE_RETURN_IF_ERROR(files->Remove(directory + "/" + name));
  }
  return files->SyncDirectory(directory);
}

Status LoadFile(File* file, const std::string& path, Engine* engine, ImageInfo* info) {
  ImageLoader loader(engine);
  std::string piece;
  uint64_t offset = 0;
  Status status;
  do {
    METASTORE_RETURN_IF_ERROR(file->ReadAt(offset, mvcc::kPieceBytes, &piece));
    offset += piece.size();
    status = loader.Feed(piece);
  } while (status.ok() && !piece.empty());
  if (status.ok()) status = loader.Finish(info);
  if (status.ok()) return status;
  return Status(status.code(), path + ": " + std::string(status.detail()));
}

}  // namespace

std::string ImagePath(const std::string& directory, uint64_t applied_index) {
  char digits[kIndexDigits + 1];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(applied_index));
  return directory + "/" + digits + std::string(kSuffix);
}

Result<std::vector<uint64_t>> ListImages(FileLayer* files, const std::string& directory) {
  std::error_code ignored;
  if (!std::filesystem::exists(directory, ignored)) return std::vector<uint64_t>();
  Result<std::vector<std::string>> names = files->List(directory);
  if (!names.ok()) return names.TakeStatus();
  std::vector<uint64_t> indexes;
  for (const std::string& name : *names) {
    if (const std::optional<uint64_t> index = ParseName(name, kSuffix)) indexes.push_back(*index);
  }
  std::sort(indexes.begin(), indexes.end(), std::greater<>());
  return indexes;
}

Status SaveImage(FileLayer* files, const std::string& directory, Engine* engine, ViewRef view,
                 ImageInfo* info) {
  METASTORE_RETURN_IF_ERROR(files->MakeDirectory(directory));
  // A directory made just now is durable only with its name in the parent.
  const std::string parent = std::filesystem::path(directory).parent_path().string();
  if (!parent.empty()) METASTORE_RETURN_IF_ERROR(files->SyncDirectory(parent));
  const std::string path = ImagePath(directory, view->applied_index);
  const std::string temporary = path + ".tmp";
  {
    Result<std::unique_ptr<File>> file = files->Open(temporary, true);
    if (!file.ok()) return file.TakeStatus();
    METASTORE_RETURN_IF_ERROR((*file)->Truncate(0));
    ImageStream stream(engine, std::move(view));
    METASTORE_RETURN_IF_ERROR(WriteStream(file->get(), &stream));
    *info = stream.info();
  }
  METASTORE_RETURN_IF_ERROR(files->Rename(temporary, path));
  METASTORE_RETURN_IF_ERROR(files->SyncDirectory(directory));
  return RemoveOld(files, directory);
}

Result<std::optional<ImageInfo>> LoadNewestImage(FileLayer* files, const std::string& directory,
                                                 Engine* engine) {
  Result<std::vector<uint64_t>> images = ListImages(files, directory);
  if (!images.ok()) return images.TakeStatus();
  if (images->empty()) return std::optional<ImageInfo>();
  const std::string path = ImagePath(directory, images->front());
  Result<std::unique_ptr<File>> file = files->Open(path, false);
  if (!file.ok()) return file.TakeStatus();
  ImageInfo info;
  METASTORE_RETURN_IF_ERROR(LoadFile(file->get(), path, engine, &info));
  if (info.applied_index != images->front()) {
    return Status(Code::kDamaged, path + ": named for another index than it holds");
  }
  return std::optional<ImageInfo>(info);
}

}  // namespace metastore
