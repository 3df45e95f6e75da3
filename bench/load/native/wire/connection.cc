// One connection on a libuv loop; see connection.h.
#include "wire/connection.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace metastore::load {

namespace {

constexpr uint64_t kRetryMs = 50;
constexpr uint64_t kRetryMsMax = 2'000;

template <typename Handle>
void Release(Handle** handle) {
  if (*handle == nullptr) return;
  uv_close(reinterpret_cast<uv_handle_t*>(*handle),
           [](uv_handle_t* closed) { delete reinterpret_cast<Handle*>(closed); });
  *handle = nullptr;
}

}  // namespace

Connection::Connection(const Wiring& wiring, const Endpoint& endpoint, size_t index)
    : wiring_(wiring), endpoint_(endpoint), index_(index), retry_(new uv_timer_t) {
  METASTORE_CHECK(uv_timer_init(wiring_.loop, retry_) == 0, "a timer cannot be refused");
  retry_->data = this;
}

Connection::~Connection() { Close(); }

void Connection::Connect() {
  std::string why;
  if (!Open(&why)) Lose(why);
}

bool Connection::Open(std::string* why) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int result = ::getaddrinfo(endpoint_.host.c_str(), endpoint_.port.c_str(), &hints, &found);
  if (result != 0) {
    *why = endpoint_.Text() + ": " + gai_strerror(result);
    return false;
  }
  socket_ = ::socket(found->ai_family, SOCK_STREAM, 0);
  if (socket_ >= 0) {
    ::fcntl(socket_, F_SETFL, ::fcntl(socket_, F_GETFL) | O_NONBLOCK);
    ::fcntl(socket_, F_SETFD, FD_CLOEXEC);
    const int yes = 1;
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  }
  const bool started =
      socket_ >= 0 &&
      (::connect(socket_, found->ai_addr, found->ai_addrlen) == 0 || errno == EINPROGRESS);
  ::freeaddrinfo(found);
  if (!started) {
    *why = endpoint_.Text() + ": " + std::strerror(errno);
    return false;
  }
  poll_ = new uv_poll_t;
  METASTORE_CHECK(uv_poll_init(wiring_.loop, poll_, socket_) == 0, "a socket can be polled");
  poll_->data = this;
  state_ = State::kConnecting;
  Watch(UV_WRITABLE);
  return true;
}

void Connection::Watch(int events) {
  if (events == watched_) return;
  watched_ = events;
  uv_poll_start(poll_, events, [](uv_poll_t* handle, int status, int ready) {
    static_cast<Connection*>(handle->data)->OnPoll(status, ready);
  });
}

void Connection::OnPoll(int status, int events) {
  // The loop only says that something is wrong; the socket says what.
  if (status < 0) events = UV_READABLE;
  if (state_ == State::kConnecting) return OnConnected();
  if (state_ == State::kHandshake) return GoOnWithHandshake();
  if ((events & UV_READABLE) != 0) ReadAll();
  if (state_ == State::kReady && (events & UV_WRITABLE) != 0) Flush();
  if (state_ == State::kReady && status < 0) Lose(uv_strerror(status));
}

void Connection::OnConnected() {
  int error = 0;
  socklen_t size = sizeof(error);
  ::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return Lose(endpoint_.Text() + ": " + std::strerror(error));
  transport_ =
      wiring_.tls == nullptr ? ClearText(socket_) : wiring_.tls->Wrap(socket_, endpoint_.host);
  METASTORE_CHECK(transport_ != nullptr, "out of memory");
  state_ = State::kHandshake;
  GoOnWithHandshake();
}

void Connection::GoOnWithHandshake() {
  switch (transport_->Handshake()) {
    case Progress::kFailed:
      return Lose(endpoint_.Text() + ": " + transport_->error());
    case Progress::kWantRead:
      return Watch(UV_READABLE);
    case Progress::kWantWrite:
      return Watch(UV_WRITABLE);
    case Progress::kDone:
      break;
  }
  state_ = State::kReady;
  out_.clear();
  written_ = 0;
  session_ = std::make_unique<ClientSession>(endpoint_.Text(), wiring_.token,
                                             wiring_.tls != nullptr, wiring_.handler);
  Watch(UV_READABLE);
  wiring_.owner->OnReady(this);
  if (state_ == State::kReady) Flush();
}

void Connection::ReadAll() {
  std::string& buffer = *wiring_.buffer;
  // Bounded in clear text, so that one busy connection cannot keep the others waiting. OpenSSL
  // holds bytes back that the loop would not wake us for: there everything is read.
  constexpr int kReadsMax = 4;
  for (int reads = 0; reads < kReadsMax || wiring_.tls != nullptr; reads++) {
    size_t size = 0;
    const Progress progress = transport_->Read(buffer.data(), buffer.size(), &size);
    if (progress == Progress::kWantRead) break;
    if (progress == Progress::kFailed) return Lose(transport_->error());
    if (progress == Progress::kWantWrite) break;
    if (size == 0) return Lose("the server closed the connection");
    losses_in_a_row_ = 0;
    wiring_.owner->OnBytes(size);
    is_receiving_ = true;
    const bool is_fine = session_->Receive({buffer.data(), size});
    is_receiving_ = false;
    if (!is_fine) return Lose("the server ended the session");
    // In clear text a short read has emptied the socket; a TLS record says nothing of the next.
    if (wiring_.tls == nullptr && size < buffer.size()) break;
  }
  Flush();
}

void Connection::Flush() {
  if (state_ != State::kReady || is_receiving_) return;
  while (true) {
    if (written_ == out_.size()) {
      out_.clear();
      written_ = 0;
      session_->Produce(&out_);
      if (out_.empty()) return Watch(UV_READABLE);
    }
    size_t size = 0;
    const Progress progress = transport_->Write(std::string_view(out_).substr(written_), &size);
    if (progress == Progress::kFailed) return Lose(transport_->error());
    if (progress != Progress::kDone) return Watch(UV_READABLE | UV_WRITABLE);
    wiring_.owner->OnSent(size);
    written_ += size;
  }
}

void Connection::CloseSocket() {
  transport_.reset();
  if (poll_ != nullptr) uv_poll_stop(poll_);
  Release(&poll_);
  watched_ = 0;
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

void Connection::Lose(std::string why) {
  if (state_ == State::kClosed) return;
  state_ = State::kWaiting;
  CloseSocket();
  if (session_ != nullptr) session_->Lost();
  const uint64_t wait_ms =
      std::min(kRetryMsMax, kRetryMs << std::min<uint64_t>(losses_in_a_row_, 6));
  losses_in_a_row_++;
  uv_timer_start(
      retry_,
      [](uv_timer_t* timer) {
        auto* self = static_cast<Connection*>(timer->data);
        self->Connect();
      },
      wait_ms, 0);
  wiring_.owner->OnLost(this, why);
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  CloseSocket();
  Release(&retry_);
}

}  // namespace metastore::load
