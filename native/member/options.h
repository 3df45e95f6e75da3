// What MemberCore is opened with, what it found, and how it is doing. Plain data; the addon fills
// and reads these structs under the names of src/storage/native.ts.
#ifndef METASTORE_MEMBER_OPTIONS_H_
#define METASTORE_MEMBER_OPTIONS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "apply/applier.h"
#include "base/executor.h"
#include "base/file.h"
#include "codec/replies.h"
#include "intake/admission.h"
#include "intake/queues.h"
#include "mvcc/store.h"
#include "wal/wal.h"
#include "watch/hub.h"

namespace metastore::member {

enum class EngineKind : uint8_t { kMemory, kRocks };

/// Executors to run on instead of own threads; null members mean an own thread. Tests step them.
struct Executors {
  Executor* log = nullptr;
  Executor* apply = nullptr;
  Executor* watch = nullptr;
  Executor* upkeep = nullptr;
  std::vector<Executor*> readers;
};

struct MemberOptions {
  std::string data_dir;
  std::string wal_dir;  // empty: <data_dir>/member/wal
  EngineKind engine = EngineKind::kMemory;
  /// Written when the directory is created; compared later unless the member id is 0.
  wal::Identity identity;
  bool unsafe_no_fsync = false;
  uint64_t wal_segment_bytes = 64ull << 20;
  uint64_t wal_cache_bytes = 64ull << 20;
  StoreOptions store;
  RocksOptions rocks;  // its directory and file layer are set by Open
  intake::AdmissionLimits limits;
  /// Of proposals, and again of reads.
  intake::QueueLimits queue{100000, 256ull << 20};
  apply::ApplierOptions applier;
  /// Entries and reads that take longer are told of, milliseconds.
  double slow_apply_ms = 100;
  int64_t watch_progress_notify_ms = 600000;
  FileLayer* files = nullptr;  // FileLayer::Posix() when null
  Executors executors;
  /// Tests only: on executors of the core's own that run nothing until stepped.
  bool stepped = false;
};

struct RecoveredState {
  bool created = false;
  wal::Identity identity;
  /// `commit` is at least the applied index: the engine may have been flushed after the log's last
  /// hard state was.
  wal::HardState hard_state;
  uint64_t start_index = 0;
  uint64_t start_term = 0;
  uint64_t last_index = 0;
  uint64_t torn_bytes = 0;
  uint64_t applied_index = 0;
  uint64_t applied_term = 0;
  double open_ms = 0;
  int64_t revision = 0;
  std::vector<std::pair<std::string, std::string>> meta;  // rows of TypeScript, without prefix
  std::vector<LeaseRow> leases;
  std::vector<codec::AlarmMember> alarms;
};

struct CoreStatus {
  int64_t revision = 0;
  int64_t compact_revision = 0;
  uint64_t applied_index = 0;
  uint64_t durable_applied_index = 0;
  StoreSizes sizes;
  uint64_t log_start_index = 0;
  uint64_t log_last_index = 0;
  wal::WalStats log;
  intake::QueueUse queued;
  watch::HubStats watch;
  std::vector<std::pair<std::string, double>> engine;
};

}  // namespace metastore::member

#endif  // METASTORE_MEMBER_OPTIONS_H_
