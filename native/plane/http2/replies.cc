// What calls say and how it leaves: headers, messages, statuses. See server_session.h.
#include <algorithm>
#include <limits>

#include "base/check.h"
#include "plane/grpc/message/gzip.h"
#include "plane/grpc/text/text.h"
#include "plane/http2/parts/fields.h"
#include "plane/http2/server_session.h"

namespace metastore::plane {
namespace {

constexpr int kOkStatus = 0;
constexpr int kResourceExhausted = 8;
constexpr size_t kPrefixBytes = 5;
constexpr uint8_t kPlain = 0;
constexpr uint8_t kCompressed = 1;
constexpr size_t kFrameHeaderBytes = 9;

ssize_t ReadCallback(nghttp2_session*, int32_t, uint8_t*, size_t length, uint32_t* flags,
                     nghttp2_data_source* source, void*) {
  auto* stream = static_cast<Stream*>(source->ptr);
  return stream->session->ReadData(stream, length, flags);
}

nghttp2_data_provider ProviderOf(Stream* stream) {
  nghttp2_data_provider provider;
  provider.source.ptr = stream;
  provider.read_callback = ReadCallback;
  return provider;
}

}  // namespace

bool ServerSession::IsTooLarge(Stream* stream, size_t bytes) {
  const uint64_t most =
      options_.max_send_bytes != 0 ? options_.max_send_bytes : std::numeric_limits<int32_t>::max();
  if (bytes <= most) return false;
  const std::string_view origin = stream->kind == MethodKind::kUnary ? "grpc: " : "";
  EndBySession(stream, kResourceExhausted,
               std::string(origin) + "trying to send message larger than max (" +
                   std::to_string(bytes) + " vs. " + std::to_string(most) + ")",
               false);
  return true;
}

void ServerSession::Reply(Stream* stream, std::string_view message) {
  if (stream->ended) return;
  const size_t before = stream->outgoing.bytes();
  if (stream->encoding == Encoding::kGzip && !message.empty()) {
    std::string compressed;
    Gzip::OfThread().Compress(message, &compressed);
    if (IsTooLarge(stream, compressed.size())) return;
    stream->outgoing.Append(kCompressed, compressed);
  } else {
    if (IsTooLarge(stream, message.size())) return;
    stream->outgoing.Append(kPlain, message);
  }
  CountUnsent(stream, static_cast<int64_t>(stream->outgoing.bytes() - before));
  stream->told = true;
  StartEnd(stream, kOkStatus, {});
}

void ServerSession::SendMessage(Stream* stream, std::string message) {
  if (stream->ended) return;
  const size_t before = stream->outgoing.bytes();
  const size_t credit = message.size();
  if (stream->encoding == Encoding::kGzip && !message.empty()) {
    std::string compressed;
    Gzip::OfThread().Compress(message, &compressed);
    if (IsTooLarge(stream, compressed.size())) return;
    stream->outgoing.AppendCounted(kCompressed, std::move(compressed), credit);
  } else {
    if (IsTooLarge(stream, message.size())) return;
    stream->outgoing.AppendCounted(kPlain, std::move(message), credit);
  }
  CountUnsent(stream, static_cast<int64_t>(stream->outgoing.bytes() - before));
  WakeData(stream);
}

void ServerSession::SendFramed(Stream* stream, std::string messages) {
  if (stream->ended || messages.empty()) return;
  const bool is_plain = stream->encoding == Encoding::kIdentity && options_.max_send_bytes == 0;
  if (is_plain) {
    const uint64_t credit = messages.size();
    stream->outgoing.AppendBytes(std::move(messages), credit);
    CountUnsent(stream, static_cast<int64_t>(credit));
    WakeData(stream);
    return;
  }
  for (std::string_view rest = messages; !rest.empty() && !stream->ended;) {
    METASTORE_CHECK(rest.size() >= kPrefixBytes, "framed messages end in a prefix");
    const auto byte = [&](size_t i) { return size_t{static_cast<unsigned char>(rest[i])}; };
    const size_t length = byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4);
    METASTORE_CHECK(rest.size() - kPrefixBytes >= length, "framed messages end midway");
    const size_t before = stream->outgoing.bytes();
    std::string message(rest.substr(kPrefixBytes, length));
    const uint64_t credit = length + kPrefixBytes;
    uint8_t flag = kPlain;
    if (stream->encoding == Encoding::kGzip && length > 0) {
      std::string compressed;
      Gzip::OfThread().Compress(message, &compressed);
      message = std::move(compressed);
      flag = kCompressed;
    }
    if (IsTooLarge(stream, message.size())) return;
    stream->outgoing.AppendCounted(flag, std::move(message), credit);
    CountUnsent(stream, static_cast<int64_t>(stream->outgoing.bytes() - before));
    rest.remove_prefix(kPrefixBytes + length);
  }
  WakeData(stream);
}

void ServerSession::FinishCall(Stream* stream, int grpc_status, std::string_view text) {
  if (stream->ended) return;
  stream->told = true;
  StartEnd(stream, grpc_status, text);
}

void ServerSession::StartEnd(Stream* stream, int grpc_status, std::string_view text) {
  stream->ended = true;
  stream->finishing = true;
  deadlines_.Remove(stream);
  Settle(stream);
  stream->grpc_status = grpc_status;
  if (!text.empty()) {
    std::string encoded;
    stream->status_text.assign(PercentEncode(Shortened(text), &encoded));
  }
  if (!stream->remote_closed) {
    stream->half_open = true;
    ++half_open_ends_;
  }
  if (!stream->headers_sent && stream->outgoing.empty()) {
    SubmitTrailersOnly(stream);
  } else {
    WakeData(stream);
  }
}

void ServerSession::EndBySession(Stream* stream, int grpc_status, std::string_view text,
                                 bool tells_now) {
  if (stream->ended) return;
  StartEnd(stream, grpc_status, text);
  stream->incoming.Reset();
  if (stream->told) return;
  if (tells_now) {
    stream->told = true;
    stream->call->OnEnd();
  } else {
    stream->owes_end = true;
    owing_end_.push_back(stream);
  }
}

void ServerSession::SubmitHeaders(Stream* stream) {
  stream->headers_sent = true;
  pings_.Forgive();
  const nghttp2_nv fields[] = {LastingField(":status", "200"),
                               LastingField("content-type", stream->request.content_type),
                               LastingField("grpc-encoding", "gzip")};
  const size_t count = stream->encoding == Encoding::kGzip ? 3 : 2;
  const nghttp2_data_provider provider = ProviderOf(stream);
  METASTORE_CHECK(nghttp2_submit_response(session_, stream->id, fields, count, &provider) == 0,
                  "an answer's headers");
}

void ServerSession::SubmitTrailersOnly(Stream* stream) {
  stream->headers_sent = true;
  pings_.Forgive();
  const std::string http_status = std::to_string(stream->http_status);
  const nghttp2_nv fields[] = {CopiedField(":status", http_status),
                               LastingField("content-type", stream->request.content_type),
                               LastingField("grpc-status", StatusDigits(stream->grpc_status)),
                               LastingField("grpc-message", stream->status_text)};
  METASTORE_CHECK(nghttp2_submit_response(session_, stream->id, fields, 4, nullptr) == 0,
                  "a status");
}

void ServerSession::WakeData(Stream* stream) {
  if (!stream->headers_sent) {
    SubmitHeaders(stream);
  } else if (stream->deferred) {
    stream->deferred = false;
    METASTORE_CHECK(nghttp2_session_resume_data(session_, stream->id) == 0, "data goes on");
  }
}

ssize_t ServerSession::ReadData(Stream* stream, size_t length, uint32_t* flags) {
  const size_t waiting = stream->outgoing.bytes();
  const size_t n = std::min(length, waiting);
  if (n == 0 && !stream->finishing) {
    stream->deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (n < waiting || !stream->finishing) return static_cast<ssize_t>(n);
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (stream->http == nullptr) {
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    const nghttp2_nv fields[] = {LastingField("grpc-status", StatusDigits(stream->grpc_status)),
                                 LastingField("grpc-message", stream->status_text)};
    METASTORE_CHECK(nghttp2_submit_trailer(session_, stream->id, fields, 2) == 0, "trailers");
  }
  return static_cast<ssize_t>(n);
}

int ServerSession::WriteData(Stream* stream, const uint8_t* frame_header, size_t length) {
  // nghttp2 goes from frame to frame without coming back; it asks again for this one.
  if (out_->size() >= out_most_) return NGHTTP2_ERR_WOULDBLOCK;
  pings_.Forgive();
  out_->append(reinterpret_cast<const char*>(frame_header), kFrameHeaderBytes);
  const uint64_t credit = stream->outgoing.Take(length, out_);
  CountUnsent(stream, -static_cast<int64_t>(length));
  sent_bytes_ += length;
  stream->moved = true;
  if (credit > 0 && !stream->ended) {
    if (stream->credit == 0) credited_.push_back(stream);
    stream->credit += credit;
  }
  return 0;
}

void ServerSession::OnFrameSent(const nghttp2_frame* frame) {
  if (frame->hd.type == NGHTTP2_GOAWAY) {
    // One that nghttp2 has thought of itself: the client broke the protocol.
    if (frame->goaway.error_code != NGHTTP2_NO_ERROR) is_failed_ = true;
    return;
  }
  const bool is_answer = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
  const bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (half_open_ends_ == 0 || !is_answer || !is_end) return;
  const int32_t id = frame->hd.stream_id;
  if (nghttp2_session_get_stream_remote_close(session_, id) != 0) return;
  if (Stream* stream = Find(id); stream == nullptr || stream->half_open) {
    --half_open_ends_;
    if (stream != nullptr) stream->half_open = false;
  }
  // The answer stands: nothing more of the request is wanted.
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
}

void ServerSession::TellCalls() {
  // Calls may say more meanwhile, which adds to the lists.
  while (!owing_end_.empty()) {
    Stream* stream = owing_end_.back();
    owing_end_.pop_back();
    stream->owes_end = false;
    if (stream->told) continue;
    stream->told = true;
    stream->call->OnEnd();
  }
  while (!credited_.empty()) {
    Stream* stream = credited_.back();
    credited_.pop_back();
    const uint64_t credit = stream->credit;
    stream->credit = 0;
    if (!stream->ended) stream->call->OnWritten(credit);
  }
}

void ServerSession::HttpRespond(Stream* stream, int status,
                                const std::vector<std::pair<std::string, std::string>>& headers) {
  if (stream->ended || stream->headers_sent) return;
  stream->headers_sent = true;
  pings_.Forgive();
  const std::string digits = std::to_string(status);
  std::vector<nghttp2_nv> fields{CopiedField(":status", digits)};
  for (const auto& [name, value] : headers) fields.push_back(CopiedField(name, value));
  const nghttp2_data_provider provider = ProviderOf(stream);
  METASTORE_CHECK(
      nghttp2_submit_response(session_, stream->id, fields.data(), fields.size(), &provider) == 0,
      "an answer's headers");
}

void ServerSession::HttpSend(Stream* stream, std::string bytes) {
  if (stream->ended || !stream->headers_sent || bytes.empty()) return;
  const uint64_t credit = bytes.size();
  stream->outgoing.AppendBytes(std::move(bytes), credit);
  CountUnsent(stream, static_cast<int64_t>(credit));
  WakeData(stream);
}

void ServerSession::HttpFinish(Stream* stream) {
  if (stream->ended) return;
  if (!stream->headers_sent) {
    HttpReset(stream);
    return;
  }
  stream->told = stream->ended = stream->finishing = true;
  if (!stream->remote_closed) {
    stream->half_open = true;
    ++half_open_ends_;
  }
  WakeData(stream);
}

void ServerSession::HttpReset(Stream* stream) {
  if (stream->ended) return;
  stream->told = stream->ended = true;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_INTERNAL_ERROR);
}

}  // namespace metastore::plane
