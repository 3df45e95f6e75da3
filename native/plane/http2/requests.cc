// What a client sends: requests, messages, their end. See server_session.h.
#include <string>

#include "base/check.h"
#include "plane/grpc/message/gzip.h"
#include "plane/grpc/text/text.h"
#include "plane/http2/parts/fields.h"
#include "plane/http2/server_session.h"

namespace metastore::plane {
namespace {

constexpr int kUnknown = 2;
constexpr int kDeadlineExceeded = 4;
constexpr int kResourceExhausted = 8;
constexpr int kInternal = 13;
constexpr std::string_view kMidway = "unexpected EOF";
constexpr std::string_view kNoMessage =
    "cardinality violation: received no request message from non-client-streaming RPC";
constexpr std::string_view kManyMessages =
    "cardinality violation: received multiple request messages for non-client-streaming RPC";

/// A bound for clients that are told of none; each stream costs some hundred bytes.
constexpr size_t kMostStreams = 100000;
/// Answers that a client lets lie, beyond which its new requests are refused.
constexpr uint64_t kMostUnsentBytes = 256u << 20;
/// Requests that wait for their client to take other answers, beyond which they are refused.
constexpr size_t kMostParked = 2000;

}  // namespace

Stream* ServerSession::Find(int32_t id) {
  if (last_stream_ != nullptr && last_stream_->id == id) return last_stream_;
  auto* stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session_, id));
  if (stream != nullptr) last_stream_ = stream;
  return stream;
}

Stream* ServerSession::AddStream(int32_t id) {
  Stream* stream = Stream::Take().release();
  stream->session = this;
  stream->id = id;
  stream->call_id = owner_->NextCallId();
  stream->next = streams_;
  if (streams_ != nullptr) streams_->previous = stream;
  streams_ = stream;
  ++open_streams_;
  last_stream_ = stream;
  METASTORE_CHECK(nghttp2_session_set_stream_user_data(session_, id, stream) == 0,
                  "a stream that has just come is not known");
  return stream;
}

void ServerSession::ResetStream(int32_t id, uint32_t error) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, error);
}

void ServerSession::OnRequest(int32_t id, bool is_end) {
  if (is_failed_) return;
  const HeadReader::Verdict verdict = reader_.Finish();
  const int64_t body = shape_.content_length();
  if (verdict == HeadReader::Verdict::kTooLarge) {
    ResetStream(id, NGHTTP2_FRAME_SIZE_ERROR);
    return;
  }
  if (shape_.IsMalformed() || (is_end && body > 0)) {
    ResetStream(id, NGHTTP2_PROTOCOL_ERROR);
    return;
  }
  const bool is_full = open_streams_ >= options_.max_concurrent_streams ||
                       open_streams_ >= kMostStreams || unsent_bytes_ > kMostUnsentBytes ||
                       parked_.size() >= kMostParked;
  if (is_full) {
    ResetStream(id, NGHTTP2_REFUSED_STREAM);
    return;
  }
  Stream* stream = AddStream(id);
  stream->body_left = body;
  if (verdict == HeadReader::Verdict::kHttp) {
    stream->http = std::make_unique<HttpSide>(stream, reader_.TakeHttp());
    stream->call = owner_->MakeHttp(stream->call_id, stream->http.get());
  } else {
    std::swap(stream->request, reader_.head());
    stream->remote_closed = is_end;
    if (verdict == HeadReader::Verdict::kRefused) {
      RefuseRequest(stream);
      return;
    }
    const int64_t timeout_ns = stream->request.timeout_ns;
    if (timeout_ns == 0) {
      stream->told = true;
      StartEnd(stream, kDeadlineExceeded, "context deadline exceeded");
      return;
    }
    stream->remote_closed = false;
    stream->encoding = reader_.encoding();
    stream->kind = KindOf(stream->request.path);
    if (timeout_ns > 0 && timeout_ns < INT64_MAX - now_ns_) {
      stream->deadline_ns = now_ns_ + timeout_ns;
      deadlines_.Add(stream);
    }
    stream->call = owner_->MakeCall(stream->call_id, stream);
  }
  METASTORE_CHECK(stream->call != nullptr, "a request without a call");
  if (is_end) OnRemoteEnd(id);
}

void ServerSession::RefuseRequest(Stream* stream) {
  stream->told = true;
  stream->http_status = reader_.http_status();
  StartEnd(stream, reader_.grpc_status(), reader_.text());
}

void ServerSession::OnTrailers(int32_t id, bool is_end) {
  if (is_failed_) return;
  if (!is_end || shape_.IsMalformed()) {
    ResetStream(id, NGHTTP2_PROTOCOL_ERROR);
  } else {
    OnRemoteEnd(id);
  }
}

void ServerSession::OnReset(int32_t id) {
  if (Stream* stream = Find(id); stream != nullptr) stream->remote_closed = true;
  if (!resets_.Take(now_ns_)) Fail(NGHTTP2_ENHANCE_YOUR_CALM, "too many resets");
}

void ServerSession::OnData(int32_t id, std::string_view bytes) {
  if (is_failed_) return;
  owed_connection_ += bytes.size();
  if (owed_connection_ >= connection_step_) GiveBackConnection();
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  stream->owed += bytes.size();
  if (stream->body_left >= 0) {
    stream->body_left -= static_cast<int64_t>(bytes.size());
    if (stream->body_left < 0) {
      ResetStream(id, NGHTTP2_PROTOCOL_ERROR);
      return;
    }
  }
  if (stream->ended) return;
  if (stream->http != nullptr) {
    stream->unaccepted += bytes.size();
    Hold(stream, bytes.size());
    stream->call->OnMessage(std::string(bytes));
  } else {
    FeedGrpc(stream, bytes);
  }
  if (stream->owed >= stream_step_) GiveBack(stream);
}

void ServerSession::FeedGrpc(Stream* stream, std::string_view bytes) {
  Incoming& in = stream->incoming;
  // A prefix of an empty message ends without a byte behind it.
  bool is_whole = false;
  while (!stream->ended && (is_whole || !bytes.empty())) {
    if (stream->kind == MethodKind::kUnary && stream->has_message) return;
    const size_t before = bytes.size();
    const size_t held = in.held();
    const Incoming::Step step = in.Feed(&bytes);
    METASTORE_CHECK(is_whole || bytes.size() < before, "bytes of a message are not used up");
    is_whole = false;
    if (step == Incoming::Step::kPrefix) {
      if (in.length() > options_.max_receive_bytes) {
        EndBySession(stream, kResourceExhausted,
                     "grpc: received message larger than max (" + std::to_string(in.length()) +
                         " vs. " + std::to_string(options_.max_receive_bytes) + ")",
                     true);
        return;
      }
      is_whole = in.length() == 0;
      continue;
    }
    Hold(stream, in.held() - held);
    if (step == Incoming::Step::kMessage && !TakeMessage(stream)) return;
  }
}

bool ServerSession::TakeMessage(Stream* stream) {
  Incoming& in = stream->incoming;
  std::string message;
  if (in.flag() == 0) {
    message = std::move(in.message());
  } else if (in.flag() != 1) {
    EndBySession(stream, kInternal,
                 "grpc: received unexpected payload format " + std::to_string(in.flag()), true);
    return false;
  } else if (stream->encoding == Encoding::kIdentity) {
    EndBySession(stream, kInternal, "grpc: compressed flag set with identity or empty encoding",
                 true);
    return false;
  } else {
    std::string_view why;
    const uint64_t most = options_.max_receive_bytes;
    switch (Gzip::OfThread().Decompress(in.message(), most, &message, &why)) {
      case Gzip::Outcome::kOk:
        break;
      case Gzip::Outcome::kTooLarge:
        EndBySession(
            stream, kResourceExhausted,
            "grpc: received message after decompression larger than max " + std::to_string(most),
            true);
        return false;
      case Gzip::Outcome::kNoHeader:
        EndBySession(stream, kInternal,
                     "grpc: failed to decompress the message: " + std::string(why), true);
        return false;
      case Gzip::Outcome::kBroken:
        EndBySession(stream, kInternal,
                     "grpc: failed to read decompressed data: " + std::string(why), true);
        return false;
    }
    Release(stream, in.held());
    Hold(stream, message.size());
  }
  in.Next();
  stream->unaccepted += message.size();
  HandOver(stream, std::move(message));
  return true;
}

void ServerSession::HandOver(Stream* stream, std::string message) {
  if (stream->kind == MethodKind::kServerStream) {
    if (stream->has_message) {
      EndBySession(stream, kInternal, kManyMessages, true);
      return;
    }
    stream->has_message = true;
    stream->first_message = std::move(message);
    return;
  }
  stream->has_message = true;
  if (stream->kind == MethodKind::kUnary && stream->http == nullptr && MustPark()) {
    stream->first_message = std::move(message);
    Park(stream);
    return;
  }
  stream->call->OnMessage(std::move(message));
}

void ServerSession::OnRemoteEnd(int32_t id) {
  if (is_failed_) return;
  Stream* stream = Find(id);
  if (stream == nullptr || stream->remote_closed) return;
  stream->remote_closed = true;
  if (stream->body_left > 0) {
    ResetStream(id, NGHTTP2_PROTOCOL_ERROR);
    return;
  }
  if (stream->ended) return;
  // A prefix that is cut short counts as none.
  if (stream->incoming.is_in_message()) {
    EndBySession(stream, stream->kind == MethodKind::kUnary ? kUnknown : kInternal, kMidway, true);
    return;
  }
  if (stream->http == nullptr && stream->kind == MethodKind::kServerStream) {
    if (!stream->has_message) {
      EndBySession(stream, kInternal, kNoMessage, true);
      return;
    }
    stream->call->OnMessage(std::move(stream->first_message));
    if (stream->ended) return;
  }
  if (!stream->parked) stream->call->OnHalfClose();
}

void ServerSession::OnStreamClosed(int32_t id) {
  Stream* stream = Find(id);
  const bool is_by_client = stream != nullptr && stream->remote_closed;
  closed_.Add(id, is_by_client ? ClosedStreams::End::kByClient : ClosedStreams::End::kByUs);
  if (stream != nullptr) Close(stream);
}

void ServerSession::Close(Stream* stream) {
  if (stream->previous != nullptr) {
    stream->previous->next = stream->next;
  } else {
    streams_ = stream->next;
  }
  if (stream->next != nullptr) stream->next->previous = stream->previous;
  if (last_stream_ == stream) last_stream_ = nullptr;
  --open_streams_;
  if (open_streams_ == 0) idle_since_ns_ = now_ns_;
  deadlines_.Remove(stream);
  if (stream->credit > 0) std::erase(credited_, stream);
  if (stream->owes_end) std::erase(owing_end_, stream);
  if (stream->half_open && half_open_ends_ > 0) --half_open_ends_;
  Settle(stream);
  CountUnsent(stream, -static_cast<int64_t>(stream->outgoing.bytes()));
  Release(stream, stream->held);
  // A call may still accept what it has, while it is told of the end.
  stream->unaccepted = 0;
  stream->ended = true;
  nghttp2_session_set_stream_user_data(session_, stream->id, nullptr);
  if (stream->call != nullptr) {
    if (!stream->told) {
      stream->told = true;
      stream->call->OnEnd();
    }
    owner_->Closed(stream->call_id);
    stream->call.reset();
  }
  Stream::Recycle(std::unique_ptr<Stream>(stream));
}

}  // namespace metastore::plane
