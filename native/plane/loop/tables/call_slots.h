// CallSlots: the calls of one lane by number, without a search.
//
// A call's place is its count modulo the table's size. Counts only grow, and one whose place is
// still taken is passed over, so that two calls never meet; numbers are never used again.
#ifndef METASTORE_PLANE_LOOP_TABLES_CALL_SLOTS_H_
#define METASTORE_PLANE_LOOP_TABLES_CALL_SLOTS_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "base/check.h"
#include "plane/call.h"

namespace metastore::plane {

class Connection;

class CallSlots {
 public:
  struct Slot {
    CallId id = 0;  // 0: free
    Call* call = nullptr;
    Connection* connection = nullptr;
  };

  explicit CallSlots(size_t lane) : lane_(lane), slots_(kFirstSize) {}

  /// A number that was never given; its place is kept from Put to Remove.
  CallId Next() {
    if (used_ * 2 >= slots_.size()) Grow();
    do {
      ++count_;
    } while (At(count_).id != 0);
    return (count_ << kLaneBits) | lane_;
  }

  /// Of the number that Next gave last.
  void Put(CallId id, Call* call, Connection* connection) {
    Slot& slot = At(id >> kLaneBits);
    METASTORE_CHECK(slot.id == 0, "a call's place is free");
    slot = {id, call, connection};
    ++used_;
  }

  /// Null for a number that is not in the table.
  Slot* Find(CallId id) {
    Slot& slot = At(id >> kLaneBits);
    return slot.id == id && id != 0 ? &slot : nullptr;
  }

  void Remove(CallId id) {
    Slot* slot = Find(id);
    if (slot == nullptr) return;
    *slot = Slot();
    --used_;
  }

  size_t used() const { return used_; }

 private:
  static constexpr size_t kFirstSize = 1024;

  Slot& At(uint64_t count) { return slots_[count & (slots_.size() - 1)]; }

  void Grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      // Different modulo the half means different modulo the whole.
      if (slot.id != 0) At(slot.id >> kLaneBits) = slot;
    }
  }

  const uint64_t lane_;
  uint64_t count_ = 0;
  size_t used_ = 0;
  std::vector<Slot> slots_;  // a power of two
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_LOOP_TABLES_CALL_SLOTS_H_
