// Images of the memory engine in the data directory: choosing, loading and replacing them.
//
// An image is the state at one applied index in one file, complete or absent: it is written under a
// temporary name, synced, then renamed. Called by Open and by upkeep's checkpoints.
#ifndef METASTORE_MEMBER_DISK_IMAGES_H_
#define METASTORE_MEMBER_DISK_IMAGES_H_

#include <cstdint>
#include <string>

#include "base/file.h"
#include "base/status.h"
#include "engine/engine.h"
#include "mvcc/events.h"

namespace metastore::member {

/// Loads the newest image into an empty engine; its applied index, 0 when there is none. A file
/// that does not verify is kDamaged with its path: an older one would bring back deleted data
/// silently when the log behind it is cut.
Result<uint64_t> LoadImage(const std::string& directory, Engine* engine, FileLayer* files);

/// Writes the view's state as a new image, durably, then removes older ones.
Status SaveImage(const std::string& directory, Engine& engine, const View& view, FileLayer* files);

}  // namespace metastore::member

#endif  // METASTORE_MEMBER_DISK_IMAGES_H_
