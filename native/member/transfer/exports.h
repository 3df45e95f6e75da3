// Exports: pinned states as runs of bytes, for other members to read piece by piece.
//
// Made by MemberCore, called on its thread. An image is written to outgoing/ on the upkeep
// executor, one piece per task so that compaction and checkpoints get their turn; reading happens
// on the read executors. Nothing here is durable: a start empties outgoing/.
#ifndef METASTORE_MEMBER_TRANSFER_EXPORTS_H_
#define METASTORE_MEMBER_TRANSFER_EXPORTS_H_

#include <map>
#include <mutex>

#include "member/transfer/parts.h"

namespace metastore::member::transfer {

/// Bytes of one readExport at most, whatever was asked for.
inline constexpr uint64_t kMaxChunkBytes = 16u << 20;

class Exports {
 public:
  /// `parts` must outlive this.
  explicit Exports(const TransferParts* parts);
  ~Exports();

  /// Exports the newest published state; a checkpoint of the engine's files when that is accepted
  /// and the engine has them, else an image. kIo, kNoSpace, kStopped.
  void Begin(bool accept_checkpoint, Answer<SnapshotExport> answer);
  /// u32 CRC-32C of the rest, then bytes from `offset`: `max_bytes` (at most kMaxChunkBytes), or
  /// fewer at the end. kInternal for an unknown export or an offset behind its end.
  void Read(uint64_t id, uint64_t offset, uint64_t max_bytes, Answer<std::string> answer);
  /// Removes an export; reads that have not begun end with kInternal.
  void Close(uint64_t id);
  /// Begins nothing more, and ends what is being written.
  void Stop() { stopping_.store(true); }

 private:
  struct Stored;    // a complete one
  struct Building;  // an image that is being written

  void BeginImage(uint64_t id, Answer<SnapshotExport> answer);
  void NextPiece(const std::shared_ptr<Building>& building);
  Status WritePiece(Building* building, bool* done);
  void BeginCheckpoint(uint64_t id, Answer<SnapshotExport> answer);
  Status GatherFiles(Stored* stored);
  Status ReadFacts(const std::string& folder, SnapshotExport* facts);
  void Finish(std::shared_ptr<Stored> stored, const Answer<SnapshotExport>& answer);
  void Remove(const std::string& path);
  std::string PathOf(uint64_t id) const;

  const TransferParts* const parts_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::map<uint64_t, std::shared_ptr<Stored>> stored_;  // guarded by mutex_
  uint64_t next_id_ = 1;                                // guarded by mutex_
};

}  // namespace metastore::member::transfer

#endif  // METASTORE_MEMBER_TRANSFER_EXPORTS_H_
