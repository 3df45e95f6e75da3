// Rebuilding an engine from an image; see image.h.
//
// Versions pass through the engine as they once did: in order, each with the live version that it
// replaced. The result is that of the finished compaction; its sizes are counted, not believed.
#include <unordered_map>
#include <utility>

#include "base/check.h"
#include "base/crc32c.h"
#include "mvcc/image/frame.h"
#include "mvcc/state/rows.h"
#include "mvcc/state/sizes.h"

namespace metastore {

using mvcc::FrameKind;
using mvcc::Numbers;

class ImageLoader::Impl {
 public:
  explicit Impl(Engine* engine) : engine_(engine) {}

  Status Feed(std::string_view bytes) {
    buffer_.append(bytes);
    size_t at = 0;
    Status status = Consume(&at);
    consumed_ += at;
    buffer_.erase(0, at);
    if (status.ok() || status.code() == Code::kIo) return status;
    return Status(status.code(),
                  std::string(status.detail()) + " at offset " + std::to_string(consumed_));
  }

  Status Finish(ImageInfo* info) {
    if (!ended_ || !buffer_.empty()) {
      return Status(Code::kDamaged, "the image ends early, at offset " +
                                        std::to_string(consumed_ + buffer_.size()));
    }
    METASTORE_RETURN_IF_ERROR(FlushVersions());
    METASTORE_RETURN_IF_ERROR(CommitNumbers());
    info_.size_bytes = consumed_;
    *info = info_;
    return Status::Ok();
  }

 private:
  /// Versions of a batch for the engine.
  static constexpr size_t kBatchBytes = size_t{4} << 20;

  Status Consume(size_t* at) {
    if (!magic_seen_) {
      const std::string_view magic = mvcc::kImageMagic;
      if (buffer_.size() < magic.size()) return Status::Ok();
      if (!std::string_view(buffer_).starts_with(magic)) {
        return Status(Code::kWrongFormat, "not an image");
      }
      magic_seen_ = true;
      *at = magic.size();
      checksum_ = Crc32c(0, magic);
    }
    while (buffer_.size() - *at >= mvcc::kFrameHeadBytes) {
      const std::string_view rest = std::string_view(buffer_).substr(*at);
      uint32_t length = 0, checksum = 0;
      if (!mvcc::ReadFrameHead(rest.substr(0, mvcc::kFrameHeadBytes), &length, &checksum)) {
        return Status(Code::kDamaged, "frame head");
      }
      if (rest.size() - mvcc::kFrameHeadBytes < length) break;
      const std::string_view frame = rest.substr(0, mvcc::kFrameHeadBytes + length);
      METASTORE_RETURN_IF_ERROR(TakeFrame(frame, checksum));
      *at += frame.size();
    }
    return Status::Ok();
  }

  Status TakeFrame(std::string_view frame, uint32_t checksum) {
    if (ended_) return Status(Code::kDamaged, "bytes behind the end");
    const std::string_view body = frame.substr(mvcc::kFrameHeadBytes);
    if (Crc32c(0, body) != checksum) return Status(Code::kDamaged, "frame checksum");
    const std::string_view payload = body.substr(1);
    const auto kind = static_cast<FrameKind>(body[0]);
    if (head_seen_ == (kind == FrameKind::kHead)) return Status(Code::kDamaged, "frame order");
    switch (kind) {
      case FrameKind::kHead:
        head_seen_ = true;
        METASTORE_RETURN_IF_ERROR(mvcc::ReadHead(payload, &info_));
        break;
      case FrameKind::kMeta:
        METASTORE_RETURN_IF_ERROR(TakeMeta(payload));
        break;
      case FrameKind::kVersions:
        METASTORE_RETURN_IF_ERROR(TakeVersions(payload));
        break;
      case FrameKind::kEnd:
        METASTORE_RETURN_IF_ERROR(TakeEnd(payload));
        break;
      default:
        return Status(Code::kDamaged, "unknown frame");
    }
    checksum_ = Crc32c(checksum_, frame);
    return Status::Ok();
  }

  Status TakeMeta(std::string_view payload) {
    ByteReader reader(payload);
    Batch batch;
    while (!reader.AtEnd()) {
      std::string_view name, value;
      if (!mvcc::ReadMetaRow(&reader, &name, &value)) return Status(Code::kDamaged, "meta row");
      info_.meta_rows++;
      if (name == mvcc::kNumbersRow) {
        // Written last, with what was counted.
        METASTORE_RETURN_IF_ERROR(mvcc::DecodeNumbers(value, &numbers_));
        numbers_seen_ = true;
        continue;
      }
      if (name.starts_with(mvcc::kLeasePrefix)) stored_bytes_ += mvcc::kLeaseBytes;
      batch.meta.push_back({std::string(name), std::string(value)});
    }
    batch.revision = 1;
    return engine_->Commit(batch);
  }

  Status TakeVersions(std::string_view payload) {
    ByteReader reader(payload);
    while (!reader.AtEnd()) {
      VersionView version;
      if (!mvcc::ReadVersionRow(&reader, &version)) return Status(Code::kDamaged, "version");
      if (version.rev <= last_ || version.rev.main > info_.revision) {
        return Status(Code::kDamaged, "order of versions");
      }
      last_ = version.rev;
      info_.versions++;
      pending_bytes_ += AccountedSize(version.key.size(), version.value.size());
      pending_.push_back(Version::Make(version));
    }
    return pending_bytes_ >= kBatchBytes ? FlushVersions() : Status::Ok();
  }

  Status TakeEnd(std::string_view payload) {
    mvcc::ImageEnd end;
    if (!mvcc::ReadEnd(payload, &end) || end.checksum != checksum_ ||
        end.versions != info_.versions || end.meta_rows != info_.meta_rows) {
      return Status(Code::kDamaged, "sums at the end");
    }
    ended_ = true;
    return Status::Ok();
  }

  /// Live metadata of every key of the pending versions, before them.
  Status LookupPending(std::unordered_map<std::string_view, VersionMeta>* live) {
    std::vector<std::string_view> keys;
    for (const VersionRef& version : pending_) {
      if (live->emplace(version->key(), VersionMeta()).second) keys.push_back(version->key());
    }
    std::vector<VersionMeta> metas(keys.size());
    METASTORE_RETURN_IF_ERROR(engine_->Lookup(keys, metas.data()));
    for (size_t i = 0; i < keys.size(); i++) (*live)[keys[i]] = metas[i];
    return Status::Ok();
  }

  Status FlushVersions() {
    if (pending_.empty()) return Status::Ok();
    std::unordered_map<std::string_view, VersionMeta> live;
    METASTORE_RETURN_IF_ERROR(LookupPending(&live));
    Batch batch;
    for (const VersionRef& version : pending_) {
      VersionMeta& before = live[version->key()];
      const VersionView& view = version->view();
      if (before.exists() && before.rev != view.prev) {
        return Status(Code::kDamaged, "a version skips its predecessor");
      }
      stored_bytes_ += AccountedSize(view.key.size(), view.value.size());
      key_count_ += (view.tombstone ? 0 : 1) - (before.exists() ? 1 : 0);
      const int64_t lease = before.lease;
      if (lease != view.lease) {
        if (lease != 0) batch.attachments.push_back({lease, std::string(view.key), false});
        if (view.lease != 0) batch.attachments.push_back({view.lease, std::string(view.key), true});
      }
      batch.versions.push_back({version, before});
      before = view.tombstone ? VersionMeta() : version->meta();
    }
    batch.revision = last_.main;
    METASTORE_RETURN_IF_ERROR(engine_->Commit(batch));
    pending_.clear();
    pending_bytes_ = 0;
    return Status::Ok();
  }

  Status CommitNumbers() {
    if (!numbers_seen_) numbers_ = Numbers();
    if (numbers_.revision != info_.revision || numbers_.key_count != key_count_ ||
        numbers_.compact_revision != info_.compact_revision ||
        numbers_.applied_index != info_.applied_index) {
      return Status(Code::kDamaged, "the image's numbers are not those of its rows");
    }
    numbers_.finished_compact_revision = numbers_.compact_revision;
    numbers_.pass_target = -1;
    numbers_.cursor = Revision();
    numbers_.stored_bytes = stored_bytes_;
    Batch batch;
    batch.meta.push_back({std::string(mvcc::kNumbersRow), mvcc::EncodeNumbers(numbers_)});
    batch.revision = info_.revision;
    batch.applied_index = info_.applied_index;
    return engine_->Commit(batch);
  }

  Engine* const engine_;
  std::string buffer_;  // bytes that are not a whole frame yet
  uint64_t consumed_ = 0;
  uint32_t checksum_ = 0;
  bool magic_seen_ = false;
  bool head_seen_ = false;
  bool ended_ = false;
  ImageInfo info_;

  Numbers numbers_;
  bool numbers_seen_ = false;
  Revision last_;
  std::vector<VersionRef> pending_;
  size_t pending_bytes_ = 0;
  int64_t stored_bytes_ = 0;
  int64_t key_count_ = 0;
};

ImageLoader::ImageLoader(Engine* engine) : impl_(std::make_unique<Impl>(engine)) {
  METASTORE_CHECK(engine != nullptr, "an image is loaded into something");
}

ImageLoader::~ImageLoader() = default;

Status ImageLoader::Feed(std::string_view bytes) { return impl_->Feed(bytes); }

Status ImageLoader::Finish(ImageInfo* info) { return impl_->Finish(info); }

}  // namespace metastore
