// Header fields for nghttp2, which either copies a field's bytes or trusts that they stay: copying
// costs an allocation per answer.
#ifndef METASTORE_PLANE_HTTP2_PARTS_FIELDS_H_
#define METASTORE_PLANE_HTTP2_PARTS_FIELDS_H_

#include <nghttp2/nghttp2.h>

#include <string_view>

namespace metastore::plane {

inline nghttp2_nv FieldOf(std::string_view name, std::string_view value, uint8_t flags) {
  const auto bytes = [](std::string_view view) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(view.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), flags};
}

/// Of strings that stay until the stream is closed; they are not copied.
inline nghttp2_nv LastingField(std::string_view name, std::string_view value) {
  return FieldOf(name, value, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE);
}

/// Of strings that may be gone after the call.
inline nghttp2_nv CopiedField(std::string_view name, std::string_view value) {
  return FieldOf(name, value, NGHTTP2_NV_FLAG_NONE);
}

/// Status texts quote what clients send; the rest of a very long one helps nobody.
inline std::string_view Shortened(std::string_view text) { return text.substr(0, 8192); }

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_HTTP2_PARTS_FIELDS_H_
