// The rules of RFC 9113, one field at a time. See shape.h.
#include "plane/http2/parts/input/shape.h"

#include <nghttp2/nghttp2.h>

namespace metastore::plane {
namespace {

/// Fields about the connection itself, which HTTP/2 has no use for.
bool IsOfConnection(std::string_view name) {
  switch (name.size()) {
    case 7:
      return name == "upgrade";
    case 10:
      return name == "connection" || name == "keep-alive";
    case 16:
      return name == "proxy-connection";
    case 17:
      return name == "transfer-encoding";
    default:
      return false;
  }
}

const uint8_t* Bytes(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

}  // namespace

void Shape::Add(std::string_view name, std::string_view value) {
  if (nghttp2_check_header_value(Bytes(value), value.size()) == 0) {
    is_malformed_ = true;
  } else if (!name.empty() && name[0] == ':') {
    AddPseudo(name, value);
  } else {
    AddRegular(name, value);
  }
}

void Shape::AddPseudo(std::string_view name, std::string_view value) {
  uint8_t field = 0;
  if (name == ":method") {
    field = kMethod;
  } else if (name == ":scheme") {
    field = kScheme;
  } else if (name == ":path") {
    field = kPath;
  } else if (name == ":authority") {
    field = kAuthority;
  }
  const bool is_empty = value.empty() && field != kAuthority;
  const bool is_wrong = field == 0 || is_empty || (seen_ & field) != 0;
  if (is_wrong || has_regular_ || is_trailers_) is_malformed_ = true;
  seen_ |= field;
}

void Shape::AddRegular(std::string_view name, std::string_view value) {
  has_regular_ = true;
  if (nghttp2_check_header_name(Bytes(name), name.size()) == 0 || IsOfConnection(name) ||
      (name == "te" && value != "trailers")) {
    is_malformed_ = true;
    return;
  }
  if (name.size() != 14 || name != "content-length" || is_trailers_) return;
  int64_t length = 0;
  for (const char c : value) {
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit || length > (INT64_MAX - 9) / 10) {
      is_malformed_ = true;
      return;
    }
    length = length * 10 + (c - '0');
  }
  if (value.empty() || (content_length_ >= 0 && content_length_ != length)) is_malformed_ = true;
  content_length_ = length;
}

bool Shape::IsMalformed() const {
  return is_malformed_ || (!is_trailers_ && (seen_ & kNeeded) != kNeeded);
}

}  // namespace metastore::plane
