// A client of nghttp2's own, in process: unary calls as a well-behaved library makes them.
// It is what the session is measured with, and what it must agree with.
#ifndef METASTORE_TEST_SUPPORT_PLANE_HTTP2_CLIENT_H_
#define METASTORE_TEST_SUPPORT_PLANE_HTTP2_CLIENT_H_

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "test/support/plane_frames.h"

namespace metastore::test {

/// What came back for a call.
struct Http2Answer {
  std::string body;
  std::string http_status;
  std::string grpc_status;
  std::string grpc_message;
  bool is_closed = false;
  uint32_t error = 0;
};

class Http2Client {
 public:
  Http2Client() {
    nghttp2_session_callbacks* callbacks = nullptr;
    METASTORE_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0, "callbacks");
    nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnClose);
    METASTORE_CHECK(nghttp2_session_client_new(&session_, callbacks, this) == 0, "client");
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~Http2Client() { nghttp2_session_del(session_); }
  Http2Client(const Http2Client&) = delete;
  Http2Client& operator=(const Http2Client&) = delete;

  int32_t Call(const Fields& fields, std::string body) {
    std::vector<nghttp2_nv> list;
    const auto bytes = [](const std::string& s) {
      return reinterpret_cast<uint8_t*>(const_cast<char*>(s.data()));
    };
    for (const auto& [name, value] : fields) {
      list.push_back({bytes(name), bytes(value), name.size(), value.size(), 0});
    }
    nghttp2_data_provider provider;
    provider.source.ptr = this;
    provider.read_callback = Read;
    const int32_t id =
        nghttp2_submit_request(session_, nullptr, list.data(), list.size(), &provider, nullptr);
    METASTORE_CHECK(id > 0, "request");
    bodies_[id] = std::move(body);
    return id;
  }

  std::string Produce() {
    std::string out;
    const uint8_t* bytes = nullptr;
    for (ssize_t n = 0; (n = nghttp2_session_mem_send(session_, &bytes)) > 0;) {
      out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(n));
    }
    return out;
  }
  /// False when the server broke the protocol.
  bool Receive(std::string_view bytes) {
    const auto* from = reinterpret_cast<const uint8_t*>(bytes.data());
    const ssize_t used = nghttp2_session_mem_recv(session_, from, bytes.size());
    return used == static_cast<ssize_t>(bytes.size());
  }

  std::map<int32_t, Http2Answer> answers;
  size_t closed = 0;

 private:
  static Http2Client* Of(void* user) { return static_cast<Http2Client*>(user); }
  static ssize_t Read(nghttp2_session*, int32_t id, uint8_t* buffer, size_t length, uint32_t* flags,
                      nghttp2_data_source* source, void*) {
    std::string& body = Of(source->ptr)->bodies_[id];
    const size_t n = std::min(length, body.size());
    std::memcpy(buffer, body.data(), n);
    body.erase(0, n);
    if (body.empty()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(n);
  }
  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_length, const uint8_t* value, size_t value_length, uint8_t,
                      void* user) {
    Http2Answer& answer = Of(user)->answers[frame->hd.stream_id];
    const std::string_view key(reinterpret_cast<const char*>(name), name_length);
    const std::string text(reinterpret_cast<const char*>(value), value_length);
    if (key == ":status") answer.http_status = text;
    if (key == "grpc-status") answer.grpc_status = text;
    if (key == "grpc-message") answer.grpc_message = text;
    return 0;
  }
  static int OnData(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t length,
                    void* user) {
    Of(user)->answers[id].body.append(reinterpret_cast<const char*>(bytes), length);
    return 0;
  }
  static int OnClose(nghttp2_session*, int32_t id, uint32_t error, void* user) {
    Http2Answer& answer = Of(user)->answers[id];
    answer.is_closed = true;
    answer.error = error;
    ++Of(user)->closed;
    Of(user)->bodies_.erase(id);
    return 0;
  }

  nghttp2_session* session_ = nullptr;
  std::map<int32_t, std::string> bodies_;
};

}  // namespace metastore::test

#endif  // METASTORE_TEST_SUPPORT_PLANE_HTTP2_CLIENT_H_
