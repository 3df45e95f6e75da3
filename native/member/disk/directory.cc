// Creation and checks of directory.h.
#include "member/disk/directory.h"

#include <algorithm>
#include <utility>

#include "member/disk/tree.h"

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

/// Databases that are not current: superseded ones, and ones that were never finished.
Status RemoveOtherDatabases(const std::string& member, const std::string& current,
                            FileLayer* files) {
  auto names = files->List(member);
  if (!names.ok()) return names.TakeStatus();
  for (const std::string& name : *names) {
    if (!IsDatabaseName(name) || name == current) continue;
    METASTORE_RETURN_IF_ERROR(RemoveTree(files, member + "/" + name));
  }
  return Status::Ok();
}

/// Settles which state is the current one, and clears away all others.
Status SettleState(const MemberOptions& options, FileLayer* files, DataDirectory* directory) {
  const std::string& member = directory->member;
  auto pending = ReadInstall(files, member);
  if (!pending.ok()) return pending.TakeStatus();
  directory->pending = std::move(*pending);
  if (directory->pending.has_value()) {
    METASTORE_RETURN_IF_ERROR(SwitchState(files, member, options.engine, *directory->pending));
  }
  std::string folder(kImagesFolder);
  if (options.engine == EngineKind::kRocks) {
    auto current = ReadCurrentDatabase(files, member);
    if (!current.ok()) return current.TakeStatus();
    folder = std::move(*current);
    METASTORE_RETURN_IF_ERROR(RemoveOtherDatabases(member, folder, files));
  }
  directory->engine = member + "/" + folder;
  METASTORE_RETURN_IF_ERROR(files->MakeDirectory(directory->engine));
  for (const std::string_view transfers : {kIncomingFolder, kOutgoingFolder}) {
    const std::string path = member + "/" + std::string(transfers);
    METASTORE_RETURN_IF_ERROR(EmptyDirectory(files, path, {}));
  }
  return Status::Ok();
}

/// The log may hold all of it already, when only the end of the install was missing.
Status StartLogAt(const PendingInstall& install, const wal::Recovered& found, wal::Wal* log) {
  const auto ignore = [](const Status&) {};  // Close says what failed
  if (found.start_index < install.index) {
    if (found.hard_state.commit > install.index) {
      return Status(Code::kDamaged, "a snapshot at index " + std::to_string(install.index) +
                                        " is being installed over a log that is committed up to " +
                                        std::to_string(found.hard_state.commit));
    }
    log->Reset(install.index, install.term, ignore);
  }
  if (found.hard_state.term <= install.hard_state.term) {
    wal::HardState hard_state = install.hard_state;
    hard_state.commit = std::max(hard_state.commit, found.hard_state.commit);
    log->Append({}, &hard_state, true, ignore);
  }
  return log->Close();
}

}  // namespace

Result<std::unique_ptr<wal::Wal>> OpenLogBehindInstall(DataDirectory* directory, FileLayer* files,
                                                       const OpenLogFunction& open,
                                                       wal::Recovered* recovered) {
  auto log = open(recovered);
  if (!log.ok() || !directory->pending.has_value()) return log;
  if (recovered->created) {
    return Status(Code::kDamaged,
                  "a snapshot is being installed, but there is no log in " + directory->wal);
  }
  METASTORE_RETURN_IF_ERROR(StartLogAt(*directory->pending, *recovered, log->get()));
  log->reset();  // the closed one goes first
  auto again = open(recovered);
  if (!again.ok()) return again;
  METASTORE_RETURN_IF_ERROR(RemoveInstall(files, directory->member));
  directory->pending.reset();
  return again;
}

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
  directory.member = member;
  METASTORE_RETURN_IF_ERROR(files->MakeDirectory(directory.wal));
  METASTORE_RETURN_IF_ERROR(SettleState(options, files, &directory));
  return directory;
}

}  // namespace metastore::member
