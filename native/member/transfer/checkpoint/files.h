// A checkpoint's files on disk: gathered from a running database into a folder of their own, and
// received into one. For exports and imports; blocks on disk.
#ifndef METASTORE_MEMBER_TRANSFER_CHECKPOINT_FILES_H_
#define METASTORE_MEMBER_TRANSFER_CHECKPOINT_FILES_H_

#include <memory>
#include <string>

#include "engine/engine.h"
#include "member/transfer/checkpoint/stream.h"
#include "member/transfer/imports.h"

namespace metastore::member::transfer {

/// Makes the folder and puts the engine's files into it, by links where the file system has them
/// and the files allow it. What they hold is durable, the folder is not.
Status GatherCheckpoint(FileLayer* layer, Engine* engine, const std::string& folder,
                        CheckpointFiles* files);

/// Takes a checkpoint's bytes and lays its files into the folder, which it makes.
class CheckpointTarget final : public ImportTarget {
 public:
  static Result<std::unique_ptr<ImportTarget>> Make(FileLayer* layer, const std::string& folder,
                                                    uint64_t total_bytes);
  Status Write(std::string_view bytes) override;
  Status Complete(std::vector<std::string>* names) override;

 private:
  CheckpointTarget(FileLayer* layer, std::string folder, uint64_t total_bytes);
  /// The next file, and those without bytes before it, are created.
  Status OpenNext();

  FileLayer* const layer_;
  const std::string folder_;
  const uint64_t total_bytes_;
  std::string header_;  // until it is whole
  bool header_read_ = false;
  CheckpointFiles files_;
  size_t next_ = 0;  // of files_, to be created
  std::unique_ptr<File> file_;
  uint64_t offset_ = 0;  // in file_
  uint64_t rest_ = 0;    // of file_
};

}  // namespace metastore::member::transfer

#endif  // METASTORE_MEMBER_TRANSFER_CHECKPOINT_FILES_H_
