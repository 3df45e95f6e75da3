// Images: the whole state at a pinned view as a stream of bytes that names no engine.
//
// They make the memory engine durable (with the log behind them) and carry state to other members.
// Writing and loading are bounded in memory; loading checks everything and trusts nothing. What a
// compaction at the view has still to remove is not in the image. docs/formats/image.md.
#ifndef METASTORE_MVCC_IMAGE_H_
#define METASTORE_MVCC_IMAGE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/status.h"
#include "engine/engine.h"
#include "mvcc/events.h"

namespace metastore {

struct ImageInfo {
  uint64_t applied_index = 0;
  uint64_t applied_term = 0;
  int64_t revision = 1;
  int64_t compact_revision = -1;
  uint64_t versions = 0;
  uint64_t meta_rows = 0;
  uint64_t size_bytes = 0;
};

namespace mvcc {
class RemainingVersions;
}

/// Produces the bytes of an image piece by piece. Holds the view, which keeps a compaction above it
/// from removing rows of an in-place engine: do not leave one lying about.
class ImageStream {
 public:
  /// The engine must outlive the stream.
  ImageStream(Engine* engine, ViewRef view);
  ~ImageStream();
  /// Appends the next piece, about 1 MiB or one row if that is larger; *done with the last piece.
  Status Next(std::string* out, bool* done);
  /// Complete once done.
  const ImageInfo& info() const { return info_; }

 private:
  enum class Part { kHead, kMeta, kVersions, kEnd, kDone };
  Status AppendHead(std::string* out);
  Status AppendMeta(std::string* out);
  Status AppendVersions(std::string* out);
  void AppendEnd(std::string* out);

  Engine* const engine_;
  const ViewRef view_;
  Part part_ = Part::kHead;
  std::vector<std::pair<std::string, std::string>> meta_;
  size_t next_meta_ = 0;
  std::unique_ptr<mvcc::RemainingVersions> remaining_;
  ImageInfo info_;
  uint32_t checksum_ = 0;  // of everything before the end frame
};

/// Rebuilds an engine from the bytes of an image, in batches. The engine must be empty; after an
/// error it must be thrown away.
class ImageLoader {
 public:
  explicit ImageLoader(Engine* engine);
  ~ImageLoader();
  /// Takes the next bytes, in pieces of any length. kDamaged names the offset within the image;
  /// kWrongFormat is an image of a later version, or no image.
  Status Feed(std::string_view bytes);
  /// After the last piece: kDamaged unless the image was complete.
  Status Finish(ImageInfo* info);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// Writes the image of a view to `directory` as `<applied index, 16 hex digits>.image`, durably
/// (temporary file, sync, rename, directory sync), then removes all but the newest two images and
/// what an interrupted write has left. Blocks; for a background thread.
Status SaveImage(FileLayer* files, const std::string& directory, Engine* engine, ViewRef view,
                 ImageInfo* info);

/// Applied indexes of the images in a directory, newest first; none when it does not exist.
Result<std::vector<uint64_t>> ListImages(FileLayer* files, const std::string& directory);
std::string ImagePath(const std::string& directory, uint64_t applied_index);

/// Loads the newest image into an empty engine; nothing in the directory is none. Damage is an
/// error that names file and offset, never a reason to take an older image.
Result<std::optional<ImageInfo>> LoadNewestImage(FileLayer* files, const std::string& directory,
                                                 Engine* engine);

}  // namespace metastore

#endif  // METASTORE_MVCC_IMAGE_H_
