// The committing thread's side of the rocksdb engine: batches in, metadata looked up.
//
// A put costs one row in `rev`, one in `key` and, for one version of a key in many, one in `hist`.
// The metadata cache is brought in step only after the database has taken the batch. Never an
// iterator here: that alone would cost ten times the write. At the end: what makes it durable.
#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "codec/key_encoding.h"
#include "engine/rocks/memtable/chains.h"
#include "engine/rocks/rocks_engine.h"

namespace metastore::rocks {

RocksEngine::RocksEngine(DatabaseRef database, const RocksOptions& options, uint64_t applied_index)
    : database_(std::move(database)),
      db_(database_->db.get()),
      hot_(options.hot_map_bytes),
      cache_(options.metadata_cache_bytes),
      committed_index_(applied_index) {
  database_->listener->durable.Start(applied_index);
}

Status RocksEngine::Commit(const Batch& batch) {
  METASTORE_RETURN_IF_ERROR(database_->listener->failure.Get());
  METASTORE_CHECK(batch.applied_index == 0 || batch.applied_index >= committed_index_.load(),
                  "applied indexes ascend");
  writes_.Clear();
  Hash(batch);
  for (const VersionWrite& write : batch.versions) METASTORE_RETURN_IF_ERROR(AddVersion(write));
  METASTORE_RETURN_IF_ERROR(AddRows(batch));
  if (writes_.Count() == 0) return Status::Ok();
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  const rocksdb::Status written = db_->Write(options, &writes_);
  if (!written.ok()) return FromRocks(written, "commit");
  if (batch.applied_index != 0) {
    // Only this thread writes, so the newest sequence number is that of the batch's last row.
    database_->listener->durable.Committed(db_->GetLatestSequenceNumber(), batch.applied_index);
    committed_index_.store(batch.applied_index, std::memory_order_release);
  }
  Remember(batch);
  return Status::Ok();
}

/// Hashes the keys, and asks the processor for what their rows will touch, a step of the way at a
/// time for all of them: the waits for memory overlap with each other and with what comes first.
void RocksEngine::Hash(const Batch& batch) {
  hashes_.clear();
  if (batch.versions.empty()) return;
  const std::shared_ptr<const Chains> rows = database_->memtables->Newest();
  for (const VersionWrite& write : batch.versions) {
    hashes_.push_back(HashBytes(write.version->key()));
    rows->Prefetch(hashes_.back());
  }
  for (const uint64_t hash : hashes_) rows->PrefetchChain(hash);
}

Status RocksEngine::AddVersion(const VersionWrite& write) {
  const VersionView& view = write.version->view();
  char rev_key[codec::kRevisionKeyBytes];
  codec::PutRevisionKey(rev_key, view.rev.main, view.rev.sub);
  EncodeRevRow(view, &row_value_);
  rocksdb::Status status =
      writes_.Put(database_->family(kRev), rocksdb::Slice(rev_key, sizeof rev_key), row_value_);
  if (status.ok() && view.tombstone) {
    status = writes_.Delete(database_->family(kKey), SliceOf(view.key));
    row_key_.clear();
    codec::AppendHistoryKey(view.key, view.rev.main, view.rev.sub, &row_key_);
    if (status.ok()) {
      status = writes_.Put(database_->family(kHist), row_key_, SliceOf(kHistTombstone));
    }
  } else if (status.ok()) {
    char header[kKeyRowHeaderBytes];
    EncodeKeyRowHeader(view, header);
    const rocksdb::Slice key = SliceOf(view.key);
    const rocksdb::Slice parts[2] = {rocksdb::Slice(header, sizeof header), SliceOf(view.value)};
    status = writes_.Put(database_->family(kKey), rocksdb::SliceParts(&key, 1),
                         rocksdb::SliceParts(parts, 2));
  }
  if (status.ok() && write.prev.exists() && IsNamedInHistory(view.version)) {
    row_key_.clear();
    codec::AppendHistoryKey(view.key, write.prev.rev.main, write.prev.rev.sub, &row_key_);
    status = writes_.Put(database_->family(kHist), row_key_, SliceOf(kHistLive));
  }
  return FromRocks(status, "batch");
}

Status RocksEngine::AddRows(const Batch& batch) {
  rocksdb::Status status;
  for (const VersionRemoval& removal : batch.removals) {
    char rev_key[codec::kRevisionKeyBytes];
    codec::PutRevisionKey(rev_key, removal.rev.main, removal.rev.sub);
    status = writes_.Delete(database_->family(kRev), rocksdb::Slice(rev_key, sizeof rev_key));
    // What may be there is deleted: that hurts nothing where there is no row.
    if (status.ok() && (removal.tombstone || removal.replaced_by_version == 0 ||
                        IsNamedInHistory(removal.replaced_by_version) ||
                        removal.rev.main <= database_->dense_until)) {
      row_key_.clear();
      codec::AppendHistoryKey(removal.key, removal.rev.main, removal.rev.sub, &row_key_);
      status = writes_.Delete(database_->family(kHist), row_key_);
    }
    if (!status.ok()) return FromRocks(status, "batch");
  }
  for (const MetaWrite& write : batch.meta) {
    status = write.value.has_value()
                 ? writes_.Put(database_->family(kMeta), write.key, *write.value)
                 : writes_.Delete(database_->family(kMeta), write.key);
    if (!status.ok()) return FromRocks(status, "batch");
  }
  for (const AttachmentWrite& write : batch.attachments) {
    row_key_.clear();
    codec::AppendAttachmentKey(write.lease, write.key, &row_key_);
    status = write.attached ? writes_.Put(database_->family(kAttach), row_key_, rocksdb::Slice())
                            : writes_.Delete(database_->family(kAttach), row_key_);
    if (!status.ok()) return FromRocks(status, "batch");
  }
  if (batch.applied_index != 0) {
    // The last row of the batch: its sequence number stands for the whole (listener.h).
    char index[8];
    PutLittle64(index, batch.applied_index);
    status = writes_.Put(database_->family(kOwn), SliceOf(kAppliedRow),
                         rocksdb::Slice(index, sizeof index));
  }
  return FromRocks(status, "batch");
}

void RocksEngine::Remember(const Batch& batch) {
  for (size_t i = 0; i < batch.versions.size(); ++i) {
    const Version& version = *batch.versions[i].version;
    hot_.Commit(batch.versions[i].version, hashes_[i]);
    cache_.Put(version.key(), hashes_[i],
               version.view().tombstone ? VersionMeta() : version.meta());
  }
  cache_bytes_.store(cache_.bytes(), std::memory_order_relaxed);
  cache_entries_.store(cache_.entries(), std::memory_order_relaxed);
}

EngineSnapshotRef RocksEngine::Pin(int64_t revision) {
  auto snapshot = std::make_shared<RocksSnapshot>(database_);
  snapshot->revision = revision;
  return snapshot;
}

Status RocksEngine::Lookup(std::span<const std::string_view> keys, VersionMeta* out) {
  hashes_.clear();
  for (const std::string_view key : keys) {
    hashes_.push_back(HashBytes(key));
    cache_.Prefetch(hashes_.back());
  }
  for (const uint64_t hash : hashes_) cache_.PrefetchEntry(hash);
  missing_.clear();
  for (size_t i = 0; i < keys.size(); ++i) {
    const VersionMeta* known = cache_.Find(keys[i], hashes_[i]);
    if (known != nullptr) {
      out[i] = *known;
    } else {
      missing_.push_back(i);
    }
  }
  lookups_.fetch_add(keys.size(), std::memory_order_relaxed);
  lookup_misses_.fetch_add(missing_.size(), std::memory_order_relaxed);
  return missing_.empty() ? Status::Ok() : LookupMissing(keys, out);
}

Status RocksEngine::LookupMissing(std::span<const std::string_view> keys, VersionMeta* out) {
  const size_t count = missing_.size();
  missing_keys_.clear();
  for (const size_t i : missing_) missing_keys_.push_back(SliceOf(keys[i]));
  if (missing_values_.size() < count) {
    missing_values_.resize(count);
    missing_statuses_.resize(count);
  }
  db_->MultiGet(rocksdb::ReadOptions(), database_->family(kKey), count, missing_keys_.data(),
                missing_values_.data(), missing_statuses_.data());
  Status failed;
  for (size_t found = 0; found < count; ++found) {
    const size_t i = missing_[found];
    out[i] = VersionMeta();
    if (missing_statuses_[found].ok()) {
      VersionView view;
      const Status decoded = DecodeKeyRow(keys[i], ViewOf(missing_values_[found]), &view);
      if (!decoded.ok()) failed = Status(decoded.code(), std::string(decoded.detail()));
      out[i].rev = view.rev;
      out[i].create_revision = view.create_revision;
      out[i].version = view.version;
      out[i].lease = view.lease;
      out[i].size_bytes = AccountedSize(view.key.size(), view.value.size());
    } else if (!missing_statuses_[found].IsNotFound()) {
      failed = FromRocks(missing_statuses_[found], "lookup");
    }
    missing_values_[found].Reset();
    if (failed.ok()) cache_.Put(keys[i], hashes_[i], out[i]);
  }
  return failed;
}

Status RocksEngine::Flush() {
  METASTORE_RETURN_IF_ERROR(database_->listener->failure.Get());
  // Batches up to this one are in the memtables that the flush is about to seal; the listener may
  // hear of the flush after this call has returned.
  const uint64_t sequence = db_->GetLatestSequenceNumber();
  rocksdb::FlushOptions options;
  options.wait = true;
  options.allow_write_stall = true;
  const rocksdb::Status flushed = db_->Flush(options, database_->families);
  if (!flushed.ok()) return FromRocks(flushed, "flush");
  METASTORE_RETURN_IF_ERROR(database_->listener->failure.Get());
  database_->listener->durable.Flushed(sequence);
  return Status::Ok();
}

Status RocksEngine::ShowFiles(FunctionRef<Status(const EngineFiles&)> use) {
  METASTORE_RETURN_IF_ERROR(Flush());
  METASTORE_RETURN_IF_ERROR(FromRocks(db_->DisableFileDeletions(), "keep files"));
  rocksdb::LiveFilesStorageInfoOptions options;
  options.wal_size_for_flush = UINT64_MAX;  // everything is flushed, and more is not needed
  std::vector<rocksdb::LiveFileStorageInfo> live;
  Status status = FromRocks(db_->GetLiveFilesStorageInfo(options, &live), "list files");
  EngineFiles files;
  for (const rocksdb::LiveFileStorageInfo& info : live) {
    // Neither its own log, which is off, nor its options, which are ours, are needed to open it.
    if (info.file_type != rocksdb::kTableFile && info.file_type != rocksdb::kDescriptorFile &&
        info.file_type != rocksdb::kCurrentFile) {
      continue;
    }
    EngineFile& file = files.emplace_back();
    file.name = info.relative_filename.substr(info.relative_filename.find_first_not_of('/'));
    file.path = info.directory + "/" + file.name;
    file.size_bytes = info.size;
    file.immutable = info.file_type == rocksdb::kTableFile;
    file.contents = info.replacement_contents;
  }
  if (status.ok()) status = use(files);
  const Status enabled = FromRocks(db_->EnableFileDeletions(/*force=*/false), "keep files");
  return status.ok() ? Status(enabled.code(), std::string(enabled.detail())) : std::move(status);
}

Status RocksEngine::VerifyFiles() { return FromRocks(db_->VerifyChecksum(), "verify files"); }

}  // namespace metastore::rocks
