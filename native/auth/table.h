// Table: who may read and write what, at one revision of users and roles. Immutable.
//
// TypeScript makes its bytes from users and roles, with each user's intervals merged already; the
// checks of check.h look things up in it. It changes by being replaced (slot.h). The bytes may be
// anything: whatever is not exactly a table is refused.
#ifndef METASTORE_AUTH_TABLE_H_
#define METASTORE_AUTH_TABLE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace metastore::auth {

/// Keys from `key` on that sort before `end`; an empty end is no bound.
struct Interval {
  std::string_view key;
  std::string_view end;
};

/// Disjoint, with gaps between them, ascending.
using Intervals = std::vector<Interval>;

/// Whether one of the intervals holds what a request names: the single `key` with an empty
/// `range_end`, all from `key` on with a single zero byte, else [key, range_end). A range that ends
/// before it begins is held by the interval that holds its key, if it does not end behind that.
/// O(log n).
bool Covers(const Intervals& granted, std::string_view key, std::string_view range_end);

struct User {
  std::string_view name;
  /// Holds the role root: may do everything.
  bool is_root = false;
  Intervals read;
  Intervals write;
};

class Table {
 public:
  /// Layout, little-endian: u8 version (1), u8 enabled, u64 auth revision, u32 users, and for each
  /// u32 length and name, u8 is root, u32 count of intervals to read, each u32 length and key,
  /// u32 length and end, then the same of those to write. kUnmarshal, with where, for other bytes:
  /// a name twice, intervals that are empty, unordered, overlapping or adjacent, bytes behind the
  /// end. O(n log n) in users.
  static Result<std::shared_ptr<const Table>> Parse(std::string_view bytes);

  /// What stands for a table that is on its way: it is on, and nobody can be checked against it.
  static std::shared_ptr<const Table> Unknown();

  /// False only for Unknown().
  bool known() const { return known_; }
  /// False: everybody may do everything.
  bool enabled() const { return enabled_; }
  uint64_t revision() const { return revision_; }
  /// Null for a user that does not exist.
  const User* Find(std::string_view name) const;

 private:
  class Parser;
  Table() = default;

  std::string bytes_;  // what all the views point into
  bool known_ = true;
  bool enabled_ = false;
  uint64_t revision_ = 0;
  std::vector<User> users_;  // by name
};

}  // namespace metastore::auth

#endif  // METASTORE_AUTH_TABLE_H_
