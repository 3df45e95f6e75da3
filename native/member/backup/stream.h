// One backup: the state of a pinned view as a bbolt file with etcd's buckets, byte for byte the
// same both times that it is walked: first for its size, then for its bytes, each a piece at a
// time. Made by backups.h; what a client's tool then does with the file is docs/formats/backup.md.
#ifndef METASTORE_MEMBER_BACKUP_STREAM_H_
#define METASTORE_MEMBER_BACKUP_STREAM_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/status.h"
#include "bbolt/file_writer.h"
#include "member/backup/buckets.h"
#include "mvcc/image/remaining.h"
#include "mvcc/store.h"

namespace metastore::member::backup {

/// Holds the store and a view of it: do not leave one lying about (mvcc/image.h says why).
class BackupStream {
 public:
  /// `extra`: see buckets.h.
  BackupStream(std::shared_ptr<Store> store, Buckets extra);

  /// Walks about a piece of the rows; *done when the size is known.
  Status Measure(bool* done);
  /// Of the whole file, once measured.
  uint64_t size_bytes() const { return shape_->size_bytes(); }
  /// Appends the next bytes of the file, about a piece, at least one page; *done with the last.
  Status Next(std::string* out, bool* done);

 private:
  Status Begin();
  Status WalkPiece(bool* done);
  void AddVersion(const VersionView& version);

  const std::shared_ptr<Store> store_;
  const ViewRef view_;
  const Buckets extra_;
  std::optional<bbolt::FileShape> shape_;
  // Of the walk that is under way.
  std::unique_ptr<bbolt::FileWriter> writer_;
  std::unique_ptr<mvcc::RemainingVersions> versions_;
  std::string name_, head_, tail_;  // kept for their memory
};

}  // namespace metastore::member::backup

#endif  // METASTORE_MEMBER_BACKUP_STREAM_H_
