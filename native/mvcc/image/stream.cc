// Producing an image; see image.h.
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"
#include "mvcc/image/frame.h"
#include "mvcc/image/remaining.h"
#include "mvcc/state/rows.h"

namespace metastore {

using mvcc::FrameKind;

ImageStream::ImageStream(Engine* engine, ViewRef view) : engine_(engine), view_(std::move(view)) {
  METASTORE_CHECK(engine_ != nullptr && view_ != nullptr, "an image is of something");
}

ImageStream::~ImageStream() = default;

Status ImageStream::Next(std::string* out, bool* done) {
  METASTORE_CHECK(part_ != Part::kDone, "the image is complete");
  const size_t start = out->size();
  switch (part_) {
    case Part::kHead:
      METASTORE_RETURN_IF_ERROR(AppendHead(out));
      break;
    case Part::kMeta:
      METASTORE_RETURN_IF_ERROR(AppendMeta(out));
      break;
    case Part::kVersions:
      METASTORE_RETURN_IF_ERROR(AppendVersions(out));
      break;
    case Part::kEnd:
    case Part::kDone:
      AppendEnd(out);
      break;
  }
  checksum_ = Crc32c(checksum_, std::string_view(*out).substr(start));
  info_.size_bytes += out->size() - start;
  *done = part_ == Part::kDone;
  return Status::Ok();
}

Status ImageStream::AppendHead(std::string* out) {
  // Meta rows are few and small next to versions, and are read in one go.
  const auto keep = [this](std::string_view name, std::string_view value) {
    meta_.emplace_back(name, value);
    return true;
  };
  METASTORE_RETURN_IF_ERROR(engine_->ScanMeta(*view_->snapshot, {}, keep));
  std::optional<std::string> row;
  METASTORE_RETURN_IF_ERROR(engine_->GetMeta(*view_->snapshot, mvcc::kNumbersRow, &row));
  mvcc::Numbers numbers;
  if (row) METASTORE_RETURN_IF_ERROR(mvcc::DecodeNumbers(*row, &numbers));
  METASTORE_CHECK(numbers.revision == view_->revision, "the snapshot is of the view");
  METASTORE_CHECK(numbers.applied_index == view_->applied_index, "the snapshot is of the view");
  info_.applied_index = numbers.applied_index;
  info_.applied_term = numbers.applied_term;
  info_.revision = numbers.revision;
  info_.compact_revision = numbers.compact_revision;
  info_.meta_rows = meta_.size();
  out->append(mvcc::kImageMagic);
  const size_t frame = mvcc::BeginFrame(FrameKind::kHead, out);
  mvcc::AppendHead(info_, out);
  mvcc::EndFrame(frame, out);
  part_ = meta_.empty() ? Part::kVersions : Part::kMeta;
  return Status::Ok();
}

Status ImageStream::AppendMeta(std::string* out) {
  const size_t frame = mvcc::BeginFrame(FrameKind::kMeta, out);
  do {
    const auto& [name, value] = meta_[next_meta_++];
    mvcc::AppendMetaRow(name, value, out);
  } while (next_meta_ < meta_.size() && out->size() - frame < mvcc::kPieceBytes);
  mvcc::EndFrame(frame, out);
  if (next_meta_ == meta_.size()) {
    meta_.clear();
    part_ = Part::kVersions;
  }
  return Status::Ok();
}

Status ImageStream::AppendVersions(std::string* out) {
  if (remaining_ == nullptr) {
    remaining_ = std::make_unique<mvcc::RemainingVersions>(engine_, view_);
  }
  const size_t frame = mvcc::BeginFrame(FrameKind::kVersions, out);
  const auto append = [&](const VersionView& version) {
    if (out->size() - frame >= mvcc::kPieceBytes) return false;
    mvcc::AppendVersionRow(version, out);
    info_.versions++;
    return true;
  };
  bool done = false;
  METASTORE_RETURN_IF_ERROR(remaining_->Visit(append, &done));
  mvcc::EndFrame(frame, out);
  if (done) part_ = Part::kEnd;
  return Status::Ok();
}

void ImageStream::AppendEnd(std::string* out) {
  const size_t frame = mvcc::BeginFrame(FrameKind::kEnd, out);
  mvcc::AppendEnd({info_.meta_rows, info_.versions, checksum_}, out);
  mvcc::EndFrame(frame, out);
  part_ = Part::kDone;
}

}  // namespace metastore
