// FlatTable: pointers by 64-bit hash, open addressing with linear probing; not locked.
//
// The memory engine's key table and rocksdb's metadata cache keep their entries in it. Deletion
// shifts back what probed past the hole, so there are no tombstones and no slow decay.
#ifndef METASTORE_ENGINE_TABLES_FLAT_TABLE_H_
#define METASTORE_ENGINE_TABLES_FLAT_TABLE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"

namespace metastore {

/// Does not own what it points to. The slot is chosen by the low bits of the hash.
template <typename T>
class FlatTable {
 public:
  struct Slot {
    uint64_t hash = 0;
    T* item = nullptr;  // null: free
  };

  /// The item with this hash for which `match(*item)` holds; null when there is none.
  template <typename Match>
  T* Find(uint64_t hash, Match match) const {
    if (slots_.empty()) return nullptr;
    for (size_t at = hash & mask();; at = (at + 1) & mask()) {
      const Slot& slot = slots_[at];
      if (slot.item == nullptr) return nullptr;
      if (slot.hash == hash && match(*slot.item)) return slot.item;
    }
  }

  void Insert(uint64_t hash, T* item) {
    if ((size_ + 1) * 4 > slots_.size() * 3) Grow();
    Place(Slot{hash, item});
    ++size_;
  }

  /// The item is in the table (checked).
  void Erase(uint64_t hash, const T* item) {
    METASTORE_CHECK(!slots_.empty(), "the item is in the table");
    size_t at = hash & mask();
    while (slots_[at].item != item) {
      METASTORE_CHECK(slots_[at].item != nullptr, "the item is in the table");
      at = (at + 1) & mask();
    }
    EraseSlot(at);
  }

  /// Frees a used slot; an item from behind may move into it.
  void EraseSlot(size_t hole) {
    for (size_t next = (hole + 1) & mask(); slots_[next].item != nullptr;
         next = (next + 1) & mask()) {
      const size_t home = slots_[next].hash & mask();
      if (((next - home) & mask()) >= ((next - hole) & mask())) {
        slots_[hole] = slots_[next];
        hole = next;
      }
    }
    slots_[hole] = Slot();
    --size_;
  }

  /// Asks the processor for the slot where a search begins.
  void Prefetch(uint64_t hash) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[hash & mask()]);
  }

  /// An item with this hash, most likely the one that is meant: for asking the processor for what
  /// a search will touch, when its slot is here.
  T* Likely(uint64_t hash) const {
    if (slots_.empty()) return nullptr;
    for (size_t at = hash & mask(); slots_[at].item != nullptr; at = (at + 1) & mask()) {
      if (slots_[at].hash == hash) return slots_[at].item;
    }
    return nullptr;
  }

  const std::vector<Slot>& slots() const { return slots_; }
  size_t size() const { return size_; }

 private:
  size_t mask() const { return slots_.size() - 1; }

  void Place(Slot slot) {
    size_t at = slot.hash & mask();
    while (slots_[at].item != nullptr) at = (at + 1) & mask();
    slots_[at] = slot;
  }

  void Grow() {
    std::vector<Slot> old(std::max<size_t>(16, slots_.size() * 2));
    slots_.swap(old);
    for (const Slot& slot : old) {
      if (slot.item != nullptr) Place(slot);
    }
  }

  std::vector<Slot> slots_;  // a power of two, or none yet; at most three quarters used
  size_t size_ = 0;
};

}  // namespace metastore

#endif  // METASTORE_ENGINE_TABLES_FLAT_TABLE_H_
