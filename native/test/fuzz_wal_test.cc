// Recovery over bytes that somebody else made: random files, and real logs with pieces overwritten,
// moved, cut and given right checksums again. Any answer but a crash, a hang or wrong data is fine.
#include <fstream>
#include <iterator>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "test/support/wal_model.h"
#include "wal/dump.h"
#include "wal/segment/format.h"

namespace metastore::wal {
namespace {

using Files = std::vector<std::string>;  // contents of segments 1, 2, ...

std::string RandomBytes(std::mt19937_64* random, size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>((*random)());
  return bytes;
}

/// Opens and reads all there is, if anything; then writes on.
void Open(const Files& files, bool patterns) {
  TemporaryDirectory directory(TemporaryDirectory::kMemory);
  for (size_t n = 0; n < files.size(); ++n) {
    std::ofstream(directory.path() + "/" + SegmentName(n + 1), std::ios::binary) << files[n];
  }
  DumpSummary summary;
  const bool dumped = DumpLog(directory.path(), nullptr, &summary,
                              [](uint64_t, uint64_t, uint8_t, std::string_view) { return true; })
                          .ok();
  Recovered recovered;
  auto wal = Wal::Open(OptionsFor(directory.path(), 4096), {0, 0}, &recovered);
  // A header may ask for more space than this machine has.
  if (wal.status().detail().find("allocate ") == 0) return;
  ASSERT_EQ(wal.ok(), dumped) << wal.status().ToString();
  if (!wal.ok()) {
    ASSERT_FALSE(wal.status().detail().empty());
    return;
  }
  ASSERT_EQ(recovered.last_index, summary.last_index);
  if (recovered.last_index > recovered.start_index) {
    std::vector<Entry> entries;
    ASSERT_TRUE(
        (*wal)->Read(recovered.start_index + 1, recovered.last_index, UINT64_MAX, &entries).ok());
    for (const Entry& entry : entries) {
      if (!patterns || !entry.payload) continue;
      ASSERT_TRUE(*entry.payload == PatternOf(entry.index, entry.term, entry.payload->size()));
    }
  }
  const uint64_t next = recovered.last_index + 1;
  if (next < UINT64_MAX / 2) {
    ASSERT_TRUE(AppendNow(wal->get(), MakeEntries(next, next, 1, 10)).ok());
  }
  ASSERT_TRUE((*wal)->Close().ok());
}

Files MakeLog(uint64_t seed) {
  TemporaryDirectory directory(TemporaryDirectory::kMemory);
  Recovered recovered;
  auto wal = MustOpen(OptionsFor(directory.path(), 2048), &recovered);
  Model model(seed, ModelState());
  for (int n = 0; n < 12; ++n) {
    const ModelOperation operation = model.Next();
    if (operation.kind == ModelOperation::kTruncate) break;  // keep segment 1
    if (operation.kind == ModelOperation::kReset) break;
    Waiter waiter;
    operation.Run(wal.get(), waiter.Done());
    EXPECT_TRUE(waiter.Wait().ok());
  }
  if (seed % 2 == 0) {
    EXPECT_TRUE(wal->Close().ok());
  }
  wal.reset();
  Files files;
  for (uint64_t n = 1;; ++n) {
    std::ifstream in(directory.path() + "/" + SegmentName(n), std::ios::binary);
    if (!in) return files;
    files.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
}

/// Gives the header and every record that can be found from it right checksums and chains, so that
/// the checks behind the checksums are reached.
void Mend(std::string* bytes) {
  if (bytes->size() < kHeaderBytes) return;
  PutLittle32(bytes->data() + 12, 0);
  const uint32_t seed = Crc32c(0, std::string_view(*bytes).substr(0, kHeaderBytes));
  PutLittle32(bytes->data() + 12, seed);
  uint32_t previous = seed;
  for (size_t at = kHeaderBytes; at + kRecordHeaderBytes <= bytes->size();) {
    const uint64_t total = RecordBytes(GetLittle32(bytes->data() + at + 8));
    if ((*bytes)[at + 12] == 0 || total > bytes->size() - at) return;
    PutLittle32(bytes->data() + at + 4, previous);
    char place[8];
    PutLittle64(place, at);
    previous = Crc32c(Crc32c(seed, std::string_view(place, 8)),
                      std::string_view(*bytes).substr(at + 4, total - 4));
    PutLittle32(bytes->data() + at, previous);
    at += total;
  }
}

void Mutate(std::mt19937_64* random, Files* files, bool only_fields) {
  std::string& bytes = (*files)[(*random)() % files->size()];
  if (bytes.empty()) return;
  const size_t used = std::max<size_t>(1, bytes.find_last_not_of('\0') + 1);
  const size_t at = (*random)() % std::min(bytes.size(), used + 16);
  const size_t other = (*random)() % std::min(bytes.size(), used + 16);
  const size_t size = std::min<size_t>(1 + (*random)() % 64, bytes.size() - std::max(at, other));
  switch (only_fields ? 0 : (*random)() % 6) {
    case 0:
      bytes[at] = static_cast<char>((*random)() % 2 == 0 ? (*random)() : (*random)() % 4);
      break;
    case 1:
      bytes.replace(at, size, RandomBytes(random, size));
      break;
    case 2:
      bytes.replace(at, size, bytes.substr(other, size));
      break;
    case 3:
      bytes.replace(at, size, std::string(size, '\0'));
      break;
    case 4:
      bytes.resize(at);
      break;
    default:
      std::swap(files->front(), files->back());
      break;
  }
}

TEST(FuzzWal, RandomFiles) {
  std::mt19937_64 random(11);
  for (uint64_t n = 0; n < Rounds(300); ++n) {
    Files files;
    for (uint64_t count = 1 + random() % 3; count > 0; --count) {
      files.push_back(RandomBytes(&random, random() % 600));
    }
    ASSERT_NO_FATAL_FAILURE(Open(files, true)) << n;
  }
}

TEST(FuzzWal, MutatedLogs) {
  for (uint64_t seed = 1; seed <= Rounds(500); ++seed) {
    std::mt19937_64 random(seed);
    Files files = MakeLog(seed % 50);
    for (uint64_t count = 1 + random() % 4; count > 0; --count) Mutate(&random, &files, false);
    ASSERT_NO_FATAL_FAILURE(Open(files, true)) << seed;
  }
}

TEST(FuzzWal, MutatedLogsWithRightChecksums) {
  for (uint64_t seed = 1; seed <= Rounds(1000); ++seed) {
    std::mt19937_64 random(seed);
    Files files = MakeLog(seed % 50);
    for (uint64_t count = 1 + random() % 3; count > 0; --count) Mutate(&random, &files, true);
    for (std::string& bytes : files) Mend(&bytes);
    ASSERT_NO_FATAL_FAILURE(Open(files, false)) << seed;
  }
}

}  // namespace
}  // namespace metastore::wal
