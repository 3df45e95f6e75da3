// Stream: one request of a session with what is kept for it, and what its call speaks to.
//
// Internal to the session. Streams are pooled by thread: most live for microseconds, and their
// strings and buffers are used again.
#ifndef METASTORE_PLANE_HTTP2_STREAM_H_
#define METASTORE_PLANE_HTTP2_STREAM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plane/call.h"
#include "plane/grpc/head.h"
#include "plane/grpc/message/incoming.h"
#include "plane/grpc/message/outgoing.h"
#include "plane/grpc/methods.h"
#include "plane/http2/session.h"

namespace metastore::plane {

class ServerSession;
struct Stream;

/// The end of a request that is not gRPC.
class HttpSide final : public HttpWire {
 public:
  HttpSide(Stream* stream, HttpHead head) : stream_(stream), head_(std::move(head)) {}

  const HttpHead& head() const override { return head_; }
  const Peer& peer() const override;
  void Respond(int status,
               const std::vector<std::pair<std::string, std::string>>& headers) override;
  void Send(std::string bytes) override;
  void Finish() override;
  void Reset() override;
  void Accept(uint64_t bytes) override;

 private:
  Stream* const stream_;
  const HttpHead head_;
};

struct Stream final : public Wire {
  const RequestHead& head() const override { return request; }
  const Peer& peer() const override;
  void Reply(std::string_view message) override;
  void Send(std::string message) override;
  void SendFramed(std::string messages) override;
  void Finish(int grpc_status, std::string_view text) override;
  void Accept(uint64_t bytes) override;
  bool Postpone(uint64_t answer_bytes, uint64_t question_bytes) override;

  /// From this thread's pool, or new.
  static std::unique_ptr<Stream> Take();
  /// Back to the pool. It must have no call any more.
  static void Recycle(std::unique_ptr<Stream> stream);

  ServerSession* session = nullptr;
  int32_t id = 0;
  int grpc_status = 0;
  // Other than 200 when the request is refused as HTTP.
  int http_status = 200;
  CallId call_id = 0;
  std::unique_ptr<Call> call;
  // Null for gRPC.
  std::unique_ptr<HttpSide> http;
  RequestHead request;
  Incoming incoming;
  Outgoing outgoing;
  // A message that waits for the end of the client's stream before it is served.
  std::string first_message;
  // As it goes on the wire.
  std::string status_text;

  // The session's open streams.
  Stream* previous = nullptr;
  Stream* next = nullptr;

  int64_t deadline_ns = INT64_MAX;
  size_t deadline_at = SIZE_MAX;

  // Bytes of the body that the client has announced and not sent; -1 when it announced none.
  int64_t body_left = -1;
  // Bytes of the window that have not been given back.
  uint64_t owed = 0;
  // Bytes of messages that the call has and has not accepted.
  uint64_t unaccepted = 0;
  // Bytes that count in the budget for this stream; all of `unaccepted`, and what is under way.
  uint64_t held = 0;
  // Bytes of messages that have left since the call was told.
  uint64_t credit = 0;
  // Of the budget of answers: what is set aside for the answer that comes, and what the question
  // that waits takes.
  uint64_t reserved = 0;
  uint64_t answer_bytes = 0;
  // Since when nothing of the answer has left.
  int64_t unmoved_since_ns = 0;

  Encoding encoding = Encoding::kIdentity;
  MethodKind kind = MethodKind::kAnyMessages;
  bool has_message = false;
  bool remote_closed = false;
  bool headers_sent = false;
  // nghttp2 asks for data no more until it is told that there is some.
  bool deferred = false;
  // A status stands; what is queued goes first.
  bool finishing = false;
  // Nothing that the call says counts any more.
  bool ended = false;
  // The call knows that it is over, or has said so itself.
  bool told = false;
  // It stands in the session's list of calls that are to be told.
  bool owes_end = false;
  // It waits in the session's list until it may be served, for the first time or again.
  bool parked = false;
  bool postponed = false;
  // It was parked, and is being served.
  bool resumed = false;
  // Some of the answer has left since that was looked at.
  bool moved = false;
  // The answer ended before the request did.
  bool half_open = false;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_HTTP2_STREAM_H_
