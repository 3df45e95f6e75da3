// FileLayer: every file operation whose durability matters goes through it.
//
// The operating system's layer is the one in production. The lossy layer (tests only) keeps what
// has not been synced in this process's memory, letting random prefixes through early, so that a
// killed process has lost it as a machine does at a power cut.
#ifndef METASTORE_BASE_FILE_H_
#define METASTORE_BASE_FILE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace metastore {

class File {
 public:
  virtual ~File() = default;
  /// Writes all of `data` at `offset`; kIo with the path and errno text on failure.
  virtual Status WriteAt(uint64_t offset, std::string_view data) = 0;
  /// Reads up to `length` bytes into *out (resized); fewer at the end of the file.
  virtual Status ReadAt(uint64_t offset, size_t length, std::string* out) = 0;
  /// fdatasync (F_FULLFSYNC on macOS). After a failure the file must not be trusted: end the
  /// process.
  virtual Status Sync() = 0;
  /// Reserves space without changing what is read as the size being `size_bytes` of zeros.
  virtual Status Allocate(uint64_t size_bytes) = 0;
  virtual Status Truncate(uint64_t size_bytes) = 0;
  virtual Result<uint64_t> Size() = 0;
};

class FileLayer {
 public:
  virtual ~FileLayer() = default;
  virtual Result<std::unique_ptr<File>> Open(const std::string& path, bool create) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;
  /// Makes renames, creations and removals in the directory durable.
  virtual Status SyncDirectory(const std::string& path) = 0;
  /// Names (not paths) in the directory, sorted.
  virtual Result<std::vector<std::string>> List(const std::string& path) = 0;
  /// Creates the directory and its parents, mode 0700; no error when it exists.
  virtual Status MakeDirectory(const std::string& path) = 0;
  /// Power is cut: nothing reaches the disk through this layer any more, though its users, who do
  /// not know that they are dead, still see what they change. Only the lossy layer can; any thread.
  virtual void Freeze() {}

  static FileLayer* Posix();
  /// See above; `seed` drives what leaks through unsynced.
  static std::unique_ptr<FileLayer> Lossy(uint64_t seed);
};

/// Holds an exclusive lock that the kernel drops with the process; kLocked when another holds it.
class DirectoryLock {
 public:
  static Result<std::unique_ptr<DirectoryLock>> Acquire(const std::string& directory);
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace metastore

#endif  // METASTORE_BASE_FILE_H_
