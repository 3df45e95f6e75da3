// Windows and the budget, what time brings, and how a connection ends. See server_session.h.
#include <algorithm>

#include "base/check.h"
#include "plane/http2/server_session.h"

namespace metastore::plane {
namespace {

constexpr int64_t kSecondNs = int64_t{1000} * 1000 * 1000;
/// How long the first GOAWAY may travel before the second follows without its answer.
constexpr int64_t kDrainStepNs = kSecondNs;
/// Messages that cannot be received whole for want of budget are refused after this time, so that
/// what they hold is free again.
constexpr int64_t kStarvingNs = 5 * kSecondNs;
/// What is not yet added to the budget that all share, either way.
constexpr int64_t kHeldStepBytes = 4096;
constexpr int kDeadlineExceeded = 4;
constexpr int kResourceExhausted = 8;
constexpr std::string_view kDrainPing("\0drain\0\0", 8);
constexpr std::string_view kLifePing("\0alive\0\0", 8);
constexpr size_t kPingBytes = 8;

void AppendNumber(uint32_t value, size_t bytes, std::string* out) {
  for (size_t i = bytes; i-- > 0;) out->push_back(static_cast<char>(value >> (8 * i)));
}

const uint8_t* PingOf(std::string_view payload) {
  return reinterpret_cast<const uint8_t*>(payload.data());
}

}  // namespace

void ServerSession::CountHeld(int64_t change) {
  held_uncounted_ += change;
  if (held_uncounted_ < kHeldStepBytes && held_uncounted_ > -kHeldStepBytes) return;
  // Unsigned arithmetic wraps, so that adding a negative number subtracts.
  options_.held_bytes->fetch_add(static_cast<uint64_t>(held_uncounted_), std::memory_order_relaxed);
  held_uncounted_ = 0;
}

void ServerSession::Hold(Stream* stream, uint64_t bytes) {
  stream->held += bytes;
  CountHeld(static_cast<int64_t>(bytes));
}

void ServerSession::Release(Stream* stream, uint64_t bytes) {
  METASTORE_CHECK(bytes <= stream->held, "more is released than is held");
  stream->held -= bytes;
  CountHeld(-static_cast<int64_t>(bytes));
}

bool ServerSession::IsOverBudget() {
  const uint64_t held = options_.held_bytes->load(std::memory_order_relaxed);
  // Sessions that add late can make the sum wrap below nothing.
  if (static_cast<int64_t>(held) <= static_cast<int64_t>(options_.held_bytes_most)) return false;
  if (!is_withholding_) {
    is_withholding_ = true;
    starving_since_ns_ = now_ns_;
    owner_->Withheld();
  }
  return true;
}

void ServerSession::GiveBackConnection() {
  if (owed_connection_ == 0 || IsOverBudget()) return;
  nghttp2_session_consume_connection(session_, owed_connection_);
  owed_connection_ = 0;
}

void ServerSession::GiveBack(Stream* stream) {
  // A client that has ended its request, or whose call has ended, needs no window there.
  if (stream->owed == 0 || stream->remote_closed || stream->ended) return;
  if (stream->unaccepted > 0 || IsOverBudget()) return;
  nghttp2_session_consume_stream(session_, stream->id, stream->owed);
  stream->owed = 0;
}

void ServerSession::Accept(Stream* stream, uint64_t bytes) {
  const uint64_t accepted = std::min(bytes, stream->unaccepted);
  stream->unaccepted -= accepted;
  Release(stream, accepted);
  if (stream->owed >= stream_step_) GiveBack(stream);
}

void ServerSession::Relax() {
  if (!is_withholding_ || is_failed_ || session_ == nullptr) return;
  is_withholding_ = false;
  GiveBackConnection();
  for (Stream* stream = streams_; stream != nullptr; stream = stream->next) {
    if (stream->owed >= stream_step_) GiveBack(stream);
  }
}

void ServerSession::EndStarving() {
  for (Stream* stream = streams_; stream != nullptr; stream = stream->next) {
    if (stream->ended || stream->http != nullptr || !stream->incoming.is_midway()) continue;
    EndBySession(stream, kResourceExhausted, "etcdserver: too many requests", true);
    Release(stream, stream->held - stream->unaccepted);
  }
}

void ServerSession::OnFrameBegun(const FrameHeader& frame) {
  bool is_idle = false;
  switch (frame.type) {
    case NGHTTP2_DATA:
      is_idle = frame.length == 0 && (frame.flags & NGHTTP2_FLAG_END_STREAM) == 0;
      [[fallthrough]];
    case NGHTTP2_HEADERS:
      if (frame.stream <= newest_id_ && Find(frame.stream) == nullptr) OnLateFrame(frame);
      break;
    case NGHTTP2_RST_STREAM:
      // It may cross our own end of the stream; the client has nothing more to say either way.
      closed_.Change(frame.stream, ClosedStreams::End::kByClient);
      break;
    case NGHTTP2_PING:
    case NGHTTP2_WINDOW_UPDATE:
      break;
    case NGHTTP2_CONTINUATION:
      is_idle = frame.length == 0;
      break;
    default:
      // SETTINGS and PRIORITY, which hardly anybody sends twice, and what is unknown.
      is_idle = true;
      break;
  }
  if (is_idle && !idle_frames_.Take(now_ns_)) Fail(NGHTTP2_ENHANCE_YOUR_CALM, "idle frames");
}

void ServerSession::OnLateFrame(const FrameHeader& frame) {
  const int32_t id = frame.stream;
  if (id == 0 || id % 2 == 0 || nghttp2_session_find_stream(session_, id) != nullptr) return;
  const ClosedStreams::End end = closed_.Find(id);
  if (end != ClosedStreams::End::kByUs && frame.type == NGHTTP2_HEADERS) {
    // What fields do to the decompressor concerns the whole connection.
    const bool was_open = end == ClosedStreams::End::kByClient;
    Fail(was_open ? NGHTTP2_STREAM_CLOSED : NGHTTP2_PROTOCOL_ERROR, "stream number goes back");
    return;
  }
  if (!idle_frames_.Take(now_ns_)) {
    Fail(NGHTTP2_ENHANCE_YOUR_CALM, "late frames");
  } else if (end == ClosedStreams::End::kByClient) {
    // It is told once, and behind what waits to be written: that may be a reset of this stream.
    ResetStream(id, NGHTTP2_STREAM_CLOSED);
    closed_.Change(id, ClosedStreams::End::kByUs);
  }
}

void ServerSession::OnPing(const uint8_t* payload, bool is_answer) {
  if (is_answer) {
    const bool is_drain = std::equal(payload, payload + kPingBytes, PingOf(kDrainPing));
    if (is_drain && drain_ == DrainStep::kAnnounced) FinishDrain();
    return;
  }
  if (pings_.IsTooMany(open_streams_, now_ns_)) Fail(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
}

void ServerSession::AppendFrame(uint8_t type, int32_t stream, std::string_view payload) {
  AppendNumber(static_cast<uint32_t>(payload.size()), 3, &raw_);
  AppendNumber(type, 1, &raw_);
  AppendNumber(NGHTTP2_FLAG_NONE, 1, &raw_);
  AppendNumber(static_cast<uint32_t>(stream), 4, &raw_);
  raw_.append(payload);
}

void ServerSession::AppendGoaway(int32_t last_stream, uint32_t error, std::string_view debug) {
  std::string payload;
  AppendNumber(static_cast<uint32_t>(last_stream), 4, &payload);
  AppendNumber(error, 4, &payload);
  payload.append(debug);
  AppendFrame(NGHTTP2_GOAWAY, 0, payload);
}

void ServerSession::Fail(uint32_t error, std::string_view debug) {
  if (is_failed_) return;
  is_failed_ = true;
  AppendGoaway(nghttp2_session_get_last_proc_stream_id(session_), error, debug);
}

void ServerSession::Drain() {
  if (is_failed_ || session_ == nullptr || drain_ != DrainStep::kNone) return;
  AnnounceDrain("graceful_stop");
}

void ServerSession::AnnounceDrain(std::string_view reason) {
  drain_reason_ = reason;
  if (open_streams_ == 0) {
    FinishDrain();
    return;
  }
  drain_ = DrainStep::kAnnounced;
  drain_by_ns_ = now_ns_ + kDrainStepNs;
  AppendGoaway(INT32_MAX, NGHTTP2_NO_ERROR, reason);
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, PingOf(kDrainPing));
}

void ServerSession::FinishDrain() {
  drain_ = DrainStep::kFinal;
  const int32_t last = nghttp2_session_get_last_proc_stream_id(session_);
  const auto* reason = reinterpret_cast<const uint8_t*>(drain_reason_.data());
  METASTORE_CHECK(nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, reason,
                                        drain_reason_.size()) == 0,
                  "the last GOAWAY");
}

int64_t ServerSession::NextTimeNs() const {
  if (session_ == nullptr) return INT64_MAX;
  if (is_failed_) return now_ns_;
  int64_t next = deadlines_.next_ns();
  if (!has_settings_) next = std::min(next, settings_by_ns_);
  if (drain_ == DrainStep::kAnnounced) next = std::min(next, drain_by_ns_);
  if (is_withholding_) next = std::min(next, starving_since_ns_ + kStarvingNs);
  if (options_.idle_ns > 0 && open_streams_ == 0 && drain_ == DrainStep::kNone) {
    next = std::min(next, idle_since_ns_ + options_.idle_ns);
  }
  if (options_.keepalive_interval_ns > 0 && options_.keepalive_timeout_ns > 0) {
    const bool waits = is_pinging_ && last_read_ns_ <= ping_sent_ns_;
    next = std::min(next, waits ? ping_sent_ns_ + options_.keepalive_timeout_ns
                                : last_read_ns_ + options_.keepalive_interval_ns);
  }
  return next;
}

bool ServerSession::KeepAlive() {
  if (options_.keepalive_interval_ns <= 0 || options_.keepalive_timeout_ns <= 0) return true;
  if (is_pinging_ && last_read_ns_ > ping_sent_ns_) is_pinging_ = false;
  if (is_pinging_) return now_ns_ - ping_sent_ns_ < options_.keepalive_timeout_ns;
  if (now_ns_ - last_read_ns_ >= options_.keepalive_interval_ns) {
    is_pinging_ = true;
    ping_sent_ns_ = now_ns_;
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, PingOf(kLifePing));
  }
  return true;
}

bool ServerSession::OnTime(int64_t now_ns) {
  now_ns_ = now_ns;
  if (is_failed_ || session_ == nullptr) return false;
  for (Stream* stream = deadlines_.earliest(); stream != nullptr && stream->deadline_ns <= now_ns;
       stream = deadlines_.earliest()) {
    EndBySession(stream, kDeadlineExceeded, "context deadline exceeded", true);
  }
  if (!has_settings_ && now_ns >= settings_by_ns_) {
    Fail(NGHTTP2_SETTINGS_TIMEOUT, "");
    return false;
  }
  if (drain_ == DrainStep::kAnnounced && now_ns >= drain_by_ns_) FinishDrain();
  if (options_.idle_ns > 0 && open_streams_ == 0 && drain_ == DrainStep::kNone &&
      now_ns - idle_since_ns_ >= options_.idle_ns) {
    AnnounceDrain("max_idle");
  }
  if (is_withholding_ && now_ns - starving_since_ns_ >= kStarvingNs) {
    starving_since_ns_ = now_ns;
    Relax();
    if (is_withholding_) EndStarving();
  }
  if (KeepAlive()) return true;
  is_failed_ = true;
  return false;
}

}  // namespace metastore::plane
