// Protobuf wire format: a strict reader of fields and appenders for writing them.
//
// Varints and wire types are protozero's; the reader is our own because what it accepts is part of
// the API: a length or tag above its range is malformed (never cut to 32 bits), a field of another
// wire type is unknown, and bad bytes are a return value, not an exception. Groups are malformed.
// Reference: protobuf.dev, "Encoding".
#ifndef METASTORE_CODEC_WIRE_H_
#define METASTORE_CODEC_WIRE_H_

#include <cstdint>
#include <protozero/types.hpp>
#include <protozero/varint.hpp>
#include <string>
#include <string_view>

namespace metastore::codec {

using WireType = protozero::pbf_wire_type;

/// One field as it stands in the bytes: `number` for varints, `bytes` for length-delimited ones.
struct WireField {
  uint32_t tag = 0;
  WireType type = WireType::varint;
  uint64_t number = 0;
  std::string_view bytes;

  bool Is(uint32_t wanted, WireType wire) const { return tag == wanted && type == wire; }
  int64_t Int64() const { return static_cast<int64_t>(number); }
  /// Enumerations keep the low 32 bits, as proto3 has it.
  int32_t Int32() const { return static_cast<int32_t>(static_cast<uint32_t>(number)); }
  bool Bool() const { return number != 0; }
};

class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : bytes_(bytes) {}

  /// Reads the next field. False at the end of the bytes and when they are malformed; ok() tells.
  bool Next(WireField* field) {
    if (bytes_.empty() || !ok_) return false;
    ok_ = ReadField(field);
    return ok_;
  }
  bool ok() const { return ok_; }

 private:
  bool ReadVarint(uint64_t* out) {
    constexpr size_t kLongest = 10;
    uint64_t value = 0;
    for (size_t at = 0; at < kLongest && at < bytes_.size(); at++) {
      const auto byte = static_cast<uint8_t>(bytes_[at]);
      if (at == kLongest - 1 && byte > 1) return false;  // more than 64 bits
      value |= static_cast<uint64_t>(byte & 0x7f) << (7 * at);
      if ((byte & 0x80) != 0) continue;
      bytes_.remove_prefix(at + 1);
      *out = value;
      return true;
    }
    return false;
  }

  bool TakeBytes(uint64_t length, std::string_view* out) {
    if (length > bytes_.size()) return false;
    *out = bytes_.substr(0, static_cast<size_t>(length));
    bytes_.remove_prefix(static_cast<size_t>(length));
    return true;
  }

  bool ReadField(WireField* field) {
    constexpr uint64_t kLargestTag = (uint64_t{1} << 29) - 1;
    uint64_t head = 0;
    if (!ReadVarint(&head)) return false;
    const uint64_t tag = head >> 3;
    if (tag == 0 || tag > kLargestTag) return false;
    field->tag = static_cast<uint32_t>(tag);
    field->type = static_cast<WireType>(head & 7);
    field->number = 0;
    field->bytes = {};
    switch (field->type) {
      case WireType::varint:
        return ReadVarint(&field->number);
      case WireType::fixed64:
        return TakeBytes(8, &field->bytes);
      case WireType::fixed32:
        return TakeBytes(4, &field->bytes);
      case WireType::length_delimited: {
        uint64_t length = 0;
        return ReadVarint(&length) && TakeBytes(length, &field->bytes);
      }
      default:
        return false;  // groups, and the two types that do not exist
    }
  }

  std::string_view bytes_;
  bool ok_ = true;
};

/// Whether the bytes are some message on the wire, whatever its fields mean.
inline bool IsMessage(std::string_view bytes) {
  WireReader reader(bytes);
  WireField field;
  while (reader.Next(&field)) {
  }
  return reader.ok();
}

// ---- Writing. Zero and empty fields are left out, as proto3 does. ----------------------------

inline size_t VarintSize(uint64_t value) {
  return static_cast<size_t>(protozero::length_of_varint(value));
}

inline void AppendVarint(uint64_t value, std::string* out) {
  char raw[10];
  char* end = raw;
  do {
    const auto low = static_cast<uint8_t>(value & 0x7f);
    value >>= 7;
    *end++ = static_cast<char>(value != 0 ? (low | 0x80) : low);
  } while (value != 0);
  out->append(raw, static_cast<size_t>(end - raw));
}

inline void AppendTag(uint32_t tag, WireType type, std::string* out) {
  AppendVarint((static_cast<uint64_t>(tag) << 3) | static_cast<uint64_t>(type), out);
}

inline void AppendVarintField(uint32_t tag, uint64_t value, std::string* out) {
  if (value == 0) return;
  AppendTag(tag, WireType::varint, out);
  AppendVarint(value, out);
}

inline void AppendInt64Field(uint32_t tag, int64_t value, std::string* out) {
  AppendVarintField(tag, static_cast<uint64_t>(value), out);
}

/// Also when empty: for sub-messages, whose presence means something.
inline void AppendMessageField(uint32_t tag, std::string_view message, std::string* out) {
  AppendTag(tag, WireType::length_delimited, out);
  AppendVarint(message.size(), out);
  out->append(message);
}

inline void AppendBytesField(uint32_t tag, std::string_view bytes, std::string* out) {
  if (!bytes.empty()) AppendMessageField(tag, bytes, out);
}

/// Size of a field whose tag is below 16 (one byte of tag).
inline size_t VarintFieldSize(uint64_t value) { return value == 0 ? 0 : 1 + VarintSize(value); }
inline size_t BytesFieldSize(size_t length) {
  return length == 0 ? 0 : 1 + VarintSize(length) + length;
}

}  // namespace metastore::codec

#endif  // METASTORE_CODEC_WIRE_H_
