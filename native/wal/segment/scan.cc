// See scan.h.
#include "wal/segment/scan.h"

#include <algorithm>
#include <cstring>

namespace metastore::wal {
namespace {

constexpr uint64_t kWindowBytes = 1 << 20;

/// By memcmp, which compares words: most of a fresh segment is zeros that a start looks through.
bool AllZero(std::string_view bytes) {
  return bytes.empty() ||
         (bytes[0] == '\0' && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

/// Cheap test before the CRC: does a record of the marks' size and types begin here?
bool LooksLikeMark(const char* at) {
  const auto type = static_cast<RecordType>(at[12]);
  return RecordLength(std::string_view(at, kRecordHeaderBytes)) == kMarkPayloadBytes &&
         (type == RecordType::kMark || type == RecordType::kSeal || type == RecordType::kCleanEnd);
}

}  // namespace

Status DamagedAt(const std::string& path, uint64_t offset, const std::string& text) {
  return Status(Code::kDamaged, path + ": offset " + std::to_string(offset) + ": " + text);
}

Result<std::unique_ptr<SegmentScanner>> SegmentScanner::Open(FileLayer* files,
                                                             const std::string& path) {
  auto scanner = std::make_unique<SegmentScanner>();
  scanner->path_ = path;
  Result<std::unique_ptr<File>> file = files->Open(path, /*create=*/false);
  if (!file.ok()) return file.TakeStatus();
  scanner->file_ = std::move(*file);
  Result<uint64_t> size = scanner->file_->Size();
  if (!size.ok()) return size.TakeStatus();
  scanner->size_ = *size;
  if (scanner->size_ > kMaxSegmentBytes) {
    return DamagedAt(path, kMaxSegmentBytes, "expected the end of the file");
  }
  std::string_view bytes;
  METASTORE_RETURN_IF_ERROR(scanner->View(0, kHeaderBytes, &bytes));
  const Status status = DecodeHeader(bytes, &scanner->header_);
  if (!status.ok()) {
    return Status(status.code(), path + ": offset 0: " + std::string(status.detail()));
  }
  if (scanner->header_.allocated_bytes > kMaxAllocatedBytes) {
    return DamagedAt(path, 0, "expected an allocation of at most 1 GiB");
  }
  scanner->offset_ = scanner->record_offset_ = kHeaderBytes;
  scanner->last_crc_ = scanner->crc_before_last_ = scanner->header_.crc;
  return scanner;
}

Status SegmentScanner::View(uint64_t offset, uint64_t length, std::string_view* bytes) {
  if (offset >= size_) {
    *bytes = std::string_view();
    return Status::Ok();
  }
  length = std::min(length, size_ - offset);
  if (offset < window_at_ || offset + length > window_at_ + window_.size()) {
    METASTORE_RETURN_IF_ERROR(file_->ReadAt(offset, std::max(length, kWindowBytes), &window_));
    window_at_ = offset;
    // The file shrank while it was read; whoever reads on sees its end.
    length = std::min<uint64_t>(length, window_.size());
  }
  *bytes = std::string_view(window_).substr(offset - window_at_, length);
  return Status::Ok();
}

Result<bool> SegmentScanner::Next(RecordView* record) {
  std::string_view bytes;
  METASTORE_RETURN_IF_ERROR(View(offset_, kRecordHeaderBytes, &bytes));
  if (bytes.size() < kRecordHeaderBytes) return false;
  const uint64_t total = RecordBytes(RecordLength(bytes));
  if (total > size_ - offset_) return false;
  METASTORE_RETURN_IF_ERROR(View(offset_, total, &bytes));
  if (!DecodeRecord(bytes, header_.crc, offset_, record)) return false;
  if (record->previous_crc != last_crc_) return false;
  crc_before_last_ = last_crc_;
  last_crc_ = record->crc;
  record_offset_ = offset_;
  offset_ += record->total_bytes;
  return true;
}

Result<uint64_t> SegmentScanner::FindProof(uint64_t from, uint64_t cut) {
  for (uint64_t at = from; at + kMarkBytes <= size_;) {
    std::string_view bytes;
    METASTORE_RETURN_IF_ERROR(View(at, kWindowBytes, &bytes));
    if (bytes.size() < kMarkBytes) break;
    const size_t last = bytes.size() - kMarkBytes;
    size_t place = 0;
    if (AllZero(bytes)) {
      // A mark may begin in the last few bytes only if there is more behind them.
      at += std::max<size_t>(8, last / 8 * 8);
      continue;
    }
    for (; place <= last; place += 8) {
      RecordView record;
      if (LooksLikeMark(bytes.data() + place) &&
          DecodeRecord(bytes.substr(place), header_.crc, at + place, &record) &&
          record.Field(0) > cut) {
        return at + place;
      }
    }
    at += place;
  }
  return uint64_t{0};
}

Result<uint64_t> SegmentScanner::EndOfData(uint64_t from) {
  uint64_t end = from;
  for (uint64_t at = from; at < size_;) {
    std::string_view bytes;
    METASTORE_RETURN_IF_ERROR(View(at, kWindowBytes, &bytes));
    if (bytes.empty()) break;
    if (!AllZero(bytes)) end = at + bytes.find_last_not_of('\0') + 1;
    at += bytes.size();
  }
  return end;
}

Result<bool> SegmentScanner::NeverWritten(uint64_t offset) {
  std::string_view bytes;
  METASTORE_RETURN_IF_ERROR(View(offset, kRecordHeaderBytes, &bytes));
  return bytes.size() == kRecordHeaderBytes && AllZero(bytes);
}

}  // namespace metastore::wal
