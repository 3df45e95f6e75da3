// Disks that fail: full, or unable to sync. The first failure is everybody's, nothing is reported
// durable after it, and what was durable before it is still there at the next start.
#include <atomic>

#include "base/executor.h"
#include "test/support/wal_support.h"

namespace metastore::wal {
namespace {

/// Passes through until told otherwise.
struct Faults {
  std::atomic<uint64_t> bytes_left = UINT64_MAX;  // writes beyond fail, after a part was written
  std::atomic<uint64_t> syncs_left = UINT64_MAX;  // each of the syncs after fails once
  std::atomic<bool> allocate_fails = false;
  std::atomic<uint64_t> syncs = 0;
};

class FaultyFile final : public File {
 public:
  FaultyFile(std::unique_ptr<File> file, Faults* faults)
      : file_(std::move(file)), faults_(faults) {}
  Status WriteAt(uint64_t offset, std::string_view data) override {
    const uint64_t left = faults_->bytes_left;
    if (data.size() > left) {
      (void)file_->WriteAt(offset, data.substr(0, left)).ok();
      faults_->bytes_left = 0;
      return Status(Code::kIo, "write: No space left on device");
    }
    if (left != UINT64_MAX) faults_->bytes_left -= data.size();
    return file_->WriteAt(offset, data);
  }
  Status ReadAt(uint64_t offset, size_t length, std::string* out) override {
    return file_->ReadAt(offset, length, out);
  }
  Status Sync() override {
    ++faults_->syncs;
    if (faults_->syncs_left == 0) {
      // As Linux does: told once, then the pages count as clean.
      faults_->syncs_left = UINT64_MAX;
      return Status(Code::kIo, "fdatasync: Input/output error");
    }
    if (faults_->syncs_left != UINT64_MAX) --faults_->syncs_left;
    return file_->Sync();
  }
  Status Allocate(uint64_t size_bytes) override {
    if (faults_->allocate_fails) return Status(Code::kIo, "allocate: No space left on device");
    return file_->Allocate(size_bytes);
  }
  Status Truncate(uint64_t size_bytes) override { return file_->Truncate(size_bytes); }
  Result<uint64_t> Size() override { return file_->Size(); }

 private:
  std::unique_ptr<File> file_;
  Faults* faults_;
};

class FaultyLayer final : public FileLayer {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, bool create) override {
    auto file = Posix()->Open(path, create);
    if (!file.ok()) return file;
    return std::unique_ptr<File>(std::make_unique<FaultyFile>(std::move(*file), &faults));
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

  Faults faults;
};

constexpr auto kTermOne = [](uint64_t) -> uint64_t { return 1; };

void ExpectStartsWith(const WalOptions& options, uint64_t durable, uint64_t written) {
  WalOptions sound = options;
  sound.files = nullptr;
  Recovered recovered;
  auto wal = MustOpen(sound, &recovered);
  ASSERT_NE(wal, nullptr);
  EXPECT_GE(recovered.last_index, durable);
  EXPECT_LE(recovered.last_index, written);
  ASSERT_NO_FATAL_FAILURE(ExpectEntries(wal.get(), 1, recovered.last_index, 100, kTermOne));
  ASSERT_TRUE(wal->Close().ok());
}

TEST(WalFault, AFullDiskEndsTheLog) {
  for (uint64_t bytes = 0; bytes < 3000; bytes += 37) {
    TemporaryDirectory directory(TemporaryDirectory::kMemory);
    FaultyLayer files;
    WalOptions options = OptionsFor(directory.path(), 1024);
    options.files = &files;
    Recovered recovered;
    auto wal = MustOpen(options, &recovered);
    ASSERT_NE(wal, nullptr);
    ASSERT_TRUE(AppendNow(wal.get(), MakeEntries(1, 1, 1, 100)).ok());
    files.faults.bytes_left = bytes;
    uint64_t durable = 1;
    bool failed = false;
    for (uint64_t index = 2; index <= 40; ++index) {
      const Status status = AppendNow(wal.get(), MakeEntries(index, index, 1, 100));
      if (status.ok()) {
        ASSERT_FALSE(failed) << "nothing is durable after a failure";
        durable = index;
      } else {
        EXPECT_EQ(status.code(), Code::kIo);
        EXPECT_NE(status.detail().find("No space left"), std::string::npos);
        failed = true;
      }
      // The space comes back, too late.
      if (index == 30) files.faults.bytes_left = UINT64_MAX;
    }
    ASSERT_TRUE(failed);
    EXPECT_EQ(wal->Close().code(), Code::kIo);
    wal.reset();
    ASSERT_NO_FATAL_FAILURE(ExpectStartsWith(options, durable, 40)) << bytes;
  }
}

TEST(WalFault, AFailedSyncIsNotRetried) {
  for (uint64_t syncs = 0; syncs < 12; ++syncs) {
    TemporaryDirectory directory(TemporaryDirectory::kMemory);
    FaultyLayer files;
    WalOptions options = OptionsFor(directory.path(), 1024);
    options.files = &files;
    Recovered recovered;
    auto wal = MustOpen(options, &recovered);
    ASSERT_NE(wal, nullptr);
    files.faults.syncs_left = syncs;
    uint64_t durable = 0;
    uint64_t after = 0;
    for (uint64_t index = 1; index <= 20; ++index) {
      const Status status = AppendNow(wal.get(), MakeEntries(index, index, 1, 100));
      if (status.ok()) {
        ASSERT_EQ(after, 0u) << "a later sync says nothing about lost pages";
        durable = index;
      } else {
        EXPECT_NE(status.detail().find("fdatasync"), std::string::npos);
        if (after++ == 0) files.faults.syncs = 0;
      }
    }
    ASSERT_GT(after, 0u);
    EXPECT_EQ(files.faults.syncs, 0u);
    Waiter waiter;
    wal->Truncate(durable, 1, waiter.Done());
    EXPECT_EQ(waiter.Wait().code(), Code::kIo);
    EXPECT_EQ(wal->Close().code(), Code::kIo);
    wal.reset();
    ASSERT_NO_FATAL_FAILURE(ExpectStartsWith(options, durable, 20));
  }
}

TEST(WalFault, AFailedRotationEndsTheLog) {
  TemporaryDirectory directory(TemporaryDirectory::kMemory);
  FaultyLayer files;
  WalOptions options = OptionsFor(directory.path(), 1024);
  options.files = &files;
  Recovered recovered;
  auto wal = MustOpen(options, &recovered);
  ASSERT_NE(wal, nullptr);
  files.faults.allocate_fails = true;
  uint64_t durable = 0;
  Status status;
  for (uint64_t index = 1; index <= 20 && status.ok(); ++index) {
    status = AppendNow(wal.get(), MakeEntries(index, index, 1, 100));
    if (status.ok()) durable = index;
  }
  EXPECT_EQ(status.code(), Code::kIo);
  EXPECT_GT(durable, 1u);
  wal.reset();
  ASSERT_NO_FATAL_FAILURE(ExpectStartsWith(options, durable, durable));
  // Creating a log on a full disk fails, and leaves nothing that a later start would stumble over.
  const WalOptions sound = OptionsFor(directory.path() + "/new", 1024);
  options = sound;
  options.files = &files;
  EXPECT_EQ(Wal::Open(options, kIdentity, &recovered).status().code(), Code::kIo);
  wal = MustOpen(sound, &recovered);
  ASSERT_NE(wal, nullptr);
  EXPECT_TRUE(recovered.created);
  EXPECT_TRUE(wal->Close().ok());
}

TEST(WalFault, EveryQueuedOperationGetsTheFailure) {
  TemporaryDirectory directory(TemporaryDirectory::kMemory);
  FaultyLayer files;
  ManualExecutor executor;
  WalOptions options = OptionsFor(directory.path());
  options.files = &files;
  options.executor = &executor;
  Recovered recovered;
  auto wal = MustOpen(options, &recovered);
  ASSERT_NE(wal, nullptr);
  std::vector<Code> codes;
  const auto done = [&](Status status) { codes.push_back(status.code()); };
  wal->Append(MakeEntries(1, 1, 1, 100), nullptr, true, done);
  ASSERT_TRUE(executor.Step());  // written
  wal->Append(MakeEntries(2, 2, 1, 100), nullptr, true, done);
  wal->Append(MakeEntries(3, 3, 1, 100), nullptr, false, done);
  wal->Reset(5, 2, done);
  files.faults.syncs_left = 0;
  while (executor.Step()) {
  }
  EXPECT_EQ(codes, std::vector<Code>(4, Code::kIo));
}

TEST(WalFault, AnExecutorThatStoppedLeavesItsWorkToClose) {
  TemporaryDirectory directory(TemporaryDirectory::kMemory);
  ThreadExecutor executor("shared");
  WalOptions options = OptionsFor(directory.path());
  options.executor = &executor;
  Recovered recovered;
  auto wal = MustOpen(options, &recovered);
  ASSERT_NE(wal, nullptr);
  Waiter waiter;
  for (uint64_t index = 1; index <= 200; ++index) {
    wal->Append(MakeEntries(index, index, 1, 100), nullptr, true, waiter.Done());
    if (index == 100) executor.Stop();
  }
  ASSERT_TRUE(wal->Close().ok());
  ASSERT_TRUE(waiter.Wait(200).ok());
  wal.reset();
  ASSERT_NO_FATAL_FAILURE(ExpectStartsWith(options, 200, 200));
}

TEST(WalFault, DroppedWithoutCloseIsACrash) {
  TemporaryDirectory directory(TemporaryDirectory::kMemory);
  ThreadExecutor executor("outlives");
  WalOptions options = OptionsFor(directory.path());
  options.executor = &executor;
  Recovered recovered;
  for (int round = 0; round < 50; ++round) {
    auto wal = MustOpen(options, &recovered);
    ASSERT_NE(wal, nullptr);
    std::atomic<bool> gone = false;
    for (int n = 0; n < 10; ++n) {
      const uint64_t next = wal->last_index() + 1;
      wal->Append(MakeEntries(next, next, 1, 100), nullptr, true,
                  [&](Status) { ASSERT_FALSE(gone) << "no report after the log is gone"; });
    }
    wal.reset();
    gone = true;
    Waiter drained;
    executor.Post([done = drained.Done()] { done(Status::Ok()); });
    ASSERT_TRUE(drained.Wait().ok());
  }
}

}  // namespace
}  // namespace metastore::wal
