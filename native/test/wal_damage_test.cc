// Damage: every truncation and every flipped bit of a small log. What no later record proves may be
// missing from the end; anything else must be refused with file and offset, and nothing wrong may
// ever be read.
#include <fstream>
#include <iterator>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/executor.h"
#include "test/support/wal_support.h"
#include "wal/segment/format.h"

namespace metastore::wal {
namespace {

constexpr auto kTermOne = [](uint64_t) -> uint64_t { return 1; };
constexpr uint64_t kSegmentBytes = 4096;
constexpr size_t kEntryBytes = 24;

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

std::string SegmentPath(const std::string& directory, uint64_t sequence) {
  return directory + "/" + SegmentName(sequence);
}

/// A log of `groups` synced groups with two entries each, ended as asked.
enum class End { kCrash, kCrashBeforeMark, kClose };
void WriteLog(const std::string& directory, uint64_t groups, End end) {
  ManualExecutor executor;
  WalOptions options = OptionsFor(directory, kSegmentBytes);
  options.executor = &executor;
  Recovered recovered;
  auto wal = MustOpen(options, &recovered);
  ASSERT_NE(wal, nullptr);
  for (uint64_t n = 0; n < groups; ++n) {
    const HardState state = {1, 2, n * 2};
    wal->Append(MakeEntries(n * 2 + 1, n * 2 + 2, 1, kEntryBytes), &state, true, nullptr);
    // The last group's report, which writes the mark behind it, is a step of its own.
    const int steps = end == End::kCrashBeforeMark && n + 1 == groups ? 2 : 3;
    for (int step = 0; step < steps; ++step) {
      ASSERT_TRUE(executor.Step());
    }
  }
  if (end == End::kClose) {
    ASSERT_TRUE(wal->Close().ok());
  }
  executor.Drop();
}

struct Outcome {
  bool damaged = false;
  uint64_t last_index = 0;
  std::string detail;
};

/// Opens a copy of the directory's files with `bytes` for one of them; checks what is read.
void OpenWith(const std::string& source, const std::string& name, const std::string& bytes,
              Outcome* outcome) {
  TemporaryDirectory copy(TemporaryDirectory::kMemory);
  for (const auto& file : std::filesystem::directory_iterator(source)) {
    std::filesystem::copy_file(file.path(), copy.path() / file.path().filename());
  }
  WriteFile(copy.path() + "/" + name, bytes);
  Recovered recovered;
  auto wal = Wal::Open(OptionsFor(copy.path(), kSegmentBytes), kIdentity, &recovered);
  if (!wal.ok()) {
    ASSERT_TRUE(wal.status().code() == Code::kDamaged || wal.status().code() == Code::kWrongFormat)
        << wal.status().ToString();
    outcome->damaged = true;
    outcome->detail = std::string(wal.status().detail());
    ASSERT_NE(outcome->detail.find(".wal"), std::string::npos) << outcome->detail;
    ASSERT_NE(outcome->detail.find("offset "), std::string::npos) << outcome->detail;
    return;
  }
  outcome->damaged = false;
  outcome->last_index = recovered.last_index;
  ASSERT_NO_FATAL_FAILURE(
      ExpectEntries(wal->get(), 1, recovered.last_index, kEntryBytes, kTermOne));
  ASSERT_LE(recovered.hard_state.commit, recovered.last_index);
  ASSERT_EQ(recovered.last_index % 2, 0u) << "half an append";
  // The log goes on from there.
  const uint64_t next = recovered.last_index + 1;
  ASSERT_TRUE(AppendNow(wal->get(), MakeEntries(next, next, 1, kEntryBytes)).ok());
  ASSERT_TRUE((*wal)->Close().ok());
  wal = Wal::Open(OptionsFor(copy.path(), kSegmentBytes), kIdentity, &recovered);
  ASSERT_TRUE(wal.ok()) << wal.status().ToString();
  ASSERT_EQ(recovered.last_index, next);
  ASSERT_TRUE((*wal)->Close().ok());
}

TEST(WalDamage, TruncatedAtEveryByte) {
  for (const End end : {End::kCrash, End::kCrashBeforeMark, End::kClose}) {
    TemporaryDirectory directory(TemporaryDirectory::kMemory);
    ASSERT_NO_FATAL_FAILURE(WriteLog(directory.path(), 6, end));
    const std::string whole = ReadFile(SegmentPath(directory.path(), 1));
    const size_t used = whole.find_last_not_of('\0') + 1;
    for (size_t size = 0; size <= used + 64 && size < whole.size(); ++size) {
      Outcome outcome;
      ASSERT_NO_FATAL_FAILURE(
          OpenWith(directory.path(), SegmentName(1), whole.substr(0, size), &outcome));
      // A file that lost its end lost what nobody can know: only one that still shows zeros where
      // the next record would be has lost nothing.
      if (size < used) {
        ASSERT_TRUE(outcome.damaged) << size;
      }
      if (!outcome.damaged) {
        ASSERT_EQ(outcome.last_index, 12u) << size;
      }
    }
  }
}

TEST(WalDamage, ZeroedFromEveryPlaceToTheEnd) {
  // The size is right, the bytes are gone: a torn tail only when no record behind proves otherwise.
  TemporaryDirectory directory(TemporaryDirectory::kMemory);
  ASSERT_NO_FATAL_FAILURE(WriteLog(directory.path(), 6, End::kCrashBeforeMark));
  const std::string whole = ReadFile(SegmentPath(directory.path(), 1));
  const size_t used = whole.find_last_not_of('\0') + 1;
  uint64_t last = 0;
  for (size_t size = kHeaderBytes; size <= used; ++size) {
    std::string bytes = whole;
    std::fill(bytes.begin() + static_cast<long>(size), bytes.end(), '\0');
    Outcome outcome;
    ASSERT_NO_FATAL_FAILURE(OpenWith(directory.path(), SegmentName(1), bytes, &outcome));
    ASSERT_FALSE(outcome.damaged) << size << ": " << outcome.detail;
    ASSERT_GE(outcome.last_index, last);
    last = outcome.last_index;
  }
  EXPECT_EQ(last, 12u);
}

/// Flips every bit of a one-segment log; `unproven` entries may be missing at the end.
void FlipEveryBit(End end, uint64_t unproven) {
  TemporaryDirectory directory(TemporaryDirectory::kMemory);
  ASSERT_NO_FATAL_FAILURE(WriteLog(directory.path(), 4, end));
  const std::string whole = ReadFile(SegmentPath(directory.path(), 1));
  const size_t used = whole.find_last_not_of('\0') + 1;
  uint64_t damaged = 0;
  uint64_t cut = 0;
  // One bit of each byte where the sanitizers make each start slow.
  const size_t step = Rounds(20) == 20 ? 1 : 11;
  for (size_t bit = 0; bit < (used + 24) * 8; bit += step) {
    std::string bytes = whole;
    if (bit / 8 >= bytes.size()) bytes.resize(bit / 8 + 1);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    Outcome outcome;
    ASSERT_NO_FATAL_FAILURE(OpenWith(directory.path(), SegmentName(1), bytes, &outcome)) << bit;
    if (outcome.damaged) {
      ++damaged;
    } else {
      ASSERT_GE(outcome.last_index, 8 - unproven) << "bit " << bit;
      if (outcome.last_index < 8) ++cut;
    }
  }
  EXPECT_GT(damaged, used * 4 / step) << "most of the log is proven";
  EXPECT_EQ(cut > 0, unproven > 0);
}

TEST(WalDamage, EveryBitFlippedAfterACrash) { FlipEveryBit(End::kCrash, 0); }
TEST(WalDamage, EveryBitFlippedBeforeTheMark) { FlipEveryBit(End::kCrashBeforeMark, 2); }
TEST(WalDamage, EveryBitFlippedAfterClose) { FlipEveryBit(End::kClose, 0); }

TEST(WalDamage, FlippedBitsInFormerSegmentsAreRefused) {
  TemporaryDirectory directory(TemporaryDirectory::kMemory);
  ASSERT_NO_FATAL_FAILURE(WriteLog(directory.path(), 100, End::kCrash));
  ASSERT_TRUE(std::filesystem::exists(SegmentPath(directory.path(), 3)));
  std::mt19937_64 random(5);
  for (const uint64_t sequence : {1, 2}) {
    const std::string whole = ReadFile(SegmentPath(directory.path(), sequence));
    for (uint64_t n = 0; n < Rounds(300); ++n) {
      std::string bytes = whole;
      const size_t bit = random() % (bytes.size() * 8);
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
      Outcome outcome;
      ASSERT_NO_FATAL_FAILURE(OpenWith(directory.path(), SegmentName(sequence), bytes, &outcome));
      ASSERT_TRUE(outcome.damaged) << "segment " << sequence << " bit " << bit;
    }
    for (size_t size = 0; size < whole.size(); size += 13) {
      Outcome outcome;
      ASSERT_NO_FATAL_FAILURE(
          OpenWith(directory.path(), SegmentName(sequence), whole.substr(0, size), &outcome));
      ASSERT_TRUE(outcome.damaged) << "segment " << sequence << " size " << size;
    }
  }
}

TEST(WalDamage, MissingAndMisplacedSegmentsAreRefused) {
  for (const End end : {End::kCrash, End::kClose}) {
    TemporaryDirectory directory(TemporaryDirectory::kMemory);
    ASSERT_NO_FATAL_FAILURE(WriteLog(directory.path(), 150, end));
    uint64_t count = 1;
    while (std::filesystem::exists(SegmentPath(directory.path(), count + 1))) ++count;
    ASSERT_GE(count, 4u);
    for (uint64_t missing = 1; missing <= count; ++missing) {
      const std::string path = SegmentPath(directory.path(), missing);
      std::filesystem::rename(path, path + ".away");
      Recovered recovered;
      auto wal = Wal::Open(OptionsFor(directory.path(), kSegmentBytes), kIdentity, &recovered);
      ASSERT_FALSE(wal.ok()) << missing;
      EXPECT_EQ(wal.status().code(), Code::kDamaged);
      EXPECT_NE(wal.status().detail().find(SegmentName(missing)), std::string::npos)
          << wal.status().detail();
      EXPECT_NE(wal.status().detail().find("000000000000abcd"), std::string::npos);
      std::filesystem::rename(path + ".away", path);
    }
    std::filesystem::rename(SegmentPath(directory.path(), 1), directory.path() + "/x");
    std::filesystem::rename(SegmentPath(directory.path(), 2), SegmentPath(directory.path(), 1));
    std::filesystem::rename(directory.path() + "/x", SegmentPath(directory.path(), 2));
    Recovered recovered;
    auto wal = Wal::Open(OptionsFor(directory.path(), kSegmentBytes), kIdentity, &recovered);
    EXPECT_EQ(wal.status().code(), Code::kDamaged);
  }
}

TEST(WalDamage, SegmentsOfAnotherHistoryAreRefused) {
  // Two logs of the same member that differ in one entry: their segments do not mix.
  TemporaryDirectory one;
  TemporaryDirectory two;
  ASSERT_NO_FATAL_FAILURE(WriteLog(one.path(), 100, End::kClose));
  ASSERT_NO_FATAL_FAILURE(WriteLog(two.path(), 100, End::kClose));
  Outcome outcome;
  ASSERT_NO_FATAL_FAILURE(
      OpenWith(one.path(), SegmentName(2), ReadFile(SegmentPath(two.path(), 2)), &outcome));
  EXPECT_TRUE(outcome.damaged);
}

TEST(WalDamage, RecordsOfAnotherContinuationAreNone) {
  // The same segment went on in two ways, with records of the same sizes: each is valid in its
  // place, but none follows the other's.
  TemporaryDirectory one(TemporaryDirectory::kMemory);
  ASSERT_NO_FATAL_FAILURE(WriteLog(one.path(), 3, End::kCrash));
  std::vector<std::string> continued;
  for (const uint64_t term : {1, 2}) {
    TemporaryDirectory copy(TemporaryDirectory::kMemory);
    std::filesystem::copy_file(SegmentPath(one.path(), 1), SegmentPath(copy.path(), 1));
    Recovered recovered;
    auto wal = MustOpen(OptionsFor(copy.path(), kSegmentBytes), &recovered);
    ASSERT_NE(wal, nullptr);
    for (uint64_t index = 7; index <= 10; ++index) {
      ASSERT_TRUE(AppendNow(wal.get(), MakeEntries(index, index, term, kEntryBytes)).ok());
    }
    wal.reset();
    continued.push_back(ReadFile(SegmentPath(copy.path(), 1)));
  }
  const size_t used = continued[0].find_last_not_of('\0') + 1;
  size_t begin = 0;  // of what differs
  while (continued[0][begin] == continued[1][begin]) ++begin;
  for (size_t cut = begin / 8 * 8; cut < used; cut += 8) {
    const std::string mixed = continued[0].substr(0, cut) + continued[1].substr(cut);
    TemporaryDirectory copy(TemporaryDirectory::kMemory);
    WriteFile(SegmentPath(copy.path(), 1), mixed);
    Recovered recovered;
    auto wal = Wal::Open(OptionsFor(copy.path(), kSegmentBytes), kIdentity, &recovered);
    if (!wal.ok()) {
      ASSERT_EQ(wal.status().code(), Code::kDamaged) << wal.status().ToString();
      continue;
    }
    if (recovered.last_index < 7) continue;
    std::vector<EntryInfo> infos;
    ASSERT_TRUE((*wal)->Infos(7, recovered.last_index, &infos).ok());
    for (const EntryInfo& info : infos) {
      ASSERT_EQ(info.term, infos[0].term) << "cut at " << cut;
    }
  }
}

TEST(WalDamage, NothingMayFollowACleanEnd) {
  TemporaryDirectory directory(TemporaryDirectory::kMemory);
  ASSERT_NO_FATAL_FAILURE(WriteLog(directory.path(), 4, End::kClose));
  const std::string whole = ReadFile(SegmentPath(directory.path(), 1));
  Outcome outcome;
  ASSERT_NO_FATAL_FAILURE(
      OpenWith(directory.path(), SegmentName(1), whole + std::string(100, '\0'), &outcome));
  EXPECT_FALSE(outcome.damaged) << outcome.detail;
  ASSERT_NO_FATAL_FAILURE(
      OpenWith(directory.path(), SegmentName(1), whole + std::string("\0\0\1", 3), &outcome));
  EXPECT_TRUE(outcome.damaged);
}

TEST(WalDamage, ForeignFilesAreTold) {
  TemporaryDirectory directory(TemporaryDirectory::kMemory);
  Recovered recovered;
  WriteFile(directory.path() + "/0000000000000000-0000000000000000.wal", "x");
  auto wal = Wal::Open(OptionsFor(directory.path()), kIdentity, &recovered);
  EXPECT_EQ(wal.status().code(), Code::kWrongFormat);
  EXPECT_NE(wal.status().detail().find("0000000000000000-0000000000000000.wal"), std::string::npos);
}

TEST(WalDamage, AFormatOfTheFutureIsRefused) {
  TemporaryDirectory directory(TemporaryDirectory::kMemory);
  SegmentHeader header;
  header.sequence = 1;
  header.identity = kIdentity;
  std::string bytes = EncodeHeader(&header);
  bytes[8] = 2;
  WriteFile(SegmentPath(directory.path(), 1), bytes);
  Recovered recovered;
  EXPECT_EQ(Wal::Open(OptionsFor(directory.path()), kIdentity, &recovered).status().code(),
            Code::kDamaged);
  // With a CRC that is right for it, it is no damage but another format.
  PutLittle32(bytes.data() + 12, 0);
  PutLittle32(bytes.data() + 12, Crc32c(0, bytes));
  WriteFile(SegmentPath(directory.path(), 1), bytes);
  const Status status = Wal::Open(OptionsFor(directory.path()), kIdentity, &recovered).TakeStatus();
  EXPECT_EQ(status.code(), Code::kWrongFormat);
  EXPECT_NE(status.detail().find("log format 2"), std::string::npos) << status.detail();
}

TEST(WalDamage, PagingChecksAgain) {
  TemporaryDirectory directory(TemporaryDirectory::kMemory);
  WalOptions options = OptionsFor(directory.path());
  options.cache_bytes = 0;
  Recovered recovered;
  auto wal = MustOpen(options, &recovered);
  ASSERT_NE(wal, nullptr);
  ASSERT_TRUE(AppendNow(wal.get(), MakeEntries(1, 3, 1, 1000)).ok());
  ASSERT_NO_FATAL_FAILURE(ExpectEntries(wal.get(), 1, 3, 1000, kTermOne));
  std::string bytes = ReadFile(SegmentPath(directory.path(), 1));
  bytes[1500] = static_cast<char>(bytes[1500] ^ 4);
  {
    std::fstream file(SegmentPath(directory.path(), 1),
                      std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(1500);
    file.put(bytes[1500]);
  }
  std::vector<Entry> entries;
  const Status status = wal->Read(1, 3, UINT64_MAX, &entries);
  EXPECT_EQ(status.code(), Code::kDamaged) << status.ToString();
  EXPECT_TRUE(entries.empty());
  EXPECT_NE(status.detail().find("offset"), std::string::npos);
}

}  // namespace
}  // namespace metastore::wal
