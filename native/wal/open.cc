// Opening a log: replay, then the few writes that make the directory what replay said it is.
//
// Every write here leaves a directory that replay reads the same way, so a crash in between costs
// nothing but another start.
#include <algorithm>

#include "base/check.h"
#include "base/slices.h"
#include "wal/log.h"

namespace metastore::wal {
namespace {

constexpr uint64_t kMinSegmentBytes = 512;
constexpr uint64_t kZeroPieceBytes = 1 << 20;

WalOptions Bounded(WalOptions options) {
  options.segment_bytes = std::clamp(options.segment_bytes, kMinSegmentBytes, kMaxAllocatedBytes);
  return options;
}

std::string Hex(uint64_t value) { return SegmentName(value).substr(0, 16); }

Status WriteZeros(File* file, uint64_t from, uint64_t to) {
  const std::string zeros(std::min(kZeroPieceBytes, to - std::min(from, to)), '\0');
  while (from < to) {
    const uint64_t piece = std::min<uint64_t>(zeros.size(), to - from);
    METASTORE_RETURN_IF_ERROR(file->WriteAt(from, std::string_view(zeros).substr(0, piece)));
    from += piece;
  }
  return Status::Ok();
}

}  // namespace

Result<std::unique_ptr<Wal>> Wal::Open(const WalOptions& options, const Identity& identity,
                                       Recovered* recovered) {
  FileLayer* files = options.files != nullptr ? options.files : FileLayer::Posix();
  auto log = std::make_unique<Log>(options, files);
  const Status status = log->Open(identity, recovered);
  if (!status.ok()) {
    std::string detail(status.detail());
    if (status.code() == Code::kDamaged) {
      const uint64_t member =
          identity.member_id != 0 ? identity.member_id : recovered->identity.member_id;
      detail += " (log of member " + Hex(member) + ")";
    }
    return Status(status.code(), std::move(detail));
  }
  return std::unique_ptr<Wal>(std::move(log));
}

Log::Log(const WalOptions& options, FileLayer* files)
    : options_(Bounded(options)),
      files_(files),
      anchor_(std::make_shared<Anchor>()),
      table_(options.cache_bytes) {
  anchor_->log = this;
  stats_.sync_seconds_buckets.resize(kSyncSecondsBounds.size());
  stats_.batch_entries_buckets.resize(kBatchEntriesBounds.size());
}

Log::~Log() {
  {
    // Without Close this is a crash: what is queued is neither written nor reported.
    std::lock_guard<std::mutex> step(anchor_->mutex);
    anchor_->log = nullptr;
  }
  if (own_executor_) own_executor_->Stop();
}

Status Log::Open(const Identity& identity, Recovered* recovered) {
  *recovered = Recovered();
  METASTORE_RETURN_IF_ERROR(files_->MakeDirectory(options_.directory));
  Replayed replayed;
  const Status status = Replayer(files_, options_.directory, &table_, &replayed).Run();
  recovered->identity = replayed.identity;
  if (!status.ok()) return Status(status.code(), std::string(status.detail()));
  if (replayed.empty) {
    recovered->created = true;
    recovered->identity = identity;
    METASTORE_RETURN_IF_ERROR(Repair(replayed));
    METASTORE_RETURN_IF_ERROR(Create(identity));
  } else {
    const Identity& found = replayed.identity;
    if (identity.member_id != 0 &&
        (found.member_id != identity.member_id || found.cluster_id != identity.cluster_id)) {
      return Status(Code::kWrongFormat,
                    options_.directory + ": the log of member " + Hex(found.member_id) +
                        " of cluster " + Hex(found.cluster_id) + ", expected member " +
                        Hex(identity.member_id) + " of cluster " + Hex(identity.cluster_id));
    }
    METASTORE_RETURN_IF_ERROR(Repair(replayed));
    METASTORE_RETURN_IF_ERROR(RepairTail(replayed));
  }
  queued_ = written_ = replayed.state;
  recovered->hard_state = queued_.hard_state;
  // Entries are forgotten only when committed and applied; the record of that commit may have been
  // overtaken by the start.
  recovered->hard_state.commit = std::max(queued_.hard_state.commit, queued_.start_index);
  recovered->start_index = queued_.start_index;
  recovered->start_term = queued_.start_term;
  recovered->last_index = queued_.last_index;
  recovered->torn_bytes = replayed.clean ? 0 : replayed.data_end - replayed.end_offset;

  executor_ = options_.executor;
  if (executor_ == nullptr) {
    own_executor_ = std::make_unique<ThreadExecutor>("log");
    executor_ = own_executor_.get();
    // It mostly waits for the disk, and others wait for it.
    own_executor_->Post([] { PreferShortSlices(); });
    sweeper_ = std::make_unique<ThreadExecutor>("log-files");
  }
  return Status::Ok();
}

Status Log::Create(const Identity& identity) {
  tail_ = std::make_unique<Tail>(files_, options_.directory, options_.segment_bytes, identity);
  METASTORE_RETURN_IF_ERROR(tail_->Rotate(LogState()));
  segments_.push_back(tail_->segment());
  // The directory itself may be as new as the log.
  const size_t slash = options_.directory.find_last_of('/');
  const std::string parent = slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                                        : options_.directory.substr(0, slash);
  return files_->SyncDirectory(parent);
}

Status Log::Repair(const Replayed& replayed) {
  for (const std::string& name : replayed.leftovers) {
    METASTORE_RETURN_IF_ERROR(files_->Remove(options_.directory + "/" + name));
  }
  return Status::Ok();
}

Status Log::RepairTail(const Replayed& replayed) {
  segments_.assign(replayed.segments.begin(), replayed.segments.end());
  // What was written by a process that was killed may not be on the disk yet; Raft is about to be
  // told that all of it is.
  METASTORE_RETURN_IF_ERROR(files_->SyncDirectory(options_.directory));
  if (segments_.size() > 1) {
    // Its seal, too, must be durable before the last segment is written to.
    Segment* former = segments_[segments_.size() - 2].get();
    METASTORE_RETURN_IF_ERROR(
        replayed.unsealed ? SealSegment(former, replayed.unsealed_end, replayed.unsealed_crc)
                          : former->file->Sync());
  }
  const std::shared_ptr<Segment> last = segments_.back();
  // The size first: a short file without its clean end would be taken for damage.
  METASTORE_RETURN_IF_ERROR(last->file->Allocate(replayed.allocated_bytes));
  METASTORE_RETURN_IF_ERROR(last->file->Sync());
  if (replayed.data_end > replayed.end_offset) {
    // A clean end goes before anything is written behind it, and so does a torn tail, whose records
    // could otherwise be met again behind new ones.
    METASTORE_RETURN_IF_ERROR(WriteZeros(last->file.get(), replayed.end_offset, replayed.data_end));
    METASTORE_RETURN_IF_ERROR(last->file->Sync());
  }
  tail_ =
      std::make_unique<Tail>(files_, options_.directory, options_.segment_bytes, replayed.identity);
  tail_->Adopt(last, replayed.end_offset, replayed.end_crc);
  return tail_->WriteMark();
}

}  // namespace metastore::wal
