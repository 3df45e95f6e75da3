// The steps of install.h.
#include "member/transfer/install.h"

#include "base/check.h"
#include "mvcc/image.h"

namespace metastore::member::transfer {
namespace {

constexpr size_t kLoadBytes = size_t{4} << 20;

/// Only the disk is a failure of our own: whatever else is wrong with a snapshot is damage.
Status AsDamage(Status status) {
  if (status.ok() || status.code() == Code::kIo) return status;
  return Status(Code::kDamaged, std::string(status.detail()));
}

}  // namespace

/// In the order of their making: a loader before its engine goes, the engine before its directory.
struct Installer::Job {
  uint64_t id = 0;
  PendingInstall install;
  Answer<InstalledSnapshot> answer;
  Import import;
  bool taken = false;
  bool consumed = false;  // parts of the import are elsewhere
  size_t moved = 0;       // files of a checkpoint
  bool marked = false;    // INSTALL has been written: nothing of the new state may be removed
  std::string directory;  // of the new database, if the engine has one
  std::shared_ptr<Tenancy> tenancy;
  std::unique_ptr<File> file;
  uint64_t offset = 0;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<ImageLoader> loader;
  std::shared_ptr<Store> store;
  std::shared_ptr<Store> replaced;
  InstalledSnapshot facts;
};

void Installer::Next(Executor* executor, const JobRef& job,
                     void (Installer::*step)(const JobRef&)) {
  const bool posted = !stopping_.load() && executor->Post([this, job, step] {
    if (stopping_.load()) return Refuse(job, Code::kStopped);
    (this->*step)(job);
  });
  if (!posted) Refuse(job, Code::kStopped);
}

void Installer::Install(uint64_t id, uint64_t index, uint64_t term,
                        const wal::HardState& hard_state, Answer<InstalledSnapshot> answer) {
  if (busy_.exchange(true)) {
    return answer(Status(Code::kInternal, "another snapshot is being installed"));
  }
  auto job = std::make_shared<Job>();
  job->id = id;
  job->install.index = index;
  job->install.term = term;
  job->install.hard_state = hard_state;
  job->answer = std::move(answer);
  Status status = CheckMoment(*job);
  if (!status.ok()) return Refuse(job, std::move(status));
  Next(parts_->upkeep_executor, job, &Installer::Build);
}

Status Installer::CheckMoment(const Job& job) const {
  const uint64_t index = job.install.index;
  const wal::HardState& hard_state = job.install.hard_state;
  if (!parts_->applier->AtRest()) {
    return Status(Code::kInternal, "a snapshot is not installed while entries are applied");
  }
  if (index <= parts_->applier->applied().load() || index < parts_->committed->load()) {
    return Status(Code::kInternal,
                  "a snapshot at index " + std::to_string(index) + " would take the member back");
  }
  if (hard_state.commit > index || hard_state.term < job.install.term) {
    return Status(Code::kInternal, "a hard state that does not belong to the snapshot");
  }
  return Status::Ok();
}

void Installer::Refuse(const JobRef& job, Status status) {
  if (job->marked) {
    busy_.store(false);
    return job->answer(std::move(status));
  }
  job->loader.reset();
  job->file.reset();
  if (job->engine != nullptr) job->engine->Abandon();
  if (job->store != nullptr) job->store->engine().Abandon();
  if (job->tenancy != nullptr) job->tenancy->Supersede();
  job->engine.reset();
  job->store.reset();
  job->tenancy.reset();
  if (job->taken) imports_->Release(job->id, job->consumed);
  busy_.store(false);
  job->answer(std::move(status));
}

void Installer::Fail(const JobRef& job, Status status) {
  parts_->on_failure(status);
  busy_.store(false);
  job->answer(std::move(status));
}

// ---- Beside the old state. -------------------------------------------------------------------

void Installer::Build(const JobRef& job) {
  auto import = imports_->Take(job->id);
  if (!import.ok()) return Refuse(job, import.TakeStatus());
  job->import = std::move(*import);
  job->taken = true;
  Status status = MakePlace(job.get());
  if (!status.ok()) return Refuse(job, std::move(status));
  if (job->import.kind == SnapshotKind::kCheckpoint) return MoveFile(job);
  status = OpenEngine(job.get());
  if (!status.ok()) return Refuse(job, std::move(status));
  auto file = parts_->files->Open(job->import.path, false);
  if (!file.ok()) return Refuse(job, file.TakeStatus());
  job->file = std::move(*file);
  job->loader = std::make_unique<ImageLoader>(job->engine.get());
  LoadPiece(job);
}

Status Installer::MakePlace(Job* job) {
  if (parts_->engine == EngineKind::kMemory) {
    job->install.state = std::string(kIncomingFolder) + "/" + std::to_string(job->import.id);
    return Status::Ok();
  }
  auto name = NextDatabaseName(parts_->files, parts_->member);
  if (!name.ok()) return name.TakeStatus();
  job->install.state = *name;
  job->directory = parts_->member + "/" + *name;
  METASTORE_RETURN_IF_ERROR(parts_->files->MakeDirectory(job->directory));
  job->tenancy = std::make_shared<Tenancy>(parts_->files, job->directory);
  return Status::Ok();
}

Status Installer::OpenEngine(Job* job) {
  if (parts_->engine == EngineKind::kMemory) {
    job->engine = NewMemoryEngine();
    return Status::Ok();
  }
#ifdef METASTORE_ROCKSDB
  RocksOptions rocks = parts_->rocks;
  rocks.directory = job->directory;
  rocks.tenant = job->tenancy;
  auto engine = OpenRocksEngine(rocks);
  if (!engine.ok()) return engine.TakeStatus();
  job->engine = std::move(*engine);
  return Status::Ok();
#else
  return Status(Code::kWrongFormat, "this build has no rocksdb engine");
#endif
}

/// One file a task, since each is made durable before it counts.
void Installer::MoveFile(const JobRef& job) {
  if (job->moved == job->import.names.size()) {
    return Next(parts_->upkeep_executor, job, &Installer::OpenMoved);
  }
  job->consumed = true;
  const std::string& name = job->import.names[job->moved++];
  const std::string from = job->import.path + "/" + name;
  auto file = parts_->files->Open(from, false);
  if (!file.ok()) return Refuse(job, file.TakeStatus());
  Status status = (*file)->Sync();
  if (status.ok()) status = parts_->files->Rename(from, job->directory + "/" + name);
  if (!status.ok()) return Refuse(job, OfWrite(std::move(status), parts_->member, kLoadBytes));
  Next(parts_->upkeep_executor, job, &Installer::MoveFile);
}

void Installer::OpenMoved(const JobRef& job) {
  Status status = parts_->files->SyncDirectory(job->directory);
  if (status.ok()) status = AsDamage(OpenEngine(job.get()));
  if (status.ok()) status = AsDamage(job->engine->VerifyFiles());
  if (status.ok()) status = Verify(job.get());
  if (!status.ok()) return Refuse(job, OfWrite(std::move(status), parts_->member, kLoadBytes));
  Next(parts_->upkeep_executor, job, &Installer::Mark);
}

void Installer::LoadPiece(const JobRef& job) {
  std::string piece;
  Status status = job->file->ReadAt(job->offset, kLoadBytes, &piece);
  if (status.ok()) status = AsDamage(job->loader->Feed(piece));
  if (!status.ok()) {
    return Refuse(job, OfWrite(std::move(status), parts_->member, kLoadBytes));
  }
  job->offset += piece.size();
  Next(parts_->upkeep_executor, job,
       piece.empty() ? &Installer::FinishLoading : &Installer::LoadPiece);
}

void Installer::FinishLoading(const JobRef& job) {
  ImageInfo info;
  Status status = AsDamage(job->loader->Finish(&info));
  job->loader.reset();
  if (status.ok() && job->engine->persistent()) status = job->engine->Flush();
  // The memory engine goes on from the file itself.
  if (status.ok() && !job->engine->persistent()) status = job->file->Sync();
  job->file.reset();
  if (status.ok()) status = Verify(job.get());
  if (!status.ok()) {
    return Refuse(job, OfWrite(std::move(status), parts_->member, job->import.size_bytes));
  }
  Next(parts_->upkeep_executor, job, &Installer::Mark);
}

Status Installer::Verify(Job* job) {
  auto store = Store::Open(parts_->store_options, std::move(job->engine), parts_->hub);
  if (!store.ok()) return AsDamage(store.TakeStatus());
  job->store = std::move(*store);
  const ViewRef view = job->store->Pin();
  const uint64_t term = job->store->applied_term();
  if (view->applied_index != job->install.index || term != job->install.term) {
    return Status(Code::kDamaged, "a snapshot of index " + std::to_string(view->applied_index) +
                                      " and term " + std::to_string(term) + " where index " +
                                      std::to_string(job->install.index) + " and term " +
                                      std::to_string(job->install.term) + " were announced");
  }
  const auto current = parts_->stores->With([](const Store& old) { return old.revision(); });
  if (view->revision < current) {
    return Status(Code::kDamaged, "a later snapshot with an earlier revision: another history");
  }
  return Describe(job);
}

Status Installer::Describe(Job* job) const {
  const ViewRef view = job->store->Pin();
  InstalledSnapshot& facts = job->facts;
  facts.applied_index = view->applied_index;
  facts.applied_term = job->store->applied_term();
  facts.revision = view->revision;
  facts.leases = job->store->Leases();
  facts.alarms = job->store->Alarms();
  const auto keep = [&](std::string_view key, std::string_view value) {
    facts.meta.emplace_back(key.substr(apply::kMetaPrefix.size()), value);
    return true;
  };
  return job->store->engine().ScanMeta(*view->snapshot, apply::kMetaPrefix, keep);
}

// ---- From the old state to the new one. ------------------------------------------------------

void Installer::Mark(const JobRef& job) {
  // The new state's own name first: INSTALL must not outlive what it names.
  Status status = parts_->files->SyncDirectory(parts_->member);
  if (status.ok() && job->directory.empty()) {
    status = parts_->files->SyncDirectory(parts_->member + "/" + std::string(kIncomingFolder));
  }
  if (!status.ok()) return Refuse(job, std::move(status));
  status = WriteInstall(parts_->files, parts_->member, job->install);
  if (!status.ok()) {
    const Status removed = RemoveInstall(parts_->files, parts_->member);
    job->marked = !removed.ok();
    return removed.ok() ? Refuse(job, std::move(status)) : Fail(job, std::move(status));
  }
  job->marked = true;
  Next(parts_->upkeep_executor, job, &Installer::Switch);
}

void Installer::Switch(const JobRef& job) {
  Status status = SwitchState(parts_->files, parts_->member, parts_->engine, job->install);
  if (!status.ok()) return Fail(job, std::move(status));
  Next(parts_->apply_executor, job, &Installer::Swap);
}

/// The hub hears of the new store before anybody can read it, so that a watch that a client begins
/// after a read starts no earlier than what it has read. Nor may anybody read it by the permissions
/// of the old one.
void Installer::Swap(const JobRef& job) {
  if (!parts_->applier->AtRest()) {
    return Fail(job, Status(Code::kInternal, "entries were applied during an install"));
  }
  const PendingInstall& install = job->install;
  parts_->hub->Attach(job->store);
  parts_->tables->Expect(job->facts.meta);
  job->replaced = parts_->stores->Set(job->store);
  const auto ended = [this, job](Status status) {
    if (!status.ok()) return Fail(job, std::move(status));
    Next(parts_->upkeep_executor, job, &Installer::Finish);
  };
  parts_->log->Reset(install.index, install.term, [](const Status&) {});
  parts_->log->Append({}, &install.hard_state, true, ended);
  parts_->upkeep->Installed(install.index);
  const Status status = parts_->applier->Replace(job->store.get(), install.index);
  if (!status.ok() && status.code() != Code::kStopped) parts_->on_failure(status);
}

void Installer::Finish(const JobRef& job) {
  Status status = RemoveInstall(parts_->files, parts_->member);
  if (!status.ok()) return Fail(job, std::move(status));
  job->replaced->engine().Abandon();
  if (parts_->tenancy != nullptr) parts_->tenancy->Supersede();
  parts_->tenancy = std::move(job->tenancy);
  job->replaced.reset();  // what reads it still keeps it
  const bool compacts = parts_->stores->With(
      [](const Store& store) { return store.CompactionDone() < store.Pin()->compact_revision; });
  if (compacts) parts_->upkeep->ScheduleCompaction();
  imports_->Release(job->id, true);
  busy_.store(false);
  job->answer(std::move(job->facts));
}

}  // namespace metastore::member::transfer
