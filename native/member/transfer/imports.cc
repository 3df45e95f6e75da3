// Receiving of imports.h.
#include "member/transfer/imports.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "member/transfer/checkpoint/files.h"

namespace metastore::member::transfer {
namespace {

/// An image is kept as it comes; what is in it is looked at when it is installed.
class ImageTarget final : public ImportTarget {
 public:
  explicit ImageTarget(std::unique_ptr<File> file) : file_(std::move(file)) {}
  Status Write(std::string_view bytes) override {
    METASTORE_RETURN_IF_ERROR(file_->WriteAt(written_, bytes));
    written_ += bytes.size();
    return Status::Ok();
  }
  Status Complete(std::vector<std::string>*) override { return Status::Ok(); }

 private:
  std::unique_ptr<File> file_;
  uint64_t written_ = 0;
};

Result<std::unique_ptr<ImportTarget>> MakeTarget(FileLayer* files, const Import& import) {
  if (import.kind == SnapshotKind::kCheckpoint) {
    return CheckpointTarget::Make(files, import.path, import.size_bytes);
  }
  auto file = files->Open(import.path, true);
  if (!file.ok()) return file.TakeStatus();
  return std::unique_ptr<ImportTarget>(std::make_unique<ImageTarget>(std::move(*file)));
}

}  // namespace

struct Imports::Incoming {
  ~Incoming() {
    target.reset();
    if (!taken) (void)RemoveTree(files, import.path);
  }
  FileLayer* files = nullptr;
  Import import;
  std::mutex mutex;  // of what follows; held while bytes are written
  std::unique_ptr<ImportTarget> target;
  uint64_t written = 0;
  Status failed;
  /// Belongs to an install, which alone says when its files may go; set with both mutexes held,
  /// so that either is enough to look.
  bool taken = false;
  bool close_wanted = false;  // came meanwhile; guarded by the mutex of Imports
};

Imports::Imports(const TransferParts* parts) : parts_(parts) {}

Imports::~Imports() = default;

std::shared_ptr<Imports::Incoming> Imports::Find(uint64_t id) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = incoming_.find(id);
  return found == incoming_.end() ? nullptr : found->second;
}

void Imports::Open(SnapshotKind kind, uint64_t size_bytes, Answer<uint64_t> answer) {
  uint64_t id = 0;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    id = next_id_++;
  }
  const bool posted = ExecutorOf(id)->Post([this, id, kind, size_bytes, answer] {
    if (stopping_.load()) return answer(Code::kStopped);
    auto incoming = Create(id, kind, size_bytes);
    if (!incoming.ok()) return answer(incoming.TakeStatus());
    {
      std::lock_guard<std::mutex> lock(mutex_);
      incoming_[id] = std::move(*incoming);
    }
    answer(id);
  });
  if (!posted) answer(Code::kStopped);
}

Result<std::shared_ptr<Imports::Incoming>> Imports::Create(uint64_t id, SnapshotKind kind,
                                                           uint64_t size_bytes) {
  if (kind == SnapshotKind::kCheckpoint && parts_->engine != EngineKind::kRocks) {
    return Status(Code::kWrongFormat, "checkpoints are only for the rocksdb engine");
  }
  METASTORE_RETURN_IF_ERROR(CheckSpace(parts_->member, size_bytes));
  auto incoming = std::make_shared<Incoming>();
  incoming->files = parts_->files;
  incoming->import.id = id;
  incoming->import.kind = kind;
  incoming->import.size_bytes = size_bytes;
  incoming->import.path =
      parts_->member + "/" + std::string(kIncomingFolder) + "/" + std::to_string(id);
  auto target = MakeTarget(parts_->files, incoming->import);
  if (!target.ok()) return OfWrite(target.TakeStatus(), parts_->member, size_bytes);
  incoming->target = std::move(*target);
  return incoming;
}

void Imports::Write(uint64_t id, uint64_t offset, std::string chunk, Done done) {
  const bool posted = ExecutorOf(id)->Post([this, id, offset, chunk = std::move(chunk), done] {
    if (stopping_.load()) return done(Code::kStopped);
    const std::shared_ptr<Incoming> incoming = Find(id);
    if (incoming == nullptr) return done(Status(Code::kInternal, "no such import"));
    Status status = WriteChunk(incoming.get(), offset, chunk);
    done(OfWrite(std::move(status), parts_->member, chunk.size()));
  });
  if (!posted) done(Code::kStopped);
}

Status Imports::WriteChunk(Incoming* incoming, uint64_t offset, std::string_view chunk) {
  constexpr size_t kSumBytes = sizeof(uint32_t);
  if (chunk.size() < kSumBytes || GetLittle32(chunk.data()) != Crc32c(0, chunk.substr(kSumBytes))) {
    return Status(Code::kDamaged, "a chunk of a snapshot: checksum");
  }
  const std::string_view bytes = chunk.substr(kSumBytes);
  std::lock_guard<std::mutex> lock(incoming->mutex);
  if (incoming->taken) return Status(Code::kInternal, "the import is being installed");
  if (!incoming->failed.ok()) return Copy(incoming->failed);
  if (offset != incoming->written) {
    return Status(Code::kInternal, "a chunk at " + std::to_string(offset) + " where " +
                                       std::to_string(incoming->written) + " was expected");
  }
  if (bytes.size() > incoming->import.size_bytes - incoming->written) {
    return Status(Code::kDamaged, "a snapshot with more bytes than announced");
  }
  incoming->failed = incoming->target->Write(bytes);
  if (!incoming->failed.ok()) return Copy(incoming->failed);
  incoming->written += bytes.size();
  return Status::Ok();
}

void Imports::Close(uint64_t id) {
  std::shared_ptr<Incoming> incoming;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = incoming_.find(id);
    if (found == incoming_.end()) return;
    if (found->second->taken) {
      found->second->close_wanted = true;
      return;
    }
    incoming = std::move(found->second);
    incoming_.erase(found);
  }
  // Removed where waiting for the disk is allowed, after the writes before this.
  ExecutorOf(id)->Post([incoming = std::move(incoming)] {});
}

Result<Import> Imports::Take(uint64_t id) {
  std::lock_guard<std::mutex> outer(mutex_);
  const auto found = incoming_.find(id);
  if (found == incoming_.end()) return Status(Code::kInternal, "no such import");
  Incoming* incoming = found->second.get();
  std::lock_guard<std::mutex> lock(incoming->mutex);
  if (incoming->taken) return Status(Code::kInternal, "the import is being installed");
  if (!incoming->failed.ok()) return Copy(incoming->failed);
  if (incoming->written != incoming->import.size_bytes) {
    return Status(Code::kInternal, "the import has " + std::to_string(incoming->written) + " of " +
                                       std::to_string(incoming->import.size_bytes) + " bytes");
  }
  if (incoming->target != nullptr)
    METASTORE_RETURN_IF_ERROR(incoming->target->Complete(&incoming->import.names));
  incoming->target.reset();  // no descriptor stays open
  incoming->taken = true;
  return incoming->import;
}

void Imports::Release(uint64_t id, bool used_up) {
  std::shared_ptr<Incoming> incoming;
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = incoming_.find(id);
  if (found == incoming_.end()) return;
  std::lock_guard<std::mutex> inner(found->second->mutex);
  found->second->taken = false;
  if (!used_up && !found->second->close_wanted) return;
  incoming = std::move(found->second);
  incoming_.erase(found);
}

}  // namespace metastore::member::transfer
