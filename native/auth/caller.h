// Caller: who asks for something, as far as native code has to know.
//
// Made by TypeScript from a token or a certificate. A proposal carries it into its entry's header,
// a read across its wait, a watch request to its answer; each is held to it where it takes effect.
#ifndef METASTORE_AUTH_CALLER_H_
#define METASTORE_AUTH_CALLER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace metastore::auth {

/// Instead of a revision: the caller's right is as fresh as the check itself. For tokens that carry
/// no revision, and certificates. The largest number that TypeScript counts to.
inline constexpr uint64_t kCurrentAuthRevision = (uint64_t{1} << 53) - 1;

struct Caller {
  /// Empty: nobody has been identified.
  std::string_view user_name = {};
  /// Revision of users and roles that the caller's token speaks of; 0 without one.
  uint64_t auth_revision = 0;
  /// Why nobody could be identified; given in its place among the checks.
  Code refusal = Code::kOk;

  /// Neither a user nor a reason why there is none: what everybody is while auth is off.
  bool is_nobody() const { return user_name.empty() && auth_revision == 0 && refusal == Code::kOk; }
};

/// The same, for as long as a request waits.
struct HeldCaller {
  HeldCaller() = default;
  explicit HeldCaller(const Caller& caller)
      : user_name(caller.user_name), auth_revision(caller.auth_revision), refusal(caller.refusal) {}
  Caller view() const { return {user_name, auth_revision, refusal}; }

  std::string user_name;
  uint64_t auth_revision = 0;
  Code refusal = Code::kOk;
};

}  // namespace metastore::auth

#endif  // METASTORE_AUTH_CALLER_H_
