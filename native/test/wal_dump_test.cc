// The dump visits what a start would recover, and changes nothing.
#include <fstream>
#include <iterator>
#include <map>

#include "test/support/wal_support.h"
#include "wal/dump.h"

namespace metastore::wal {
namespace {

std::string Contents(const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    std::ifstream in(file.path(), std::ios::binary);
    files[file.path().filename()] = std::string(std::istreambuf_iterator<char>(in), {});
  }
  std::string all;
  for (const auto& [name, bytes] : files) all += name + bytes;
  return all;
}

TEST(WalDump, VisitsLiveEntriesAndChangesNothing) {
  TemporaryDirectory directory;
  Recovered recovered;
  {
    auto wal = MustOpen(OptionsFor(directory.path(), 4096), &recovered);
    ASSERT_NE(wal, nullptr);
    const HardState state = {3, 1, 60};
    ASSERT_TRUE(AppendNow(wal.get(), MakeEntries(1, 100, 1, 100)).ok());
    ASSERT_TRUE(AppendNow(wal.get(), MakeEntries(91, 95, 2, 100), &state).ok());
    ASSERT_TRUE(TruncateNow(wal.get(), 50, 1).ok());
    ASSERT_TRUE(AppendNow(wal.get(), {{96, 3, 2, nullptr}}).ok());
    // Not closed: as after a kill.
  }
  const std::string before = Contents(directory.path());
  DumpSummary summary;
  uint64_t next = 51;
  const Status status =
      DumpLog(directory.path(), nullptr, &summary,
              [&](uint64_t index, uint64_t term, uint8_t type, std::string_view payload) {
                EXPECT_EQ(index, next++);
                EXPECT_EQ(term, index <= 90 ? 1u : index <= 95 ? 2u : 3u);
                EXPECT_EQ(type, index == 96 ? 2 : 0);
                EXPECT_TRUE(payload == (index == 96 ? "" : PatternOf(index, term, 100)));
                return true;
              });
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(next, 97u);
  EXPECT_EQ(summary.identity.member_id, kIdentity.member_id);
  EXPECT_EQ(summary.start_index, 50u);
  EXPECT_EQ(summary.last_index, 96u);
  EXPECT_EQ(summary.hard_state.commit, 60u);
  EXPECT_FALSE(summary.clean);
  EXPECT_EQ(summary.torn_bytes, 0u);
  EXPECT_TRUE(Contents(directory.path()) == before);

  uint64_t visited = 0;
  ASSERT_TRUE(DumpLog(directory.path(), nullptr, nullptr,
                      [&](uint64_t, uint64_t, uint8_t, std::string_view) { return ++visited < 3; })
                  .ok());
  EXPECT_EQ(visited, 3u);
  ASSERT_TRUE(MustOpen(OptionsFor(directory.path(), 4096), &recovered)->Close().ok());
  ASSERT_TRUE(DumpLog(directory.path(), nullptr, &summary, nullptr).ok());
  EXPECT_TRUE(summary.clean);
}

TEST(WalDump, NoLogIsAnError) {
  TemporaryDirectory directory;
  EXPECT_EQ(DumpLog(directory.path(), nullptr, nullptr, nullptr).code(), Code::kIo);
  EXPECT_EQ(DumpLog(directory.path() + "/none", nullptr, nullptr, nullptr).code(), Code::kIo);
  EXPECT_FALSE(std::filesystem::exists(directory.path() + "/none"));
}

}  // namespace
}  // namespace metastore::wal
