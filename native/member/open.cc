// Opening of core.h: directory, log, engine, store, then the checks between them.
//
// Nothing is repaired here but the log's torn tail: state ahead of the log, or a log cut ahead of
// the state, means lost files, and serving would lose acknowledged data silently.
#include <chrono>
#include <string>
#include <utility>

#include "member/core.h"
#include "member/work/watch_sink.h"
#include "mvcc/image.h"

namespace metastore::member {
namespace {

constexpr size_t kOwnReaders = 2;

uint64_t UnixMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

Result<std::unique_ptr<wal::Wal>> OpenLog(const MemberOptions& options, FileLayer* files,
                                          const std::string& directory, Metrics* metrics,
                                          wal::Recovered* recovered) {
  wal::WalOptions log;
  log.directory = directory;
  log.segment_bytes = options.wal_segment_bytes;
  log.cache_bytes = options.wal_cache_bytes;
  log.unsafe_no_fsync = options.unsafe_no_fsync;
  log.files = files;
  log.executor = options.executors.log;
  log.metrics = metrics;
  return wal::Wal::Open(log, options.identity, recovered);
}

Status CheckAgainstLog(const wal::Recovered& log, const std::string& log_dir,
                       const std::string& state_dir, uint64_t applied) {
  if (applied > log.last_index) {
    return Status(Code::kDamaged, "state in " + state_dir + " holds applied index " +
                                      std::to_string(applied) + ", but the log in " + log_dir +
                                      " ends at index " + std::to_string(log.last_index));
  }
  if (applied < log.start_index) {
    return Status(Code::kDamaged, "state in " + state_dir + " holds applied index " +
                                      std::to_string(applied) + ", but the log in " + log_dir +
                                      " starts behind index " + std::to_string(log.start_index));
  }
  return Status::Ok();
}

Status ReadMeta(Engine& engine, const EngineSnapshot& snapshot, RecoveredState* recovered) {
  return engine.ScanMeta(
      snapshot, apply::kMetaPrefix, [&](std::string_view key, std::string_view value) {
        recovered->meta.emplace_back(key.substr(apply::kMetaPrefix.size()), value);
        return true;
      });
}

}  // namespace

MemberCore::MemberCore(const MemberOptions& options, std::unique_ptr<Metrics> metrics,
                       std::function<void()> wake, uint64_t member_id, uint64_t start_ms)
    : files_(options.files != nullptr ? options.files : FileLayer::Posix()),
      metrics_(std::move(metrics)),
      queue_limits_(options.queue),
      completions_(std::move(wake), metrics_.get()),
      ids_(member_id, start_ms),
      proposals_(options.queue, &tickets_, metrics_.get()),
      reads_(options.queue),
      watch_sink_(std::make_unique<WatchSink>(&completions_)) {}

Result<std::unique_ptr<MemberCore>> MemberCore::Open(const MemberOptions& options,
                                                     std::function<void()> wake,
                                                     RecoveredState* recovered) {
  const auto begin = std::chrono::steady_clock::now();
  std::unique_ptr<SteppedExecutors> stepped;
  if (options.stepped) stepped = std::make_unique<SteppedExecutors>();
  const MemberOptions adapted = stepped ? stepped->Adapt(options) : options;
  auto core = OpenOn(adapted, std::move(stepped), std::move(wake), recovered);
  const auto elapsed = std::chrono::steady_clock::now() - begin;
  recovered->open_ms = std::chrono::duration<double, std::milli>(elapsed).count();
  return core;
}

Result<std::unique_ptr<MemberCore>> MemberCore::OpenOn(const MemberOptions& options,
                                                       std::unique_ptr<SteppedExecutors> stepped,
                                                       std::function<void()> wake,
                                                       RecoveredState* recovered) {
  FileLayer* files = options.files != nullptr ? options.files : FileLayer::Posix();
  auto directory = OpenDataDirectory(options, files);
  if (!directory.ok()) return directory.TakeStatus();
  wal::Recovered log_state;
  auto metrics = std::make_unique<Metrics>();
  const std::string log_dir = directory->wal;
  auto log = OpenLogBehindInstall(
      &*directory, files,
      [&](wal::Recovered* found) { return OpenLog(options, files, log_dir, metrics.get(), found); },
      &log_state);
  if (!log.ok()) return log.TakeStatus();
  const uint64_t start_ms =
      stepped ? SteppedStartMs(options.data_dir, log_state.created) : UnixMs();
  std::unique_ptr<MemberCore> core(new MemberCore(options, std::move(metrics), std::move(wake),
                                                  log_state.identity.member_id, start_ms));
  core->stepped_ = std::move(stepped);
  // Nobody drains while a task runs, so none may wait for it.
  if (core->stepped_) core->completions_.Open();
  core->directory_ = std::move(*directory);
  core->log_ = std::move(*log);
  // In a stepped core real time must not be seen.
  if (!core->stepped_)
    core->log_->OnSlowSync([core = core.get()](double seconds) { core->TellSlowSync(seconds); });
  uint64_t image_index = 0;
  METASTORE_RETURN_IF_ERROR(OpenStore(options, core.get(), &image_index));
  METASTORE_RETURN_IF_ERROR(FillRecovered(log_state, core.get(), recovered));
  core->Start(options, *recovered, image_index);
  return core;
}

Status MemberCore::OpenStore(const MemberOptions& options, MemberCore* core,
                             uint64_t* image_index) {
  std::unique_ptr<Engine> engine;
  if (options.engine == EngineKind::kMemory) {
    engine = NewMemoryEngine();
    auto loaded = LoadNewestImage(core->files_, core->directory_.engine, engine.get());
    if (!loaded.ok()) return loaded.TakeStatus();
    if (loaded->has_value()) *image_index = (*loaded)->applied_index;
  } else {
#ifdef METASTORE_ROCKSDB
    RocksOptions rocks = options.rocks;
    rocks.directory = core->directory_.engine;
    rocks.file_layer = options.files;
    core->tenancy_ = std::make_shared<Tenancy>(core->files_, rocks.directory);
    rocks.tenant = core->tenancy_;
    auto opened = OpenRocksEngine(rocks);
    if (!opened.ok()) return opened.TakeStatus();
    engine = std::move(*opened);
#else
    return Status(Code::kWrongFormat, "this build has no rocksdb engine");
#endif
  }
  watch::HubOptions hub;
  hub.progress_notify_ms = options.watch_progress_notify_ms;
  hub.fragment_bytes = static_cast<uint64_t>(options.limits.max_request_bytes) + (512u << 10);
  hub.executor = options.executors.watch;
  hub.tables = &core->tables_;
  hub.metrics = core->metrics_.get();
  core->hub_ = watch::WatchHub::Create(hub, core->watch_sink_.get());
  StoreOptions store_options = options.store;
  store_options.metrics = core->metrics_.get();
  auto store = Store::Open(store_options, std::move(engine), core->hub_.get());
  if (!store.ok()) return store.TakeStatus();
  core->stores_.Set(std::move(*store));
  core->hub_->Attach(core->stores_.Get());
  return Status::Ok();
}

Status MemberCore::FillRecovered(const wal::Recovered& log, MemberCore* core,
                                 RecoveredState* recovered) {
  const std::shared_ptr<Store> store = core->stores_.Get();
  const ViewRef view = store->Pin();
  const uint64_t applied = view->applied_index;
  METASTORE_RETURN_IF_ERROR(
      CheckAgainstLog(log, core->directory_.wal, core->directory_.engine, applied));
  *recovered = RecoveredState();
  recovered->created = log.created;
  recovered->identity = log.identity;
  recovered->hard_state = log.hard_state;
  if (recovered->hard_state.commit < applied) recovered->hard_state.commit = applied;
  recovered->start_index = log.start_index;
  recovered->start_term = log.start_term;
  recovered->last_index = log.last_index;
  recovered->torn_bytes = log.torn_bytes;
  recovered->applied_index = applied;
  recovered->applied_term = store->applied_term();
  if (recovered->hard_state.commit > log.last_index) {
    return Status(Code::kDamaged, "log in " + core->directory_.wal + " names commit index " +
                                      std::to_string(recovered->hard_state.commit) +
                                      " but ends at index " + std::to_string(log.last_index));
  }
  recovered->revision = view->revision;
  recovered->leases = store->Leases();
  recovered->alarms = store->Alarms();
  METASTORE_RETURN_IF_ERROR(ReadMeta(store->engine(), *view->snapshot, recovered));
  core->tables_.Expect(recovered->meta);
  return Status::Ok();
}

Executor* MemberCore::Own(Executor* given, const std::string& name) {
  if (given != nullptr) return given;
  own_executors_.push_back(std::make_unique<ThreadExecutor>(name));
  return own_executors_.back().get();
}

void MemberCore::Start(const MemberOptions& options, const RecoveredState& recovered,
                       uint64_t image_index) {
  const auto on_failure = [this](const Status& status) { OnFailure(status); };
  admission_ = std::make_unique<intake::Admission>(options.limits, &stores_, &ids_, &tables_);
  apply_executor_ = std::make_unique<SharedExecutor>(Own(options.executors.apply, "apply"));
  upkeep_executor_ = Own(options.executors.upkeep, "upkeep");
  read_executors_ = options.executors.readers;
  for (size_t i = 0; options.executors.readers.empty() && i < kOwnReaders; ++i) {
    read_executors_.push_back(Own(nullptr, "read-" + std::to_string(i)));
  }
  const apply::MeterOptions meter{metrics_.get(), options.slow_apply_ms / 1000};
  meter_ = meter;
  readers_ = std::make_unique<Readers>(&stores_, &tables_, log_.get(), &header_, &completions_,
                                       read_executors_, on_failure, meter);
  apply::ApplierParts parts;
  parts.log = log_.get();
  const std::shared_ptr<Store> store = stores_.Get();
  parts.store = store.get();
  parts.tickets = &tickets_;
  parts.completions = &completions_;
  parts.header = &header_;
  parts.tables = &tables_;
  parts.executor = apply_executor_.get();
  parts.on_applied = [this](uint64_t index) {
    grant_->Applied();
    readers_->Serve(reads_.TakeReady(index));
  };
  parts.on_compacted = [this] { upkeep_->ScheduleCompaction(); };
  parts.on_failure = on_failure;
  apply::ApplierOptions applier = options.applier;
  applier.meter = meter;
  applier_ = std::make_unique<apply::Applier>(applier, std::move(parts), recovered.applied_index);
  GrantParts grant;
  grant.proposals = &proposals_;
  grant.log = log_.get();
  grant.applier = applier_.get();
  grant.completions = &completions_;
  grant.metrics = metrics_.get();
  grant.committed = [this](uint64_t index) { SetCommitted(index); };
  grant.on_failure = on_failure;
  grant_ = std::make_unique<Grant>(std::move(grant));
  UpkeepParts upkeep;
  upkeep.stores = &stores_;
  upkeep.applier = applier_.get();
  upkeep.completions = &completions_;
  upkeep.files = files_;
  upkeep.executor = upkeep_executor_;
  upkeep.image_dir = directory_.engine;
  upkeep.compaction_sleep_ms = options.store.compaction_sleep_ms;
  upkeep.metrics = metrics_.get();
  upkeep.on_failure = on_failure;
  upkeep_ = std::make_unique<Upkeep>(std::move(upkeep), image_index);
  StartTransfers(options);
  // A compaction that the last run did not finish goes on.
  if (store->CompactionDone() < store->Pin()->compact_revision) upkeep_->ScheduleCompaction();
}

void MemberCore::StartTransfers(const MemberOptions& options) {
  transfer::TransferParts parts;
  parts.files = files_;
  parts.member = directory_.member;
  parts.engine = options.engine;
  parts.store_options = options.store;
  parts.store_options.metrics = metrics_.get();
  parts.rocks = options.rocks;
  parts.rocks.file_layer = options.files;
  parts.tenancy = std::move(tenancy_);
  parts.stores = &stores_;
  parts.tables = &tables_;
  parts.hub = hub_.get();
  parts.log = log_.get();
  parts.applier = applier_.get();
  parts.upkeep = upkeep_.get();
  parts.committed = &committed_;
  parts.apply_executor = apply_executor_.get();
  parts.upkeep_executor = upkeep_executor_;
  parts.readers = read_executors_;
  parts.on_failure = [this](const Status& status) { OnFailure(status); };
  transfers_ = std::make_unique<transfer::Transfers>(std::move(parts));
  backups_ = std::make_unique<backup::Backups>(
      backup::BackupParts{&stores_, upkeep_executor_, read_executors_});
}

}  // namespace metastore::member
