// Removal of tree.h.
#include "member/disk/tree.h"

#include <filesystem>
#include <system_error>

namespace metastore::member {
namespace {

bool IsDirectory(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(std::filesystem::symlink_status(path, ignored));
}

/// A layer may know of files that the operating system does not, and the other way round.
Status RemoveRest(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (!error) return Status::Ok();
  return Status(Code::kIo, "remove " + path + ": " + error.message());
}

}  // namespace

Status EmptyDirectory(FileLayer* files, const std::string& path, const std::string& keep) {
  METASTORE_RETURN_IF_ERROR(files->MakeDirectory(path));
  auto names = files->List(path);
  if (!names.ok()) return names.TakeStatus();
  for (const std::string& name : *names) {
    if (name == keep) continue;
    const std::string entry = path + "/" + name;
    METASTORE_RETURN_IF_ERROR(IsDirectory(entry) ? RemoveTree(files, entry) : files->Remove(entry));
  }
  return files->SyncDirectory(path);
}

Status RemoveTree(FileLayer* files, const std::string& path) {
  if (!IsDirectory(path)) {
    if (!files->Open(path, false).ok()) return Status::Ok();
    return files->Remove(path);
  }
  METASTORE_RETURN_IF_ERROR(EmptyDirectory(files, path, {}));
  return RemoveRest(path);
}

Status CheckSpace(const std::string& directory, uint64_t wanted_bytes) {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(directory, error);
  if (error || space.available >= wanted_bytes) return Status::Ok();
  return Status(Code::kNoSpace, directory + ": " + std::to_string(wanted_bytes) +
                                    " bytes are wanted, and the disk has " +
                                    std::to_string(space.available));
}

Status OfWrite(Status status, const std::string& directory, uint64_t wanted_bytes) {
  if (status.code() != Code::kIo || CheckSpace(directory, wanted_bytes).ok()) return status;
  return Status(Code::kNoSpace, std::string(status.detail()));
}

Tenancy::~Tenancy() {
  // What stays is removed at the next start.
  if (superseded_) (void)RemoveTree(files_, directory_);
}

}  // namespace metastore::member
