// The family `hist` of the rocksdb engine: directories of the former format, which named every
// superseded version, are read and go on; and compaction leaves no row without its version.
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <functional>
#include <random>

#include "base/bytes.h"
#include "codec/key_encoding.h"
#include "engine/rocks/rows.h"
#include "test/engine_contract.h"
#include "test/support/rocks.h"

namespace metastore::test {
namespace {

using rocks::Family;

/// The rows of a database that no engine has open, by RocksDB alone.
class RawRows {
 public:
  explicit RawRows(const std::string& directory) {
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const char* name : rocks::kFamilyNames) {
      families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    }
    rocksdb::DB* db = nullptr;
    const rocksdb::Status opened =
        rocksdb::DB::Open(rocksdb::DBOptions(), directory, families, &families_, &db);
    EXPECT_TRUE(opened.ok()) << opened.ToString();
    db_.reset(db);
  }
  ~RawRows() {
    for (rocksdb::ColumnFamilyHandle* family : families_) {
      EXPECT_TRUE(db_->DestroyColumnFamilyHandle(family).ok());
    }
  }

  void Each(Family family, const std::function<void(std::string_view, std::string_view)>& visit) {
    const std::unique_ptr<rocksdb::Iterator> rows(
        db_->NewIterator(rocksdb::ReadOptions(), families_[family]));
    for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
      visit(rows->key().ToStringView(), rows->value().ToStringView());
    }
    ASSERT_TRUE(rows->status().ok());
  }

  std::optional<std::string> Get(Family family, const std::string& row) {
    std::string value;
    const rocksdb::Status got = db_->Get(rocksdb::ReadOptions(), families_[family], row, &value);
    return got.ok() ? std::optional(value) : std::nullopt;
  }

  void Put(Family family, const std::string& row, std::string_view value) {
    const rocksdb::Slice slice(value.data(), value.size());
    ASSERT_TRUE(db_->Put(rocksdb::WriteOptions(), families_[family], row, slice).ok());
  }
  void Delete(Family family, const std::string& row) {
    ASSERT_TRUE(db_->Delete(rocksdb::WriteOptions(), families_[family], row).ok());
  }

 private:
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
  std::unique_ptr<rocksdb::DB> db_;
};

std::string RevKey(Revision rev) {
  std::string row(codec::kRevisionKeyBytes, '\0');
  codec::PutRevisionKey(row.data(), rev.main, rev.sub);
  return row;
}

/// Makes of a database what the former format would have written for the same history.
void MakeFormer(const std::string& directory) {
  RawRows rows(directory);
  std::vector<std::string> superseded;
  rows.Each(rocks::kRev, [&](std::string_view key, std::string_view value) {
    Revision rev;
    VersionView view;
    ASSERT_TRUE(codec::DecodeRevisionKey(key, &rev.main, &rev.sub).ok());
    ASSERT_TRUE(rocks::DecodeRevRow(rev, value, &view).ok());
    if (view.prev.main == 0 || !rows.Get(rocks::kRev, RevKey(view.prev)).has_value()) return;
    codec::AppendHistoryKey(view.key, view.prev.main, view.prev.sub, &superseded.emplace_back());
  });
  ASSERT_GT(superseded.size(), 100u);
  for (const std::string& row : superseded) rows.Put(rocks::kHist, row, rocks::kHistLive);
  rows.Put(rocks::kOwn, std::string(rocks::kFormatRow), rocks::kFormerFormat);
  rows.Delete(rocks::kOwn, std::string(rocks::kDenseRow));
}

std::string FormatOf(const std::string& directory) {
  return RawRows(directory).Get(rocks::kOwn, std::string(rocks::kFormatRow)).value_or("none");
}

struct HistoryRows {
  size_t live = 0;
  size_t tombstones = 0;
};

/// Counts the rows of `hist`, and expects each to name a version that is there.
HistoryRows CountHistory(const std::string& directory) {
  RawRows rows(directory);
  HistoryRows count;
  rows.Each(rocks::kHist, [&](std::string_view row, std::string_view value) {
    std::string key;
    Revision rev;
    ASSERT_TRUE(codec::DecodeHistoryKey(row, &key, &rev.main, &rev.sub).ok());
    EXPECT_TRUE(rows.Get(rocks::kRev, RevKey(rev)).has_value()) << key << " " << rev.main;
    ++(value == rocks::kHistTombstone ? count.tombstones : count.live);
  });
  return count;
}

/// Puts and deletions of few keys, so that histories are long and have generations.
void Write(Script* script, int entries, uint32_t seed) {
  std::mt19937 random(seed);
  for (int i = 0; i < entries; ++i) {
    script->Next();
    for (uint32_t changes = 1 + random() % 3; changes > 0; --changes) {
      const std::string key = "key/" + std::to_string(random() % 5);
      if (random() % 40 == 0) {
        script->Delete(key);
      } else {
        script->Put(key, std::to_string(i));
      }
    }
    script->Commit();
  }
}

TEST(RocksHistory, FewVersionsHaveARow) {
  TemporaryDirectory directory;
  auto engine = MustOpen(OptionsFor(directory.path()));
  Script script(engine.get());
  constexpr int kPuts = 321;
  for (int i = 0; i < kPuts; ++i) script.Next().Put("key", std::to_string(i)).Commit();
  script.Next().Delete("key").Commit();
  engine.reset();
  const HistoryRows count = CountHistory(directory.path());
  EXPECT_EQ(count.live, kPuts / rocks::kHistoryStride);
  EXPECT_EQ(count.tombstones, 1u);
}

TEST(RocksHistory, CompactionLeavesNoRowBehind) {
  TemporaryDirectory directory;
  auto engine = MustOpen(OptionsFor(directory.path()));
  Script script(engine.get());
  Write(&script, 400, 1);
  script.Compact(script.revision() - 100).Commit();
  engine.reset();
  CountHistory(directory.path());
  engine = MustOpen(OptionsFor(directory.path()));
  script.Reattach(engine.get());
  script.ExpectSame();
  for (int i = 0; i < 5; ++i) {
    const std::string key = "key/" + std::to_string(i);
    script.Next().Put(key, "last").Delete(key).Commit();
  }
  script.Next().Put("other", "stays").Commit();
  script.Compact(script.revision()).Commit();
  engine.reset();
  const HistoryRows count = CountHistory(directory.path());
  EXPECT_EQ(count.live + count.tombstones, 0u);
}

TEST(RocksHistory, ADirectoryOfTheFormerFormatGoesOn) {
  TemporaryDirectory directory;
  const RocksOptions options = OptionsFor(directory.path());
  auto engine = MustOpen(options);
  Script script(engine.get());
  Write(&script, 250, 2);
  script.Compact(40).Commit();
  engine.reset();
  MakeFormer(directory.path());
  {
    // To read it, nothing is written to it.
    Result<std::unique_ptr<Engine>> reading = OpenRocksForReading(options);
    ASSERT_TRUE(reading.ok()) << reading.status().ToString();
    script.Reattach(reading->get());
    script.ExpectSame();
  }
  EXPECT_EQ(FormatOf(directory.path()), rocks::kFormerFormat);
  engine = MustOpen(options);
  script.Reattach(engine.get());
  script.ExpectSame();
  // Old rows and new ones side by side, compactions on both sides of the border between them.
  Write(&script, 150, 3);
  script.ExpectSame();
  const int64_t cuts[] = {90, 200, script.revision() - 30, script.revision()};
  for (const int64_t cut : cuts) {
    script.Compact(cut).Commit();
    script.ExpectSame();
    engine.reset();
    EXPECT_EQ(FormatOf(directory.path()), rocks::kFormat);
    CountHistory(directory.path());
    engine = MustOpen(options);
    script.Reattach(engine.get());
    script.ExpectSame();
  }
}

}  // namespace
}  // namespace metastore::test
