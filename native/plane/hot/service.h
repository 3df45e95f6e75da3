// HotService: KV served by the plane itself: Range, Put, DeleteRange and Txn in the ordinary case.
//
// One for a plane, with a HotLane for each of its lanes. It carries requests to MemberCore and
// results back, batch by batch. Whatever is not ordinary goes to TypeScript with all its bytes;
// TypeScript says what is (gate.h), who callers are, and whose time is up.
#ifndef METASTORE_PLANE_HOT_SERVICE_H_
#define METASTORE_PLANE_HOT_SERVICE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "member/core.h"
#include "plane/gate.h"
#include "plane/hot/counts.h"
#include "plane/hot/tokens.h"
#include "plane/loop/service.h"
#include "plane/mail.h"

namespace metastore::plane {

class HotLane;
class HotResults;

struct HotOptions {
  /// Calls that took longer are told of by a `slow` event.
  int64_t slow_ns = INT64_MAX;
  /// With so many under way further calls go to TypeScript, which knows the whole number.
  uint64_t most_in_flight = UINT64_MAX;
};

/// Whose time is up, and what they are told. Ages in nanoseconds, counted back from now.
struct HotExpiry {
  /// Older requests end.
  int64_t age_ns = 0;
  /// Proposals that began between these ages (from > to) may have met the end of a leader.
  int64_t failure_from_ns = 0;
  int64_t failure_to_ns = 0;
  /// Proposals that are older began while a connection was missing.
  int64_t connected_ns = INT64_MAX;
};

class HotService {
 public:
  /// All outlive the service, but for the core and the office after Detach.
  HotService(member::MemberCore* core, const Gate* gate, PostOffice* office,
             const HotOptions& options);
  ~HotService();
  HotService(const HotService&) = delete;
  HotService& operator=(const HotService&) = delete;

  /// On the lane's thread, once for each lane.
  std::unique_ptr<HotLane> MakeLane(const LaneView& lane);
  /// The lanes are gone. Results that still come are dropped.
  void Detach();

  // Any thread.

  void LearnToken(std::string_view token, std::string_view user, uint64_t auth_revision,
                  int64_t valid_ms);
  void ForgetTokens() { tokens_.Forget(); }
  /// Ends requests of all lanes whose time is up, soon.
  void Expire(const HotExpiry& expiry);
  /// HotCounts::kNumbers sums over the lanes.
  std::vector<double> Numbers() const;
  std::vector<ClientVersions::Count> Versions() const;
  uint64_t in_flight() const { return in_flight_.load(std::memory_order_relaxed); }

 private:
  friend class HotLane;
  friend class HotCall;
  class ExpiryMail;
  struct LaneState {
    HotCounts counts;
    ClientVersions versions;
    HotLane* lane = nullptr;  // of the lane's thread
  };

  member::MemberCore* const core_;
  const Gate* const gate_;
  PostOffice* const office_;
  const HotOptions options_;
  const std::shared_ptr<HotResults> results_;
  TokenCache tokens_;
  std::atomic<uint64_t> in_flight_{0};
  std::array<LaneState, kMostLanes> lanes_;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_HOT_SERVICE_H_
