// Gate: what TypeScript allows the plane to serve by itself, pushed as it changes.
//
// The rule: a call is served natively only in the ordinary case. Whatever is unusual (a learner, no
// leader where one is required, a request that must be traced) goes to its TypeScript handler,
// which knows all cases. Any thread.
#ifndef METASTORE_PLANE_GATE_H_
#define METASTORE_PLANE_GATE_H_

#include <atomic>
#include <cstdint>

namespace metastore::plane {

/// Exported to TypeScript by name; append only.
enum GateFlag : uint32_t {
  /// Hot methods may be served natively at all: the cluster version is decided, this member is no
  /// learner, is not stopping, and nobody wants to see every call.
  kGateOpen = 1u << 0,
  /// A leader is known: calls that require one may be served.
  kGateLeader = 1u << 1,
  /// This member is the only voter, leads, and has applied an entry of its term: what is applied is
  /// all that was ever acknowledged, so linearizable reads need no round.
  kGateSolo = 1u << 2,
  /// Users are asked for: who calls has to be found out.
  kGateAuth = 1u << 3,
  /// Requests that make the process larger go to TypeScript, which may refuse them.
  kGateGrowth = 1u << 4,
  /// Keep-alives may be batched: this member decides about leases.
  kGateLessor = 1u << 5,
};

class Gate {
 public:
  void Set(uint32_t flags) { flags_.store(flags, std::memory_order_release); }
  uint32_t flags() const { return flags_.load(std::memory_order_acquire); }
  bool Has(uint32_t flags) const { return (this->flags() & flags) == flags; }

 private:
  std::atomic<uint32_t> flags_{0};
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_GATE_H_
