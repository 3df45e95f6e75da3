// FrameScanner: where frames begin in what a client sends, and what their headers say.
//
// nghttp2 tells its user of most frames, but not of DATA for a stream that is gone, nor of frames
// that it ignores. Those are what floods are made of, so the session looks for itself.
#ifndef METASTORE_PLANE_HTTP2_PARTS_INPUT_SCANNER_H_
#define METASTORE_PLANE_HTTP2_PARTS_INPUT_SCANNER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace metastore::plane {

struct FrameHeader {
  uint32_t length = 0;
  uint8_t type = 0;
  uint8_t flags = 0;
  int32_t stream = 0;
};

class FrameScanner {
 public:
  /// Goes on in `bytes` from `*at`, which it moves behind the next frame's header. `*start` is
  /// where that frame begins, 0 when it began in bytes before. False when the bytes end first.
  bool Next(std::string_view bytes, size_t* at, size_t* start, FrameHeader* frame) {
    const size_t skipped = std::min<size_t>(skip_, bytes.size() - *at);
    *at += skipped;
    skip_ -= skipped;
    if (skip_ > 0) return false;
    *start = have_ == 0 ? *at : 0;
    const size_t n = std::min(kHeaderBytes - have_, bytes.size() - *at);
    std::memcpy(header_ + have_, bytes.data() + *at, n);
    *at += n;
    have_ += n;
    if (have_ < kHeaderBytes) return false;
    have_ = 0;
    const auto byte = [this](size_t i) { return uint32_t{header_[i]}; };
    frame->length = byte(0) << 16 | byte(1) << 8 | byte(2);
    frame->type = header_[3];
    frame->flags = header_[4];
    frame->stream =
        static_cast<int32_t>((byte(5) & 0x7f) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8));
    skip_ = frame->length;
    return true;
  }

 private:
  static constexpr size_t kHeaderBytes = 9;
  static constexpr size_t kPrefaceBytes = 24;

  // Bytes until the next header: the preface at first, then the frame's own.
  size_t skip_ = kPrefaceBytes;
  size_t have_ = 0;
  uint8_t header_[kHeaderBytes] = {};
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_HTTP2_PARTS_INPUT_SCANNER_H_
