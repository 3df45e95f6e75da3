// Fixed-width integers in byte strings, and a reader that never runs over the end.
//
// Used by the codecs, the log and the engines. Little-endian is the order of our own records;
// big-endian is the order of keys that must sort as their numbers do.
#ifndef METASTORE_BASE_BYTES_H_
#define METASTORE_BASE_BYTES_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace metastore {

constexpr uint32_t ByteSwap(uint32_t value) { return __builtin_bswap32(value); }
constexpr uint16_t ByteSwap(uint16_t value) { return __builtin_bswap16(value); }
constexpr uint64_t ByteSwap(uint64_t value) { return __builtin_bswap64(value); }

template <typename T>
constexpr T ToLittle(T value) {
  return std::endian::native == std::endian::little ? value : ByteSwap(value);
}
template <typename T>
constexpr T ToBig(T value) {
  return std::endian::native == std::endian::big ? value : ByteSwap(value);
}

// ---- Writing to memory that the caller has sized. --------------------------------------------

inline void PutLittle16(char* to, uint16_t value) {
  value = ToLittle(value);
  std::memcpy(to, &value, sizeof value);
}
inline void PutLittle32(char* to, uint32_t value) {
  value = ToLittle(value);
  std::memcpy(to, &value, sizeof value);
}
inline void PutLittle64(char* to, uint64_t value) {
  value = ToLittle(value);
  std::memcpy(to, &value, sizeof value);
}
inline void PutBig32(char* to, uint32_t value) {
  value = ToBig(value);
  std::memcpy(to, &value, sizeof value);
}
inline void PutBig64(char* to, uint64_t value) {
  value = ToBig(value);
  std::memcpy(to, &value, sizeof value);
}

// ---- Appending. ------------------------------------------------------------------------------

inline void AppendLittle32(std::string* out, uint32_t value) {
  char raw[sizeof value];
  PutLittle32(raw, value);
  out->append(raw, sizeof raw);
}
inline void AppendLittle64(std::string* out, uint64_t value) {
  char raw[sizeof value];
  PutLittle64(raw, value);
  out->append(raw, sizeof raw);
}
inline void AppendBig32(std::string* out, uint32_t value) {
  char raw[sizeof value];
  PutBig32(raw, value);
  out->append(raw, sizeof raw);
}
inline void AppendBig64(std::string* out, uint64_t value) {
  char raw[sizeof value];
  PutBig64(raw, value);
  out->append(raw, sizeof raw);
}

// ---- Reading what is known to be there. ------------------------------------------------------

inline uint16_t GetLittle16(const char* from) {
  uint16_t value;
  std::memcpy(&value, from, sizeof value);
  return ToLittle(value);
}
inline uint32_t GetLittle32(const char* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return ToLittle(value);
}
inline uint64_t GetLittle64(const char* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return ToLittle(value);
}
inline uint32_t GetBig32(const char* from) {
  uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return ToBig(value);
}
inline uint64_t GetBig64(const char* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return ToBig(value);
}

/// Reads from bytes that somebody else made. Each read answers false, and moves nothing, when fewer
/// bytes remain than it needs.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  bool ReadByte(uint8_t* out) {
    if (bytes_.empty()) return false;
    *out = static_cast<uint8_t>(bytes_[0]);
    bytes_.remove_prefix(1);
    return true;
  }
  bool ReadLittle32(uint32_t* out) { return ReadFixed(out, GetLittle32); }
  bool ReadLittle64(uint64_t* out) { return ReadFixed(out, GetLittle64); }
  bool ReadBig32(uint32_t* out) { return ReadFixed(out, GetBig32); }
  bool ReadBig64(uint64_t* out) { return ReadFixed(out, GetBig64); }
  /// A view into the bytes being read.
  bool ReadBytes(size_t length, std::string_view* out) {
    if (bytes_.size() < length) return false;
    *out = bytes_.substr(0, length);
    bytes_.remove_prefix(length);
    return true;
  }
  std::string_view rest() const { return bytes_; }
  bool AtEnd() const { return bytes_.empty(); }

 private:
  template <typename T, typename Get>
  bool ReadFixed(T* out, Get get) {
    if (bytes_.size() < sizeof(T)) return false;
    *out = get(bytes_.data());
    bytes_.remove_prefix(sizeof(T));
    return true;
  }

  std::string_view bytes_;
};

}  // namespace metastore

#endif  // METASTORE_BASE_BYTES_H_
