// Reads a bbolt file that somebody else has written: every length, page number and order is checked
// before it is gone by, and a page is met once at most, so that a damaged or hostile file is an
// error that names the page. Used by member/backup to take in backups of other servers.
#ifndef METASTORE_BBOLT_FILE_READER_H_
#define METASTORE_BBOLT_FILE_READER_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/function_ref.h"
#include "base/status.h"
#include "bbolt/format.h"

namespace metastore::bbolt {

class FileReader {
 public:
  using Visitor = FunctionRef<Status(std::string_view key, std::string_view value)>;

  /// The file must outlive the reader. `size_bytes` of it are the database. kWrongFormat when it is
  /// none, kDamaged, kIo.
  static Result<FileReader> Open(File* file, uint64_t size_bytes);

  /// Names of the buckets, ascending.
  std::vector<std::string> buckets() const;
  /// Visits the rows of a bucket in ascending order; none of a bucket that is not there. Ends with
  /// the first failure of `visit`. Holds a page run of each level.
  Status Scan(std::string_view bucket, Visitor visit);

 private:
  using ElementVisitor =
      FunctionRef<Status(uint32_t flags, std::string_view key, std::string_view value)>;
  /// One walk over a tree.
  struct Walk {
    std::vector<bool> met;
    std::string last_key;
  };

  explicit FileReader(File* file) : file_(file) {}
  Status FindMeta(uint64_t size_bytes);
  /// False when there is no meta page.
  bool ReadMeta(uint64_t offset, uint64_t page, Meta* meta);
  Status ReadRun(uint64_t page, Walk* walk, std::string* run);
  Status WalkPage(uint64_t page, int depth, Walk* walk, ElementVisitor visit);
  Status WalkLeaf(uint64_t page, std::string_view run, Walk* walk, ElementVisitor visit) const;
  Status WalkBranch(uint64_t page, std::string_view run, int depth, Walk* walk,
                    ElementVisitor visit);

  File* file_;
  Meta meta_;
  std::map<std::string, std::string, std::less<>> buckets_;  // their values in the root
};

}  // namespace metastore::bbolt

#endif  // METASTORE_BBOLT_FILE_READER_H_
