// Backups: what a store holds is in the file's buckets in etcd's form, at one moment, whatever goes
// on meanwhile.
#include <gtest/gtest.h>

#include <thread>

#include "base/crc32c.h"
#include "member/backup/stream.h"
#include "test/support/bbolt_reader.h"
#include "test/support/mvcc_fixture.h"
#include "test/support/transfer_harness.h"

namespace metastore::testing {
namespace {

using member::backup::BackupStream;
using member::backup::Buckets;
using wire_test::Bytes;
using wire_test::Number;
using Rows = BboltReader::Rows;
using Contents = std::map<std::string, Rows>;

constexpr char kConfState[] =
    R"({"voters":["18446744073709551615","7"],"learners":["9"],"votersOutgoing":[],)"
    R"("learnersNext":[],"autoLeave":false})";

std::string Big64(uint64_t number) {
  std::string out;
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift));
  return out;
}

std::string RevisionName(int64_t main, int64_t sub = 0) {
  return Big64(static_cast<uint64_t>(main)) + "_" + Big64(static_cast<uint64_t>(sub));
}

/// The file of a harness's store as it is now; `between` runs between any two pieces.
template <typename Between>
std::string FileOf(MvccHarness* h, const Buckets& extra, Between between) {
  // The harness keeps the store; the stream only borrows it.
  std::shared_ptr<Store> borrowed(h->store.get(), [](Store*) {});
  BackupStream stream(borrowed, extra);
  bool done = false;
  while (!done) {
    const Status status = stream.Measure(&done);
    EXPECT_TRUE(status.ok()) << status.ToString();
    between();
  }
  std::string bytes;
  for (done = false; !done;) {
    const size_t before = bytes.size();
    const Status status = stream.Next(&bytes, &done);
    EXPECT_TRUE(status.ok()) << status.ToString();
    EXPECT_GT(bytes.size(), before) << "every piece has bytes";
    EXPECT_EQ(bytes.size() % 4096, 0u);
    between();
  }
  EXPECT_EQ(bytes.size(), stream.size_bytes());
  return bytes;
}

std::string FileOf(MvccHarness* h, const Buckets& extra = {}) {
  return FileOf(h, extra, [] {});
}

Contents Read(std::string_view file) { return BboltReader(file).ReadAll(); }

std::string Find(const Rows& rows, std::string_view key) {
  for (const auto& [name, value] : rows) {
    if (name == key) return value;
  }
  return "(none)";
}

void PutRows(MvccHarness* h, const std::vector<std::pair<std::string, std::string>>& rows) {
  h->Begin();
  for (const auto& [name, value] : rows) h->store->PutMeta("server/" + name, value);
  h->Commit();
}

/// HashKV as anybody computes it from stored rows: what is newest of each key counts, and whatever
/// is newer than the compaction.
uint32_t HashOf(const Rows& rows, int64_t compacted) {
  const auto key_of = [](const std::string& value) {
    return value.substr(2, static_cast<size_t>(value[1]));  // short keys only
  };
  std::map<std::string, std::string> newest;
  for (const auto& [name, value] : rows) newest[key_of(value)] = name;
  const bool kept = std::any_of(newest.begin(), newest.end(),
                                [](const auto& item) { return item.second.size() == 17; });
  uint32_t sum = Crc32c(0, "key");
  const std::string cut = RevisionName(compacted).substr(0, 8);
  for (const auto& [name, value] : rows) {
    const bool old = compacted > 0 && name.substr(0, 8) <= cut;
    if (old && name.size() == 18) continue;
    if (old && kept && newest[key_of(value)] != name) continue;
    sum = Crc32c(Crc32c(sum, name), value);
  }
  return sum;
}

TEST(Backup, AnEmptyStore) {
  MvccHarness h;
  const Contents contents = Read(FileOf(&h, {{"meta", {{"storageVersion", "3.7.0"}}}}));
  std::vector<std::string> names;
  for (const auto& [name, rows] : contents) names.push_back(name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"alarm", "auth", "authRoles", "authUsers", "cluster", "key",
                                      "lease", "members", "members_removed", "meta"}));
  EXPECT_EQ(contents.at("auth"), (Rows{{"authRevision", Big64(1)}}));
  EXPECT_EQ(contents.at("key"), Rows());
  EXPECT_EQ(Find(contents.at("meta"), "storageVersion"), "3.7.0");
  EXPECT_EQ(Find(contents.at("meta"), "scheduledCompactRev"), "(none)");
}

TEST(Backup, VersionsStandUnderTheirRevisions) {
  MvccHarness h;
  const std::string binary("\0\xff\x80z", 4);
  ASSERT_TRUE(h.Grant(9, 100).ok());
  ASSERT_TRUE(h.Put(binary, "one", 9).ok());  // 2
  ASSERT_TRUE(h.Put("b", "").ok());           // 3
  h.Begin();
  ASSERT_TRUE(h.Put(binary, "two").ok());  // 4
  h.Commit();
  ASSERT_TRUE(h.Delete(kZero, kZero).ok());  // 5: two deletions
  const Rows rows = Read(FileOf(&h)).at("key");
  const Rows expected = {
      {RevisionName(2), Bytes(1, binary) + Number(2, 2) + Number(3, 2) + Number(4, 1) +
                            Bytes(5, "one") + Number(6, 9)},
      {RevisionName(3), Bytes(1, "b") + Number(2, 3) + Number(3, 3) + Number(4, 1)},
      {RevisionName(4),
       Bytes(1, binary) + Number(2, 2) + Number(3, 4) + Number(4, 2) + Bytes(5, "two")},
      {RevisionName(5) + "t", Bytes(1, binary)},
      {RevisionName(5, 1) + "t", Bytes(1, "b")}};
  EXPECT_EQ(rows, expected);
}

TEST(Backup, LeasesAlarmsAndWhereTheStateStands) {
  MvccHarness h;
  ASSERT_TRUE(h.Grant(7, 100).ok());
  ASSERT_TRUE(h.Grant(-9, 60).ok());
  ASSERT_TRUE(h.Grant(5'000'000'000, 60).ok());
  h.Begin();
  ASSERT_TRUE(h.store->LeaseCheckpoint({{{7, 33}}}).ok());
  h.Commit();
  ASSERT_TRUE(h.Put("a", "1").ok());
  ASSERT_TRUE(h.Put("a", "2").ok());
  ASSERT_TRUE(h.Compact(2).ok());
  ASSERT_TRUE(h.Alarm(1, 0xffffffffffffffff, 1).ok());
  ASSERT_TRUE(h.Alarm(1, 3, 2).ok());
  const Contents contents = Read(FileOf(&h));
  const auto negative = static_cast<uint64_t>(int64_t{-9});
  EXPECT_EQ(contents.at("lease"),
            (Rows{{Big64(7), Number(1, 7) + Number(2, 100) + Number(3, 33)},
                  {Big64(5'000'000'000), Number(1, 5'000'000'000) + Number(2, 60)},
                  {Big64(negative), Number(1, negative) + Number(2, 60)}}));
  EXPECT_EQ(contents.at("alarm"), (Rows{{Number(1, 3) + Number(2, 2), ""},
                                        {Number(1, 0xffffffffffffffff) + Number(2, 1), ""}}));
  const Rows& meta = contents.at("meta");
  EXPECT_EQ(Find(meta, "consistent_index"), Big64(h.index));
  EXPECT_EQ(Find(meta, "term"), Big64(7));
  EXPECT_EQ(Find(meta, "scheduledCompactRev"), RevisionName(2));
  EXPECT_EQ(Find(meta, "finishedCompactRev"), RevisionName(2));
}

TEST(Backup, RowsOfTheServer) {
  MvccHarness h;
  PutRows(&h, {{"members/1f", R"({"id":31})"},
               {"members_removed/2e", "removed"},
               {"cluster_version", "3.7.0"},
               {"downgrade", R"({"enabled":true})"},
               {"storage_version", "3.6.0"},
               {"conf_state", kConfState},
               {"auth/enabled", "1"},
               {"auth/revision", "258"},
               {"authUsers/a/b \xc3\xa9", std::string("\0u", 2)},
               {"authRoles/root", "r"},
               {"something/else", "x"}});
  // The state's own word counts, not what is only handed in.
  const Contents contents =
      Read(FileOf(&h, {{"meta", {{"storageVersion", "3.7.0"}}}, {"cluster", {{"other", "kept"}}}}));
  EXPECT_EQ(contents.at("members"), (Rows{{"1f", R"({"id":31})"}}));
  EXPECT_EQ(contents.at("members_removed"), (Rows{{"2e", "removed"}}));
  EXPECT_EQ(
      contents.at("cluster"),
      (Rows{{"clusterVersion", "3.7.0"}, {"downgrade", R"({"enabled":true})"}, {"other", "kept"}}));
  EXPECT_EQ(contents.at("auth"), (Rows{{"authEnabled", "\1"}, {"authRevision", Big64(258)}}));
  EXPECT_EQ(contents.at("authUsers"), (Rows{{"a/b \xc3\xa9", std::string("\0u", 2)}}));
  EXPECT_EQ(contents.at("authRoles"), (Rows{{"root", "r"}}));
  EXPECT_EQ(Find(contents.at("meta"), "storageVersion"), "3.6.0");
  EXPECT_EQ(Find(contents.at("meta"), "confState"),
            R"({"voters":[18446744073709551615,7],"learners":[9],"auto_leave":false})");
}

TEST(Backup, ConfStatesOfOtherForms) {
  std::string json;
  const std::string joint =
      R"({"voters":["1"],"learners":[],"votersOutgoing":["2","3"],"learnersNext":["3"],)"
      R"("autoLeave":true})";
  ASSERT_TRUE(member::backup::ConvertConfState(joint, &json).ok());
  EXPECT_EQ(json,
            R"({"voters":[1],"voters_outgoing":[2,3],"learners_next":[3],"auto_leave":true})");
  for (const char* bad : {"", "{}", R"({"voters":["1"]})",
                          R"({"voters":[1],"learners":[],"votersOutgoing":[],"learnersNext":[],)"
                          R"("autoLeave":false})",
                          R"({"voters":["1x"],"learners":[],"votersOutgoing":[],)"
                          R"("learnersNext":[],"autoLeave":false})",
                          R"({"voters":["99999999999999999999"],"learners":[],)"
                          R"("votersOutgoing":[],"learnersNext":[],"autoLeave":false})",
                          R"({"voters":[],"learners":[],"votersOutgoing":[],"learnersNext":[]})"}) {
    EXPECT_EQ(member::backup::ConvertConfState(bad, &json).code(), Code::kDamaged) << bad;
  }
}

TEST(Backup, DamagedRowsAreNotPassedOn) {
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"conf_state", "?"},
           {"auth/enabled", "yes"},
           {"auth/revision", "-1"},
           {"authUsers/", "nobody"},
           {"authRoles/" + std::string(32'769, 'n'), "r"}}) {
    MvccHarness h;
    PutRows(&h, {{name, value}});
    std::shared_ptr<Store> borrowed(h.store.get(), [](Store*) {});
    BackupStream stream(borrowed, {});
    bool done = false;
    EXPECT_EQ(stream.Measure(&done).code(), Code::kDamaged) << name.substr(0, 20);
  }
}

TEST(Backup, RowsHandedIn) {
  const auto text = [](std::string_view bytes) {
    std::string out(4, '\0');
    PutLittle32(out.data(), static_cast<uint32_t>(bytes.size()));
    return out.append(bytes);
  };
  Buckets rows;
  const std::string good =
      text("meta") + text("k") + text("") + text("cluster") + text("x") + text("y");
  ASSERT_TRUE(member::backup::DecodeRows(good, &rows).ok());
  EXPECT_EQ(rows, (Buckets{{"cluster", {{"x", "y"}}}, {"meta", {{"k", ""}}}}));
  for (const std::string& bad : {good.substr(1), good + "x", good.substr(0, good.size() - 1),
                                 text("key") + text("k") + text("v"),
                                 text("meta") + text("") + text("v"), text("meta") + text("k")}) {
    EXPECT_FALSE(member::backup::DecodeRows(bad, &rows).ok());
  }
}

/// Histories over several pieces, at every stage of compactions, with writers and a compaction that
/// go on between any two pieces: the file is that of the moment, and its hash the store's.
TEST(Backup, AMomentWhateverGoesOn) {
  MvccHarness h;
  const auto fill = [&](int from, int to) {
    for (int i = from; i < to; i++) {
      const std::string key = "key" + std::to_string(i % 61);
      ASSERT_TRUE(h.Put(key, std::string(static_cast<size_t>(i % 97) * 300, 'v')).ok());
      if (i % 9 == 4) {
        ASSERT_TRUE(h.Delete("key1", "key3").ok());
      }
    }
  };
  fill(0, 400);
  for (const int64_t compacted : {-1, 100, 333, 420}) {
    fill(400, 500);
    if (compacted > 0) {
      ASSERT_TRUE(h.Compact(compacted).ok());
    }
    bool more = true;
    for (int steps = 0; steps < 2 && more; steps++) ASSERT_TRUE(h.store->CompactStep(&more).ok());
    const auto hash = h.store->HashKv(*h.store->Pin(), 0);
    ASSERT_TRUE(hash.ok());
    const std::string before = FileOf(&h);
    int pieces = 0;
    const std::string meanwhile = FileOf(&h, {}, [&] {
      ASSERT_TRUE(h.Put("later", "x").ok());
      ASSERT_TRUE(h.Delete("key", "key2").ok());
      bool again = false;
      ASSERT_TRUE(h.store->CompactStep(&again).ok());
      pieces++;
    });
    EXPECT_GE(pieces, 4);
    EXPECT_TRUE(before == meanwhile) << compacted;
    EXPECT_EQ(HashOf(Read(before).at("key"), compacted), hash->hash) << compacted;
  }
}

TEST(Backup, APieceIsBounded) {
  MvccHarness h;
  for (int i = 0; i < 300; i++) {
    ASSERT_TRUE(h.Put("k" + std::to_string(i % 5), std::string(60'000, 'v')).ok());
  }
  std::shared_ptr<Store> borrowed(h.store.get(), [](Store*) {});
  BackupStream stream(borrowed, {});
  bool done = false;
  int pieces = 0;
  while (!done) {
    ASSERT_TRUE(stream.Measure(&done).ok());
    pieces++;
  }
  EXPECT_GE(pieces, 17);
  EXPECT_GT(stream.size_bytes(), 18'000'000u);
  for (done = false; !done;) {
    std::string piece;
    ASSERT_TRUE(stream.Next(&piece, &done).ok());
    EXPECT_LE(piece.size(), (size_t{1} << 20) + 3 * 65'536);
  }
}

}  // namespace
}  // namespace metastore::testing
