// TableSlot: which table of permissions is the current one.
//
// Set by apply together with the entry that changes users or roles, and by TypeScript after a start
// and after a snapshot has been installed. Any thread reads it; while auth is off that costs one
// load.
#ifndef METASTORE_AUTH_SLOT_H_
#define METASTORE_AUTH_SLOT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "auth/table.h"

namespace metastore::auth {

class TableSlot {
 public:
  /// Null while auth is off. Whoever reads state must have pinned it before: the table is then at
  /// least as new as what the state holds.
  std::shared_ptr<const Table> Get() const {
    if (!enabled_.load(std::memory_order_acquire)) return nullptr;
    std::lock_guard<std::mutex> lock(mutex_);
    return table_;
  }

  /// The current table's revision; that of the one before while it is unknown.
  uint64_t revision() const { return revision_.load(std::memory_order_acquire); }

  void Set(std::shared_ptr<const Table> table) {
    const bool enabled = table->enabled();
    std::shared_ptr<const Table> before;  // goes when the lock is free again
    std::lock_guard<std::mutex> lock(mutex_);
    if (table->known()) revision_.store(table->revision(), std::memory_order_release);
    before = std::exchange(table_, enabled ? std::move(table) : nullptr);
    enabled_.store(enabled, std::memory_order_release);
  }

  /// The state has been replaced by one of which it is known only that auth is on. Until Set nobody
  /// passes a check, and nothing may be applied.
  void Expect() { Set(Table::Unknown()); }

 private:
  std::atomic<bool> enabled_{false};
  std::atomic<uint64_t> revision_{0};
  mutable std::mutex mutex_;
  std::shared_ptr<const Table> table_;  // null while auth is off; guarded by mutex_
};

}  // namespace metastore::auth

#endif  // METASTORE_AUTH_SLOT_H_
