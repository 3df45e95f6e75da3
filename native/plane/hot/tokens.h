// TokenCache: which callers' tokens stand for which users, as TypeScript has found lately.
//
// Only a shortcut: what is not here goes to TypeScript, which knows all tokens and teaches those
// that it has accepted. It has all of them forgotten before users, roles or tokens change. Any
// thread; used while authentication is on.
#ifndef METASTORE_PLANE_HOT_TOKENS_H_
#define METASTORE_PLANE_HOT_TOKENS_H_

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "auth/caller.h"

namespace metastore::plane {

class TokenCache {
 public:
  /// The token stands for the user, by that revision of users and roles, until `until_ns`.
  void Learn(std::string_view token, std::string_view user, uint64_t auth_revision,
             int64_t until_ns) {
    std::lock_guard<std::mutex> lock(mutex_);
    // Who brings so many tokens gains nothing by keeping them.
    if (known_.size() >= kMost) known_.clear();
    Entry& entry = known_[std::string(token)];
    entry.user = user;
    entry.auth_revision = auth_revision;
    entry.until_ns = until_ns;
  }

  void Forget() {
    std::lock_guard<std::mutex> lock(mutex_);
    known_.clear();
  }

  /// False when nobody is known by the token now.
  bool Find(std::string_view token, int64_t now_ns, auth::HeldCaller* caller) const {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = known_.find(token);
    if (found == known_.end() || found->second.until_ns <= now_ns) return false;
    caller->user_name = found->second.user;
    caller->auth_revision = found->second.auth_revision;
    caller->refusal = Code::kOk;
    return true;
  }

 private:
  static constexpr size_t kMost = 10000;
  struct Entry {
    std::string user;
    uint64_t auth_revision = 0;
    int64_t until_ns = 0;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct Same {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const { return a == b; }
  };

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry, Hash, Same> known_;  // guarded by mutex_
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_HOT_TOKENS_H_
