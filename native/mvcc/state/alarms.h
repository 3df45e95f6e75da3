// Alarms: the replicated set of (kind, member) that guards writes at apply.
//
// The running entries see what they changed at once; other threads see it when it is published.
#ifndef METASTORE_MVCC_STATE_ALARMS_H_
#define METASTORE_MVCC_STATE_ALARMS_H_

#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "codec/replies.h"
#include "codec/requests.h"
#include "engine/engine.h"

namespace metastore::mvcc {

enum AlarmType : int32_t { kAlarmNone = 0, kAlarmNoSpace = 1, kAlarmCorrupt = 2 };

class Alarms {
 public:
  Status Load(Engine* engine, const EngineSnapshot& snapshot);

  // ---- Apply thread. ---------------------------------------------------------------------------

  /// GET, ACTIVATE or DEACTIVATE. Adds what the answer lists to *affected, ordered by kind and
  /// member; kUnknownMethod for another action.
  Status Run(const codec::AlarmRequest& request, Batch* batch,
             std::vector<codec::AlarmMember>* affected);
  /// kCorrupt when any member's data is known to be damaged.
  Status GuardReplicated() const;
  /// Also kNoSpace when any member is out of space; for requests that grow the store. Damage goes
  /// first.
  Status GuardGrowing() const;
  void Publish();

  // ---- Any thread. -----------------------------------------------------------------------------

  std::vector<codec::AlarmMember> All() const;

 private:
  using Entry = std::pair<int32_t, uint64_t>;  // kind, member: the order of answers
  bool Any(int32_t kind) const;

  std::set<Entry> current_;  // apply only
  bool changed_ = false;     // apply only: current_ differs from published_
  mutable std::mutex mutex_;
  std::set<Entry> published_;  // guarded by mutex_
};

}  // namespace metastore::mvcc

#endif  // METASTORE_MVCC_STATE_ALARMS_H_
