// A seeded 64-bit hash for tables inside one process; never stored, never sent.
//
// Clients choose the keys, so the seed is drawn at start: nobody outside can aim at one bucket.
// Words are folded with a 64 x 64 -> 128 bit multiplication, the usual mum-style mix.
#ifndef METASTORE_BASE_HASH_H_
#define METASTORE_BASE_HASH_H_

#include <cstdint>
#include <cstring>
#include <random>
#include <string_view>

namespace metastore {

inline uint64_t MixWords(uint64_t left, uint64_t right) {
  const auto product = static_cast<unsigned __int128>(left) * right;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

/// The seed of this process.
inline uint64_t HashSeed() {
  static const uint64_t seed = [] {
    std::random_device device;
    return (static_cast<uint64_t>(device()) << 32) ^ device();
  }();
  return seed;
}

inline uint64_t HashBytes(std::string_view bytes, uint64_t seed) {
  constexpr uint64_t kFirst = 0x9E3779B97F4A7C15, kSecond = 0xD6E8FEB86659FD93;
  const char* at = bytes.data();
  size_t left = bytes.size();
  uint64_t sum = MixWords(seed ^ kFirst, left ^ kSecond);
  for (; left > 16; at += 16, left -= 16) {
    uint64_t words[2];
    std::memcpy(words, at, 16);
    sum = MixWords(words[0] ^ kSecond ^ sum, words[1] ^ kFirst);
  }
  uint64_t tail[2] = {0, 0};
  if (left > 0) std::memcpy(tail, at, left);
  return MixWords(MixWords(tail[0] ^ kSecond ^ sum, tail[1] ^ kFirst) ^ seed, kSecond);
}

inline uint64_t HashBytes(std::string_view bytes) { return HashBytes(bytes, HashSeed()); }

}  // namespace metastore

#endif  // METASTORE_BASE_HASH_H_
