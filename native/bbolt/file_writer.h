// A bbolt file from beginning to end, from buckets of rows in ascending order: once to find out its
// shape, which stands in its first pages, and once, with the same rows, to write it. What is held
// in memory does not grow with the rows. Used by member/backup.
#ifndef METASTORE_BBOLT_FILE_WRITER_H_
#define METASTORE_BBOLT_FILE_WRITER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "bbolt/tree_writer.h"

namespace metastore::bbolt {

struct FileShape {
  uint64_t root = 0;   // page of the bucket that holds all others
  uint64_t pages = 0;  // of the whole file
  uint64_t size_bytes() const { return pages * kPageBytes; }
  bool operator==(const FileShape&) const = default;
};

class FileWriter {
 public:
  /// Only finds out the shape.
  FileWriter();
  /// Writes the file of this shape.
  explicit FileWriter(const FileShape& shape);

  /// Buckets are written one behind the other, each name once, in any order.
  void BeginBucket(std::string_view name);
  /// Keys of a bucket ascend.
  void Add(std::string_view key, const Value& value);
  void EndBucket();
  /// Ends the file. When it was written it has the shape that it was given: a CHECK.
  FileShape Finish();
  /// What has been written since the last call; whole pages in the order of the file.
  std::string Take();
  size_t written_bytes() { return sink_.bytes().size(); }

 private:
  PageSink sink_;
  std::optional<FileShape> shape_;
  std::map<std::string, std::string, std::less<>> buckets_;  // their values in the root
  std::string name_;
  std::optional<TreeWriter> bucket_;
};

}  // namespace metastore::bbolt

#endif  // METASTORE_BBOLT_FILE_WRITER_H_
