// KeySlots: numbers by key for the time of one run, without an allocation per key.
//
// Open addressing with linear probing. The keys are views: whoever owns their bytes outlives their
// slots. For the apply thread.
#ifndef METASTORE_MVCC_WRITE_KEY_SLOTS_H_
#define METASTORE_MVCC_WRITE_KEY_SLOTS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/hash.h"

namespace metastore::mvcc {

class KeySlots {
 public:
  /// The number under the key, to be read or changed until the next Insert; null when absent.
  uint32_t* Find(std::string_view key) {
    return const_cast<uint32_t*>(std::as_const(*this).Find(key));
  }
  const uint32_t* Find(std::string_view key) const {
    if (size_ == 0) return nullptr;
    const uint64_t hash = HashOf(key);
    for (size_t at = hash & mask();; at = (at + 1) & mask()) {
      const Slot& slot = slots_[at];
      if (slot.hash == kFree) return nullptr;
      if (slot.hash == hash && slot.key == key) return &slot.number;
    }
  }

  /// The key is absent.
  void Insert(std::string_view key, uint32_t number) {
    if ((size_ + 1) * 2 > slots_.size()) Grow();
    Place({HashOf(key), key, number});
    ++size_;
  }

  /// The key is here (checked).
  void Erase(std::string_view key) {
    const uint64_t hash = HashOf(key);
    size_t hole = hash & mask();
    while (slots_[hole].hash != hash || slots_[hole].key != key) {
      METASTORE_CHECK(slots_[hole].hash != kFree, "what is erased is here");
      hole = (hole + 1) & mask();
    }
    // What probed past the hole moves back, so that searches still end at the first free slot.
    for (size_t next = (hole + 1) & mask(); slots_[next].hash != kFree;
         next = (next + 1) & mask()) {
      const size_t home = slots_[next].hash & mask();
      if (((next - home) & mask()) < ((next - hole) & mask())) continue;
      slots_[hole] = slots_[next];
      hole = next;
    }
    slots_[hole] = Slot();
    --size_;
  }

  void Clear() {
    if (size_ == 0) return;
    size_ = 0;
    // One large transaction must not make every later run clear a large table.
    slots_.assign(slots_.size() > kKeptSlots ? kKeptSlots : slots_.size(), Slot());
  }

 private:
  static constexpr uint64_t kFree = 0;
  static constexpr size_t kKeptSlots = 2048;
  struct Slot {
    uint64_t hash = kFree;
    std::string_view key;
    uint32_t number = 0;
  };

  /// Never kFree; the low bits, which choose the slot, stay as they are.
  static uint64_t HashOf(std::string_view key) { return HashBytes(key) | uint64_t{1} << 63; }
  size_t mask() const { return slots_.size() - 1; }

  void Place(const Slot& slot) {
    size_t at = slot.hash & mask();
    while (slots_[at].hash != kFree) at = (at + 1) & mask();
    slots_[at] = slot;
  }

  void Grow() {
    std::vector<Slot> old(slots_.empty() ? 64 : slots_.size() * 2);
    slots_.swap(old);
    for (const Slot& slot : old) {
      if (slot.hash != kFree) Place(slot);
    }
  }

  std::vector<Slot> slots_;  // a power of two, or none yet; at most half used
  size_t size_ = 0;
};

}  // namespace metastore::mvcc

#endif  // METASTORE_MVCC_WRITE_KEY_SLOTS_H_
