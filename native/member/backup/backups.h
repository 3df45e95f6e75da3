// Backups under way: each a pinned view that a client reads at its own pace as a file. Made by
// MemberCore, called on its thread.
//
// Measuring runs on the upkeep executor, reading on the read executors, a piece per task. Nothing
// is written to disk, and what is held does not grow with the store; the view keeps what a
// compaction drops meanwhile, so the number of backups is bounded.
#ifndef METASTORE_MEMBER_BACKUP_BACKUPS_H_
#define METASTORE_MEMBER_BACKUP_BACKUPS_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "member/backup/buckets.h"
#include "member/transfer/parts.h"
#include "mvcc/store.h"

namespace metastore::member::backup {

/// Backups at one time, whoever reads them.
inline constexpr size_t kMaxBackups = 16;
/// Bytes of one Read at most, whatever was asked for.
inline constexpr uint64_t kMaxReadBytes = 4u << 20;

struct BackupFacts {
  uint64_t id = 0;
  uint64_t size_bytes = 0;
};

struct BackupParts {
  StoreSlot* stores = nullptr;
  Executor* upkeep_executor = nullptr;
  std::vector<Executor*> readers;
};

class Backups {
 public:
  explicit Backups(BackupParts parts);
  ~Backups();

  /// Pins the newest published state and finds out how large a file of it is. `extra`: see
  /// buckets.h. kTooManyRequests beyond kMaxBackups, kIo, kDamaged, kStopped.
  void Open(Buckets extra, transfer::Answer<BackupFacts> answer);
  /// The next bytes, `max_bytes` unless the file ends before; none at its end. kInternal for a
  /// backup that is not open.
  void Read(uint64_t id, uint64_t max_bytes, transfer::Answer<std::optional<std::string>> answer);
  /// Lets go of the view; reads that have not begun end with kInternal.
  void Close(uint64_t id);
  /// Begins nothing more, ends what is under way and lets go of all views.
  void Stop();

 private:
  struct Backup;

  void MeasurePiece(const std::shared_ptr<Backup>& backup);
  void Forget(uint64_t id);

  const BackupParts parts_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::map<uint64_t, std::shared_ptr<Backup>> backups_;  // guarded by mutex_
  uint64_t next_id_ = 1;                                 // guarded by mutex_
};

}  // namespace metastore::member::backup

#endif  // METASTORE_MEMBER_BACKUP_BACKUPS_H_
