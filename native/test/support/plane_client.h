// A gRPC client over nghttp2 and a socket, and a plane with a service that tests can order about.
#ifndef METASTORE_TEST_SUPPORT_PLANE_CLIENT_H_
#define METASTORE_TEST_SUPPORT_PLANE_CLIENT_H_

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "test/support/plane_frames.h"

namespace metastore::test {

/// What became of one request.
struct Answer {
  bool is_closed = false;
  int http_status = 0;
  int grpc_status = -1;
  std::string grpc_message;
  std::string body;  // messages with their prefixes
  uint32_t error = 0;

  std::vector<std::string> Messages() const {
    std::vector<std::string> messages;
    for (size_t at = 0; at + 5 <= body.size();) {
      uint32_t size = 0;
      for (size_t i = 1; i <= 4; ++i) size = size << 8 | static_cast<uint8_t>(body[at + i]);
      messages.push_back(body.substr(at + 5, size));
      at += 5 + size;
    }
    return messages;
  }
};

/// One connection; used by one thread. Every wait is bounded.
class GrpcClient {
 public:
  /// Owns the descriptor of a connected socket.
  explicit GrpcClient(int descriptor) : descriptor_(descriptor) {
    fcntl(descriptor_, F_SETFL, fcntl(descriptor_, F_GETFL) | O_NONBLOCK);
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnClose);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
    nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &window, 1);
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, 1 << 24);
  }
  ~GrpcClient() {
    nghttp2_session_del(session_);
    if (descriptor_ >= 0) close(descriptor_);
  }
  GrpcClient(const GrpcClient&) = delete;
  GrpcClient& operator=(const GrpcClient&) = delete;

  /// Begins a request; `framed` are its messages with prefixes, and it goes on unless is_end.
  int32_t Start(const std::string& path, std::string framed, bool is_end = true,
                const Fields& more = {}) {
    return Begin(FrameClient::Grpc(path, more), std::move(framed), is_end);
  }
  int32_t Begin(const Fields& fields, std::string body, bool is_end) {
    std::vector<nghttp2_nv> list;
    for (const auto& [name, value] : fields) {
      list.push_back({Bytes(name), Bytes(value), name.size(), value.size(), 0});
    }
    auto sending = std::make_unique<Sending>();
    sending->bytes = std::move(body);
    sending->is_end = is_end;
    nghttp2_data_provider provider;
    provider.source.ptr = sending.get();
    provider.read_callback = ReadBody;
    const int32_t stream =
        nghttp2_submit_request(session_, nullptr, list.data(), list.size(), &provider, nullptr);
    METASTORE_CHECK(stream > 0, "a request begins");
    sending_[stream] = std::move(sending);
    answers_[stream];
    return stream;
  }
  void More(int32_t stream, const std::string& framed, bool is_end) {
    Sending* sending = sending_.at(stream).get();
    sending->bytes += framed;
    sending->is_end = is_end;
    nghttp2_session_resume_data(session_, stream);
  }
  void Reset(int32_t stream) {
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
  }

  /// Writes and reads until `until` holds; false when time is over or the connection is.
  bool Run(const std::function<bool()>& until, int timeout_ms = 10000) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    while (!until()) {
      if (std::chrono::steady_clock::now() >= end || !Write() || is_lost_) return until();
      pollfd wait = {descriptor_, POLLIN, 0};
      if (is_blocked_) wait.events |= POLLOUT;
      if (poll(&wait, 1, 20) < 0 && errno != EINTR) return false;
      if ((wait.revents & (POLLIN | POLLHUP | POLLERR)) != 0) Read();
    }
    return true;
  }
  /// One request from begin to end.
  Answer Ask(const std::string& path, std::string_view message, const Fields& more = {}) {
    const int32_t stream = Start(path, Framed(message), true, more);
    Run([&] { return answers_[stream].is_closed; });
    return answers_[stream];
  }
  bool Write() {
    for (;;) {
      if (out_.empty()) {
        const uint8_t* data = nullptr;
        const ssize_t size = nghttp2_session_mem_send(session_, &data);
        if (size <= 0) return size == 0;
        out_.assign(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
        continue;
      }
      for (ssize_t more = 1; more > 0 && out_.size() < (64u << 10);) {
        const uint8_t* data = nullptr;
        more = nghttp2_session_mem_send(session_, &data);
        if (more > 0) out_.append(reinterpret_cast<const char*>(data), static_cast<size_t>(more));
      }
      const ssize_t sent = send(descriptor_, out_.data(), out_.size(), MSG_NOSIGNAL);
      is_blocked_ = sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
      if (is_blocked_) return true;
      if (sent < 0) {
        is_lost_ = true;
        return false;
      }
      out_.erase(0, static_cast<size_t>(sent));
    }
  }
  void Read() {
    char buffer[64 << 10];
    const ssize_t size = recv(descriptor_, buffer, sizeof buffer, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0 || nghttp2_session_mem_recv(session_, reinterpret_cast<uint8_t*>(buffer),
                                              static_cast<size_t>(size)) < 0) {
      is_lost_ = true;
    }
  }
  /// Gone without a word.
  void Vanish() {
    const linger now = {1, 0};
    setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(std::exchange(descriptor_, -1));
  }

  Answer& answer(int32_t stream) { return answers_[stream]; }
  void Forget(int32_t stream) {
    answers_.erase(stream);
    sending_.erase(stream);
  }
  bool is_lost() const { return is_lost_; }
  bool is_sent_away() const { return is_sent_away_; }
  int descriptor() const { return descriptor_; }
  /// Called when a stream is closed.
  std::function<void(int32_t)> on_close;

 private:
  struct Sending {
    std::string bytes;
    size_t at = 0;
    bool is_end = false;
  };

  static uint8_t* Bytes(const std::string& text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  }
  static ssize_t ReadBody(nghttp2_session*, int32_t, uint8_t* to, size_t length, uint32_t* flags,
                          nghttp2_data_source* source, void*) {
    auto* sending = static_cast<Sending*>(source->ptr);
    const size_t size = std::min(length, sending->bytes.size() - sending->at);
    if (size == 0 && !sending->is_end) return NGHTTP2_ERR_DEFERRED;
    std::memcpy(to, sending->bytes.data() + sending->at, size);
    sending->at += size;
    if (sending->is_end && sending->at == sending->bytes.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(size);
  }
  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                      void* client) {
    Answer& answer = static_cast<GrpcClient*>(client)->answers_[frame->hd.stream_id];
    const std::string_view key(reinterpret_cast<const char*>(name), name_size);
    const std::string text(reinterpret_cast<const char*>(value), value_size);
    if (key == ":status") answer.http_status = std::stoi(text);
    if (key == "grpc-status") answer.grpc_status = std::stoi(text);
    if (key == "grpc-message") answer.grpc_message = text;
    return 0;
  }
  static int OnData(nghttp2_session*, uint8_t, int32_t stream, const uint8_t* data, size_t size,
                    void* client) {
    static_cast<GrpcClient*>(client)->answers_[stream].body.append(
        reinterpret_cast<const char*>(data), size);
    return 0;
  }
  static int OnClose(nghttp2_session*, int32_t stream, uint32_t error, void* client) {
    auto* self = static_cast<GrpcClient*>(client);
    Answer& answer = self->answers_[stream];
    answer.is_closed = true;
    answer.error = error;
    if (self->on_close) self->on_close(stream);
    return 0;
  }
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* client) {
    if (frame->hd.type == NGHTTP2_GOAWAY) static_cast<GrpcClient*>(client)->is_sent_away_ = true;
    return 0;
  }

  int descriptor_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, std::unique_ptr<Sending>> sending_;
  std::map<int32_t, Answer> answers_;
  std::string out_;
  bool is_blocked_ = false;
  bool is_lost_ = false;
  bool is_sent_away_ = false;
};

/// A listener on the loopback; both ends of one of its connections.
class Listener {
 public:
  Listener() : descriptor_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    METASTORE_CHECK(bind(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
                    "bind");
    METASTORE_CHECK(listen(descriptor_, 1024) == 0, "listen");
    socklen_t size = sizeof address_;
    getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address_), &size);
  }
  ~Listener() { close(descriptor_); }

  /// (the client's end, the server's)
  std::pair<int, int> Connect(int receive_bytes = 0) {
    const int client = socket(AF_INET, SOCK_STREAM, 0);
    METASTORE_CHECK(client >= 0, "a socket is made");
    if (receive_bytes > 0) {
      setsockopt(client, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    }
    const int on = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    METASTORE_CHECK(connect(client, reinterpret_cast<sockaddr*>(&address_), sizeof address_) == 0,
                    "connect");
    const int server = accept(descriptor_, nullptr, nullptr);
    METASTORE_CHECK(server >= 0, "accept");
    return {client, server};
  }

 private:
  int descriptor_;
  sockaddr_in address_ = {};
};

}  // namespace metastore::test

#endif  // METASTORE_TEST_SUPPORT_PLANE_CLIENT_H_
