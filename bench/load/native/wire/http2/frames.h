// Frames of HTTP/2 as bytes (RFC 9113, section 4 and 6): what a client of gRPC writes and reads.
//
// Used by ClientSession only; numbers are the RFC's.
#ifndef METASTORE_LOAD_WIRE_HTTP2_FRAMES_H_
#define METASTORE_LOAD_WIRE_HTTP2_FRAMES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace metastore::load {

inline constexpr size_t kFrameHeaderBytes = 9;
/// What a peer may send as long as nobody has asked for more.
inline constexpr uint32_t kFrameBytesMost = 16384;
inline constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum class FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kReset = 3,
  kSettings = 4,
  kPushPromise = 5,
  kPing = 6,
  kGoaway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};

inline constexpr uint8_t kEndStream = 1;  // of DATA and HEADERS
inline constexpr uint8_t kAck = 1;        // of SETTINGS and PING
inline constexpr uint8_t kEndHeaders = 4;
inline constexpr uint8_t kPadded = 8;
inline constexpr uint8_t kPriority = 32;

inline uint32_t Big32(const char* at) {
  const auto byte = [at](size_t i) { return uint32_t{static_cast<uint8_t>(at[i])}; };
  return byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
}

inline void PutBig32(uint32_t value, char* at) {
  for (size_t i = 0; i < 4; i++) at[i] = static_cast<char>(value >> (24 - 8 * i));
}

struct FrameHeader {
  uint32_t length = 0;
  FrameType type = FrameType::kData;
  uint8_t flags = 0;
  int32_t stream = 0;

  bool Has(uint8_t flag) const { return (flags & flag) != 0; }
};

/// Of kFrameHeaderBytes bytes.
inline FrameHeader ReadFrameHeader(const char* at) {
  return {Big32(at) >> 8, static_cast<FrameType>(static_cast<uint8_t>(at[3])),
          static_cast<uint8_t>(at[4]), static_cast<int32_t>(Big32(at + 5) & 0x7fffffff)};
}

inline void AppendFrameHeader(const FrameHeader& header, std::string* out) {
  char bytes[kFrameHeaderBytes];
  PutBig32(header.length << 8 | static_cast<uint32_t>(header.type), bytes);
  bytes[4] = static_cast<char>(header.flags);
  PutBig32(static_cast<uint32_t>(header.stream), bytes + 5);
  out->append(bytes, sizeof(bytes));
}

/// A frame whose payload is one number: WINDOW_UPDATE, RST_STREAM.
inline void AppendNumberFrame(FrameType type, int32_t stream, uint32_t number, std::string* out) {
  AppendFrameHeader({4, type, 0, stream}, out);
  char bytes[4];
  PutBig32(number, bytes);
  out->append(bytes, sizeof(bytes));
}

inline void AppendSetting(uint16_t id, uint32_t value, std::string* out) {
  char bytes[6] = {static_cast<char>(id >> 8), static_cast<char>(id)};
  PutBig32(value, bytes + 2);
  out->append(bytes, sizeof(bytes));
}

}  // namespace metastore::load

#endif  // METASTORE_LOAD_WIRE_HTTP2_FRAMES_H_
