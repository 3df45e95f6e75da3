// What a session sends, held to the order of frames that RFC 9113 allows a server. The driver hands
// it every byte; a frame out of order ends the process.
#ifndef METASTORE_TEST_FUZZ_OUTPUT_CHECKER_H_
#define METASTORE_TEST_FUZZ_OUTPUT_CHECKER_H_

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/check.h"

namespace metastore::fuzz {

class OutputChecker {
 public:
  /// The next bytes; frames may be cut anywhere.
  void Take(std::string_view bytes) {
    rest_.append(bytes);
    size_t at = 0;
    while (rest_.size() - at >= 9) {
      const size_t length = Number(at, 3);
      METASTORE_CHECK(length <= 16384, "a frame is larger than every peer takes");
      if (rest_.size() - at < 9 + length) break;
      Frame(static_cast<uint8_t>(rest_[at + 3]), static_cast<uint8_t>(rest_[at + 4]),
            Number(at + 5, 4), length, length < 4 ? 0 : Number(at + 9, 4));
      at += 9 + length;
    }
    rest_.erase(0, at);
  }

 private:
  struct Stream {
    bool has_headers = false;
    bool is_ended = false;
    bool is_reset = false;
  };

  uint32_t Number(size_t at, size_t bytes) const {
    uint32_t value = 0;
    for (size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<uint8_t>(rest_[at + i]);
    return value;
  }

  void Frame(uint8_t type, uint8_t flags, uint32_t id, size_t length, uint32_t first) {
    METASTORE_CHECK(!is_first_ || type == NGHTTP2_SETTINGS, "the first frame is SETTINGS");
    is_first_ = false;
    switch (type) {
      case NGHTTP2_DATA:
      case NGHTTP2_HEADERS:
        Body(type, flags, &streams_[id], id);
        break;
      case NGHTTP2_RST_STREAM:
        METASTORE_CHECK(id != 0 && length == 4, "RST_STREAM has a form");
        // What comes for a stream that both sides have ended is answered by itself.
        METASTORE_CHECK(!streams_[id].is_reset || first == NGHTTP2_STREAM_CLOSED,
                        "a stream is reset twice");
        streams_[id].is_reset = true;
        break;
      case NGHTTP2_SETTINGS:
        METASTORE_CHECK(id == 0 && length % 6 == 0, "SETTINGS has a form");
        break;
      case NGHTTP2_PING:
        METASTORE_CHECK(id == 0 && length == 8, "PING has a form");
        break;
      case NGHTTP2_GOAWAY:
        METASTORE_CHECK(id == 0 && length >= 8, "GOAWAY has a form");
        break;
      case NGHTTP2_WINDOW_UPDATE:
        METASTORE_CHECK(length == 4, "WINDOW_UPDATE has a form");
        break;
      default:
        METASTORE_CHECK(false, "a server sends no frames of this type");
    }
  }

  void Body(uint8_t type, uint8_t flags, Stream* stream, uint32_t id) {
    METASTORE_CHECK(id % 2 == 1, "an answer is on a stream of the client");
    METASTORE_CHECK(!stream->is_ended && !stream->is_reset, "a stream goes on after its end");
    METASTORE_CHECK(type == NGHTTP2_HEADERS || stream->has_headers, "DATA before HEADERS");
    if (type == NGHTTP2_HEADERS) {
      METASTORE_CHECK((flags & NGHTTP2_FLAG_END_HEADERS) != 0, "our headers fit a frame");
      stream->has_headers = true;
    }
    stream->is_ended = (flags & NGHTTP2_FLAG_END_STREAM) != 0;
  }

  std::string rest_;
  std::map<uint32_t, Stream> streams_;
  bool is_first_ = true;
};

}  // namespace metastore::fuzz

#endif  // METASTORE_TEST_FUZZ_OUTPUT_CHECKER_H_
