// Datagrams to local sockets: by file and by abstract name, and what fails without waiting.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "base/datagram.h"

namespace metastore {
namespace {

/// A bound datagram socket that is read without waiting.
class Receiver {
 public:
  explicit Receiver(const std::string& path) : path_(path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    socklen_t length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    if (path.front() == '@') {
      address.sun_path[0] = '\0';
    } else {
      ::unlink(path.c_str());
      ++length;
    }
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM, 0);
    EXPECT_EQ(0, ::bind(fd_, reinterpret_cast<const sockaddr*>(&address), length));
  }
  ~Receiver() {
    ::close(fd_);
    if (path_.front() != '@') ::unlink(path_.c_str());
  }

  std::string Read() {
    char buffer[256];
    const ssize_t size = ::recv(fd_, buffer, sizeof(buffer), MSG_DONTWAIT);
    return size < 0 ? "nothing" : std::string(buffer, static_cast<size_t>(size));
  }

 private:
  const std::string path_;
  int fd_;
};

std::string FileName() { return testing::TempDir() + "datagram-" + std::to_string(::getpid()); }

TEST(Datagram, ReachesFilesAndAbstractNames) {
  for (const std::string& path : {FileName(), "@metastore-test-" + std::to_string(::getpid())}) {
    Receiver receiver(path);
    EXPECT_EQ(0, SendDatagram(path, "READY=1"));
    EXPECT_EQ("READY=1", receiver.Read());
    EXPECT_EQ(0, SendDatagram(path, ""));
    EXPECT_EQ("nothing", receiver.Read()) << "to look whether somebody is there sends nothing";
  }
}

TEST(Datagram, FailsAtOnceWhenNobodyIsThere) {
  EXPECT_EQ(ENOENT, SendDatagram(FileName() + "-none", "x"));
  EXPECT_EQ(ECONNREFUSED, SendDatagram("@metastore-none", "x"));
  EXPECT_EQ(EINVAL, SendDatagram("", "x"));
}

TEST(Datagram, PathsAndMessagesHaveLimits) {
  EXPECT_EQ(ENAMETOOLONG, SendDatagram(std::string(108, 'x'), "x"));
  Receiver receiver(FileName());
  EXPECT_EQ(EMSGSIZE, SendDatagram(FileName(), std::string(8 << 20, 'x')));
  int sent = 0;
  while (sent < 100'000 && SendDatagram(FileName(), "x") == 0) ++sent;
  EXPECT_LT(sent, 100'000) << "a receiver that does not read is not waited for";
}

}  // namespace
}  // namespace metastore
