// How a session is driven: bytes in, bytes out, and nghttp2's callbacks. See server_session.h.
#include "plane/http2/server_session.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "plane/http2/parts/memory.h"

namespace metastore::plane {
namespace {

constexpr uint32_t kSmallestWindow = 65535;
constexpr uint32_t kLargestWindow = (1u << 31) - 1;
constexpr uint32_t kFrameBytes = 16384;
/// Frames that bring nobody anything: so many at once, and so many a second.
constexpr int64_t kIdleFrameBurst = 10000;
constexpr int64_t kIdleFramesPerSecond = 1000;
/// Streams that a client may reset, as above. Many calls are cancelled by well-behaved clients.
constexpr int64_t kResetBurst = 20000;
constexpr int64_t kResetsPerSecond = 2000;
/// Newer versions of nghttp2 have a limit of their own, lower than clients need.
constexpr uint64_t kNoResetLimit = 1u << 30;
/// Frames that wait to be written, beyond some for each open stream, before a client that does not
/// read is cut off.
constexpr size_t kMostQueuedFrames = 20000;
constexpr size_t kMostHeaderBlock = 1u << 20;
constexpr size_t kFrameHeaderBytes = 9;
constexpr size_t kSettingBytes = 6;
/// How long a client may take until it has said anything in HTTP/2.
constexpr int64_t kSettingsWithinNs = int64_t{10} * 1000 * 1000 * 1000;

std::string_view View(const uint8_t* bytes, size_t length) {
  return {reinterpret_cast<const char*>(bytes), length};
}

/// Older versions have no such option.
template <typename Option>
auto RaiseResetLimit(Option* option, int)
    -> decltype(nghttp2_option_set_stream_reset_rate_limit(option, kNoResetLimit, kNoResetLimit)) {
  nghttp2_option_set_stream_reset_rate_limit(option, kNoResetLimit, kNoResetLimit);
}
template <typename Option>
void RaiseResetLimit(Option*, long) {}  // NOLINT: the worse match

nghttp2_option* Options() {
  static nghttp2_option* const options = [] {
    nghttp2_option* made = nullptr;
    METASTORE_CHECK(nghttp2_option_new(&made) == 0, "no memory for options");
    nghttp2_option_set_no_auto_window_update(made, 1);
    nghttp2_option_set_no_http_messaging(made, 1);  // Shape does it
    nghttp2_option_set_no_closed_streams(made, 1);
    nghttp2_option_set_max_send_header_block_length(made, kMostHeaderBlock);
    RaiseResetLimit(made, 0);
    return made;
  }();
  return options;
}

/// What the protocol starts with is also the least.
int32_t Clamp(uint32_t window) {
  return static_cast<int32_t>(std::clamp(window, kSmallestWindow, kLargestWindow));
}

}  // namespace

/// nghttp2's callbacks, which are functions of C.
struct Callbacks {
  static ServerSession* Of(void* user) { return static_cast<ServerSession*>(user); }

  static int BeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    ServerSession* self = Of(user);
    if (IsRequest(frame)) {
      self->newest_id_ = frame->hd.stream_id;
      self->shape_.BeginRequest();
      self->reader_.Begin(self->options_.shares_http);
    } else {
      self->shape_.BeginTrailers();
    }
    return 0;
  }
  static int Header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                    size_t name_length, const uint8_t* value, size_t value_length, uint8_t,
                    void* user) {
    ServerSession* self = Of(user);
    const std::string_view key = View(name, name_length);
    const std::string_view text = View(value, value_length);
    self->shape_.Add(key, text);
    // Trailers of a client mean nothing to gRPC.
    if (IsRequest(frame)) self->reader_.Add(key, text);
    return 0;
  }
  static int Frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    ServerSession* self = Of(user);
    const bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
          self->OnRequest(frame->hd.stream_id, is_end);
        } else {
          self->OnTrailers(frame->hd.stream_id, is_end);
        }
        break;
      case NGHTTP2_DATA:
        if (is_end) self->OnRemoteEnd(frame->hd.stream_id);
        break;
      case NGHTTP2_PING:
        self->OnPing(frame->ping.opaque_data, (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0);
        break;
      case NGHTTP2_SETTINGS:
        self->has_settings_ = true;
        break;
      case NGHTTP2_RST_STREAM:
        self->OnReset(frame->hd.stream_id);
        break;
      default:
        break;
    }
    return 0;
  }
  static int Data(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t length,
                  void* user) {
    Of(user)->OnData(id, View(bytes, length));
    return 0;
  }
  static int Closed(nghttp2_session*, int32_t id, uint32_t, void* user) {
    Of(user)->OnStreamClosed(id);
    return 0;
  }
  static int Sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Of(user)->OnFrameSent(frame);
    return 0;
  }
  static int SendData(nghttp2_session*, nghttp2_frame*, const uint8_t* header, size_t length,
                      nghttp2_data_source* source, void* user) {
    return Of(user)->WriteData(static_cast<Stream*>(source->ptr), header, length);
  }

  static bool IsRequest(const nghttp2_frame* frame) {
    return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
  }

  static nghttp2_session_callbacks* All() {
    static nghttp2_session_callbacks* const all = [] {
      nghttp2_session_callbacks* made = nullptr;
      METASTORE_CHECK(nghttp2_session_callbacks_new(&made) == 0, "no memory for callbacks");
      nghttp2_session_callbacks_set_on_begin_headers_callback(made, BeginHeaders);
      nghttp2_session_callbacks_set_on_header_callback(made, Header);
      nghttp2_session_callbacks_set_on_frame_recv_callback(made, Frame);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, Data);
      nghttp2_session_callbacks_set_on_stream_close_callback(made, Closed);
      nghttp2_session_callbacks_set_on_frame_send_callback(made, Sent);
      nghttp2_session_callbacks_set_send_data_callback(made, SendData);
      return made;
    }();
    return all;
  }
};

std::unique_ptr<Session> Session::Create(const SessionOptions& options, SessionOwner* owner,
                                         const Peer* peer, int64_t now_ns) {
  return std::make_unique<ServerSession>(options, owner, peer, now_ns);
}

ServerSession::ServerSession(const SessionOptions& options, SessionOwner* owner, const Peer* peer,
                             int64_t now_ns)
    : options_(options),
      owner_(owner),
      peer_(peer),
      pings_(options.min_ping_ns),
      idle_frames_(kIdleFrameBurst, kIdleFramesPerSecond),
      resets_(kResetBurst, kResetsPerSecond),
      now_ns_(now_ns),
      last_read_ns_(now_ns),
      idle_since_ns_(now_ns),
      settings_by_ns_(now_ns + kSettingsWithinNs) {
  METASTORE_CHECK(options.held_bytes != nullptr, "a session needs the budget that all share");
  METASTORE_CHECK(nghttp2_session_server_new3(&session_, Callbacks::All(), this, Options(),
                                              SessionMemory()) == 0,
                  "no memory for a session");
  const int32_t stream_window = Clamp(options.stream_window_bytes);
  const int32_t connection_window = Clamp(options.connection_window_bytes);
  stream_step_ = static_cast<uint64_t>(stream_window) / 4;
  connection_step_ = static_cast<uint64_t>(connection_window) / 4;
  nghttp2_settings_entry entries[3] = {{NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kFrameBytes}};
  size_t count = 1;
  if (stream_window != static_cast<int32_t>(kSmallestWindow)) {
    entries[count++] = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<uint32_t>(stream_window)};
  }
  if (options.max_concurrent_streams != UINT32_MAX) {
    // The number is written in when the frame leaves: nghttp2 would end the connection over one
    // stream too many, where only that stream is to be refused.
    entries[count++] = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, UINT32_MAX};
  }
  METASTORE_CHECK(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries, count) == 0,
                  "first settings");
  METASTORE_CHECK(
      nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, connection_window) == 0,
      "window of the connection");
}

ServerSession::~ServerSession() { Lost(); }

bool ServerSession::Receive(std::string_view bytes, int64_t now_ns) {
  now_ns_ = now_ns;
  if (is_failed_ || session_ == nullptr) return false;
  last_read_ns_ = now_ns;
  if (nghttp2_session_get_outbound_queue_size(session_) > kMostQueuedFrames + 4 * open_streams_) {
    Fail(NGHTTP2_ENHANCE_YOUR_CALM, "answers are not read");
    return false;
  }
  size_t fed = 0;
  size_t at = 0;
  size_t start = 0;
  bool is_split = false;
  FrameHeader frame;
  while (!is_failed_ && scanner_.Next(bytes, &at, &start, &frame)) {
    // Whether a frame comes late depends on frames that end streams, and on those that begin them:
    // these have to be dealt with first.
    const bool is_headers = frame.type == NGHTTP2_HEADERS;
    if ((is_split || (is_headers && frame.stream <= newest_seen_)) && start > fed) {
      Feed(bytes.substr(fed, start - fed));
      fed = start;
    }
    is_split = frame.type == NGHTTP2_RST_STREAM;
    if (is_headers) newest_seen_ = std::max(newest_seen_, frame.stream);
    OnFrameBegun(frame);
  }
  Feed(bytes.substr(fed));
  return !is_failed_ && !IsOver();
}

void ServerSession::Feed(std::string_view bytes) {
  if (is_failed_ || bytes.empty()) return;
  const auto* from = reinterpret_cast<const uint8_t*>(bytes.data());
  const ssize_t used = nghttp2_session_mem_recv(session_, from, bytes.size());
  METASTORE_CHECK(used != NGHTTP2_ERR_NOMEM, "no memory for a frame");
  if (used == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
    Fail(NGHTTP2_PROTOCOL_ERROR, "");
  } else if (used < 0) {
    Fail(NGHTTP2_ENHANCE_YOUR_CALM, nghttp2_strerror(static_cast<int>(used)));
  }
}

bool ServerSession::IsOver() const {
  // After GOAWAY, of either side, and the last call.
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

void ServerSession::Produce(std::string* out, size_t most, int64_t now_ns) {
  now_ns_ = now_ns;
  if (session_ == nullptr) return;
  TellCalls();
  out_ = out;
  out_most_ = most < SIZE_MAX - out->size() ? out->size() + most : SIZE_MAX;
  // SETTINGS come before everything, also before what a client's first bytes may have provoked
  // (RFC 9113, section 3.4).
  if (is_first_output_) TakeSettings(out);
  out->append(raw_);
  raw_.clear();
  while (!is_failed_ && out->size() < out_most_) {
    const size_t at = out->size();
    if (TakeFrame(out) != 0) continue;
    // Calls that hear that their messages have left may have more to say.
    if (is_failed_ || (out->size() == at && credited_.empty())) break;
    TellCalls();
  }
  out->append(raw_);
  raw_.clear();
  out_ = nullptr;
  TellCalls();
  if (!parked_.empty()) ServeParked();
}

size_t ServerSession::TakeFrame(std::string* out) {
  const uint8_t* frame = nullptr;
  const ssize_t length = nghttp2_session_mem_send(session_, &frame);
  METASTORE_CHECK(length != NGHTTP2_ERR_NOMEM, "no memory for a frame");
  if (length < 0) {
    Fail(NGHTTP2_INTERNAL_ERROR, "");
    return 0;
  }
  out->append(reinterpret_cast<const char*>(frame), static_cast<size_t>(length));
  return static_cast<size_t>(length);
}

void ServerSession::TakeSettings(std::string* out) {
  is_first_output_ = false;
  const size_t begin = out->size();
  const size_t length = TakeFrame(out);
  char* const settings = out->data() + begin;
  for (size_t at = kFrameHeaderBytes; at + kSettingBytes <= length; at += kSettingBytes) {
    if (settings[at + 1] != NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) continue;
    for (size_t i = 0; i < 4; ++i) {
      settings[at + 2 + i] = static_cast<char>(options_.max_concurrent_streams >> (24 - 8 * i));
    }
  }
}

bool ServerSession::HasOutput() const {
  if (!raw_.empty() || !owing_end_.empty()) return true;
  return !is_failed_ && session_ != nullptr && nghttp2_session_want_write(session_) != 0;
}

bool ServerSession::Done() const {
  if (HasOutput()) return false;
  return is_failed_ || session_ == nullptr || IsOver() ||
         (drain_ == DrainStep::kFinal && open_streams_ == 0);
}

void ServerSession::Lost() {
  if (session_ == nullptr) return;
  while (streams_ != nullptr) Close(streams_);
  if (held_uncounted_ != 0) {
    options_.held_bytes->fetch_add(static_cast<uint64_t>(held_uncounted_),
                                   std::memory_order_relaxed);
    held_uncounted_ = 0;
  }
  if (options_.unsent_bytes != nullptr) {
    options_.unsent_bytes->fetch_add(static_cast<uint64_t>(unsent_uncounted_),
                                     std::memory_order_relaxed);
    unsent_uncounted_ = 0;
  }
  nghttp2_session_del(session_);
  session_ = nullptr;
}

}  // namespace metastore::plane
