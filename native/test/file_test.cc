// The file layers and the directory lock.
#include "base/file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "test/support/wal_support.h"

namespace metastore {
namespace {

using wal::TemporaryDirectory;

std::string ReadAll(File* file) {
  std::string bytes;
  EXPECT_TRUE(file->ReadAt(0, 1 << 20, &bytes).ok());
  return bytes;
}

/// What every layer must do as long as nothing crashes.
void ExpectFileBehaviour(FileLayer* layer, const std::string& directory) {
  ASSERT_TRUE(layer->MakeDirectory(directory + "/x/y").ok());
  ASSERT_TRUE(layer->MakeDirectory(directory + "/x/y").ok()) << "making it again is no error";
  const std::string path = directory + "/x/y/file";
  EXPECT_EQ(layer->Open(path, false).status().code(), Code::kIo);
  EXPECT_NE(layer->Open(path, false).status().detail().find(path), std::string::npos);
  auto file = layer->Open(path, true);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  EXPECT_EQ(*(*file)->Size(), 0u);
  ASSERT_TRUE((*file)->WriteAt(3, "abc").ok());
  ASSERT_TRUE((*file)->WriteAt(3, "").ok());
  EXPECT_EQ(ReadAll(file->get()), std::string("\0\0\0abc", 6));
  ASSERT_TRUE((*file)->WriteAt(0, "12345").ok());
  EXPECT_EQ(ReadAll(file->get()), "12345c");
  std::string bytes;
  ASSERT_TRUE((*file)->ReadAt(4, 10, &bytes).ok());
  EXPECT_EQ(bytes, "5c");
  ASSERT_TRUE((*file)->ReadAt(6, 10, &bytes).ok());
  EXPECT_EQ(bytes, "");
  ASSERT_TRUE((*file)->ReadAt(1000, 10, &bytes).ok());
  EXPECT_EQ(bytes, "");

  ASSERT_TRUE((*file)->Allocate(4).ok()) << "never shrinks";
  EXPECT_EQ(*(*file)->Size(), 6u);
  ASSERT_TRUE((*file)->Allocate(10000).ok());
  EXPECT_EQ(*(*file)->Size(), 10000u);
  EXPECT_EQ(ReadAll(file->get()), "12345c" + std::string(9994, '\0'));
  ASSERT_TRUE((*file)->Truncate(2).ok());
  ASSERT_TRUE((*file)->Allocate(4).ok());
  EXPECT_EQ(ReadAll(file->get()), std::string("12\0\0", 4)) << "cut bytes do not come back";
  ASSERT_TRUE((*file)->Sync().ok());
  EXPECT_EQ(ReadAll(file->get()), std::string("12\0\0", 4));

  // A second handle sees the same; the content outlives the handles, the name and a rename.
  auto second = layer->Open(path, false);
  ASSERT_TRUE(second.ok());
  ASSERT_TRUE((*second)->WriteAt(0, "xy").ok());
  EXPECT_EQ(ReadAll(file->get()).substr(0, 2), "xy");
  file->reset();
  second->reset();
  ASSERT_TRUE(layer->Rename(path, path + "2").ok());
  EXPECT_FALSE(layer->Open(path, false).ok());
  EXPECT_FALSE(layer->Rename(path, path + "3").ok());
  ASSERT_TRUE(layer->Open(directory + "/x/y/a", true).ok());
  auto names = layer->List(directory + "/x/y");
  ASSERT_TRUE(names.ok());
  EXPECT_EQ(*names, (std::vector<std::string>{"a", "file2"}));
  file = layer->Open(path + "2", true);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(ReadAll(file->get()), std::string("xy\0\0", 4));
  ASSERT_TRUE(layer->Remove(path + "2").ok());
  EXPECT_EQ(ReadAll(file->get()), std::string("xy\0\0", 4)) << "open handles still read";
  EXPECT_FALSE(layer->Remove(path + "2").ok());
  ASSERT_TRUE(layer->Rename(directory + "/x/y/a", directory + "/x/y/b").ok());
  ASSERT_TRUE(layer->SyncDirectory(directory + "/x/y").ok());
  EXPECT_EQ(*layer->List(directory + "/x/y"), (std::vector<std::string>{"b"}));
  EXPECT_EQ(layer->List(directory + "/none").status().code(), Code::kIo);
}

TEST(File, PosixBehaviour) {
  TemporaryDirectory directory;
  ExpectFileBehaviour(FileLayer::Posix(), directory.path());
}

TEST(File, LossyBehaviourIsTheSameWithoutACrash) {
  for (uint64_t seed = 0; seed < wal::Rounds(100); ++seed) {
    TemporaryDirectory directory(TemporaryDirectory::kMemory);
    auto layer = FileLayer::Lossy(seed);
    ASSERT_NO_FATAL_FAILURE(ExpectFileBehaviour(layer.get(), directory.path())) << seed;
  }
}

TEST(File, PosixIsPrivateAndTellsErrors) {
  TemporaryDirectory directory;
  FileLayer* layer = FileLayer::Posix();
  ASSERT_TRUE(layer->MakeDirectory(directory.path() + "/d").ok());
  ASSERT_TRUE(layer->Open(directory.path() + "/d/f", true).ok());
  struct stat info;
  ASSERT_EQ(::stat((directory.path() + "/d").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  ASSERT_EQ(::stat((directory.path() + "/d/f").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777 & ~0600u, 0u);
  const Status status = layer->MakeDirectory(directory.path() + "/d/f/g");
  EXPECT_EQ(status.code(), Code::kIo);
  EXPECT_EQ(status.detail(), "make directory " + directory.path() + "/d/f: File exists");
}

#ifdef RLIMIT_FSIZE
TEST(File, PosixTellsAFullDisk) {
  TemporaryDirectory directory;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto file = FileLayer::Posix()->Open(directory.path() + "/f", true);
    const bool written = (*file)->WriteAt(0, std::string(4096, 'x')).ok();
    const Status beyond = (*file)->WriteAt(4000, std::string(200, 'x'));
    const Status allocated = (*file)->Allocate(100000);
    ::_exit(written && beyond.code() == Code::kIo && !beyond.detail().empty() &&
                    allocated.code() == Code::kIo
                ? 0
                : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}
#endif

TEST(File, LossyLosesWhatWasNotSynced) {
  uint64_t lost = 0;
  uint64_t torn = 0;
  uint64_t kept = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    TemporaryDirectory directory(TemporaryDirectory::kMemory);
    const std::string path = directory.path() + "/f";
    {
      auto layer = FileLayer::Lossy(seed);
      auto file = layer->Open(path, true);
      ASSERT_TRUE(file.ok());
      ASSERT_TRUE((*file)->WriteAt(0, std::string(4096, 'a')).ok());
      ASSERT_TRUE((*file)->Sync().ok());
      ASSERT_TRUE(layer->SyncDirectory(directory.path()).ok());
      ASSERT_TRUE((*file)->WriteAt(0, std::string(4096, 'b')).ok());
    }
    auto file = FileLayer::Posix()->Open(path, false);
    ASSERT_TRUE(file.ok()) << "a synced file with a synced name is there";
    const std::string bytes = ReadAll(file->get());
    ASSERT_EQ(bytes.size(), 4096u);
    ASSERT_EQ(bytes.find_first_not_of("ab"), std::string::npos);
    const bool none = bytes.find('b') == std::string::npos;
    const bool all = bytes.find('a') == std::string::npos;
    ++(none ? lost : all ? kept : torn);
  }
  EXPECT_GT(lost, 50u);
  EXPECT_GT(torn, 50u);
  EXPECT_GT(kept, 10u);
}

TEST(File, LossyLosesNamesThatWereNotSynced) {
  uint64_t created = 0;
  uint64_t removed = 0;
  uint64_t renamed = 0;
  constexpr uint64_t kSeeds = 200;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    TemporaryDirectory directory(TemporaryDirectory::kMemory);
    const auto exists = [&](const char* name) {
      return std::filesystem::exists(directory.path() + "/" + name);
    };
    {
      auto layer = FileLayer::Lossy(seed);
      ASSERT_TRUE(layer->Open(directory.path() + "/old", true).ok());
      ASSERT_TRUE(layer->Open(directory.path() + "/from", true).ok());
      ASSERT_TRUE(layer->SyncDirectory(directory.path()).ok());
      ASSERT_TRUE(exists("old") && exists("from"));
      ASSERT_TRUE(layer->Open(directory.path() + "/new", true).ok());
      ASSERT_TRUE(layer->Remove(directory.path() + "/old").ok());
      ASSERT_TRUE(layer->Rename(directory.path() + "/from", directory.path() + "/to").ok());
      EXPECT_EQ(*layer->List(directory.path()), (std::vector<std::string>{"new", "to"}));
    }
    created += exists("new");
    removed += !exists("old");
    renamed += exists("to");
    EXPECT_NE(exists("to"), exists("from"));
  }
  for (const uint64_t count : {created, removed, renamed}) {
    EXPECT_GT(count, kSeeds / 20);
    EXPECT_LT(count, kSeeds - kSeeds / 20);
  }
}

TEST(LossyFile, AFrozenLayerReachesTheDiskNoMore) {
  constexpr uint64_t kSeeds = 50;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    TemporaryDirectory directory;
    const std::string path = directory.path() + "/file";
    const auto layer = FileLayer::Lossy(seed);
    auto file = layer->Open(path, true);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->WriteAt(0, "durable").ok());
    ASSERT_TRUE((*file)->Sync().ok());
    ASSERT_TRUE(layer->SyncDirectory(directory.path()).ok());
    layer->Freeze();
    // Its users notice nothing: they read what they have written, and are told that it is synced.
    ASSERT_TRUE((*file)->WriteAt(0, "changed, and longer").ok());
    ASSERT_TRUE((*file)->Sync().ok());
    EXPECT_EQ(ReadAll(file->get()), "changed, and longer");
    ASSERT_TRUE((*file)->Truncate(3).ok());
    ASSERT_TRUE(layer->Open(directory.path() + "/new", true).ok());
    ASSERT_TRUE(layer->Rename(path, directory.path() + "/moved").ok());
    ASSERT_TRUE(layer->SyncDirectory(directory.path()).ok());
    EXPECT_EQ(*layer->List(directory.path()), (std::vector<std::string>{"moved", "new"}));
    ASSERT_TRUE(layer->Remove(directory.path() + "/moved").ok());
    ASSERT_TRUE(layer->SyncDirectory(directory.path()).ok());
    auto found = FileLayer::Posix()->Open(path, false);
    ASSERT_TRUE(found.ok()) << "seed " << seed;
    EXPECT_EQ(ReadAll(found->get()), "durable") << "seed " << seed;
    EXPECT_FALSE(FileLayer::Posix()->Open(directory.path() + "/new", false).ok());
  }
}

TEST(File, DirectoryLockRefusesASecondHolder) {
  TemporaryDirectory directory;
  auto lock = DirectoryLock::Acquire(directory.path());
  ASSERT_TRUE(lock.ok()) << lock.status().ToString();
  auto second = DirectoryLock::Acquire(directory.path());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), Code::kLocked);
  EXPECT_NE(second.status().detail().find(directory.path()), std::string::npos);
  lock->reset();
  EXPECT_TRUE(DirectoryLock::Acquire(directory.path()).ok());
  EXPECT_EQ(DirectoryLock::Acquire(directory.path() + "/none").status().code(), Code::kIo);
}

TEST(File, DirectoryLockDiesWithItsProcess) {
  TemporaryDirectory directory;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto lock = DirectoryLock::Acquire(directory.path());
    const char byte = lock.ok() ? 'y' : 'n';
    (void)!::write(ready[1], &byte, 1);
    for (;;) ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ASSERT_EQ(byte, 'y');
  EXPECT_EQ(DirectoryLock::Acquire(directory.path()).status().code(), Code::kLocked);
  ::kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(DirectoryLock::Acquire(directory.path()).ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace metastore
