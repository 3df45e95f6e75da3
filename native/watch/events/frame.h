// The prefix that every message of gRPC stands behind on the wire: one byte that says whether it is
// compressed, and its length.
//
// Watch responses are put together behind it, so that the data plane writes them as they are.
// Source: "gRPC over HTTP2" (grpc.io), Length-Prefixed-Message.
#ifndef METASTORE_WATCH_EVENTS_FRAME_H_
#define METASTORE_WATCH_EVENTS_FRAME_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"

namespace metastore::watch {

inline constexpr size_t kFramePrefixBytes = 5;
/// No peer takes more in one message: lengths are signed 32-bit numbers in most implementations.
inline constexpr size_t kLargestFrameBytes = 0x7fffffff;

/// The prefix of an uncompressed message.
inline void AppendFramePrefix(size_t message_bytes, std::string* out) {
  METASTORE_CHECK(message_bytes <= kLargestFrameBytes, "a message fits its prefix");
  char raw[kFramePrefixBytes] = {0};
  PutBig32(raw + 1, static_cast<uint32_t>(message_bytes));
  out->append(raw, sizeof raw);
}

/// Calls `visit` with each message of `frames`, which this process has put together itself.
template <typename Visit>
void ForEachFrame(std::string_view frames, Visit visit) {
  while (!frames.empty()) {
    METASTORE_CHECK(frames.size() >= kFramePrefixBytes && frames[0] == 0, "a whole prefix");
    const size_t length = GetBig32(frames.data() + 1);
    METASTORE_CHECK(frames.size() - kFramePrefixBytes >= length, "a whole message");
    visit(frames.substr(kFramePrefixBytes, length));
    frames.remove_prefix(kFramePrefixBytes + length);
  }
}

}  // namespace metastore::watch

#endif  // METASTORE_WATCH_EVENTS_FRAME_H_
