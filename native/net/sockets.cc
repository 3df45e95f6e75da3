// BindReusable and OpenFilesLimit: plain system calls, errors as negative errno.
#include "net/sockets.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <limits>

namespace metastore::net {
namespace {

bool Enable(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

int BindOne(const addrinfo& address) {
  const int fd = socket(address.ai_family, SOCK_STREAM, 0);
  if (fd < 0) return -errno;
  const bool bound = fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
                     Enable(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
                     Enable(fd, SOL_SOCKET, SO_REUSEPORT, 1) &&
                     (address.ai_family != AF_INET6 || Enable(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0)) &&
                     bind(fd, address.ai_addr, address.ai_addrlen) == 0;
  if (bound) return fd;
  const int error = errno;
  close(fd);
  return -error;
}

int BindTo(const char* host, uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(host, std::to_string(port).c_str(), &hints, &found) != 0) return -EINVAL;
  const int fd = BindOne(*found);
  freeaddrinfo(found);
  return fd;
}

}  // namespace

int BindReusable(const std::string& host, uint16_t port) {
  if (!host.empty()) return BindTo(host.c_str(), port);
  const int both = BindTo("::", port);
  // A system without IPv6 has the other family alone.
  return both == -EAFNOSUPPORT || both == -EADDRNOTAVAIL || both == -EINVAL
             ? BindTo("0.0.0.0", port)
             : both;
}

uint64_t OpenFilesLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return limit.rlim_cur == RLIM_INFINITY ? std::numeric_limits<uint64_t>::max()
                                         : static_cast<uint64_t>(limit.rlim_cur);
}

}  // namespace metastore::net
