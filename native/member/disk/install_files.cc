// Text, checks and durability of install_files.h.
#include "member/disk/install_files.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <vector>

#include "base/crc32c.h"
#include "mvcc/image.h"

namespace metastore::member {
namespace {

constexpr std::string_view kInstallFile = "INSTALL";
constexpr std::string_view kStateFile = "STATE";
constexpr std::string_view kInstallTitle = "metastore install 1";
constexpr std::string_view kStateTitle = "metastore state 1";
constexpr std::string_view kChecksumWord = "crc32c ";
constexpr std::string_view kNumberedDatabase = "db-";
constexpr uint64_t kMaxFileBytes = 4096;

/// All of `text` as a decimal number.
bool ToNumber(std::string_view text, uint64_t* out) {
  const char* end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, *out);
  return !text.empty() && error == std::errc() && parsed == end;
}

std::string ChecksumLine(std::string_view text) {
  char digits[9];
  std::snprintf(digits, sizeof digits, "%08x", static_cast<unsigned>(Crc32c(0, text)));
  return std::string(kChecksumWord) + digits + "\n";
}

Result<bool> Exists(FileLayer* files, const std::string& directory, std::string_view name) {
  auto names = files->List(directory);
  if (!names.ok()) return names.TakeStatus();
  return std::find(names->begin(), names->end(), name) != names->end();
}

Status WriteWhole(FileLayer* files, const std::string& member, std::string_view name,
                  const std::string& text) {
  const std::string path = member + "/" + std::string(name);
  const std::string temporary = path + ".tmp";
  {
    auto file = files->Open(temporary, true);
    if (!file.ok()) return file.TakeStatus();
    METASTORE_RETURN_IF_ERROR((*file)->Truncate(0));
    METASTORE_RETURN_IF_ERROR((*file)->WriteAt(0, text + ChecksumLine(text)));
    METASTORE_RETURN_IF_ERROR((*file)->Sync());
  }
  METASTORE_RETURN_IF_ERROR(files->Rename(temporary, path));
  return files->SyncDirectory(member);
}

/// The lines between title and checksum; none when there is no such file.
Result<std::optional<std::vector<std::string>>> ReadLines(FileLayer* files,
                                                          const std::string& member,
                                                          std::string_view name,
                                                          std::string_view title) {
  using Lines = std::vector<std::string>;
  auto there = Exists(files, member, name);
  if (!there.ok()) return there.TakeStatus();
  if (!*there) return std::optional<Lines>();
  const std::string path = member + "/" + std::string(name);
  auto file = files->Open(path, false);
  if (!file.ok()) return file.TakeStatus();
  std::string text;
  METASTORE_RETURN_IF_ERROR((*file)->ReadAt(0, kMaxFileBytes, &text));
  const size_t sum = text.rfind(kChecksumWord);
  if (sum == std::string::npos || text.substr(sum) != ChecksumLine(text.substr(0, sum))) {
    return Status(Code::kDamaged, path + ": checksum");
  }
  Lines lines;
  for (size_t at = 0; at < sum;) {
    const size_t end = text.find('\n', at);
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  if (lines.empty() || lines.front() != title) {
    return Status(Code::kWrongFormat, path + " names a format that this version does not know");
  }
  lines.erase(lines.begin());
  return std::optional<Lines>(std::move(lines));
}

/// The value of a line `<word> <value>`; false for another word.
bool Value(const std::string& line, std::string_view word, std::string* value) {
  if (line.size() <= word.size() || !line.starts_with(word) || line[word.size()] != ' ') {
    return false;
  }
  *value = line.substr(word.size() + 1);
  return true;
}

/// Names are joined to paths: nothing else than what is written here may come back.
bool IsStateName(std::string_view name) {
  if (IsDatabaseName(name)) return true;
  const std::string folder = std::string(kIncomingFolder) + "/";
  uint64_t number = 0;
  return name.starts_with(folder) && ToNumber(name.substr(folder.size()), &number);
}

Status SwitchImage(FileLayer* files, const std::string& member, const PendingInstall& install) {
  const std::string folder = member + "/" + std::string(kIncomingFolder);
  const std::string images = member + "/" + std::string(kImagesFolder);
  METASTORE_RETURN_IF_ERROR(files->MakeDirectory(images));
  METASTORE_RETURN_IF_ERROR(files->SyncDirectory(member));
  const std::string name = install.state.substr(kIncomingFolder.size() + 1);
  METASTORE_RETURN_IF_ERROR(files->MakeDirectory(folder));
  auto waits = Exists(files, folder, name);
  if (!waits.ok()) return waits.TakeStatus();
  if (*waits) {
    METASTORE_RETURN_IF_ERROR(files->Rename(folder + "/" + name, ImagePath(images, install.index)));
  } else {
    auto indexes = ListImages(files, images);
    if (!indexes.ok()) return indexes.TakeStatus();
    if (indexes->empty() || indexes->front() < install.index) {
      return Status(Code::kDamaged, member + ": the state that is being installed, " +
                                        install.state + ", is missing");
    }
  }
  METASTORE_RETURN_IF_ERROR(files->SyncDirectory(images));
  return files->SyncDirectory(folder);
}

}  // namespace

bool IsDatabaseName(std::string_view name) {
  uint64_t number = 0;
  return name == kFirstDatabase || (name.starts_with(kNumberedDatabase) &&
                                    ToNumber(name.substr(kNumberedDatabase.size()), &number));
}

Status WriteInstall(FileLayer* files, const std::string& member, const PendingInstall& install) {
  const auto line = [](const char* word, const std::string& value) {
    return std::string(word) + " " + value + "\n";
  };
  const auto number = [&](const char* word, uint64_t value) {
    return line(word, std::to_string(value));
  };
  return WriteWhole(files, member, kInstallFile,
                    std::string(kInstallTitle) + "\n" + number("index", install.index) +
                        number("term", install.term) + number("hardTerm", install.hard_state.term) +
                        number("vote", install.hard_state.vote) +
                        number("commit", install.hard_state.commit) + line("state", install.state));
}

Result<std::optional<PendingInstall>> ReadInstall(FileLayer* files, const std::string& member) {
  auto lines = ReadLines(files, member, kInstallFile, kInstallTitle);
  if (!lines.ok()) return lines.TakeStatus();
  if (!lines->has_value()) return std::optional<PendingInstall>();
  PendingInstall install;
  const std::pair<const char*, uint64_t*> numbers[] = {{"index", &install.index},
                                                       {"term", &install.term},
                                                       {"hardTerm", &install.hard_state.term},
                                                       {"vote", &install.hard_state.vote},
                                                       {"commit", &install.hard_state.commit}};
  constexpr size_t kNumbers = std::size(numbers);
  const std::vector<std::string>& found = **lines;
  bool good = found.size() == kNumbers + 1;
  for (size_t i = 0; good && i < kNumbers; ++i) {
    std::string value;
    good = Value(found[i], numbers[i].first, &value) && ToNumber(value, numbers[i].second);
  }
  good = good && Value(found[kNumbers], "state", &install.state) && IsStateName(install.state);
  if (!good) {
    return Status(Code::kDamaged, member + "/" + std::string(kInstallFile) + ": its lines");
  }
  return std::optional<PendingInstall>(std::move(install));
}

Status RemoveInstall(FileLayer* files, const std::string& member) {
  auto there = Exists(files, member, kInstallFile);
  if (!there.ok()) return there.TakeStatus();
  if (*there) {
    METASTORE_RETURN_IF_ERROR(files->Remove(member + "/" + std::string(kInstallFile)));
  }
  return files->SyncDirectory(member);
}

Status SwitchState(FileLayer* files, const std::string& member, EngineKind engine,
                   const PendingInstall& install) {
  if (IsDatabaseName(install.state) != (engine == EngineKind::kRocks)) {
    return Status(Code::kDamaged, member + ": " + install.state +
                                      " is being installed, which is of another engine");
  }
  if (engine == EngineKind::kMemory) return SwitchImage(files, member, install);
  auto there = Exists(files, member, install.state);
  if (!there.ok()) return there.TakeStatus();
  if (!*there) {
    return Status(Code::kDamaged, member + ": the state that is being installed, " + install.state +
                                      ", is missing");
  }
  return WriteWhole(files, member, kStateFile,
                    std::string(kStateTitle) + "\ncurrent " + install.state + "\n");
}

Result<std::string> ReadCurrentDatabase(FileLayer* files, const std::string& member) {
  auto lines = ReadLines(files, member, kStateFile, kStateTitle);
  if (!lines.ok()) return lines.TakeStatus();
  if (!lines->has_value()) return std::string(kFirstDatabase);
  std::string name;
  if ((*lines)->size() != 1 || !Value((**lines)[0], "current", &name) || !IsDatabaseName(name)) {
    return Status(Code::kDamaged, member + "/" + std::string(kStateFile) + ": its lines");
  }
  return name;
}

Result<std::string> NextDatabaseName(FileLayer* files, const std::string& member) {
  auto names = files->List(member);
  if (!names.ok()) return names.TakeStatus();
  uint64_t highest = 0;
  for (const std::string& name : *names) {
    uint64_t number = 0;
    if (name.starts_with(kNumberedDatabase) &&
        ToNumber(std::string_view(name).substr(kNumberedDatabase.size()), &number)) {
      highest = std::max(highest, number);
    }
  }
  return std::string(kNumberedDatabase) + std::to_string(highest + 1);
}

}  // namespace metastore::member
