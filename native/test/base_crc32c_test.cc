// CRC-32C against published vectors, a bit-by-bit model, and the two implementations' agreement.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "base/crc32c.h"

namespace metastore {
namespace {

uint32_t BitByBit(std::string_view bytes) {
  uint32_t state = ~0u;
  for (const char c : bytes) {
    state ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) state = (state >> 1) ^ ((state & 1) != 0 ? 0x82F63B78u : 0);
  }
  return ~state;
}

std::string Counting(int from, int step) {
  std::string bytes;
  for (int i = 0; i < 32; ++i) bytes.push_back(static_cast<char>(from + i * step));
  return bytes;
}

TEST(Crc32c, PublishedVectors) {
  // RFC 3720, appendix B.4, and the usual check value.
  EXPECT_EQ(Crc32c(0, std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(0, std::string(32, '\xff')), 0x62A8AB43u);
  EXPECT_EQ(Crc32c(0, Counting(0, 1)), 0x46DD794Eu);
  EXPECT_EQ(Crc32c(0, Counting(31, -1)), 0x113FDB5Cu);
  EXPECT_EQ(Crc32c(0, "123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(0, ""), 0u);
  // What HashKV gives for an empty store.
  EXPECT_EQ(Crc32c(0, "key"), 0x40A4756Du);
}

TEST(Crc32c, EveryLengthAndAlignmentAgreesWithTheModel) {
  std::mt19937 random(7);
  std::string bytes;
  for (int i = 0; i < 200; ++i) bytes.push_back(static_cast<char>(random()));
  for (size_t offset = 0; offset < 9; ++offset) {
    for (size_t length = 0; length < 100; ++length) {
      const std::string_view part = std::string_view(bytes).substr(offset, length);
      const uint32_t wanted = BitByBit(part);
      EXPECT_EQ(Crc32c(0, part), wanted);
      EXPECT_EQ(Crc32cSoftware(0, part), wanted);
    }
  }
}

TEST(Crc32c, GoesOnWhereItStopped) {
  std::string bytes;
  for (int i = 0; i < 77; ++i) bytes.push_back(static_cast<char>(i * 37));
  const uint32_t whole = Crc32c(0, bytes);
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    const std::string_view view = bytes;
    EXPECT_EQ(Crc32c(Crc32c(0, view.substr(0, cut)), view.substr(cut)), whole);
    EXPECT_EQ(Crc32cSoftware(Crc32c(0, view.substr(0, cut)), view.substr(cut)), whole);
  }
}

#if defined(__x86_64__)
TEST(Crc32c, UsesTheInstructionWhereThereIsOne) {
  EXPECT_EQ(Crc32cIsHardware(), static_cast<bool>(__builtin_cpu_supports("sse4.2")));
}
#endif

}  // namespace
}  // namespace metastore
