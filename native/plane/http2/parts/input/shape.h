// Shape: whether the fields of a request, or of its trailers, are a message of HTTP at all.
//
// RFC 9113, 8.1 to 8.3. nghttp2 has checks of its own, but they also refuse what servers of gRPC
// take: requests without an authority, and the odd ones that known versions of clients send.
#ifndef METASTORE_PLANE_HTTP2_PARTS_INPUT_SHAPE_H_
#define METASTORE_PLANE_HTTP2_PARTS_INPUT_SHAPE_H_

#include <cstdint>
#include <string_view>

namespace metastore::plane {

class Shape {
 public:
  void BeginRequest() { *this = Shape(); }
  void BeginTrailers() {
    *this = Shape();
    is_trailers_ = true;
  }
  /// One field, in the order in which they come.
  void Add(std::string_view name, std::string_view value);
  /// After the last field: whether the stream is to be reset.
  bool IsMalformed() const;
  /// Bytes of the body as announced; -1 when it is not.
  int64_t content_length() const { return content_length_; }

 private:
  static constexpr uint8_t kMethod = 1;
  static constexpr uint8_t kScheme = 2;
  static constexpr uint8_t kPath = 4;
  static constexpr uint8_t kAuthority = 8;
  static constexpr uint8_t kNeeded = kMethod | kScheme | kPath;

  void AddPseudo(std::string_view name, std::string_view value);
  void AddRegular(std::string_view name, std::string_view value);

  int64_t content_length_ = -1;
  uint8_t seen_ = 0;
  bool is_trailers_ = false;
  bool has_regular_ = false;
  bool is_malformed_ = false;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_HTTP2_PARTS_INPUT_SHAPE_H_
