// The operating system's file layer: the only place of the native core that calls pwrite, fdatasync
// and rename. Everything durable (the Raft log, images) reaches the disk through it; errors carry
// the call, the path and the text of errno, because an operator must be able to act on them.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "base/file.h"

namespace metastore {
namespace {

Status ErrnoStatus(const char* call, const std::string& path, int error) {
  return Status(Code::kIo,
                std::string(call) + " " + path + ": " + std::generic_category().message(error));
}

/// Repeats a call that a signal interrupted.
template <typename Call>
auto Retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

int SyncDescriptor(int descriptor) {
#ifdef __APPLE__
  // fsync on macOS leaves the drive's own cache alone; only F_FULLFSYNC empties it. File systems
  // that do not know it (network mounts) get the plain call.
  if (Retry([&] { return ::fcntl(descriptor, F_FULLFSYNC); }) == 0) return 0;
  return Retry([&] { return ::fsync(descriptor); });
#else
  return Retry([&] { return ::fdatasync(descriptor); });
#endif
}

class PosixFile final : public File {
 public:
  PosixFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  ~PosixFile() override { ::close(descriptor_); }

  Status WriteAt(uint64_t offset, std::string_view data) override {
    while (!data.empty()) {
      // One call writes 2 GiB at most; smaller pieces keep every platform inside its own limit.
      const size_t piece = std::min<size_t>(data.size(), size_t{1} << 30);
      const ssize_t written = Retry(
          [&] { return ::pwrite(descriptor_, data.data(), piece, static_cast<off_t>(offset)); });
      if (written < 0) return ErrnoStatus("write", path_, errno);
      if (written == 0) return ErrnoStatus("write", path_, ENOSPC);
      data.remove_prefix(static_cast<size_t>(written));
      offset += static_cast<uint64_t>(written);
    }
    return Status::Ok();
  }

  Status ReadAt(uint64_t offset, size_t length, std::string* out) override {
    out->resize(length);
    size_t done = 0;
    while (done < length) {
      const size_t piece = std::min<size_t>(length - done, size_t{1} << 30);
      const ssize_t got = Retry([&] {
        return ::pread(descriptor_, out->data() + done, piece, static_cast<off_t>(offset + done));
      });
      if (got < 0) {
        const int error = errno;
        out->clear();
        return ErrnoStatus("read", path_, error);
      }
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    out->resize(done);
    return Status::Ok();
  }

  Status Sync() override {
    if (SyncDescriptor(descriptor_) != 0) return ErrnoStatus("fdatasync", path_, errno);
    return Status::Ok();
  }

  Status Allocate(uint64_t size_bytes) override {
    Result<uint64_t> size = Size();
    if (!size.ok()) return size.TakeStatus();
    if (*size >= size_bytes) return Status::Ok();
    const int error = Reserve(*size, size_bytes);
    if (error != 0) return ErrnoStatus("allocate", path_, error);
    return Status::Ok();
  }

  Status Truncate(uint64_t size_bytes) override {
    const auto length = static_cast<off_t>(size_bytes);
    if (Retry([&] { return ::ftruncate(descriptor_, length); }) != 0) {
      return ErrnoStatus("truncate", path_, errno);
    }
    return Status::Ok();
  }

  Result<uint64_t> Size() override {
    struct stat info;
    if (::fstat(descriptor_, &info) != 0) return ErrnoStatus("stat", path_, errno);
    return static_cast<uint64_t>(info.st_size);
  }

 private:
  /// Blocks for [size, wanted), then the size itself; 0 or errno. A file system that cannot reserve
  /// gets a sparse file: the size is what the readers rely on, the blocks only save time later.
  int Reserve(uint64_t size, uint64_t wanted) {
#ifdef __linux__
    const auto from = static_cast<off_t>(size);
    const auto length = static_cast<off_t>(wanted - size);
    if (Retry([&] { return ::fallocate(descriptor_, 0, from, length); }) == 0) return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS) return errno;
#elif defined(__APPLE__)
    fstore_t store = {};
    store.fst_flags = F_ALLOCATEALL;
    store.fst_posmode = F_PEOFPOSMODE;
    store.fst_length = static_cast<off_t>(wanted - size);
    if (::fcntl(descriptor_, F_PREALLOCATE, &store) != 0 && errno == ENOSPC) return errno;
#else
    (void)size;
#endif
    const auto total = static_cast<off_t>(wanted);
    return Retry([&] { return ::ftruncate(descriptor_, total); }) == 0 ? 0 : errno;
  }

  const int descriptor_;
  const std::string path_;
};

class PosixFileLayer final : public FileLayer {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, bool create) override {
    const int flags = O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0);
    int descriptor = Retry([&] { return ::open(path.c_str(), flags, 0600); });
    if (descriptor < 0 && !create && (errno == EACCES || errno == EROFS)) {
      // Inspection of a directory that this user may only read; writes will say why they fail.
      descriptor = Retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); });
    }
    if (descriptor < 0) return ErrnoStatus("open", path, errno);
    return std::unique_ptr<File>(std::make_unique<PosixFile>(descriptor, path));
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      return ErrnoStatus("rename", from + " to " + to, errno);
    }
    return Status::Ok();
  }

  Status Remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return ErrnoStatus("remove", path, errno);
    return Status::Ok();
  }

  Status SyncDirectory(const std::string& path) override {
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    const int descriptor = Retry([&] { return ::open(path.c_str(), flags); });
    if (descriptor < 0) return ErrnoStatus("open directory", path, errno);
    const int failed = Retry([&] { return ::fsync(descriptor); });
    const int error = errno;
    ::close(descriptor);
    // Some file systems refuse to sync a directory (EINVAL); they order its changes themselves.
    if (failed != 0 && error != EINVAL) return ErrnoStatus("sync directory", path, error);
    return Status::Ok();
  }

  Result<std::vector<std::string>> List(const std::string& path) override {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) return ErrnoStatus("list", path, errno);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(directory)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
      errno = 0;
    }
    const int error = errno;
    ::closedir(directory);
    if (error != 0) return ErrnoStatus("list", path, error);
    std::sort(names.begin(), names.end());
    return names;
  }

  Status MakeDirectory(const std::string& path) override {
    for (size_t slash = path.find('/', 1); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
      METASTORE_RETURN_IF_ERROR(MakeOne(path.substr(0, slash)));
    }
    return MakeOne(path);
  }

 private:
  static Status MakeOne(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) == 0) return Status::Ok();
    const int error = errno;
    struct stat info;
    // mkdir of an existing parent may also say EROFS or EACCES: what counts is that it is there.
    if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return Status::Ok();
    return ErrnoStatus("make directory", path, error);
  }
};

}  // namespace

FileLayer* FileLayer::Posix() {
  static PosixFileLayer layer;
  return &layer;
}

}  // namespace metastore
