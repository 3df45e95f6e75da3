// HTTP/2 and gRPC of the client, on nghttp2; see client_session.h.
#include "wire/client_session.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/check.h"

namespace metastore::load {

namespace {

constexpr std::array<std::string_view, kMethods> kPaths = {"/etcdserverpb.KV/Range",
                                                           "/etcdserverpb.KV/Put",
                                                           "/etcdserverpb.KV/Txn",
                                                           "/etcdserverpb.KV/DeleteRange",
                                                           "/etcdserverpb.Lease/LeaseGrant",
                                                           "/etcdserverpb.Lease/LeaseKeepAlive",
                                                           "/etcdserverpb.Auth/Authenticate",
                                                           "/etcdserverpb.Watch/Watch"};
// Large enough that flow control never slows what is measured down.
constexpr uint32_t kStreamWindow = 8u << 20;
constexpr int32_t kConnectionWindow = 64 << 20;
constexpr size_t kPrefix = 5;

nghttp2_nv View(std::string_view name, std::string_view value) {
  auto bytes = [](std::string_view text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

Call* CallOf(nghttp2_session* session, int32_t stream) {
  return static_cast<Call*>(nghttp2_session_get_stream_user_data(session, stream));
}

ssize_t ReadBody(nghttp2_session*, int32_t, uint8_t* buffer, size_t length, uint32_t* flags,
                 nghttp2_data_source* source, void*) {
  auto* call = static_cast<Call*>(source->ptr);
  const size_t size = std::min(length, call->out.size() - call->sent);
  std::memcpy(buffer, call->out.data() + call->sent, size);
  call->sent += size;
  const bool is_all = call->sent == call->out.size();
  if (call->half_close) {
    if (is_all) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(size);
  }
  if (is_all) {
    call->out.clear();
    call->sent = 0;
  }
  if (size == 0) return NGHTTP2_ERR_DEFERRED;
  return static_cast<ssize_t>(size);
}

std::string_view Text(nghttp2_rcbuf* buffer) {
  const nghttp2_vec bytes = nghttp2_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(bytes.base), bytes.len};
}

int OnHeader(nghttp2_session* session, const nghttp2_frame* frame, nghttp2_rcbuf* name,
             nghttp2_rcbuf* value, uint8_t, void*) {
  const std::string_view text = Text(name);
  if (text.size() < 11 || text[0] != 'g') return 0;
  Call* call = CallOf(session, frame->hd.stream_id);
  if (call == nullptr) return 0;
  if (text == "grpc-status") {
    const std::string_view number = Text(value);
    const auto end = number.data() + number.size();
    if (std::from_chars(number.data(), end, call->status).ptr != end) call->status = -1;
  } else if (text == "grpc-message") {
    const std::string_view words = Text(value);
    if (!words.empty()) call->error_text = words;
  }
  return 0;
}

/// The length that gRPC's prefix announces; `bytes` holds it.
size_t Announced(std::string_view bytes) {
  auto byte = [&](size_t at) { return static_cast<size_t>(static_cast<uint8_t>(bytes[at])); };
  return byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4);
}

int OnData(nghttp2_session* session, uint8_t, int32_t stream, const uint8_t* data, size_t length,
           void* user) {
  Call* call = CallOf(session, stream);
  if (call == nullptr) return 0;
  CallHandler* handler = static_cast<ClientSession*>(user)->handler();
  std::string_view bytes(reinterpret_cast<const char*>(data), length);
  if (!call->partial.empty()) {
    call->partial.append(bytes);
    bytes = call->partial;
  }
  size_t taken = 0;
  while (bytes.size() - taken >= kPrefix) {
    const size_t size = Announced(bytes.substr(taken));
    if (bytes.size() - taken - kPrefix < size) break;
    handler->OnMessage(call, bytes.substr(taken + kPrefix, size));
    taken += kPrefix + size;
  }
  if (call->partial.empty()) {
    call->partial.assign(bytes.substr(taken));
  } else {
    call->partial.erase(0, taken);
  }
  return 0;
}

int OnClose(nghttp2_session* session, int32_t stream, uint32_t error, void* user) {
  Call* call = CallOf(session, stream);
  if (call != nullptr) static_cast<ClientSession*>(user)->Finish(call, error);
  return 0;
}

/// One table of callbacks for all sessions.
nghttp2_session_callbacks* Callbacks() {
  static nghttp2_session_callbacks* const kCallbacks = [] {
    nghttp2_session_callbacks* made = nullptr;
    METASTORE_CHECK(nghttp2_session_callbacks_new(&made) == 0, "out of memory");
    nghttp2_session_callbacks_set_on_header_callback2(made, OnHeader);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, OnData);
    nghttp2_session_callbacks_set_on_stream_close_callback(made, OnClose);
    return made;
  }();
  return kCallbacks;
}

/// What nghttp2 need not do: an answer is known by grpc-status and by its message, which are
/// looked at for each call, and nobody asks for a stream that has ended.
nghttp2_option* SessionOptions() {
  static nghttp2_option* const kOptions = [] {
    nghttp2_option* made = nullptr;
    METASTORE_CHECK(nghttp2_option_new(&made) == 0, "out of memory");
    nghttp2_option_set_no_http_messaging(made, 1);
    nghttp2_option_set_no_closed_streams(made, 1);
    return made;
  }();
  return kOptions;
}

}  // namespace

ClientSession::ClientSession(const std::string& authority, const std::string& token, bool tls,
                             CallHandler* handler)
    : authority_(authority), authorization_(token), handler_(handler) {
  METASTORE_CHECK(nghttp2_session_client_new3(&session_, Callbacks(), this, SessionOptions(),
                                              memory_.table()) == 0,
                  "out of memory");
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  for (const std::string_view path : kPaths) {
    std::vector<nghttp2_nv> head = {
        View(":method", "POST"),
        View(":scheme", tls ? "https" : "http"),
        View(":path", path),
        View(":authority", authority_),
        View("te", "trailers"),
        View("content-type", "application/grpc"),
        View("user-agent", "metastore-load"),
    };
    if (!authorization_.empty()) head.push_back(View("token", authorization_));
    heads_.push_back(std::move(head));
  }
}

ClientSession::~ClientSession() { nghttp2_session_del(session_); }

Call* ClientSession::NewCall() {
  if (free_.empty()) {
    calls_.push_back(std::make_unique<Call>());
    calls_.back()->session = this;
    free_.push_back(calls_.back().get());
  }
  Call* call = free_.back();
  free_.pop_back();
  call->out.clear();
  call->sent = 0;
  call->half_close = true;
  call->is_right = false;
  call->status = -1;
  call->error_text.clear();
  call->partial.clear();
  return call;
}

bool ClientSession::Start(Call* call, Method method) {
  const std::vector<nghttp2_nv>& head = heads_[static_cast<size_t>(method)];
  nghttp2_data_provider body;
  body.source.ptr = call;
  body.read_callback = ReadBody;
  call->stream = nghttp2_submit_request(session_, nullptr, head.data(), head.size(), &body, call);
  if (call->stream < 0) {
    free_.push_back(call);
    return false;
  }
  under_way_++;
  return true;
}

void ClientSession::Resume(Call* call) { nghttp2_session_resume_data(session_, call->stream); }

void ClientSession::Finish(Call* call, uint32_t http2_error) {
  under_way_--;
  call->stream = -1;
  handler_->OnEnd(call, http2_error);
  free_.push_back(call);
}

bool ClientSession::Receive(std::string_view bytes) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  const ssize_t taken = nghttp2_session_mem_recv(session_, data, bytes.size());
  if (taken != static_cast<ssize_t>(bytes.size())) return false;
  return nghttp2_session_want_read(session_) != 0 || nghttp2_session_want_write(session_) != 0;
}

void ClientSession::Produce(std::string* out) {
  while (true) {
    const uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &data);
    if (size <= 0) return;
    out->append(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
  }
}

bool ClientSession::IsOpen() const { return nghttp2_session_check_request_allowed(session_) != 0; }

void ClientSession::Lost() {
  for (size_t at = 0; at < calls_.size(); at++) {
    Call* call = calls_[at].get();
    if (call->stream < 0) continue;
    nghttp2_session_set_stream_user_data(session_, call->stream, nullptr);
    Finish(call, NGHTTP2_CONNECT_ERROR);
  }
}

}  // namespace metastore::load
