// Imports: snapshots that are being received from another member, below incoming/.
//
// Made by MemberCore, called on its thread; the disk is written on the read executors, all chunks
// of one import on the same one and so in order. What arrives is trusted in nothing: chunks carry
// checksums, sizes and names are checked, and the whole is verified again when it is installed.
#ifndef METASTORE_MEMBER_TRANSFER_IMPORTS_H_
#define METASTORE_MEMBER_TRANSFER_IMPORTS_H_

#include <map>
#include <mutex>

#include "member/transfer/parts.h"

namespace metastore::member::transfer {

/// Where the bytes of one import go. Calls come from one thread at a time.
class ImportTarget {
 public:
  virtual ~ImportTarget() = default;
  /// The next bytes. After a failure the import is of no use any more.
  virtual Status Write(std::string_view bytes) = 0;
  /// After the last byte: names of the files of a folder. kDamaged when the whole cannot be a
  /// snapshot.
  virtual Status Complete(std::vector<std::string>* names) = 0;
};

/// A complete import, taken for an install.
struct Import {
  uint64_t id = 0;
  SnapshotKind kind = SnapshotKind::kImage;
  uint64_t size_bytes = 0;
  std::string path;                // a file (image) or a folder (checkpoint)
  std::vector<std::string> names;  // of the folder's files
};

class Imports {
 public:
  /// `parts` must outlive this.
  explicit Imports(const TransferParts* parts);
  ~Imports();

  /// Room for a snapshot; its number. kNoSpace when the disk has less, kIo, kStopped; kWrongFormat
  /// for a kind that this engine cannot take.
  void Open(SnapshotKind kind, uint64_t size_bytes, Answer<uint64_t> answer);
  /// The next bytes, behind their u32 CRC-32C. `offset` must be where the last ones ended, or it is
  /// kInternal; kDamaged for a wrong checksum and for more bytes than announced, and nothing is
  /// written then. After kIo or kNoSpace the import takes no more.
  void Write(uint64_t id, uint64_t offset, std::string chunk, Done done);
  /// Removes an import; one that is being installed when that has failed.
  void Close(uint64_t id);
  void Stop() { stopping_.store(true); }

  /// Not on a thread that must not wait for the disk. A complete import, which then belongs to the
  /// caller until Release; kInternal when it is not complete, unknown or taken.
  Result<Import> Take(uint64_t id);
  /// Ends what Take began; never to be called when a start may still want the files. An import that
  /// was not used up can be installed or closed again.
  void Release(uint64_t id, bool used_up);

 private:
  struct Incoming;
  Result<std::shared_ptr<Incoming>> Create(uint64_t id, SnapshotKind kind, uint64_t size_bytes);
  std::shared_ptr<Incoming> Find(uint64_t id);
  static Status WriteChunk(Incoming* incoming, uint64_t offset, std::string_view chunk);
  Executor* ExecutorOf(uint64_t id) const { return parts_->readers[id % parts_->readers.size()]; }

  const TransferParts* const parts_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::map<uint64_t, std::shared_ptr<Incoming>> incoming_;  // guarded by mutex_
  uint64_t next_id_ = 1;                                    // guarded by mutex_
};

}  // namespace metastore::member::transfer

#endif  // METASTORE_MEMBER_TRANSFER_IMPORTS_H_
