// Writing and reading of exports.h.
#include "member/transfer/exports.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "member/transfer/checkpoint/files.h"
#include "mvcc/image.h"
#include "mvcc/state/rows.h"

namespace metastore::member::transfer {
namespace {

[[maybe_unused]] constexpr uint64_t kFactsCacheBytes = 1u << 20;

struct Part {
  std::string path;
  uint64_t size_bytes = 0;
};

}  // namespace

/// Its bytes are those of its parts, one behind the other.
struct Exports::Stored {
  ~Stored() {
    for (const std::string& path : remove) (void)RemoveTree(files, path);
  }
  FileLayer* files = nullptr;
  SnapshotExport facts;
  std::string head;  // in front of the parts
  std::vector<Part> parts;
  std::vector<std::string> remove;  // when the last reader has let go

  Status ReadAt(uint64_t offset, uint64_t length, std::string* out) const;
};

/// Stream before store before file: the order in which they go is the reverse.
struct Exports::Building {
  std::shared_ptr<Stored> stored;
  Answer<SnapshotExport> answer;
  std::unique_ptr<File> file;
  std::shared_ptr<Store> store;
  std::unique_ptr<ImageStream> stream;
  uint64_t offset = 0;
};

Exports::Exports(const TransferParts* parts) : parts_(parts) {}

Exports::~Exports() = default;

std::string Exports::PathOf(uint64_t id) const {
  return parts_->member + "/" + std::string(kOutgoingFolder) + "/" + std::to_string(id);
}

void Exports::Begin(bool accept_checkpoint, Answer<SnapshotExport> answer) {
  uint64_t id = 0;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    id = next_id_++;
  }
  const bool checkpoint = accept_checkpoint && parts_->engine == EngineKind::kRocks;
  const bool posted = parts_->upkeep_executor->Post([this, id, checkpoint, answer] {
    if (stopping_.load()) return answer(Code::kStopped);
    checkpoint ? BeginCheckpoint(id, answer) : BeginImage(id, answer);
  });
  if (!posted) answer(Code::kStopped);
}

void Exports::BeginImage(uint64_t id, Answer<SnapshotExport> answer) {
  auto building = std::make_shared<Building>();
  building->stored = std::make_shared<Stored>();
  building->answer = std::move(answer);
  Stored* stored = building->stored.get();
  stored->files = parts_->files;
  stored->facts.id = id;
  stored->remove.push_back(PathOf(id));
  auto file = parts_->files->Open(PathOf(id), true);
  if (!file.ok()) return building->answer(file.TakeStatus());
  building->file = std::move(*file);
  building->store = parts_->stores->Get();
  const ViewRef view = building->store->Pin();
  Engine* engine = &building->store->engine();
  const std::string row = std::string(apply::kMetaPrefix) + std::string(kConfStateRow);
  const Status status = engine->GetMeta(*view->snapshot, row, &stored->facts.conf_state);
  if (!status.ok()) return building->answer(Copy(status));
  building->stream = std::make_unique<ImageStream>(engine, view);
  NextPiece(building);
}

void Exports::NextPiece(const std::shared_ptr<Building>& building) {
  bool done = false;
  Status status = stopping_.load() ? Status(Code::kStopped) : WritePiece(building.get(), &done);
  if (!status.ok()) {
    building->stream.reset();
    return building->answer(std::move(status));
  }
  if (!done) {
    const bool posted = parts_->upkeep_executor->Post([this, building] { NextPiece(building); });
    if (!posted) building->answer(Code::kStopped);
    return;
  }
  const ImageInfo& info = building->stream->info();
  METASTORE_CHECK(info.size_bytes == building->offset, "every byte was written");
  Stored* stored = building->stored.get();
  stored->facts.index = info.applied_index;
  stored->facts.term = info.applied_term;
  stored->parts.push_back({PathOf(stored->facts.id), info.size_bytes});
  building->stream.reset();  // the view is not held for as long as the export
  building->store.reset();
  Finish(building->stored, building->answer);
}

Status Exports::WritePiece(Building* building, bool* done) {
  std::string piece;
  METASTORE_RETURN_IF_ERROR(building->stream->Next(&piece, done));
  METASTORE_RETURN_IF_ERROR(
      OfWrite(building->file->WriteAt(building->offset, piece), parts_->member, piece.size()));
  building->offset += piece.size();
  return Status::Ok();
}

void Exports::Finish(std::shared_ptr<Stored> stored, const Answer<SnapshotExport>& answer) {
  stored->facts.size_bytes = stored->head.size();
  for (const Part& part : stored->parts) stored->facts.size_bytes += part.size_bytes;
  const SnapshotExport facts = stored->facts;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stored_[facts.id] = std::move(stored);
  }
  answer(facts);
}

void Exports::Read(uint64_t id, uint64_t offset, uint64_t max_bytes, Answer<std::string> answer) {
  Executor* executor = parts_->readers[id % parts_->readers.size()];
  const bool posted = executor->Post([this, id, offset, max_bytes, answer] {
    if (stopping_.load()) return answer(Code::kStopped);
    std::shared_ptr<const Stored> stored;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      const auto found = stored_.find(id);
      if (found != stored_.end()) stored = found->second;
    }
    if (stored == nullptr) return answer(Status(Code::kInternal, "no such export"));
    if (offset > stored->facts.size_bytes) {
      return answer(Status(Code::kInternal, "an offset behind the export's end"));
    }
    const uint64_t rest = stored->facts.size_bytes - offset;
    std::string chunk(sizeof(uint32_t), '\0');
    const Status status =
        stored->ReadAt(offset, std::min({rest, max_bytes, kMaxChunkBytes}), &chunk);
    if (!status.ok()) return answer(Copy(status));
    PutLittle32(chunk.data(), Crc32c(0, std::string_view(chunk).substr(sizeof(uint32_t))));
    answer(std::move(chunk));
  });
  if (!posted) answer(Code::kStopped);
}

/// Appends; the caller stays within the size.
Status Exports::Stored::ReadAt(uint64_t offset, uint64_t length, std::string* out) const {
  const uint64_t from_head = offset < head.size() ? std::min(length, head.size() - offset) : 0;
  if (from_head > 0) out->append(head, offset, from_head);
  length -= from_head;
  offset = offset + from_head - head.size();
  for (const Part& part : this->parts) {
    if (length == 0) break;
    if (offset >= part.size_bytes) {
      offset -= part.size_bytes;
      continue;
    }
    const uint64_t wanted = std::min(length, part.size_bytes - offset);
    auto file = files->Open(part.path, false);
    if (!file.ok()) return file.TakeStatus();
    std::string bytes;
    METASTORE_RETURN_IF_ERROR((*file)->ReadAt(offset, wanted, &bytes));
    if (bytes.size() != wanted) return Status(Code::kIo, part.path + " has become shorter");
    out->append(bytes);
    length -= wanted;
    offset = 0;
  }
  METASTORE_CHECK(length == 0, "reads stay within the export");
  return Status::Ok();
}

void Exports::Close(uint64_t id) {
  std::shared_ptr<Stored> stored;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = stored_.find(id);
    if (found == stored_.end()) return;
    stored = std::move(found->second);
    stored_.erase(found);
  }
  // The files are removed where waiting for the disk is allowed, after the reads before this.
  parts_->readers[id % parts_->readers.size()]->Post([stored = std::move(stored)] {});
}

void Exports::BeginCheckpoint(uint64_t id, Answer<SnapshotExport> answer) {
  auto stored = std::make_shared<Stored>();
  stored->files = parts_->files;
  stored->facts.id = id;
  stored->facts.kind = SnapshotKind::kCheckpoint;
  stored->remove.push_back(PathOf(id));
  Status status = GatherFiles(stored.get());
  if (status.ok()) status = ReadFacts(PathOf(id), &stored->facts);
  if (!status.ok()) return answer(OfWrite(std::move(status), parts_->member, kMaxChunkBytes));
  Finish(std::move(stored), answer);
}

Status Exports::GatherFiles(Stored* stored) {
  const std::string folder = PathOf(stored->facts.id);
  const std::shared_ptr<Store> store = parts_->stores->Get();
  CheckpointFiles files;
  METASTORE_RETURN_IF_ERROR(GatherCheckpoint(parts_->files, &store->engine(), folder, &files));
  stored->head = EncodeCheckpointHeader(files);
  for (const CheckpointFile& file : files) {
    stored->parts.push_back({folder + "/" + file.name, file.size_bytes});
  }
  return Status::Ok();
}

/// Not from the running store: it may have gone on between the flush and the list of files.
Status Exports::ReadFacts(const std::string& folder, SnapshotExport* facts) {
#ifdef METASTORE_ROCKSDB
  RocksOptions rocks = parts_->rocks;
  rocks.directory = folder;
  rocks.block_cache_bytes = kFactsCacheBytes;
  rocks.metadata_cache_bytes = 0;
  rocks.hot_map_bytes = 0;
  auto engine = OpenRocksForReading(rocks);
  if (!engine.ok()) return engine.TakeStatus();
  const EngineSnapshotRef snapshot = (*engine)->Pin(1);
  std::optional<std::string> row;
  METASTORE_RETURN_IF_ERROR((*engine)->GetMeta(*snapshot, mvcc::kNumbersRow, &row));
  mvcc::Numbers numbers;
  if (row.has_value()) METASTORE_RETURN_IF_ERROR(mvcc::DecodeNumbers(*row, &numbers));
  facts->index = numbers.applied_index;
  facts->term = numbers.applied_term;
  const std::string name = std::string(apply::kMetaPrefix) + std::string(kConfStateRow);
  return (*engine)->GetMeta(*snapshot, name, &facts->conf_state);
#else
  (void)folder, (void)facts;
  return Status(Code::kInternal, "this build has no rocksdb engine");
#endif
}

}  // namespace metastore::member::transfer
