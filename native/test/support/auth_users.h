// The users of the tests of permissions, and callers of every kind: known and unknown ones, with a
// revision of the table that is the present one, older or newer.
#ifndef METASTORE_TEST_SUPPORT_AUTH_USERS_H_
#define METASTORE_TEST_SUPPORT_AUTH_USERS_H_

#include <cstdint>
#include <vector>

#include "auth/caller.h"
#include "test/support/auth_tables.h"

namespace metastore::auth_test {

inline constexpr uint64_t kRevision = 11;
inline constexpr auth::Caller kUser{"u", kRevision};
inline constexpr auth::Caller kNobody{};
inline constexpr auth::Caller kGhost{"ghost", kRevision};
inline constexpr auth::Caller kRoot{"root", auth::kCurrentAuthRevision};
inline constexpr auth::Caller kOld{"u", kRevision - 1};
inline constexpr auth::Caller kNew{"u", kRevision + 5};
inline constexpr auth::Caller kBad{"", 0, Code::kInvalidAuthToken};

inline std::vector<TestUser> Users() {
  return {{"root", true}, {"u", false, {{"a/", "b/"}, Key("k")}, {{"a/", "b/"}, Key("w")}}};
}

}  // namespace metastore::auth_test

#endif  // METASTORE_TEST_SUPPORT_AUTH_USERS_H_
