// Frames of HTTP/2 by hand: what a client sends, however wrong, and what came back, taken apart.
// Used by the units of the session, and by anything that wants to speak HTTP/2 badly.
#ifndef METASTORE_TEST_SUPPORT_PLANE_FRAMES_H_
#define METASTORE_TEST_SUPPORT_PLANE_FRAMES_H_

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"

namespace metastore::test {

using Fields = std::vector<std::pair<std::string, std::string>>;

struct Frame {
  uint8_t type = 0;
  uint8_t flags = 0;
  uint32_t stream = 0;
  std::string payload;
  // Of HEADERS.
  Fields fields;

  bool is_end() const { return (flags & NGHTTP2_FLAG_END_STREAM) != 0; }
  /// The first value of a field; empty without one.
  std::string Field(std::string_view name) const {
    for (const auto& [key, value] : fields) {
      if (key == name) return value;
    }
    return {};
  }
  uint32_t Number(size_t at = 0) const {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(payload.at(at + i));
    return value;
  }
};

inline void AppendBig(uint32_t value, size_t bytes, std::string* out) {
  for (size_t i = bytes; i-- > 0;) out->push_back(static_cast<char>(value >> (8 * i)));
}

inline std::string MakeFrame(uint8_t type, uint8_t flags, uint32_t stream,
                             std::string_view payload) {
  std::string frame;
  AppendBig(static_cast<uint32_t>(payload.size()), 3, &frame);
  frame.push_back(static_cast<char>(type));
  frame.push_back(static_cast<char>(flags));
  AppendBig(stream, 4, &frame);
  frame.append(payload);
  return frame;
}

/// A message of gRPC behind its prefix.
inline std::string Framed(std::string_view message, uint8_t flag = 0) {
  std::string framed(1, static_cast<char>(flag));
  AppendBig(static_cast<uint32_t>(message.size()), 4, &framed);
  framed.append(message);
  return framed;
}

/// The client's side of a connection, frame by frame; keeps the state of header compression.
class FrameClient {
 public:
  FrameClient() {
    METASTORE_CHECK(nghttp2_hd_deflate_new(&deflater_, 4096) == 0, "deflater");
    METASTORE_CHECK(nghttp2_hd_inflate_new(&inflater_) == 0, "inflater");
  }
  ~FrameClient() {
    nghttp2_hd_deflate_del(deflater_);
    nghttp2_hd_inflate_del(inflater_);
  }
  FrameClient(const FrameClient&) = delete;
  FrameClient& operator=(const FrameClient&) = delete;

  /// False: blocks neither use nor change the server's table.
  bool indexes = true;

  static std::string Preface() { return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Settings({}); }

  static std::string Settings(const std::vector<std::pair<uint16_t, uint32_t>>& entries) {
    std::string payload;
    for (const auto& [id, value] : entries) {
      AppendBig(id, 2, &payload);
      AppendBig(value, 4, &payload);
    }
    return MakeFrame(NGHTTP2_SETTINGS, 0, 0, payload);
  }

  /// A block of compressed fields, which advances the compressor.
  std::string Block(const Fields& fields) {
    std::vector<nghttp2_nv> list;
    for (const auto& [name, value] : fields) {
      const uint8_t flags = indexes ? 0 : NGHTTP2_NV_FLAG_NO_INDEX;
      list.push_back({Bytes(name), Bytes(value), name.size(), value.size(), flags});
    }
    std::string block(nghttp2_hd_deflate_bound(deflater_, list.data(), list.size()), '\0');
    const ssize_t used =
        nghttp2_hd_deflate_hd(deflater_, Bytes(block), block.size(), list.data(), list.size());
    METASTORE_CHECK(used >= 0, "fields do not compress");
    block.resize(static_cast<size_t>(used));
    return block;
  }

  std::string Headers(uint32_t stream, const Fields& fields, bool is_end = false) {
    const uint8_t end = is_end ? NGHTTP2_FLAG_END_STREAM : 0;
    return MakeFrame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | end, stream, Block(fields));
  }

  /// Fields of a gRPC request, with more behind them.
  static Fields Grpc(std::string_view path, const Fields& more = {}) {
    Fields fields = {{":method", "POST"},
                     {":scheme", "http"},
                     {":path", std::string(path)},
                     {":authority", "localhost:2379"},
                     {"content-type", "application/grpc"},
                     {"user-agent", "grpc-go/1.82.1"},
                     {"te", "trailers"}};
    fields.insert(fields.end(), more.begin(), more.end());
    return fields;
  }

  static std::string Data(uint32_t stream, std::string_view bytes, bool is_end = false) {
    return MakeFrame(NGHTTP2_DATA, is_end ? NGHTTP2_FLAG_END_STREAM : 0, stream, bytes);
  }
  static std::string Reset(uint32_t stream, uint32_t error) {
    std::string payload;
    AppendBig(error, 4, &payload);
    return MakeFrame(NGHTTP2_RST_STREAM, 0, stream, payload);
  }
  static std::string WindowUpdate(uint32_t stream, uint32_t bytes) {
    std::string payload;
    AppendBig(bytes, 4, &payload);
    return MakeFrame(NGHTTP2_WINDOW_UPDATE, 0, stream, payload);
  }
  static std::string Ping(bool is_answer = false, std::string_view payload = "12345678") {
    return MakeFrame(NGHTTP2_PING, is_answer ? NGHTTP2_FLAG_ACK : 0, 0, payload);
  }

  /// A whole unary request in one go.
  std::string Unary(uint32_t stream, std::string_view path, std::string_view message,
                    const Fields& more = {}) {
    return Headers(stream, Grpc(path, more)) + Data(stream, Framed(message), true);
  }

  /// Takes whole frames from the front of `bytes`; fields are decompressed.
  std::vector<Frame> Take(std::string* bytes) {
    constexpr size_t kHeader = 9;
    std::vector<Frame> frames;
    size_t at = 0;
    while (bytes->size() - at >= kHeader) {
      const auto byte = [&](size_t i) { return size_t{static_cast<uint8_t>((*bytes)[at + i])}; };
      const size_t length = byte(0) << 16 | byte(1) << 8 | byte(2);
      if (bytes->size() - at - kHeader < length) break;
      Frame frame;
      frame.type = static_cast<uint8_t>(byte(3));
      frame.flags = static_cast<uint8_t>(byte(4));
      frame.stream = static_cast<uint32_t>(byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8));
      frame.payload = bytes->substr(at + kHeader, length);
      if (frame.type == NGHTTP2_HEADERS) Inflate(&frame);
      frames.push_back(std::move(frame));
      at += kHeader + length;
    }
    bytes->erase(0, at);
    return frames;
  }

 private:
  static uint8_t* Bytes(const std::string& s) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(s.data()));
  }

  void Inflate(Frame* frame) {
    const uint8_t* in = Bytes(frame->payload);
    size_t left = frame->payload.size();
    while (true) {
      nghttp2_nv nv;
      int flags = 0;
      const ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &nv, &flags, in, left, 1);
      METASTORE_CHECK(used >= 0, "the server's fields do not decompress");
      in += used;
      left -= static_cast<size_t>(used);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
        frame->fields.emplace_back(std::string(nv.name, nv.name + nv.namelen),
                                   std::string(nv.value, nv.value + nv.valuelen));
      }
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
  }

  nghttp2_hd_deflater* deflater_ = nullptr;
  nghttp2_hd_inflater* inflater_ = nullptr;
};

}  // namespace metastore::test

#endif  // METASTORE_TEST_SUPPORT_PLANE_FRAMES_H_
