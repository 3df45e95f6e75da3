// What the tests of the log share: a temporary directory, a log with synchronous calls, and
// payloads that can be told apart by their index.
#ifndef METASTORE_TEST_SUPPORT_WAL_SUPPORT_H_
#define METASTORE_TEST_SUPPORT_WAL_SUPPORT_H_

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "wal/wal.h"

namespace metastore::wal {

class TemporaryDirectory {
 public:
  /// kMemory: where syncs cost nothing, if there is such a place; for tests that open thousands of
  /// logs and lose what is not synced by other means.
  enum Place { kDisk, kMemory };
  explicit TemporaryDirectory(Place place = kDisk) {
    std::filesystem::path parent = std::filesystem::temp_directory_path();
    if (place == kMemory && ::access("/dev/shm", W_OK) == 0) parent = "/dev/shm";
    std::string name = (parent / "metastore-wal-XXXXXX").string();
    const char* made = ::mkdtemp(name.data());
    METASTORE_CHECK(made != nullptr, "tests need a temporary directory");
    path_ = made;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// How many rounds a randomised test runs: all of them, fewer where the sanitizers make each slow.
/// Those that need more set METASTORE_WAL_EFFORT to a multiple.
inline uint64_t Rounds(uint64_t rounds) {
#if defined(__SANITIZE_THREAD__)
  rounds /= 20;
#elif defined(__SANITIZE_ADDRESS__)
  rounds /= 4;
#endif
  const char* effort = ::getenv("METASTORE_WAL_EFFORT");
  if (effort != nullptr) rounds *= static_cast<uint64_t>(std::max(1, ::atoi(effort)));
  return std::max<uint64_t>(rounds, 1);
}

inline std::shared_ptr<const std::string> Payload(std::string bytes) {
  return std::make_shared<const std::string>(std::move(bytes));
}

/// Bytes that follow from index, term and size only.
inline std::string PatternOf(uint64_t index, uint64_t term, size_t size) {
  std::mt19937_64 random(index * 1000003 + term);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

inline Entry MakeEntry(uint64_t index, uint64_t term, size_t size) {
  return {index, term, 0, Payload(PatternOf(index, term, size))};
}

inline std::vector<Entry> MakeEntries(uint64_t from, uint64_t to, uint64_t term, size_t size) {
  std::vector<Entry> entries;
  for (uint64_t index = from; index <= to; ++index) {
    entries.push_back(MakeEntry(index, term, size));
  }
  return entries;
}

constexpr Identity kIdentity = {0x1234, 0xabcd};

/// Waits for `done` calls.
class Waiter {
 public:
  std::function<void(Status)> Done() {
    return [this](Status status) {
      std::lock_guard<std::mutex> lock(mutex_);
      code_ = status.code();
      detail_ = std::string(status.detail());
      ++count_;
      wake_.notify_all();
    };
  }
  Status Wait(int count = 1) {
    std::unique_lock<std::mutex> lock(mutex_);
    wake_.wait(lock, [&] { return count_ >= count; });
    return code_ == Code::kOk ? Status::Ok() : Status(code_, detail_);
  }
  int count() {
    std::lock_guard<std::mutex> lock(mutex_);
    return count_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  int count_ = 0;
  Code code_ = Code::kOk;
  std::string detail_;
};

inline Status AppendNow(Wal* wal, std::vector<Entry> entries, const HardState* state = nullptr) {
  Waiter waiter;
  wal->Append(std::move(entries), state, true, waiter.Done());
  return waiter.Wait();
}

inline Status TruncateNow(Wal* wal, uint64_t index, uint64_t term) {
  Waiter waiter;
  wal->Truncate(index, term, waiter.Done());
  return waiter.Wait();
}

inline Status ResetNow(Wal* wal, uint64_t index, uint64_t term) {
  Waiter waiter;
  wal->Reset(index, term, waiter.Done());
  return waiter.Wait();
}

inline WalOptions OptionsFor(const std::string& directory, uint64_t segment_bytes = 64 << 10) {
  WalOptions options;
  options.directory = directory;
  options.segment_bytes = segment_bytes;
  return options;
}

/// Opens, or fails the test and answers null.
inline std::unique_ptr<Wal> MustOpen(const WalOptions& options, Recovered* recovered) {
  auto wal = Wal::Open(options, kIdentity, recovered);
  EXPECT_TRUE(wal.ok()) << wal.status().ToString();
  return wal.ok() ? std::move(*wal) : nullptr;
}

/// Reads (start, last] and compares with what MakeEntries made; `term_of` gives each entry's term.
template <typename TermOf>
void ExpectEntries(Wal* wal, uint64_t from, uint64_t to, size_t size, TermOf term_of) {
  if (from > to) return;
  std::vector<Entry> entries;
  const Status status = wal->Read(from, to, UINT64_MAX, &entries);
  ASSERT_TRUE(status.ok()) << status.ToString();
  ASSERT_EQ(entries.size(), to - from + 1);
  for (const Entry& entry : entries) {
    const uint64_t term = term_of(entry.index);
    ASSERT_EQ(entry.index, from + static_cast<uint64_t>(&entry - entries.data()));
    ASSERT_EQ(entry.term, term);
    ASSERT_NE(entry.payload, nullptr);
    ASSERT_TRUE(*entry.payload == PatternOf(entry.index, term, size)) << entry.index;
  }
}

}  // namespace metastore::wal

#endif  // METASTORE_TEST_SUPPORT_WAL_SUPPORT_H_
