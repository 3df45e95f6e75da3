// What the parts of snapshot transfer share: the core's own parts that they work on, and the plain
// data that goes in and out. Answers are given by callbacks, on any thread, exactly once each.
#ifndef METASTORE_MEMBER_TRANSFER_PARTS_H_
#define METASTORE_MEMBER_TRANSFER_PARTS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apply/applier.h"
#include "auth/slot.h"
#include "base/executor.h"
#include "base/file.h"
#include "base/status.h"
#include "member/disk/install_files.h"
#include "member/disk/tree.h"
#include "member/options.h"
#include "member/work/upkeep.h"
#include "mvcc/store.h"
#include "wal/wal.h"
#include "watch/hub.h"

namespace metastore::member::transfer {

/// An engine-neutral image, or the files of a rocksdb checkpoint as one run of bytes.
enum class SnapshotKind : uint8_t { kImage, kCheckpoint };

struct SnapshotExport {
  uint64_t id = 0;
  SnapshotKind kind = SnapshotKind::kImage;
  /// Of the last entry that the exported state holds.
  uint64_t index = 0;
  uint64_t term = 0;
  uint64_t size_bytes = 0;
  /// TypeScript's row kConfStateRow of exactly that state.
  std::optional<std::string> conf_state;
};

/// The state after an install, in the terms of RecoveredState.
struct InstalledSnapshot {
  uint64_t applied_index = 0;
  uint64_t applied_term = 0;
  int64_t revision = 0;
  std::vector<std::pair<std::string, std::string>> meta;
  std::vector<LeaseRow> leases;
  std::vector<codec::AlarmMember> alarms;
};

inline constexpr std::string_view kConfStateRow = "conf_state";

template <typename T>
using Answer = std::function<void(Result<T>)>;
using Done = std::function<void(Status)>;

struct TransferParts {
  FileLayer* files = nullptr;
  std::string member;  // the directory that incoming/ and outgoing/ lie in
  EngineKind engine = EngineKind::kMemory;
  StoreOptions store_options;
  RocksOptions rocks;
  /// Of the database that is current at the start; none for the memory engine.
  std::shared_ptr<Tenancy> tenancy;
  StoreSlot* stores = nullptr;
  auth::TableSlot* tables = nullptr;
  watch::WatchHub* hub = nullptr;
  wal::Wal* log = nullptr;
  apply::Applier* applier = nullptr;
  Upkeep* upkeep = nullptr;
  const std::atomic<uint64_t>* committed = nullptr;
  Executor* apply_executor = nullptr;
  Executor* upkeep_executor = nullptr;
  std::vector<Executor*> readers;
  /// The process cannot go on: what is on disk is only known again after a start.
  std::function<void(const Status&)> on_failure;
};

inline Status Copy(const Status& status) {
  return status.ok() ? Status::Ok() : Status(status.code(), std::string(status.detail()));
}

}  // namespace metastore::member::transfer

#endif  // METASTORE_MEMBER_TRANSFER_PARTS_H_
