// Protobuf messages built field by field, for tests that play the client.
#ifndef METASTORE_TEST_SUPPORT_WIRE_BUILDER_H_
#define METASTORE_TEST_SUPPORT_WIRE_BUILDER_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace metastore::wire_test {

inline std::string Varint(uint64_t value) {
  std::string out;
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
  return out;
}
inline std::string Number(uint32_t field, uint64_t value) {
  return Varint(uint64_t{field} << 3) + Varint(value);
}
inline std::string Bytes(uint32_t field, std::string_view value) {
  return Varint((uint64_t{field} << 3) | 2) + Varint(value.size()) + std::string(value);
}
/// An embedded message.
inline std::string Field(uint32_t field, std::string_view message) { return Bytes(field, message); }

}  // namespace metastore::wire_test

#endif  // METASTORE_TEST_SUPPORT_WIRE_BUILDER_H_
