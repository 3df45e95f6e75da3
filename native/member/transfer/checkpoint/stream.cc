// Bytes and checks of stream.h.
#include "member/transfer/checkpoint/stream.h"

#include <algorithm>
#include <set>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace metastore::member::transfer {
namespace {

constexpr std::string_view kMagic = "MSCHECK1";
constexpr std::string_view kCurrent = "CURRENT";
constexpr std::string_view kManifest = "MANIFEST-";
constexpr std::string_view kTable = ".sst";
constexpr size_t kMaxDigits = 20;
/// More files than any database of a member has; bounds what is kept in memory of a header.
constexpr uint32_t kMaxBodyBytes = 16u << 20;

bool IsNumber(std::string_view text) {
  return !text.empty() && text.size() <= kMaxDigits &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Status Damage(const std::string& what) {
  return Status(Code::kDamaged, "header of a checkpoint: " + what);
}

bool ReadFile(std::string_view* body, CheckpointFile* file) {
  if (body->size() < 2) return false;
  const size_t length =
      static_cast<uint8_t>((*body)[0]) | static_cast<size_t>(static_cast<uint8_t>((*body)[1])) << 8;
  if (body->size() < 2 + length + 8) return false;
  file->name = body->substr(2, length);
  file->size_bytes = GetLittle64(body->data() + 2 + length);
  body->remove_prefix(2 + length + 8);
  return true;
}

/// Which files there are, and that they fill what follows the header.
Status CheckFiles(const CheckpointFiles& files, uint64_t following_bytes) {
  std::set<std::string_view> names;
  bool manifest = false;
  for (const CheckpointFile& file : files) {
    if (!IsCheckpointFileName(file.name)) return Damage("a file of another name");
    if (!names.insert(file.name).second) return Damage("a file twice");
    if (file.size_bytes > following_bytes) return Damage("sizes");
    following_bytes -= file.size_bytes;
    manifest = manifest || file.name.starts_with(kManifest);
  }
  if (following_bytes != 0) return Damage("sizes");
  if (!manifest || !names.contains(kCurrent)) return Damage("no manifest");
  return Status::Ok();
}

}  // namespace

bool IsCheckpointFileName(std::string_view name) {
  if (name == kCurrent) return true;
  if (name.starts_with(kManifest)) return IsNumber(name.substr(kManifest.size()));
  return name.ends_with(kTable) && IsNumber(name.substr(0, name.size() - kTable.size()));
}

std::string EncodeCheckpointHeader(const CheckpointFiles& files) {
  std::string body;
  AppendLittle32(&body, static_cast<uint32_t>(files.size()));
  for (const CheckpointFile& file : files) {
    METASTORE_CHECK(IsCheckpointFileName(file.name), "only what can be received is sent");
    body.push_back(static_cast<char>(file.name.size()));
    body.push_back('\0');
    body.append(file.name);
    AppendLittle64(&body, file.size_bytes);
  }
  METASTORE_CHECK(body.size() <= kMaxBodyBytes, "a database has no such number of files");
  std::string header(kMagic);
  AppendLittle32(&header, static_cast<uint32_t>(body.size()));
  AppendLittle32(&header, Crc32c(0, body));
  return header + body;
}

Result<std::optional<CheckpointFiles>> DecodeCheckpointHeader(std::string_view bytes,
                                                              uint64_t total_bytes,
                                                              size_t* header_bytes) {
  if (bytes.size() < kCheckpointFixedBytes) return std::optional<CheckpointFiles>();
  if (!bytes.starts_with(kMagic)) return Damage("not a checkpoint");
  const uint32_t length = GetLittle32(bytes.data() + kMagic.size());
  if (length > kMaxBodyBytes || kCheckpointFixedBytes + length > total_bytes) {
    return Damage("length");
  }
  if (bytes.size() < kCheckpointFixedBytes + length) return std::optional<CheckpointFiles>();
  std::string_view body = bytes.substr(kCheckpointFixedBytes, length);
  if (Crc32c(0, body) != GetLittle32(bytes.data() + kMagic.size() + 4)) return Damage("checksum");
  if (body.size() < 4) return Damage("length");
  const uint32_t count = GetLittle32(body.data());
  body.remove_prefix(4);
  CheckpointFiles files;
  while (files.size() < count) {
    if (!ReadFile(&body, &files.emplace_back())) return Damage("a file's row");
  }
  if (!body.empty()) return Damage("bytes behind the last row");
  *header_bytes = kCheckpointFixedBytes + length;
  METASTORE_RETURN_IF_ERROR(CheckFiles(files, total_bytes - *header_bytes));
  return std::optional<CheckpointFiles>(std::move(files));
}

}  // namespace metastore::member::transfer
