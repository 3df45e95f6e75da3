// Admission: the one gate that every KV and Lease request passes, whatever its transport.
//
// It decodes, validates in the documented order (quota, then the request's own rules, then backlog,
// who asks, and size) and says how the request goes on. Called by MemberCore on any thread; it
// holds no state of its own besides the limits.
#ifndef METASTORE_INTAKE_ADMISSION_H_
#define METASTORE_INTAKE_ADMISSION_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "auth/caller.h"
#include "auth/slot.h"
#include "base/status.h"
#include "intake/id_generator.h"
#include "intake/raft_request.h"
#include "mvcc/store.h"

namespace metastore::intake {

/// Requests that the native side understands. Exported to TypeScript; append only.
enum class Method : uint8_t {
  kRange,
  kPut,
  kDeleteRange,
  kTxn,
  kCompact,
  kLeaseGrant,
  kLeaseRevoke,
  kLeaseCheckpoint,
  kAlarm,
  kHash,
  kHashKv,
  kDefragment,
  kCount
};

/// How an admitted request goes on. Exported to TypeScript; append only.
enum class Route : uint8_t {
  kProposed,   // waits in the proposal queue
  kReadWaits,  // waits for a ReadIndex round
  kServing,    // needs no other member
};

struct AdmissionLimits {
  int64_t max_request_bytes = 1536 << 10;
  int64_t max_txn_ops = 128;
  /// Committed but not applied entries above which proposals are refused.
  uint64_t max_apply_backlog = 5000;
  /// So many more do not keep a revocation of a lease from being proposed: it makes room.
  uint64_t extra_revoke_backlog = 0;
};

struct Admitted {
  Route route = Route::kServing;
  /// A proposal's request id and entry payload.
  uint64_t request_id = 0;
  std::string payload;
};

/// Who asks; goes into the header of a proposal. Empty and 0 without auth.
using auth::Caller;

class Admission {
 public:
  /// All must outlive the admission.
  Admission(const AdmissionLimits& limits, const StoreSlot* stores, IdGenerator* ids,
            const auth::TableSlot* tables)
      : limits_(limits), stores_(stores), ids_(ids), tables_(tables) {}

  /// The first check that fails as an error, or how the request goes on. `backlog` is the number of
  /// entries committed but not applied. Accepts any bytes. A proposal that is refused because of
  /// its caller is refused here; a read of KV only behind its wait, by whoever serves it.
  Result<Admitted> Admit(Method method, std::string_view request, const Caller& caller,
                         uint64_t backlog) const;
  /// An InternalRaftRequest without header, built by TypeScript.
  Result<Admitted> AdmitInternal(std::string_view message, const Caller& caller,
                                 uint64_t backlog) const;

 private:
  Result<Admitted> Propose(uint32_t field, std::string_view body, std::string_view suffix,
                           const Caller& caller, uint64_t backlog) const;
  /// What every proposal passes last: backlog, who asks, and the size of what `encode` makes.
  template <typename Encode>
  Result<Admitted> Enter(const Caller& caller, uint64_t backlog, Encode encode) const;
  /// What an entry is to say of the caller.
  RequestHeader HeaderOf(uint64_t request_id, const Caller& caller) const;
  Code RequireUser(const Caller& caller) const;
  bool OverQuota(int64_t cost_bytes) const {
    return stores_->With([&](const Store& store) { return store.OverQuota(cost_bytes); });
  }
  Result<Admitted> AdmitRange(std::string_view request) const;
  Result<Admitted> AdmitPut(std::string_view request, const Caller& caller, uint64_t backlog) const;
  Result<Admitted> AdmitDeleteRange(std::string_view request, const Caller& caller,
                                    uint64_t backlog) const;
  Result<Admitted> AdmitTxn(std::string_view request, const Caller& caller, uint64_t backlog) const;
  Result<Admitted> AdmitLeaseGrant(std::string_view request, const Caller& caller,
                                   uint64_t backlog) const;
  Result<Admitted> AdmitAlarm(std::string_view request, const Caller& caller,
                              uint64_t backlog) const;

  const AdmissionLimits limits_;
  const StoreSlot* const stores_;
  IdGenerator* const ids_;
  const auth::TableSlot* const tables_;
};

}  // namespace metastore::intake

#endif  // METASTORE_INTAKE_ADMISSION_H_
