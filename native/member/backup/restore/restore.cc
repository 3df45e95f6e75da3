// Conversion of restore.h.
#include "member/backup/restore/restore.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "apply/applier.h"
#include "base/bytes.h"
#include "base/crc32c.h"
#include "codec/wire.h"
#include "member/backup/buckets.h"
#include "member/backup/restore/survey.h"
#include "mvcc/image/frame.h"
#include "mvcc/state/rows.h"

namespace metastore::member::backup {
namespace {

using bbolt::FileReader;
using mvcc::FrameKind;

/// Revisions cross to JavaScript as numbers.
constexpr int64_t kLargestRevision = (int64_t{1} << 53) - 1;

Status BadRow(std::string_view what) { return Status(Code::kDamaged, std::string(what)); }

struct OpenBackup {
  std::unique_ptr<File> file;
  std::unique_ptr<FileReader> reader;
};

Result<OpenBackup> Open(FileLayer* files, const BackupFile& from) {
  OpenBackup open;
  auto file = files->Open(from.path, false);
  if (!file.ok()) return file.TakeStatus();
  open.file = std::move(*file);
  auto reader = FileReader::Open(open.file.get(), from.database_bytes);
  if (!reader.ok()) return reader.TakeStatus();
  open.reader = std::make_unique<FileReader>(std::move(*reader));
  return open;
}

/// Frames of an image, written as they fill.
class ImageFile {
 public:
  explicit ImageFile(std::unique_ptr<File> file) : file_(std::move(file)) {}

  Status Begin(const ImageInfo& info) {
    piece_.append(mvcc::kImageMagic);
    const size_t frame = mvcc::BeginFrame(FrameKind::kHead, &piece_);
    mvcc::AppendHead(info, &piece_);
    mvcc::EndFrame(frame, &piece_);
    return Flush();
  }
  Status MetaRow(std::string_view name, std::string_view value) {
    if (!open_) frame_ = mvcc::BeginFrame(FrameKind::kMeta, &piece_), open_ = true;
    mvcc::AppendMetaRow(name, value, &piece_);
    end_.meta_rows++;
    return piece_.size() >= mvcc::kPieceBytes ? EndFrame() : Status::Ok();
  }
  Status Version(const VersionView& version) {
    if (!open_) frame_ = mvcc::BeginFrame(FrameKind::kVersions, &piece_), open_ = true;
    mvcc::AppendVersionRow(version, &piece_);
    end_.versions++;
    return piece_.size() >= mvcc::kPieceBytes ? EndFrame() : Status::Ok();
  }
  /// Between meta rows and versions, and behind these; an empty frame of versions is one too.
  Status EndFrame() {
    if (!open_) return Status::Ok();
    mvcc::EndFrame(frame_, &piece_);
    open_ = false;
    return Flush();
  }
  Status End() {
    METASTORE_RETURN_IF_ERROR(EndFrame());
    const size_t frame = mvcc::BeginFrame(FrameKind::kEnd, &piece_);
    end_.checksum = checksum_;
    mvcc::AppendEnd(end_, &piece_);
    mvcc::EndFrame(frame, &piece_);
    return Flush();
  }
  uint64_t size_bytes() const { return offset_; }
  uint64_t versions() const { return end_.versions; }

 private:
  Status Flush() {
    checksum_ = Crc32c(checksum_, piece_);
    METASTORE_RETURN_IF_ERROR(file_->WriteAt(offset_, piece_));
    offset_ += piece_.size();
    piece_.clear();
    return Status::Ok();
  }

  std::unique_ptr<File> file_;
  std::string piece_;
  size_t frame_ = 0;
  bool open_ = false;
  uint64_t offset_ = 0;
  uint32_t checksum_ = 0;
  mvcc::ImageEnd end_;
};

/// Meta rows by name, in the order in which an image has them.
using MetaRows = std::map<std::string, std::string>;

Status TakeLease(std::string_view key, std::string_view value, MetaRows* out) {
  LeaseRow lease;
  codec::WireReader reader(value);
  codec::WireField field;
  while (reader.Next(&field)) {
    if (field.Is(1, codec::WireType::varint)) lease.id = field.Int64();
    if (field.Is(2, codec::WireType::varint)) lease.ttl_seconds = field.Int64();
    if (field.Is(3, codec::WireType::varint)) lease.remaining_ttl_seconds = field.Int64();
  }
  ByteReader name(key);
  uint64_t id = 0;
  const bool named = name.ReadBig64(&id) && name.AtEnd() && static_cast<int64_t>(id) == lease.id;
  if (!reader.ok() || !named || lease.id == 0 || lease.ttl_seconds <= 0 ||
      lease.remaining_ttl_seconds < 0) {
    return BadRow("a lease");
  }
  (*out)[mvcc::LeaseRowName(lease.id)] = mvcc::EncodeLease(lease);
  return Status::Ok();
}

Status TakeAlarm(std::string_view key, MetaRows* out) {
  codec::AlarmMember alarm;
  codec::WireReader reader(key);
  codec::WireField field;
  while (reader.Next(&field)) {
    if (field.Is(1, codec::WireType::varint)) alarm.member_id = field.number;
    if (field.Is(2, codec::WireType::varint)) alarm.alarm = field.Int32();
  }
  if (!reader.ok() || alarm.alarm <= 0) return BadRow("an alarm");
  (*out)[mvcc::AlarmRowName(alarm)] = {};
  return Status::Ok();
}

Status TakeAuth(std::string_view key, std::string_view value, MetaRows* out) {
  const std::string prefix = std::string(apply::kMetaPrefix) + "auth/";
  if (key == "authEnabled") {
    if (value.size() != 1 || static_cast<uint8_t>(value[0]) > 1) return BadRow("authEnabled");
    (*out)[prefix + "enabled"] = value[0] == '\1' ? "1" : "0";
  }
  if (key == "authRevision") {
    ByteReader reader(value);
    uint64_t revision = 0;
    if (!reader.ReadBig64(&revision) || !reader.AtEnd() ||
        revision > static_cast<uint64_t>(kLargestRevision)) {
      return BadRow("authRevision");
    }
    (*out)[prefix + "revision"] = std::to_string(revision);
  }
  return Status::Ok();
}

/// What comes along besides the versions.
Status TakeMeta(FileReader* reader, const RestoreOptions& options, MetaRows* out) {
  METASTORE_RETURN_IF_ERROR(reader->Scan(
      "lease",
      [out](std::string_view key, std::string_view value) { return TakeLease(key, value, out); }));
  METASTORE_RETURN_IF_ERROR(reader->Scan(
      "alarm", [out](std::string_view key, std::string_view) { return TakeAlarm(key, out); }));
  METASTORE_RETURN_IF_ERROR(reader->Scan(
      "auth",
      [out](std::string_view key, std::string_view value) { return TakeAuth(key, value, out); }));
  for (const std::string folder : {"authUsers", "authRoles"}) {
    const std::string prefix = std::string(apply::kMetaPrefix) + folder + "/";
    const auto row = [&](std::string_view key, std::string_view value) {
      if (!codec::IsMessage(value)) return BadRow(folder);
      (*out)[prefix + std::string(key)] = value;
      return Status::Ok();
    };
    METASTORE_RETURN_IF_ERROR(reader->Scan(folder, row));
  }
  for (const auto& [name, value] : options.rows) {
    (*out)[std::string(apply::kMetaPrefix) + name] = value;
  }
  return Status::Ok();
}

/// The versions that a finished compaction at `cut` leaves, each with the live one before it.
class Versions {
 public:
  Versions(Survey* survey, int64_t cut, ImageFile* out) : survey_(survey), cut_(cut), out_(out) {}

  Status Take(std::string_view name, std::string_view row) {
    VersionView version;
    METASTORE_RETURN_IF_ERROR(ParseVersion(name, row, &version));
    if (version.key.empty() || !Remains(version)) return Status::Ok();
    VersionMeta& before = live_[std::string(version.key)];
    version.prev = before.rev;
    version.prev_size_bytes = before.size_bytes;
    before = VersionMeta();
    if (!version.tombstone) {
      before.rev = version.rev;
      before.size_bytes = AccountedSize(version.key.size(), version.value.size());
    }
    return out_->Version(version);
  }

 private:
  bool Remains(const VersionView& version) const {
    if (version.rev.main > cut_) return true;
    if (version.tombstone) return version.rev.main == cut_;
    return survey_->newest.find(std::string(version.key))->second.rev == version.rev;
  }

  Survey* const survey_;
  const int64_t cut_;
  ImageFile* const out_;
  std::unordered_map<std::string, VersionMeta> live_;
};

Status Convert(FileReader* reader, const RestoreOptions& options, ImageFile* out,
               RestoredImage* facts) {
  Survey survey;
  const int64_t everything = std::numeric_limits<int64_t>::max();
  const bool bumps = options.bump_revision > 0;
  METASTORE_RETURN_IF_ERROR(TakeSurvey(reader, bumps ? &everything : nullptr, &survey));
  mvcc::Numbers numbers;
  numbers.revision = std::max<int64_t>({survey.revision, survey.compact_revision, 1});
  if (numbers.revision > kLargestRevision ||
      options.bump_revision > kLargestRevision - numbers.revision) {
    return BadRow("a revision that is too large");
  }
  numbers.revision += options.bump_revision;
  numbers.compact_revision = bumps ? numbers.revision : survey.compact_revision;
  numbers.finished_compact_revision = numbers.compact_revision;
  numbers.key_count = static_cast<int64_t>(survey.live_keys);
  numbers.applied_index = options.index;
  numbers.applied_term = options.term;
  MetaRows rows;
  METASTORE_RETURN_IF_ERROR(TakeMeta(reader, options, &rows));
  rows[std::string(mvcc::kNumbersRow)] = mvcc::EncodeNumbers(numbers);

  ImageInfo info;
  info.applied_index = numbers.applied_index;
  info.applied_term = numbers.applied_term;
  info.revision = facts->revision = numbers.revision;
  info.compact_revision = facts->compact_revision = numbers.compact_revision;
  METASTORE_RETURN_IF_ERROR(out->Begin(info));
  for (const auto& [name, value] : rows) METASTORE_RETURN_IF_ERROR(out->MetaRow(name, value));
  METASTORE_RETURN_IF_ERROR(out->EndFrame());
  Versions versions(&survey, numbers.compact_revision, out);
  METASTORE_RETURN_IF_ERROR(reader->Scan(
      kVersionsBucket,
      [&](std::string_view name, std::string_view row) { return versions.Take(name, row); }));
  METASTORE_RETURN_IF_ERROR(out->End());
  facts->versions = out->versions();
  facts->size_bytes = out->size_bytes();
  return Status::Ok();
}

}  // namespace

Result<BackupSummary> InspectBackup(FileLayer* files, const BackupFile& from) {
  auto open = Open(files, from);
  if (!open.ok()) return open.TakeStatus();
  Survey survey;
  METASTORE_RETURN_IF_ERROR(TakeSurvey(open->reader.get(), nullptr, &survey));
  return BackupSummary{survey.hash, survey.revision, survey.live_keys, survey.storage_version};
}

Result<RestoredImage> RestoreBackup(FileLayer* files, const RestoreOptions& options) {
  auto open = Open(files, options.from);
  if (!open.ok()) return open.TakeStatus();
  auto image = files->Open(options.image, true);
  if (!image.ok()) return image.TakeStatus();
  ImageFile out(std::move(*image));
  RestoredImage facts;
  METASTORE_RETURN_IF_ERROR(Convert(open->reader.get(), options, &out, &facts));
  return facts;
}

}  // namespace metastore::member::backup
