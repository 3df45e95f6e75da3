// Units of native/net: ports that are shared, and the guard where there is no OpenSSL of Node's.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "net/sockets.h"
#include "net/tls_guard.h"

namespace metastore::net {
namespace {

uint16_t PortOf(int fd) {
  sockaddr_in6 address{};
  socklen_t length = sizeof(address);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), 0);
  return ntohs(address.sin6_port);  // at the same place for both families
}

TEST(Network, PortsAreSharedByThoseWhoAskForIt) {
  const int first = BindReusable("127.0.0.1", 0);
  ASSERT_GE(first, 0);
  ASSERT_EQ(listen(first, 1), 0);
  const uint16_t port = PortOf(first);
  const int second = BindReusable("127.0.0.1", port);
  ASSERT_GE(second, 0);
  EXPECT_EQ(listen(second, 1), 0);
  const int greedy = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  EXPECT_NE(bind(greedy, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(errno, EADDRINUSE);
  close(first);
  close(second);
  close(greedy);
}

TEST(Network, AddressesThatCannotBeBound) {
  EXPECT_EQ(BindReusable("nonsense", 1), -EINVAL);
  EXPECT_EQ(BindReusable("203.0.113.7", 0), -EADDRNOTAVAIL);
  EXPECT_EQ(BindReusable("example.org", 0), -EINVAL) << "names are not resolved";
}

TEST(Network, NoHostIsEveryAddress) {
  const int fd = BindReusable("", 0);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(listen(fd, 1), 0);
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(PortOf(fd));
  EXPECT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  close(client);
  close(fd);
}

TEST(Network, TheLimitOfOpenFilesIsTheSystems) {
  rlimit limit{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(OpenFilesLimit(), static_cast<uint64_t>(limit.rlim_cur));
}

TEST(Network, WithoutOpenSslThereIsNoGuard) {
  int context = 0;
  EXPECT_FALSE(GuardTls(nullptr, {}));
  EXPECT_FALSE(GuardTls(&context, {}));
}

}  // namespace
}  // namespace metastore::net
