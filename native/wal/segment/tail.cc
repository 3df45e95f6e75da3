// See tail.h.
#include "wal/segment/tail.h"

#include <algorithm>
#include <random>

#include "base/check.h"

namespace metastore::wal {
namespace {

/// A write into blocks that were only reserved makes the sync write the file system's journal too,
/// a quarter more time in measurements on ext4. So a group that reaches fresh blocks brings zeros
/// up to the next multiple of this along, and the groups after it find their blocks initialised.
constexpr uint64_t kInitialiseBytes = 256 << 10;

uint64_t RandomSalt() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

}  // namespace

Result<std::shared_ptr<Segment>> CreateSegment(FileLayer* files, const std::string& directory,
                                               SegmentHeader* header) {
  auto segment = std::make_shared<Segment>();
  segment->sequence = header->sequence;
  segment->path = directory + "/" + SegmentName(header->sequence);
  const std::string bytes = EncodeHeader(header);
  segment->seed = header->crc;
  segment->size_bytes = kHeaderBytes;
  segment->base_index = header->state.last_index;

  const std::string temporary = segment->path + std::string(kTemporarySuffix);
  Result<std::unique_ptr<File>> file = files->Open(temporary, /*create=*/true);
  if (!file.ok()) return file.TakeStatus();
  segment->file = std::move(*file);
  // A name appears only with a whole header and the full size behind it: from then on, a bad header
  // or a short file is damage, never an interrupted creation.
  METASTORE_RETURN_IF_ERROR(segment->file->Truncate(0));
  METASTORE_RETURN_IF_ERROR(segment->file->Allocate(header->allocated_bytes));
  METASTORE_RETURN_IF_ERROR(segment->file->WriteAt(0, bytes));
  METASTORE_RETURN_IF_ERROR(segment->file->Sync());
  METASTORE_RETURN_IF_ERROR(files->Rename(temporary, segment->path));
  METASTORE_RETURN_IF_ERROR(files->SyncDirectory(directory));
  return segment;
}

Status SealSegment(Segment* segment, uint64_t offset, uint32_t previous_crc) {
  RecordEncoder encoder;
  encoder.Begin(segment->seed, offset, previous_crc);
  encoder.AddMark(RecordType::kSeal, offset, segment->sequence + 1);
  METASTORE_RETURN_IF_ERROR(segment->file->WriteAt(offset, encoder.buffer()));
  METASTORE_RETURN_IF_ERROR(segment->file->Sync());
  return segment->file->Truncate(encoder.offset());
}

void Tail::Adopt(std::shared_ptr<Segment> segment, uint64_t offset, uint32_t previous_crc) {
  METASTORE_CHECK(offset >= kHeaderBytes && offset % 8 == 0, "records follow the header, aligned");
  segment_ = std::move(segment);
  offset_ = durable_ = initialised_ = offset;
  previous_crc_ = previous_crc;
}

Status Tail::Rotate(const LogState& state) {
  SegmentHeader header;
  header.identity = identity_;
  header.sequence = segment_ ? segment_->sequence + 1 : 1;
  header.salt = RandomSalt();
  header.allocated_bytes = segment_bytes_;
  header.state = state;
  const std::shared_ptr<Segment> old = segment_;
  if (old) {
    // The new header repeats the old segment's end, so that end has to be on the disk first.
    if (durable_ < offset_) METASTORE_RETURN_IF_ERROR(Sync());
    header.previous_end = offset_;
    header.previous_crc = previous_crc_;
  }
  Result<std::shared_ptr<Segment>> created = CreateSegment(files_, directory_, &header);
  if (!created.ok()) return created.TakeStatus();
  // Only now the seal, which says that a next segment exists; and it is durable before anything is
  // written there, so that a log whose newest segments were lost cannot pass for a whole one.
  if (old) METASTORE_RETURN_IF_ERROR(SealSegment(old.get(), offset_, previous_crc_));
  Adopt(*created, kHeaderBytes, header.crc);
  return Status::Ok();
}

bool Tail::NeedsRotation(uint64_t bytes) const {
  // A group larger than a segment gets a segment of its own, which then outgrows its allocation.
  return offset_ > kHeaderBytes && offset_ + bytes + 2 * kMarkBytes > segment_bytes_;
}

RecordEncoder* Tail::Begin() {
  encoder_.Begin(segment_->seed, offset_, previous_crc_);
  encoder_.AddMark(RecordType::kMark, durable_, 0);
  return &encoder_;
}

Status Tail::Write() {
  const uint64_t end = encoder_.offset();
  METASTORE_CHECK(end <= kMaxSegmentBytes, "offsets are kept in 32 bits");
  bytes_written_ += end - offset_;
  if (end > initialised_) {
    const uint64_t rounded = (end + kInitialiseBytes - 1) / kInitialiseBytes * kInitialiseBytes;
    initialised_ = std::max(end, std::min(rounded, segment_bytes_));
    encoder_.FillTo(initialised_);
  }
  METASTORE_RETURN_IF_ERROR(segment_->file->WriteAt(offset_, encoder_.buffer()));
  offset_ = end;
  previous_crc_ = encoder_.previous_crc();
  return Status::Ok();
}

Status Tail::Sync() {
  METASTORE_RETURN_IF_ERROR(segment_->file->Sync());
  durable_ = offset_;
  return Status::Ok();
}

Status Tail::WriteMark() {
  Begin();
  return Write();
}

Status Tail::Finish() {
  if (durable_ < offset_) METASTORE_RETURN_IF_ERROR(Sync());
  encoder_.Begin(segment_->seed, offset_, previous_crc_);
  encoder_.AddMark(RecordType::kCleanEnd, offset_, 0);
  METASTORE_RETURN_IF_ERROR(Write());
  METASTORE_RETURN_IF_ERROR(Sync());
  METASTORE_RETURN_IF_ERROR(segment_->file->Truncate(offset_));
  return segment_->file->Sync();
}

}  // namespace metastore::wal
