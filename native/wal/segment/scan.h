// SegmentScanner: reads one segment's records in order, and finds out why they end where they do.
//
// Used by replay. It writes nothing and trusts nothing: every answer comes from checked bytes.
#ifndef METASTORE_WAL_SEGMENT_SCAN_H_
#define METASTORE_WAL_SEGMENT_SCAN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/file.h"
#include "wal/segment/format.h"

namespace metastore::wal {

class SegmentScanner {
 public:
  /// Reads and checks the header; details of errors name the file.
  static Result<std::unique_ptr<SegmentScanner>> Open(FileLayer* files, const std::string& path);

  /// The next record of the chain, valid until the next call; false where there is no whole one.
  Result<bool> Next(RecordView* record);
  /// Where the record that Next gave last began, and where the next one is expected.
  uint64_t record_offset() const { return record_offset_; }
  uint64_t offset() const { return offset_; }
  /// CRC of the last record that Next gave (the header's before the first).
  uint32_t last_crc() const { return last_crc_; }
  /// CRC of the record before the last one.
  uint32_t crc_before_last() const { return crc_before_last_; }

  /// Offset of a mark at or behind `from` that proves the log durable beyond `cut`; 0 for none.
  Result<uint64_t> FindProof(uint64_t from, uint64_t cut);
  /// End of the last byte that is not zero at or behind `from`; `from` when there is none.
  Result<uint64_t> EndOfData(uint64_t from);
  /// Whether the file holds zeros where a record at `offset` would have its header.
  Result<bool> NeverWritten(uint64_t offset);

  const SegmentHeader& header() const { return header_; }
  uint64_t size_bytes() const { return size_; }
  const std::string& path() const { return path_; }
  std::unique_ptr<File> TakeFile() { return std::move(file_); }

 private:
  /// Bytes [offset, offset + length), fewer at the end of the file; valid until the next call.
  Status View(uint64_t offset, uint64_t length, std::string_view* bytes);

  std::string path_;
  std::unique_ptr<File> file_;
  uint64_t size_ = 0;
  SegmentHeader header_;
  std::string window_;
  uint64_t window_at_ = 0;
  uint64_t offset_ = 0;
  uint64_t record_offset_ = 0;
  uint32_t last_crc_ = 0;
  uint32_t crc_before_last_ = 0;
};

/// "path: offset 128: text", the form of every report of damage.
Status DamagedAt(const std::string& path, uint64_t offset, const std::string& text);

}  // namespace metastore::wal

#endif  // METASTORE_WAL_SEGMENT_SCAN_H_
