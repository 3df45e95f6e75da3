// Frames and rows of images, shared by the two directions: stream.cc writes, loader.cc reads.
// Reading trusts nothing. docs/formats/image.md.
#ifndef METASTORE_MVCC_IMAGE_FRAME_H_
#define METASTORE_MVCC_IMAGE_FRAME_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"
#include "engine/version.h"
#include "mvcc/image.h"

namespace metastore::mvcc {

inline constexpr std::string_view kImageMagic = "MSIMAGE1";
/// Length and checksum of what follows (kind and payload), and a checksum of these two, so that a
/// damaged length is found before anything waits for so many bytes.
inline constexpr size_t kFrameHeadBytes = 12;
/// A frame holds rows of about this much, and one row at least.
inline constexpr size_t kPieceBytes = size_t{1} << 20;

enum class FrameKind : uint8_t { kHead = 1, kMeta = 2, kVersions = 3, kEnd = 4 };

/// Starts a frame at the end of *out and answers where; EndFrame fills in length and checksum.
size_t BeginFrame(FrameKind kind, std::string* out);
void EndFrame(size_t start, std::string* out);
/// Reads the head of a frame; false when it is damaged.
bool ReadFrameHead(std::string_view head, uint32_t* length, uint32_t* checksum);

void AppendHead(const ImageInfo& info, std::string* out);
Status ReadHead(std::string_view payload, ImageInfo* info);

void AppendMetaRow(std::string_view name, std::string_view value, std::string* out);
bool ReadMetaRow(ByteReader* reader, std::string_view* name, std::string_view* value);

void AppendVersionRow(const VersionView& version, std::string* out);
/// False unless the bytes are a version that could exist; the view points into them.
bool ReadVersionRow(ByteReader* reader, VersionView* version);

struct ImageEnd {
  uint64_t meta_rows = 0;
  uint64_t versions = 0;
  uint32_t checksum = 0;
};
void AppendEnd(const ImageEnd& end, std::string* out);
bool ReadEnd(std::string_view payload, ImageEnd* end);

}  // namespace metastore::mvcc

#endif  // METASTORE_MVCC_IMAGE_FRAME_H_
