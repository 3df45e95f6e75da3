// TableSlot: which table of permissions is the current one.
//
// Set by apply together with the entry that changes users or roles, and by TypeScript after a start
// and after a snapshot has been installed. Any thread reads it; while auth is off that costs one
// load.
#ifndef METASTORE_AUTH_SLOT_H_
#define METASTORE_AUTH_SLOT_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "auth/table.h"

namespace metastore::auth {

/// Where TypeScript keeps whether auth is on: "1" or "0".
inline constexpr std::string_view kEnabledRow = "auth/enabled";

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

  /// There is another state from now on, with these rows of TypeScript. If auth is on in it, or was
  /// in the one before, nobody passes a check until Set, and nothing may be applied.
  void Expect(const std::vector<std::pair<std::string, std::string>>& rows) {
    const bool is_on = std::any_of(rows.begin(), rows.end(), [](const auto& row) {
      return row.first == kEnabledRow && row.second == "1";
    });
    if (is_on || Get() != nullptr) Set(Table::Unknown());
  }

 private:
  std::atomic<bool> enabled_{false};
  std::atomic<uint64_t> revision_{0};
  mutable std::mutex mutex_;
  std::shared_ptr<const Table> table_;  // null while auth is off; guarded by mutex_
};

}  // namespace metastore::auth

#endif  // METASTORE_AUTH_SLOT_H_
