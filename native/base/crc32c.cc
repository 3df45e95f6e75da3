// The three ways to the same sum: SSE4.2, ARMv8 CRC, and eight tables (slicing by 8).
#include "base/crc32c.h"

#include <array>
#include <cstddef>

#include "base/bytes.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#endif

namespace metastore {
namespace {

constexpr uint32_t kPolynomial = 0x82F63B78;

using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t sum = byte;
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = sum;
  }
  for (size_t slice = 1; slice < 8; ++slice) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[slice - 1][byte];
      tables[slice][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

// Each takes and gives the inverted running sum.
using Update = uint32_t (*)(uint32_t state, const char* from, size_t length);

uint32_t UpdateByTables(uint32_t state, const char* from, size_t length) {
  for (; length >= 8; from += 8, length -= 8) {
    const uint64_t word = GetLittle64(from) ^ state;
    state = kTables[7][word & 0xff] ^ kTables[6][(word >> 8) & 0xff] ^
            kTables[5][(word >> 16) & 0xff] ^ kTables[4][(word >> 24) & 0xff] ^
            kTables[3][(word >> 32) & 0xff] ^ kTables[2][(word >> 40) & 0xff] ^
            kTables[1][(word >> 48) & 0xff] ^ kTables[0][word >> 56];
  }
  for (; length > 0; ++from, --length) {
    state = (state >> 8) ^ kTables[0][(state ^ static_cast<uint8_t>(*from)) & 0xff];
  }
  return state;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t UpdateByHardware(uint32_t state, const char* from,
                                                            size_t length) {
  uint64_t wide = state;
  for (; length >= 8; from += 8, length -= 8) wide = _mm_crc32_u64(wide, GetLittle64(from));
  state = static_cast<uint32_t>(wide);
  for (; length > 0; ++from, --length) state = _mm_crc32_u8(state, static_cast<uint8_t>(*from));
  return state;
}

bool HasInstruction() { return __builtin_cpu_supports("sse4.2"); }
#elif defined(__aarch64__)
__attribute__((target("+crc"))) uint32_t UpdateByHardware(uint32_t state, const char* from,
                                                          size_t length) {
  for (; length >= 8; from += 8, length -= 8) state = __crc32cd(state, GetLittle64(from));
  for (; length > 0; ++from, --length) state = __crc32cb(state, static_cast<uint8_t>(*from));
  return state;
}

bool HasInstruction() {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#else
  return true;  // every Apple processor of this architecture
#endif
}
#else
uint32_t UpdateByHardware(uint32_t state, const char* from, size_t length) {
  return UpdateByTables(state, from, length);
}

bool HasInstruction() { return false; }
#endif

Update Chosen() {
  static const Update chosen = HasInstruction() ? UpdateByHardware : UpdateByTables;
  return chosen;
}

}  // namespace

uint32_t Crc32c(uint32_t crc, std::string_view bytes) {
  return ~Chosen()(~crc, bytes.data(), bytes.size());
}

uint32_t Crc32cSoftware(uint32_t crc, std::string_view bytes) {
  return ~UpdateByTables(~crc, bytes.data(), bytes.size());
}

bool Crc32cIsHardware() { return Chosen() == UpdateByHardware && HasInstruction(); }

}  // namespace metastore
