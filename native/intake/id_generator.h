// IdGenerator: ids of requests and leases that no other member, and no earlier run of this one,
// hands out again.
//
// 16 low bits of the member id, 40 low bits of the unix time in milliseconds at start, 8 bits to
// begin with; the lower 48 bits simply count up. 256 ids per millisecond since the start may be
// used before a restart could meet them again.
#ifndef METASTORE_INTAKE_ID_GENERATOR_H_
#define METASTORE_INTAKE_ID_GENERATOR_H_

#include <atomic>
#include <cstdint>

namespace metastore::intake {

class IdGenerator {
 public:
  IdGenerator(uint64_t member_id, uint64_t unix_ms)
      : prefix_((member_id & 0xffff) << kSuffixBits),
        suffix_((unix_ms & ((1ull << 40) - 1)) << 8) {}

  /// The next id; any thread.
  uint64_t Next() {
    const uint64_t suffix = suffix_.fetch_add(1, std::memory_order_relaxed) + 1;
    return prefix_ | (suffix & kSuffixMask);
  }

  /// The next id that serves as a lease id: bit 63 cleared, never zero.
  int64_t NextLeaseId() {
    for (;;) {
      const uint64_t id = Next() & ~(1ull << 63);
      if (id != 0) return static_cast<int64_t>(id);
    }
  }

 private:
  static constexpr int kSuffixBits = 48;
  static constexpr uint64_t kSuffixMask = (1ull << kSuffixBits) - 1;
  const uint64_t prefix_;
  std::atomic<uint64_t> suffix_;
};

}  // namespace metastore::intake

#endif  // METASTORE_INTAKE_ID_GENERATOR_H_
