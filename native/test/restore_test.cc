// Backups taken in: a restored state answers as the one that was backed up, whatever a compaction
// had left there; files of other writers and damaged ones are read or refused, never believed.
#include "member/backup/restore/restore.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "bbolt/file_writer.h"
#include "member/backup/stream.h"
#include "mvcc/image.h"
#include "test/support/member_harness.h"
#include "test/support/mvcc_fixture.h"

namespace metastore::testing {
namespace {

using member::backup::BackupFile;
using member::backup::BackupStream;
using member::backup::BackupSummary;
using member::backup::RestoredImage;
using member::backup::RestoreOptions;
using member_test::ScratchDirectory;
using wire_test::Bytes;
using wire_test::Number;
using Rows = std::map<std::string, std::string>;
using Contents = std::map<std::string, Rows>;

std::string Big64(uint64_t number) {
  std::string out;
  AppendBig64(&out, number);
  return out;
}

std::string Name(int64_t main, int64_t sub = 0, bool tombstone = false) {
  return Big64(static_cast<uint64_t>(main)) + "_" + Big64(static_cast<uint64_t>(sub)) +
         (tombstone ? "t" : "");
}

std::string Pair(const std::string& key, uint64_t create, uint64_t mod, uint64_t version,
                 const std::string& value) {
  return Bytes(1, key) + Number(2, create) + Number(3, mod) + Number(4, version) + Bytes(5, value);
}

std::string BackupOf(MvccHarness* h) {
  std::shared_ptr<Store> borrowed(h->store.get(), [](Store*) {});
  BackupStream stream(borrowed, {});
  bool done = false;
  while (!done) EXPECT_TRUE(stream.Measure(&done).ok());
  std::string bytes;
  for (done = false; !done;) EXPECT_TRUE(stream.Next(&bytes, &done).ok());
  return bytes;
}

std::string FileWith(const Contents& contents) {
  bbolt::FileShape shape;
  std::string bytes;
  for (const bool measure : {true, false}) {
    bbolt::FileWriter writer = measure ? bbolt::FileWriter() : bbolt::FileWriter(shape);
    for (const auto& [name, rows] : contents) {
      writer.BeginBucket(name);
      for (const auto& [key, value] : rows) writer.Add(key, {value, {}, {}});
      writer.EndBucket();
    }
    shape = writer.Finish();
    bytes = writer.Take();
  }
  return bytes;
}

class RestoreTest : public ::testing::Test {
 protected:
  BackupFile Write(const std::string& bytes) {
    const std::string path = directory_.path() + "/backup.db";
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    return {path, bytes.size()};
  }
  Result<RestoredImage> Restore(const std::string& bytes, RestoreOptions options = {}) {
    options.from = Write(bytes);
    options.image = directory_.path() + "/image";
    std::filesystem::remove(options.image);
    return member::backup::RestoreBackup(FileLayer::Posix(), options);
  }
  Result<BackupSummary> Inspect(const std::string& bytes) {
    return member::backup::InspectBackup(FileLayer::Posix(), Write(bytes));
  }
  /// A store over what was restored last.
  std::unique_ptr<MvccHarness> Load() {
    std::ifstream file(directory_.path() + "/image", std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    std::shared_ptr<Engine> engine = NewMemoryEngine();
    ImageLoader loader(engine.get());
    ImageInfo info;
    Status status = loader.Feed(bytes);
    if (status.ok()) status = loader.Finish(&info);
    EXPECT_TRUE(status.ok()) << status.ToString();
    return std::make_unique<MvccHarness>(StoreOptions(), std::move(engine));
  }
  Code CodeOf(const std::string& bytes) { return Restore(bytes).status().code(); }

  ScratchDirectory directory_;
};

void ExpectSame(const MvccHarness& a, const MvccHarness& b) {
  const ViewRef left = a.store->Pin(), right = b.store->Pin();
  EXPECT_EQ(left->revision, right->revision);
  EXPECT_EQ(left->compact_revision, right->compact_revision);
  EXPECT_EQ(left->key_count, right->key_count);
  EXPECT_EQ(a.store->HashKv(*left, 0)->hash, b.store->HashKv(*right, 0)->hash);
  EXPECT_EQ(a.store->Alarms(), b.store->Alarms());
  ASSERT_EQ(a.store->Leases().size(), b.store->Leases().size());
  for (const LeaseRow& lease : a.store->Leases()) {
    std::vector<std::string> one, other;
    ASSERT_TRUE(a.store->AttachedKeys(*left, lease.id, &one).ok());
    ASSERT_TRUE(b.store->AttachedKeys(*right, lease.id, &other).ok());
    EXPECT_EQ(one, other) << lease.id;
  }
  for (int64_t at = std::max<int64_t>(left->compact_revision, 1); at <= left->revision; at++) {
    codec::RangeRequest request;
    request.key = kZero;
    request.range_end = kZero;
    request.revision = at;
    std::string one, other;
    ASSERT_TRUE(a.store->Range(*left, request, a.header, &one).ok());
    ASSERT_TRUE(b.store->Range(*right, request, b.header, &other).ok());
    ASSERT_TRUE(one == other) << "revision " << at;
  }
}

void Fill(MvccHarness* h, int changes) {
  ASSERT_TRUE(h->Grant(7, 100).ok());
  ASSERT_TRUE(h->Grant(-9, 100).ok());
  for (int i = 0; i < changes; i++) {
    const std::string key = "k" + std::to_string(i % 37) + std::string(i % 3, '\0');
    ASSERT_TRUE(h->Put(key, std::string(i % 50, 'v'), i % 5 == 0 ? 7 : i % 7 == 0 ? -9 : 0).ok());
    if (i % 4 == 3) {
      ASSERT_TRUE(h->Delete("k" + std::to_string(i % 11), "k5").ok());
    }
  }
}

TEST_F(RestoreTest, OurOwnBackups) {
  for (const int64_t compacted : {-1, 40, 200, 263}) {
    MvccHarness h;
    Fill(&h, 300);
    if (compacted > 0) {
      ASSERT_TRUE(h.Compact(compacted).ok());
    }
    ASSERT_TRUE(h.Alarm(1, 5, 1).ok());
    const std::string file = BackupOf(&h);
    RestoreOptions options;
    options.index = 3;
    options.rows = {{"members/1", "one"}, {"conf_state", "x"}};
    const auto restored = Restore(file, options);
    ASSERT_TRUE(restored.ok()) << restored.status().ToString();
    EXPECT_EQ(restored->revision, h.store->revision());
    const auto loaded = Load();
    ExpectSame(h, *loaded);
    EXPECT_EQ(loaded->store->Pin()->applied_index, 3u);
    std::optional<std::string> row;
    ASSERT_TRUE(
        loaded->engine->GetMeta(*loaded->store->Pin()->snapshot, "server/members/1", &row).ok());
    EXPECT_EQ(row, "one");
    ASSERT_TRUE(loaded->Alarm(2, 5, 1).ok());
    ASSERT_TRUE(loaded->Put("k1", "goes on").ok());
    ASSERT_TRUE(loaded->Compact(loaded->store->revision()).ok());
    const auto summary = Inspect(file);
    ASSERT_TRUE(summary.ok());
    EXPECT_EQ(summary->revision, h.store->revision());
    EXPECT_EQ(summary->live_keys, static_cast<uint64_t>(h.store->Pin()->key_count));
  }
}

TEST_F(RestoreTest, AnEmptyOne) {
  MvccHarness h;
  ASSERT_TRUE(Restore(BackupOf(&h)).ok());
  ExpectSame(h, *Load());
  ASSERT_TRUE(Restore(FileWith({{"key", {}}})).ok()) << "missing buckets are empty ones";
  EXPECT_EQ(Load()->store->revision(), 1);
}

TEST_F(RestoreTest, ABumpedRevision) {
  MvccHarness h;
  Fill(&h, 100);
  RestoreOptions options;
  options.bump_revision = 1'000'000;
  const auto restored = Restore(BackupOf(&h), options);
  ASSERT_TRUE(restored.ok()) << restored.status().ToString();
  EXPECT_EQ(restored->revision, h.store->revision() + 1'000'000);
  EXPECT_EQ(restored->compact_revision, restored->revision);
  EXPECT_EQ(restored->versions, static_cast<uint64_t>(h.store->Pin()->key_count));
  const auto loaded = Load();
  EXPECT_EQ(loaded->store->Pin()->key_count, h.store->Pin()->key_count);
  ASSERT_TRUE(loaded->Put("k1", "next").ok());
  EXPECT_EQ(loaded->store->revision(), restored->revision + 1);
  options.bump_revision = (int64_t{1} << 53) - 1;
  EXPECT_EQ(Restore(BackupOf(&h), options).status().code(), Code::kDamaged);
}

/// A compaction that was scheduled and had removed nothing, or not everything.
TEST_F(RestoreTest, ACompactionUnderWay) {
  const Rows versions = {
      {Name(2), Pair("a", 2, 2, 1, "one")},   {Name(3), Pair("a", 2, 3, 2, "two")},
      {Name(4, 0, true), Bytes(1, "a")},      {Name(4, 1), Pair("b", 4, 4, 1, "b")},
      {Name(5), Pair("a", 5, 5, 1, "again")}, {Name(6, 0, true), Bytes(1, "b")}};
  for (const int64_t cut : {2, 3, 4, 5, 6}) {
    const Contents contents = {{"key", versions}, {"meta", {{"scheduledCompactRev", Name(cut)}}}};
    ASSERT_TRUE(Restore(FileWith(contents)).ok());
    const auto loaded = Load();
    EXPECT_EQ(loaded->store->revision(), 6);
    EXPECT_EQ(loaded->store->Pin()->compact_revision, cut);
    EXPECT_EQ(loaded->store->Pin()->key_count, 1);
    codec::RangeRequest request;
    request.key = "a";
    request.revision = cut;
    std::string reply;
    ASSERT_TRUE(loaded->store->Range(*loaded->store->Pin(), request, loaded->header, &reply).ok());
    const Reply range = ParseRange(reply);
    ASSERT_EQ(range.kvs.size(), cut == 4 ? 0u : 1u) << cut;
    if (cut != 4) {
      EXPECT_EQ(range.kvs[0].value, cut == 2 ? "one" : cut == 3 ? "two" : "again");
    }
  }
}

TEST_F(RestoreTest, UsersAndTheRowThatOnlyCounts) {
  const Contents contents = {
      {"auth", {{"authEnabled", "\1"}, {"authRevision", Big64(77)}}},
      {"authUsers", {{"root", Bytes(1, "root")}}},
      {"authRoles", {{"r/1", Bytes(1, "r/1")}}},
      {"members", {{"1", "{}"}}},
      {"key", {{Name(2), Pair("a", 2, 2, 1, "x")}, {Name(900), ""}}},
      {"meta", {{"storageVersion", "3.6.0"}, {"scheduledCompactRev", Name(900)}}}};
  EXPECT_EQ(Inspect(FileWith(contents))->storage_version, "3.6.0");
  ASSERT_TRUE(Restore(FileWith(contents)).ok());
  const auto loaded = Load();
  EXPECT_EQ(loaded->store->revision(), 900);
  Rows rows;
  const auto keep = [&](std::string_view name, std::string_view value) {
    rows[std::string(name)] = value;
    return true;
  };
  ASSERT_TRUE(loaded->engine->ScanMeta(*loaded->store->Pin()->snapshot, "server/", keep).ok());
  EXPECT_EQ(rows, (Rows{{"server/auth/enabled", "1"},
                        {"server/auth/revision", "77"},
                        {"server/authRoles/r/1", Bytes(1, "r/1")},
                        {"server/authUsers/root", Bytes(1, "root")}}));
}

TEST_F(RestoreTest, RowsThatCannotBe) {
  const auto with = [](const std::string& bucket, const std::string& key,
                       const std::string& value) {
    return FileWith({{bucket, {{key, value}}}});
  };
  const std::string good = Pair("a", 2, 2, 1, "x");
  EXPECT_EQ(CodeOf(with("key", Name(2), good)), Code::kOk);
  const std::vector<std::string> bad = {
      with("key", "short", good),
      with("key", Name(2) + "x", good),
      with("key", Name(2) + "tt", good),
      with("key", Name(3), good),
      with("key", Name(-1), good),
      with("key", Name(2), good.substr(0, 5)),
      with("key", Name(2), Pair("a", 3, 2, 1, "x")),
      with("key", Name(2), Pair("a", 2, 2, 0, "x")),
      with("key", Name(1), Pair("a", 1, 1, 1, "x")),
      with("key", Name(2, 0, true), ""),
      with("lease", Big64(5), Number(1, 6) + Number(2, 100)),
      with("lease", Big64(5), Number(1, 5)),
      with("lease", "5", Number(1, 5) + Number(2, 100)),
      with("alarm", std::string("\xff", 1), ""),
      with("auth", "authEnabled", "\2"),
      with("auth", "authRevision", "1"),
      with("authUsers", "u", "\xff"),
      with("meta", "scheduledCompactRev", "9"),
      FileWith({{"key", {{Name(2), good}, {Name(2, 0, true), Bytes(1, "a")}}}})};
  for (size_t i = 0; i < bad.size(); i++) EXPECT_EQ(CodeOf(bad[i]), Code::kDamaged) << i;
}

TEST_F(RestoreTest, FilesThatAreNone) {
  EXPECT_EQ(CodeOf(""), Code::kWrongFormat);
  EXPECT_EQ(CodeOf(std::string(100'000, 'x')), Code::kWrongFormat);
  MvccHarness h;
  Fill(&h, 200);
  const std::string file = BackupOf(&h);
  for (size_t length = 4096; length < file.size(); length += 4096) {
    EXPECT_FALSE(Restore(file.substr(0, length)).ok()) << length;
  }
  RestoreOptions options;
  options.from = {directory_.path() + "/nothing", 5};
  options.image = directory_.path() + "/image";
  EXPECT_EQ(member::backup::RestoreBackup(FileLayer::Posix(), options).status().code(), Code::kIo);
}

/// One meta page is enough, and the newer one counts.
TEST_F(RestoreTest, MetaPages) {
  MvccHarness h;
  Fill(&h, 20);
  const std::string file = BackupOf(&h);
  for (const size_t page : {0u, 1u}) {
    std::string one = file;
    one[page * 4096 + 40] ^= 1;
    EXPECT_EQ(CodeOf(one), Code::kOk) << page;
    ExpectSame(h, *Load());
  }
  std::string none = file;
  none[40] ^= 1;
  none[4096 + 40] ^= 1;
  EXPECT_EQ(CodeOf(none), Code::kWrongFormat);
}

/// Whatever bytes are changed: an answer, and never one that the loader does not take.
TEST_F(RestoreTest, AnyDamage) {
  MvccHarness h;
  Fill(&h, 120);
  for (int i = 0; i < 3; i++) ASSERT_TRUE(h.Put("large", std::string(9000, 'l')).ok());
  const std::string file = BackupOf(&h);
  std::mt19937 random(7);
  int refused = 0;
  for (int round = 0; round < 3000; round++) {
    std::string bytes = file;
    for (int i = 0; i < 1 + round % 3; i++) {
      // Heads and elements more often than data.
      const size_t page = 2 + random() % (bytes.size() / 4096 - 2);
      const size_t at = page * 4096 + random() % (round % 2 == 0 ? 64 : 4096);
      bytes[at] = static_cast<char>(random());
    }
    const auto restored = Restore(bytes);
    if (!restored.ok()) {
      EXPECT_EQ(restored.status().code(), Code::kDamaged);
      refused++;
    } else if (round % 10 == 0) {
      (void)Load();
    }
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace metastore::testing
