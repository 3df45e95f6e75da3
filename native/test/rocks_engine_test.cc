// What only the rocksdb engine promises: state that survives, a durable index that tells the truth
// after a kill, refusal of other formats, and failure after a background error.
#include <rocksdb/db.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>

#include "base/file.h"
#include "test/engine_contract.h"
#include "test/support/rocks.h"

namespace metastore::test {
namespace {

/// Entry number i of a fixed history: what the state at an applied index must be can be told
/// without having kept it.
void Apply(Script* script, int i) {
  script->Next();
  script->Put("counter", std::to_string(i));
  script->Put("key/" + std::to_string(i % 97), std::string(300, static_cast<char>('a' + i % 26)),
              i % 3);
  if (i % 7 == 3) script->Delete("key/" + std::to_string(i % 13));
  script->Meta("applied", std::to_string(i)).Attach(i % 5, "key/" + std::to_string(i % 97));
  script->Commit();
}

TEST(RocksEngine, ReopensWithEverything) {
  TemporaryDirectory directory;
  const RocksOptions options = OptionsFor(directory.path());
  auto engine = MustOpen(options);
  EXPECT_TRUE(engine->persistent());
  EXPECT_EQ(engine->DurableAppliedIndex(), 0u);
  Script script(engine.get());
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 150; ++i) Apply(&script, round * 150 + i);
    if (round == 1) script.Compact(script.revision() - 40).Commit();
    engine.reset();  // closing in good order loses nothing
    engine = MustOpen(options);
    EXPECT_EQ(engine->DurableAppliedIndex(), script.applied());
    script.Reattach(engine.get());
    script.ExpectSame();
  }
}

TEST(RocksEngine, FlushMakesWhatIsCommittedDurable) {
  TemporaryDirectory directory;
  auto engine = MustOpen(OptionsFor(directory.path()));
  Script script(engine.get());
  Apply(&script, 1);
  Apply(&script, 2);
  EXPECT_EQ(engine->DurableAppliedIndex(), 0u);
  ASSERT_TRUE(engine->Flush().ok());
  EXPECT_EQ(engine->DurableAppliedIndex(), 2u);
  Apply(&script, 3);
  EXPECT_EQ(engine->DurableAppliedIndex(), 2u);
  // A batch of no entry moves no index, and a flush of it does not either.
  Batch compaction;
  compaction.meta.push_back(MetaWrite{"x", "y"});
  compaction.revision = script.revision();
  ASSERT_TRUE(engine->Commit(compaction).ok());
  ASSERT_TRUE(engine->Flush().ok());
  EXPECT_EQ(engine->DurableAppliedIndex(), 3u);
  ASSERT_TRUE(engine->Flush().ok());
}

TEST(RocksEngine, FlushesOnItsOwnAndReportsIt) {
  TemporaryDirectory directory;
  auto engine = MustOpen(OptionsFor(directory.path()));
  Script script(engine.get());
  uint64_t before = 0;
  int moved = 0;
  for (int i = 0; i < 20000 && moved < 3; ++i) {
    Apply(&script, i);
    const uint64_t durable = engine->DurableAppliedIndex();
    ASSERT_GE(durable, before);
    ASSERT_LE(durable, script.applied());
    if (durable > before) ++moved;
    before = durable;
  }
  EXPECT_EQ(moved, 3);
}

/// Runs in a process of its own: applies, lets rocksdb flush as it likes, and ends without closing.
/// Says on each step, in a file, what was durable at least.
[[noreturn]] void ApplyAndDie(const std::string& directory, uint64_t seed, int entries) {
  const auto layer = FileLayer::Lossy(seed);
  RocksOptions options = OptionsFor(directory + "/db");
  options.file_layer = layer.get();
  auto engine = MustOpen(options);
  if (engine == nullptr) ::_exit(1);
  Script script(engine.get());
  for (int i = 1; i <= entries; ++i) {
    Apply(&script, i);
    if (i == entries / 2 && !engine->Flush().ok()) ::_exit(2);
  }
  std::ofstream(directory + "/durable") << engine->DurableAppliedIndex() << std::flush;
  ::_exit(7);
}

class RocksKillDeathTest : public testing::TestWithParam<int> {};

TEST_P(RocksKillDeathTest, TheStateIsThatOfTheDurableIndex) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const int seed = GetParam();
  const int entries = 300 + 150 * seed;
  // The child runs this test from the start again: it finds its directory in the environment.
  constexpr const char* kVariable = "METASTORE_TEST_CRASH_DIRECTORY";
  const char* inherited = std::getenv(kVariable);
  TemporaryDirectory own;
  const std::string directory = inherited != nullptr ? inherited : own.path();
  if (inherited == nullptr) ::setenv(kVariable, directory.c_str(), 1);
  EXPECT_EXIT(ApplyAndDie(directory, seed, entries), testing::ExitedWithCode(7), "");
  ::unsetenv(kVariable);
  uint64_t reported = 0;
  std::ifstream(directory + "/durable") >> reported;
  ASSERT_GE(reported, static_cast<uint64_t>(entries / 2));
  auto engine = MustOpen(OptionsFor(directory + "/db"));
  ASSERT_NE(engine, nullptr);
  const uint64_t applied = engine->DurableAppliedIndex();
  EXPECT_GE(applied, reported);
  EXPECT_LE(applied, static_cast<uint64_t>(entries));
  // The model: the same history up to that index.
  const auto other = NewMemoryEngine();
  Script model(other.get());
  for (uint64_t i = 1; i <= applied; ++i) Apply(&model, static_cast<int>(i));
  model.Reattach(engine.get());
  model.ExpectSame();
  // And it goes on from there, as when the log is applied again.
  for (int i = static_cast<int>(applied) + 1; i <= entries; ++i) Apply(&model, i);
  const auto snapshot = model.Pin();
  model.ExpectSameAt(*snapshot, model.revision());
  model.ExpectSameRevisions(*snapshot);
  model.ExpectSameRows(*snapshot);
  model.ExpectSameLookup();
}

INSTANTIATE_TEST_SUITE_P(Seeds, RocksKillDeathTest, testing::Range(1, 6));

TEST(RocksEngine, RefusesAnotherFormat) {
  TemporaryDirectory directory;
  const RocksOptions options = OptionsFor(directory.path());
  MustOpen(options).reset();
  {
    std::vector<std::string> names;
    ASSERT_TRUE(
        rocksdb::DB::ListColumnFamilies(rocksdb::DBOptions(), options.directory, &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const auto& name : names) {
      families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    }
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(
        rocksdb::DB::Open(rocksdb::DBOptions(), options.directory, families, &handles, &db).ok());
    ASSERT_TRUE(db->Put(rocksdb::WriteOptions(), "format", "metastore rocksdb engine 999").ok());
    for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle);
    delete db;
  }
  const auto again = OpenRocksEngine(options);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.status().code(), Code::kWrongFormat);
  EXPECT_NE(again.status().detail().find("999"), std::string_view::npos);
}

TEST(RocksEngine, RefusesAForeignDatabase) {
  TemporaryDirectory directory;
  {
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, directory.path(), &db).ok());
    ASSERT_TRUE(db->Put(rocksdb::WriteOptions(), "someone", "else's").ok());
    rocksdb::ColumnFamilyHandle* other = nullptr;
    ASSERT_TRUE(db->CreateColumnFamily(rocksdb::ColumnFamilyOptions(), "other", &other).ok());
    db->DestroyColumnFamilyHandle(other);
    delete db;
  }
  const auto engine = OpenRocksEngine(OptionsFor(directory.path()));
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.status().code(), Code::kWrongFormat);
}

TEST(RocksEngine, RefusesASecondOpeningAndADamagedManifest) {
  TemporaryDirectory directory;
  const RocksOptions options = OptionsFor(directory.path());
  auto engine = MustOpen(options);
  const auto second = OpenRocksEngine(options);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), Code::kLocked) << second.status().ToString();
  engine.reset();
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    if (entry.path().filename().string().starts_with("MANIFEST")) {
      std::filesystem::resize_file(entry.path(), 0);
      std::ofstream(entry.path(), std::ios::binary) << std::string(200, 'x');
    }
  }
  const auto damaged = OpenRocksEngine(options);
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.status().code(), Code::kDamaged) << damaged.status().ToString();
}

std::vector<std::filesystem::path> TableFiles(const std::string& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".sst") files.push_back(entry.path());
  }
  return files;
}

TEST(RocksEngine, RefusesToOpenWithoutAFile) {
  TemporaryDirectory directory;
  const RocksOptions options = OptionsFor(directory.path());
  auto engine = MustOpen(options);
  Script script(engine.get());
  for (int i = 0; i < 100; ++i) Apply(&script, i);
  engine.reset();
  const auto files = TableFiles(directory.path());
  ASSERT_FALSE(files.empty());
  std::filesystem::remove(files.front());
  const auto again = OpenRocksEngine(options);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.status().code(), Code::kDamaged) << again.status().ToString();
}

TEST(RocksEngine, DamagedBlocksAreAnErrorNotAnAnswer) {
  TemporaryDirectory directory;
  const RocksOptions options = OptionsFor(directory.path());
  auto engine = MustOpen(options);
  Script script(engine.get());
  for (int i = 0; i < 300; ++i) Apply(&script, i);
  engine.reset();
  for (const auto& path : TableFiles(directory.path())) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(40);
    file.write("damage", 6);
  }
  Result<std::unique_ptr<Engine>> again = OpenRocksEngine(options);
  if (!again.ok()) {
    EXPECT_EQ(again.status().code(), Code::kDamaged) << again.status().ToString();
    return;
  }
  const auto snapshot = (*again)->Pin(script.revision());
  KeyRange everything;
  everything.unbounded = true;
  const auto ignore = [](const VersionView&) { return true; };
  EXPECT_EQ((*again)->Scan(*snapshot, everything, script.revision(), false, ignore).code(),
            Code::kDamaged);
  EXPECT_EQ((*again)->ScanRevisions(*snapshot, Revision{0, 0}, INT64_MAX, ignore).code(),
            Code::kDamaged);
}

TEST(RocksEngine, ASnapshotOutlivesTheEngine) {
  TemporaryDirectory directory;
  auto engine = MustOpen(OptionsFor(directory.path()));
  Script script(engine.get());
  Apply(&script, 1);
  EngineSnapshotRef snapshot = script.Pin();
  engine.reset();
  snapshot.reset();
  engine = MustOpen(OptionsFor(directory.path()));
  EXPECT_EQ(engine->DurableAppliedIndex(), 1u);
}

/// Fails syncs of files once told to.
class FailingLayer final : public FileLayer {
 public:
  class FailingFile final : public File {
   public:
    FailingFile(std::unique_ptr<File> file, const std::atomic<bool>* failing)
        : file_(std::move(file)), failing_(failing) {}
    Status WriteAt(uint64_t offset, std::string_view data) override {
      return file_->WriteAt(offset, data);
    }
    Status ReadAt(uint64_t offset, size_t length, std::string* out) override {
      return file_->ReadAt(offset, length, out);
    }
    Status Sync() override {
      return failing_->load() ? Status(Code::kIo, "sync was made to fail") : file_->Sync();
    }
    Status Allocate(uint64_t size_bytes) override { return file_->Allocate(size_bytes); }
    Status Truncate(uint64_t size_bytes) override { return file_->Truncate(size_bytes); }
    Result<uint64_t> Size() override { return file_->Size(); }

   private:
    std::unique_ptr<File> file_;
    const std::atomic<bool>* failing_;
  };

  Result<std::unique_ptr<File>> Open(const std::string& path, bool create) override {
    Result<std::unique_ptr<File>> file = Posix()->Open(path, create);
    if (!file.ok()) return file;
    return std::unique_ptr<File>(std::make_unique<FailingFile>(std::move(*file), &failing));
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return Posix()->Rename(from, to);
  }
  Status Remove(const std::string& path) override { return Posix()->Remove(path); }
  Status SyncDirectory(const std::string& path) override { return Posix()->SyncDirectory(path); }
  Result<std::vector<std::string>> List(const std::string& path) override {
    return Posix()->List(path);
  }
  Status MakeDirectory(const std::string& path) override { return Posix()->MakeDirectory(path); }

  std::atomic<bool> failing{false};
};

TEST(RocksEngine, AFailedFlushEndsCommits) {
  TemporaryDirectory directory;
  FailingLayer layer;
  RocksOptions options = OptionsFor(directory.path());
  options.file_layer = &layer;
  auto engine = MustOpen(options);
  Script script(engine.get());
  Apply(&script, 1);
  ASSERT_TRUE(engine->Flush().ok());
  Apply(&script, 2);
  layer.failing = true;
  EXPECT_EQ(engine->Flush().code(), Code::kIo);
  EXPECT_EQ(engine->DurableAppliedIndex(), 1u);
  // The disk is well again, the engine stays closed for writes.
  layer.failing = false;
  Batch batch;
  batch.meta.push_back(MetaWrite{"a", "b"});
  batch.applied_index = 3;
  const Status refused = engine->Commit(batch);
  EXPECT_EQ(refused.code(), Code::kIo);
  EXPECT_NE(refused.detail().find("sync was made to fail"), std::string_view::npos)
      << refused.ToString();
  EXPECT_EQ(engine->Flush().code(), Code::kIo);
}

TEST(RocksEngine, AFailureInTheBackgroundIsNoticedByCommit) {
  TemporaryDirectory directory;
  FailingLayer layer;
  RocksOptions options = OptionsFor(directory.path());
  options.file_layer = &layer;
  auto engine = MustOpen(options);
  Script script(engine.get());
  layer.failing = true;
  Status status;
  for (int i = 1; i < 20000 && status.ok(); ++i) {
    Batch batch;
    batch.meta.push_back(MetaWrite{"row", std::string(1000, 'x')});
    batch.applied_index = static_cast<uint64_t>(i);
    status = engine->Commit(batch);
  }
  EXPECT_EQ(status.code(), Code::kIo) << status.ToString();
  EXPECT_EQ(engine->DurableAppliedIndex(), 0u);
}

}  // namespace
}  // namespace metastore::test
