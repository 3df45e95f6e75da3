// Creation and checks of directory.h.
#include "member/disk/directory.h"

#include <algorithm>
#include <utility>

namespace metastore::member {
namespace {

constexpr std::string_view kFormatFile = "FORMAT";
constexpr std::string_view kFormatVersionLine = "metastore 1";
constexpr uint64_t kMaxFormatBytes = 4096;

std::string_view EngineName(EngineKind engine) {
  return engine == EngineKind::kMemory ? "memory" : "rocksdb";
}

std::string FormatText(EngineKind engine) {
  return std::string(kFormatVersionLine) + "\nengine " + std::string(EngineName(engine)) + "\n";
}

/// What may lie in a directory whose creation was cut short before the format file was in place.
bool IsLeftover(const std::string& name) { return name == "LOCK" || name == "FORMAT.tmp"; }

Status WriteFormat(const std::string& directory, EngineKind engine, FileLayer* files) {
  const std::string path = directory + "/" + std::string(kFormatFile);
  const std::string temporary = path + ".tmp";
  {
    auto file = files->Open(temporary, true);
    if (!file.ok()) return file.TakeStatus();
    METASTORE_RETURN_IF_ERROR((*file)->Truncate(0));
    METASTORE_RETURN_IF_ERROR((*file)->WriteAt(0, FormatText(engine)));
    METASTORE_RETURN_IF_ERROR((*file)->Sync());
  }
  METASTORE_RETURN_IF_ERROR(files->Rename(temporary, path));
  return files->SyncDirectory(directory);
}

Status CheckFormat(const std::string& directory, EngineKind engine, FileLayer* files) {
  const std::string path = directory + "/" + std::string(kFormatFile);
  auto file = files->Open(path, false);
  if (!file.ok()) return file.TakeStatus();
  std::string text;
  METASTORE_RETURN_IF_ERROR((*file)->ReadAt(0, kMaxFormatBytes, &text));
  if (text == FormatText(engine)) return Status::Ok();
  for (EngineKind other : {EngineKind::kMemory, EngineKind::kRocks}) {
    if (text == FormatText(other)) {
      return Status(Code::kWrongFormat,
                    directory + " was created with the " + std::string(EngineName(other)) +
                        " engine and cannot be opened with " + std::string(EngineName(engine)));
    }
  }
  return Status(Code::kWrongFormat, path + " names a format that this version does not know");
}

}  // namespace

Result<DataDirectory> OpenDataDirectory(const MemberOptions& options, FileLayer* files) {
  const std::string member = options.data_dir + "/member";
  METASTORE_RETURN_IF_ERROR(files->MakeDirectory(member));
  auto lock = DirectoryLock::Acquire(member);
  if (!lock.ok()) return lock.TakeStatus();
  auto names = files->List(member);
  if (!names.ok()) return names.TakeStatus();
  if (std::find(names->begin(), names->end(), kFormatFile) != names->end()) {
    METASTORE_RETURN_IF_ERROR(CheckFormat(member, options.engine, files));
  } else {
    const auto stranger = std::find_if_not(names->begin(), names->end(), IsLeftover);
    if (stranger != names->end()) {
      return Status(Code::kWrongFormat,
                    member + " holds " + *stranger +
                        " but no FORMAT file: it was not created by this server");
    }
    METASTORE_RETURN_IF_ERROR(WriteFormat(member, options.engine, files));
  }
  DataDirectory directory;
  directory.lock = std::move(*lock);
  directory.wal = options.wal_dir.empty() ? member + "/wal" : options.wal_dir;
  directory.engine = member + (options.engine == EngineKind::kMemory ? "/images" : "/db");
  METASTORE_RETURN_IF_ERROR(files->MakeDirectory(directory.wal));
  METASTORE_RETURN_IF_ERROR(files->MakeDirectory(directory.engine));
  return directory;
}

}  // namespace metastore::member
