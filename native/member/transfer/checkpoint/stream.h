// The header in front of a checkpoint's files, when they travel as one run of bytes.
//
// Written for an export, read for an import, where it comes from another member: names, sums and
// sizes are checked before any of them is used. docs/formats/snapshot-transfer.md.
#ifndef METASTORE_MEMBER_TRANSFER_CHECKPOINT_STREAM_H_
#define METASTORE_MEMBER_TRANSFER_CHECKPOINT_STREAM_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace metastore::member::transfer {

struct CheckpointFile {
  std::string name;
  uint64_t size_bytes = 0;
};
using CheckpointFiles = std::vector<CheckpointFile>;

/// Magic, length and checksum of the body.
inline constexpr size_t kCheckpointFixedBytes = 16;

/// Whether a database has files of that name, and needs them to be opened.
bool IsCheckpointFileName(std::string_view name);

std::string EncodeCheckpointHeader(const CheckpointFiles& files);

/// Looks at the first bytes of a run of `total_bytes`. None while they are not the whole header;
/// then the files, and in *header_bytes where the first one's bytes begin. kDamaged.
Result<std::optional<CheckpointFiles>> DecodeCheckpointHeader(std::string_view bytes,
                                                              uint64_t total_bytes,
                                                              size_t* header_bytes);

}  // namespace metastore::member::transfer

#endif  // METASTORE_MEMBER_TRANSFER_CHECKPOINT_STREAM_H_
