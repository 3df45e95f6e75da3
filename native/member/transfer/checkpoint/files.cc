// Gathering and receiving of files.h.
#include "member/transfer/checkpoint/files.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/check.h"

namespace metastore::member::transfer {
namespace {

constexpr size_t kCopyBytes = size_t{4} << 20;

Status CopyFile(FileLayer* layer, const EngineFile& file, const std::string& to) {
  auto target = layer->Open(to, true);
  if (!target.ok()) return target.TakeStatus();
  if (!file.contents.empty()) return (*target)->WriteAt(0, file.contents);
  auto source = layer->Open(file.path, false);
  if (!source.ok()) return source.TakeStatus();
  std::string piece;
  for (uint64_t at = 0; at < file.size_bytes; at += piece.size()) {
    const uint64_t wanted = std::min<uint64_t>(kCopyBytes, file.size_bytes - at);
    METASTORE_RETURN_IF_ERROR((*source)->ReadAt(at, wanted, &piece));
    if (piece.size() != wanted) return Status(Code::kIo, file.path + " is too short");
    METASTORE_RETURN_IF_ERROR((*target)->WriteAt(at, piece));
  }
  return Status::Ok();
}

/// Layers of tests have no links, nor have some file systems: then there is a copy.
Status PlaceFile(FileLayer* layer, const EngineFile& file, const std::string& to) {
  if (file.immutable && layer == FileLayer::Posix()) {
    std::error_code error;
    std::filesystem::create_hard_link(file.path, to, error);
    if (!error) return Status::Ok();
  }
  return CopyFile(layer, file, to);
}

}  // namespace

Status GatherCheckpoint(FileLayer* layer, Engine* engine, const std::string& folder,
                        CheckpointFiles* files) {
  METASTORE_RETURN_IF_ERROR(layer->MakeDirectory(folder));
  const auto place = [&](const EngineFiles& shown) {
    for (const EngineFile& file : shown) {
      METASTORE_RETURN_IF_ERROR(PlaceFile(layer, file, folder + "/" + file.name));
      files->push_back({file.name, file.size_bytes});
    }
    return Status::Ok();
  };
  return engine->ShowFiles(place);
}

CheckpointTarget::CheckpointTarget(FileLayer* layer, std::string folder, uint64_t total_bytes)
    : layer_(layer), folder_(std::move(folder)), total_bytes_(total_bytes) {}

Result<std::unique_ptr<ImportTarget>> CheckpointTarget::Make(FileLayer* layer,
                                                             const std::string& folder,
                                                             uint64_t total_bytes) {
  METASTORE_RETURN_IF_ERROR(layer->MakeDirectory(folder));
  return std::unique_ptr<ImportTarget>(new CheckpointTarget(layer, folder, total_bytes));
}

Status CheckpointTarget::Write(std::string_view bytes) {
  std::string first;
  if (!header_read_) {
    header_.append(bytes);
    size_t header_bytes = 0;
    auto files = DecodeCheckpointHeader(header_, total_bytes_, &header_bytes);
    if (!files.ok()) return files.TakeStatus();
    if (!files->has_value()) return Status::Ok();
    header_read_ = true;
    files_ = std::move(**files);
    first = std::exchange(header_, std::string());
    bytes = std::string_view(first).substr(header_bytes);
    METASTORE_RETURN_IF_ERROR(OpenNext());
  }
  while (!bytes.empty()) {
    METASTORE_CHECK(rest_ > 0, "the files fill the announced size");
    const size_t piece = std::min<uint64_t>(bytes.size(), rest_);
    METASTORE_RETURN_IF_ERROR(file_->WriteAt(offset_, bytes.substr(0, piece)));
    bytes.remove_prefix(piece);
    offset_ += piece;
    rest_ -= piece;
    if (rest_ == 0) METASTORE_RETURN_IF_ERROR(OpenNext());
  }
  return Status::Ok();
}

Status CheckpointTarget::OpenNext() {
  file_.reset();
  offset_ = 0;
  while (rest_ == 0 && next_ < files_.size()) {
    const CheckpointFile& file = files_[next_++];
    auto opened = layer_->Open(folder_ + "/" + file.name, true);
    if (!opened.ok()) return opened.TakeStatus();
    file_ = std::move(*opened);
    rest_ = file.size_bytes;
  }
  return Status::Ok();
}

Status CheckpointTarget::Complete(std::vector<std::string>* names) {
  if (!header_read_) return Status(Code::kDamaged, "a checkpoint without its header");
  METASTORE_CHECK(rest_ == 0 && next_ == files_.size(), "all bytes have come");
  file_.reset();
  for (const CheckpointFile& file : files_) names->push_back(file.name);
  return Status::Ok();
}

}  // namespace metastore::member::transfer
