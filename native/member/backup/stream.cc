// Walking of stream.h.
#include "member/backup/stream.h"

#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "codec/replies.h"
#include "mvcc/read/range.h"

namespace metastore::member::backup {
namespace {

/// Bytes of rows that are walked at once, so that others get their turn on the executor.
constexpr size_t kPieceBytes = size_t{1} << 20;

}  // namespace

BackupStream::BackupStream(std::shared_ptr<Store> store, Buckets extra)
    : store_(std::move(store)), view_(store_->Pin()), extra_(std::move(extra)) {}

/// The small buckets, which are read at once, and the beginning of the versions'.
Status BackupStream::Begin() {
  Buckets buckets;
  METASTORE_RETURN_IF_ERROR(CollectBuckets(&store_->engine(), *view_->snapshot, extra_, &buckets));
  for (const auto& [name, rows] : buckets) {
    writer_->BeginBucket(name);
    for (const auto& [key, value] : rows) writer_->Add(key, {value, {}, {}});
    writer_->EndBucket();
  }
  writer_->BeginBucket(kVersionsBucket);
  versions_ = std::make_unique<mvcc::RemainingVersions>(&store_->engine(), view_);
  return Status::Ok();
}

void BackupStream::AddVersion(const VersionView& version) {
  name_.clear();
  head_.clear();
  tail_.clear();
  AppendBig64(&name_, static_cast<uint64_t>(version.rev.main));
  name_.push_back('_');
  AppendBig64(&name_, static_cast<uint64_t>(version.rev.sub));
  if (version.tombstone) {
    name_.push_back('t');
    codec::KeyValue only_key;
    only_key.key = version.key;
    codec::SplitKeyValue(only_key, &head_, &tail_);
    return writer_->Add(name_, {head_, {}, tail_});
  }
  codec::SplitKeyValue(mvcc::ToKeyValue(version), &head_, &tail_);
  writer_->Add(name_, {head_, version.value, tail_});
}

Status BackupStream::WalkPiece(bool* done) {
  size_t walked = 0;
  const auto take = [&](const VersionView& version) {
    if (walked >= kPieceBytes) return false;
    walked += version.key.size() + version.value.size() + bbolt::kElementBytes;
    AddVersion(version);
    return true;
  };
  METASTORE_RETURN_IF_ERROR(versions_->Visit(take, done));
  if (*done) writer_->EndBucket();
  return Status::Ok();
}

Status BackupStream::Measure(bool* done) {
  METASTORE_CHECK(!shape_.has_value(), "measured once");
  if (writer_ == nullptr) {
    writer_ = std::make_unique<bbolt::FileWriter>();
    METASTORE_RETURN_IF_ERROR(Begin());
  }
  METASTORE_RETURN_IF_ERROR(WalkPiece(done));
  if (*done) {
    shape_ = writer_->Finish();
    versions_.reset();
    writer_.reset();
  }
  return Status::Ok();
}

Status BackupStream::Next(std::string* out, bool* done) {
  METASTORE_CHECK(shape_.has_value(), "measured first");
  if (writer_ == nullptr) {
    writer_ = std::make_unique<bbolt::FileWriter>(*shape_);
    METASTORE_RETURN_IF_ERROR(Begin());
  }
  do {
    METASTORE_RETURN_IF_ERROR(WalkPiece(done));
  } while (!*done && writer_->written_bytes() == 0);
  if (*done) (void)writer_->Finish();
  out->append(writer_->Take());
  return Status::Ok();
}

}  // namespace metastore::member::backup
