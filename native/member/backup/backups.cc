// Life of backups.h.
#include "member/backup/backups.h"

#include <algorithm>
#include <utility>

#include "member/backup/stream.h"

namespace metastore::member::backup {

struct Backups::Backup {
  BackupFacts facts;
  transfer::Answer<BackupFacts> answer;  // until measured
  std::mutex mutex;                      // of what follows; held while rows are walked
  std::unique_ptr<BackupStream> stream;
  std::string bytes;  // walked and not yet read, from `at` on
  size_t at = 0;
  bool ended = false;

  Status Fill(uint64_t wanted) {
    while (bytes.size() - at < wanted && !ended) {
      bytes.erase(0, at);
      at = 0;
      METASTORE_RETURN_IF_ERROR(stream->Next(&bytes, &ended));
      if (ended) stream.reset();  // the view is not held for as long as the client reads
    }
    return Status::Ok();
  }
};

Backups::Backups(BackupParts parts) : parts_(std::move(parts)) {}

Backups::~Backups() = default;

void Backups::Open(Buckets extra, transfer::Answer<BackupFacts> answer) {
  auto backup = std::make_shared<Backup>();
  backup->answer = std::move(answer);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_.load()) return backup->answer(Code::kStopped);
    if (backups_.size() >= kMaxBackups) return backup->answer(Code::kTooManyRequests);
    backup->facts.id = next_id_++;
    backups_[backup->facts.id] = backup;
  }
  const bool posted =
      parts_.upkeep_executor->Post([this, backup, extra = std::move(extra)]() mutable {
        {
          std::lock_guard<std::mutex> lock(backup->mutex);
          backup->stream = std::make_unique<BackupStream>(parts_.stores->Get(), std::move(extra));
        }
        MeasurePiece(backup);
      });
  if (!posted) {
    Forget(backup->facts.id);
    backup->answer(Code::kStopped);
  }
}

void Backups::MeasurePiece(const std::shared_ptr<Backup>& backup) {
  bool done = false;
  Status status(Code::kStopped);
  if (!stopping_.load()) {
    std::lock_guard<std::mutex> lock(backup->mutex);
    status = backup->stream->Measure(&done);
    if (done) backup->facts.size_bytes = backup->stream->size_bytes();
  }
  if (status.ok() && !done) {
    if (parts_.upkeep_executor->Post([this, backup] { MeasurePiece(backup); })) return;
    status = Status(Code::kStopped);
  }
  if (status.ok()) return backup->answer(backup->facts);
  Forget(backup->facts.id);
  backup->answer(std::move(status));
}

void Backups::Read(uint64_t id, uint64_t max_bytes,
                   transfer::Answer<std::optional<std::string>> answer) {
  Executor* executor = parts_.readers[id % parts_.readers.size()];
  const bool posted = executor->Post([this, id, max_bytes, answer] {
    if (stopping_.load()) return answer(Code::kStopped);
    std::shared_ptr<Backup> backup;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      const auto found = backups_.find(id);
      if (found != backups_.end()) backup = found->second;
    }
    if (backup == nullptr) return answer(Status(Code::kInternal, "no such backup"));
    const uint64_t wanted = std::clamp<uint64_t>(max_bytes, 1, kMaxReadBytes);
    std::lock_guard<std::mutex> lock(backup->mutex);
    const Status status = backup->Fill(wanted);
    if (!status.ok()) return answer(transfer::Copy(status));
    const size_t length = std::min<uint64_t>(wanted, backup->bytes.size() - backup->at);
    if (length == 0) return answer(std::optional<std::string>());
    std::optional<std::string> piece(backup->bytes.substr(backup->at, length));
    backup->at += length;
    answer(std::move(piece));
  });
  if (!posted) answer(Code::kStopped);
}

void Backups::Close(uint64_t id) {
  std::shared_ptr<Backup> backup;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = backups_.find(id);
    if (found == backups_.end()) return;
    backup = std::move(found->second);
    backups_.erase(found);
  }
  // Letting go of a view, perhaps of a whole store, may take its time.
  parts_.readers[id % parts_.readers.size()]->Post([backup = std::move(backup)] {});
}

void Backups::Forget(uint64_t id) {
  std::lock_guard<std::mutex> lock(mutex_);
  backups_.erase(id);
}

void Backups::Stop() {
  stopping_.store(true);
  std::map<uint64_t, std::shared_ptr<Backup>> backups;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    backups.swap(backups_);
  }
  // Those that a task works on go with it.
}

}  // namespace metastore::member::backup
