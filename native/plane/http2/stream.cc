// What calls say, passed on to the session; and the pool of streams. See stream.h.
#include "plane/http2/stream.h"

#include "plane/http2/server_session.h"

namespace metastore::plane {
namespace {

/// Streams that a thread keeps, a few hundred bytes each.
constexpr size_t kMostPooled = 1024;
/// Larger strings are not kept with them.
constexpr size_t kMostKeptBytes = 4096;

std::vector<std::unique_ptr<Stream>>& Pool() {
  static thread_local std::vector<std::unique_ptr<Stream>> pool;
  return pool;
}

}  // namespace

std::unique_ptr<Stream> Stream::Take() {
  auto& pool = Pool();
  if (pool.empty()) return std::make_unique<Stream>();
  std::unique_ptr<Stream> stream = std::move(pool.back());
  pool.pop_back();
  return stream;
}

void Stream::Recycle(std::unique_ptr<Stream> stream) {
  auto& pool = Pool();
  if (pool.size() >= kMostPooled || stream->http != nullptr) return;
  Stream& s = *stream;
  s.session = nullptr;
  s.call_id = 0;
  s.id = s.grpc_status = 0;
  s.http_status = 200;
  s.incoming.Reset();
  s.outgoing.Reset();
  s.first_message = std::string();
  if (s.status_text.capacity() > kMostKeptBytes) s.status_text = std::string();
  s.status_text.clear();
  s.previous = s.next = nullptr;
  s.deadline_ns = INT64_MAX;
  s.deadline_at = SIZE_MAX;
  s.body_left = -1;
  s.owed = s.unaccepted = s.held = s.credit = 0;
  s.reserved = s.answer_bytes = 0;
  s.unmoved_since_ns = 0;
  s.encoding = Encoding::kIdentity;
  s.kind = MethodKind::kAnyMessages;
  s.has_message = s.remote_closed = s.headers_sent = s.deferred = s.finishing = false;
  s.ended = s.told = s.owes_end = s.half_open = false;
  s.parked = s.postponed = s.resumed = s.moved = false;
  pool.push_back(std::move(stream));
}

const Peer& Stream::peer() const { return session->peer(); }
void Stream::Reply(std::string_view message) { session->Reply(this, message); }
void Stream::Send(std::string message) { session->SendMessage(this, std::move(message)); }
void Stream::SendFramed(std::string messages) { session->SendFramed(this, std::move(messages)); }
void Stream::Finish(int grpc_status, std::string_view text) {
  session->FinishCall(this, grpc_status, text);
}
void Stream::Accept(uint64_t bytes) { session->Accept(this, bytes); }
bool Stream::Postpone(uint64_t answer_bytes, uint64_t question_bytes) {
  return session->Postpone(this, answer_bytes, question_bytes);
}

const Peer& HttpSide::peer() const { return stream_->session->peer(); }
void HttpSide::Respond(int status,
                       const std::vector<std::pair<std::string, std::string>>& headers) {
  stream_->session->HttpRespond(stream_, status, headers);
}
void HttpSide::Send(std::string bytes) { stream_->session->HttpSend(stream_, std::move(bytes)); }
void HttpSide::Finish() { stream_->session->HttpFinish(stream_); }
void HttpSide::Reset() { stream_->session->HttpReset(stream_); }
void HttpSide::Accept(uint64_t bytes) { stream_->session->Accept(stream_, bytes); }

}  // namespace metastore::plane
