// Local datagrams by plain sockets.
//
// One socket a message: it is sent once in the life of a process, or by a log that is not busy.
#include "base/datagram.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace metastore {

int SendDatagram(std::string_view path, std::string_view bytes) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty()) return EINVAL;
  if (path.size() >= sizeof(address.sun_path)) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path.data(), path.size());
  socklen_t length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  if (path.front() == '@') {
    // An abstract name begins with a zero byte and has no end but the length of the address.
    address.sun_path[0] = '\0';
    --length;
  }
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM, 0);
  if (fd < 0) return errno;
  int failure = 0;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), length) != 0) {
    failure = errno;
  } else if (!bytes.empty() && ::send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT) < 0) {
    failure = errno;
  }
  ::close(fd);
  return failure;
}

}  // namespace metastore
