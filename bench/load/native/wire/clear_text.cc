// A transport that is the socket itself; see transport.h.
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "wire/transport.h"

namespace metastore::load {

namespace {

class ClearTextTransport : public Transport {
 public:
  explicit ClearTextTransport(int socket) : socket_(socket) {}

  Progress Handshake() override { return Progress::kDone; }

  Progress Read(char* buffer, size_t most, size_t* size) override {
    return Judge(::recv(socket_, buffer, most, 0), Progress::kWantRead, size);
  }

  Progress Write(std::string_view bytes, size_t* size) override {
    return Judge(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL), Progress::kWantWrite,
                 size);
  }

  const std::string& error() const override { return error_; }

 private:
  Progress Judge(ssize_t result, Progress if_full, size_t* size) {
    if (result >= 0) {
      *size = static_cast<size_t>(result);
      return Progress::kDone;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return if_full;
    error_ = std::strerror(errno);
    return Progress::kFailed;
  }

  int socket_;
  std::string error_;
};

}  // namespace

std::unique_ptr<Transport> ClearText(int socket) {
  return std::make_unique<ClearTextTransport>(socket);
}

}  // namespace metastore::load
