// Which key a request is about: numbers from 0 to keys - 1 by the distribution asked for, and their
// text. One chooser for each worker; the same seed gives the same keys.
#ifndef METASTORE_LOAD_WORK_KEYS_H_
#define METASTORE_LOAD_WORK_KEYS_H_

#include <cstdint>

#include "work/options.h"

namespace metastore::load {

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() { return Mix(state_ += 0x9e3779b97f4a7c15); }
  /// From 0 up to, not including, 1.
  double Share() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  uint64_t Below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * bound) >> 64);
  }
  static uint64_t Mix(uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
  }

 private:
  uint64_t state_;
};

class KeyChooser {
 public:
  /// Sequential workers start evenly spread: `worker` of `workers`.
  KeyChooser(const Options& options, uint32_t worker, uint32_t workers);

  uint64_t Next(Random* random);

 private:
  uint64_t Zipf(Random* random) const;

  Distribution distribution_;
  uint64_t keys_;
  uint64_t next_ = 0;
  double exponent_;
  double zeta_ = 0;
  double alpha_ = 0;
  double eta_ = 0;
};

/// Writes `value` in decimal, padded with zeros, into `width` characters; higher digits are lost.
inline void WriteDigits(uint64_t value, uint32_t width, char* at) {
  for (char* end = at + width; end != at; value /= 10) {
    *--end = static_cast<char>('0' + value % 10);
  }
}

}  // namespace metastore::load

#endif  // METASTORE_LOAD_WORK_KEYS_H_
