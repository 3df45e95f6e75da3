// DirectoryLock: one process per data directory, by a lock on <directory>/LOCK that the kernel
// drops with the process, however it ends. The file stays behind; only the lock on it says
// anything.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/file.h"

namespace metastore {

Result<std::unique_ptr<DirectoryLock>> DirectoryLock::Acquire(const std::string& directory) {
  const std::string path = directory + "/LOCK";
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    return Status(Code::kIo, "open " + path + ": " + std::generic_category().message(errno));
  }
  int failed;
  do {
    failed = ::flock(descriptor, LOCK_EX | LOCK_NB);
  } while (failed != 0 && errno == EINTR);
  if (failed != 0) {
    const int error = errno;
    ::close(descriptor);
    if (error == EWOULDBLOCK) return Status(Code::kLocked, path);
    return Status(Code::kIo, "lock " + path + ": " + std::generic_category().message(error));
  }
  return std::unique_ptr<DirectoryLock>(new DirectoryLock(descriptor));
}

DirectoryLock::~DirectoryLock() { ::close(descriptor_); }

}  // namespace metastore
