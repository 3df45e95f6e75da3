// Percent encoding, quoting and base64 as gRPC's servers do them. See text.h.
#include "plane/grpc/text/text.h"

#include <array>
#include <cstdint>

namespace metastore::plane {
namespace {

constexpr char kUpperHex[] = "0123456789ABCDEF";
constexpr char kLowerHex[] = "0123456789abcdef";
/// U+FFFD in UTF-8.
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool IsPlain(unsigned char byte) { return byte >= 0x20 && byte <= 0x7e && byte != '%'; }

/// A character of UTF-8 at the start of a text.
struct Rune {
  uint32_t value;
  /// 0 when the text does not start with a whole, shortest-form character.
  size_t bytes;
};

Rune DecodeRune(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  if (lead < 0x80) return {lead, 1};
  const size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return {0, 0};
  uint32_t value = lead & (0xffu >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    if ((at(i) & 0xc0) != 0x80) return {0, 0};
    value = value << 6 | (at(i) & 0x3f);
  }
  const bool is_long = (bytes == 3 && value < 0x800) || (bytes == 4 && value < 0x10000);
  const bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
  if (is_long || is_surrogate || value > 0x10ffff) return {0, 0};
  return {value, bytes};
}

void AppendPercent(std::string_view bytes, std::string* out) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out->push_back('%');
    out->push_back(kUpperHex[byte >> 4]);
    out->push_back(kUpperHex[byte & 15]);
  }
}

void AppendEscaped(unsigned char byte, std::string* out) {
  static constexpr std::string_view kNames = "abtnvfr";
  if (byte >= 7 && byte <= 13) {
    out->push_back('\\');
    out->push_back(kNames[byte - 7]);
    return;
  }
  out->append("\\x");
  out->push_back(kLowerHex[byte >> 4]);
  out->push_back(kLowerHex[byte & 15]);
}

/// Control characters, separators and the like beyond ASCII, which are written by their number.
bool IsUnprintable(uint32_t rune) {
  return rune < 0xa1 || rune == 0xad || (rune >= 0x2000 && rune <= 0x200f) ||
         (rune >= 0x2028 && rune <= 0x202f) || (rune >= 0x205f && rune <= 0x206f) ||
         rune == 0x3000 || rune == 0xfeff || (rune >= 0xe000 && rune <= 0xf8ff) ||
         (rune & 0xfffe) == 0xfffe;
}

void AppendNumber(uint32_t rune, std::string* out) {
  const int digits = rune > 0xffff ? 8 : 4;
  out->append(digits == 8 ? "\\U" : "\\u");
  for (int i = digits - 1; i >= 0; --i) out->push_back(kLowerHex[rune >> (4 * i) & 15]);
}

int Base64Digit(unsigned char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

std::string_view PercentEncode(std::string_view text, std::string* encoded) {
  size_t plain = 0;
  while (plain < text.size() && IsPlain(static_cast<unsigned char>(text[plain]))) ++plain;
  if (plain == text.size()) return text;
  encoded->assign(text.substr(0, plain));
  for (std::string_view rest = text.substr(plain); !rest.empty();) {
    const Rune rune = DecodeRune(rest);
    if (rune.bytes == 0) {
      AppendPercent(kReplacement, encoded);
      rest.remove_prefix(1);
      continue;
    }
    if (rune.bytes == 1 && IsPlain(static_cast<unsigned char>(rest[0]))) {
      encoded->push_back(rest[0]);
    } else {
      AppendPercent(rest.substr(0, rune.bytes), encoded);
    }
    rest.remove_prefix(rune.bytes);
  }
  return *encoded;
}

std::string Quote(std::string_view value) {
  std::string quoted = "\"";
  while (!value.empty()) {
    const Rune rune = DecodeRune(value);
    const auto byte = static_cast<unsigned char>(value[0]);
    if (rune.bytes == 0 || byte < 0x20 || byte == 0x7f) {
      AppendEscaped(byte, &quoted);
      value.remove_prefix(1);
      continue;
    }
    if (byte == '"' || byte == '\\') quoted.push_back('\\');
    if (rune.bytes > 1 && IsUnprintable(rune.value)) {
      AppendNumber(rune.value, &quoted);
    } else {
      quoted.append(value.substr(0, rune.bytes));
    }
    value.remove_prefix(rune.bytes);
  }
  quoted.push_back('"');
  return quoted;
}

std::string_view StatusDigits(int grpc_status) {
  static constexpr std::array<std::string_view, 17> kDigits = {
      "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"};
  const bool is_known = grpc_status >= 0 && grpc_status < static_cast<int>(kDigits.size());
  return kDigits[is_known ? static_cast<size_t>(grpc_status) : 2];
}

size_t Base64Error(std::string_view value) {
  // Padding is allowed only where the length says that there is some.
  size_t digits = value.size();
  if (digits % 4 == 0) {
    for (int i = 0; i < 2 && digits > 0 && value[digits - 1] == '='; ++i) --digits;
  }
  for (size_t i = 0; i < digits; ++i) {
    if (Base64Digit(static_cast<unsigned char>(value[i])) < 0) return i;
  }
  // One digit alone makes no byte.
  return digits % 4 == 1 ? digits : std::string_view::npos;
}

}  // namespace metastore::plane
