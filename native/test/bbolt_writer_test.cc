// Files of the bbolt writer, read back by a reader that knows only the format: whatever the number
// and size of rows, everything is there, in order, and every page is used once.
#include <gtest/gtest.h>

#include <random>

#include "bbolt/file_writer.h"
#include "test/support/bbolt_reader.h"

namespace metastore::testing {
namespace {

using Rows = BboltReader::Rows;
using Contents = std::map<std::string, Rows>;

bbolt::FileShape Feed(const Contents& contents, bbolt::FileWriter* writer, std::string* out,
                      size_t* held_max = nullptr) {
  size_t written = 0;
  for (const auto& [name, rows] : contents) {
    writer->BeginBucket(name);
    for (const auto& [key, value] : rows) {
      const std::string_view bytes = value;
      const size_t third = bytes.size() / 3;
      writer->Add(key,
                  {bytes.substr(0, third), bytes.substr(third, third), bytes.substr(2 * third)});
      if (held_max != nullptr) {
        *held_max = std::max(*held_max, writer->written_bytes());
        if (++written % 16 == 0) out->append(writer->Take());
      }
    }
    writer->EndBucket();
  }
  const bbolt::FileShape shape = writer->Finish();
  out->append(writer->Take());
  return shape;
}

std::string FileOf(const Contents& contents) {
  bbolt::FileWriter measure;
  std::string nothing, bytes;
  const bbolt::FileShape shape = Feed(contents, &measure, &nothing);
  EXPECT_TRUE(nothing.empty());
  bbolt::FileWriter writer(shape);
  EXPECT_EQ(Feed(contents, &writer, &bytes), shape);
  EXPECT_EQ(bytes.size(), shape.size_bytes());
  return bytes;
}

Rows NumberedRows(size_t count, size_t value_bytes, size_t key_bytes = 8) {
  Rows rows;
  for (size_t i = 0; i < count; i++) {
    std::string key = std::to_string(10'000'000 + i);
    key.resize(std::max(key_bytes, key.size()), 'k');
    rows.emplace_back(std::move(key), std::string(value_bytes, static_cast<char>('a' + i % 26)));
  }
  return rows;
}

TEST(BboltWriter, BucketsWithoutRows) {
  const Contents contents = {{"alarm", {}}, {"auth", {}}, {"key", {}}};
  const std::string file = FileOf(contents);
  EXPECT_EQ(file.size(), 4u * 4096);
  BboltReader reader(file);
  EXPECT_EQ(reader.ReadAll(), contents);
  EXPECT_EQ(reader.inline_buckets, 3u);
}

/// Around the sizes at which a bucket leaves its parent, a leaf its page, a level its branch.
TEST(BboltWriter, EveryNumberOfRows) {
  for (size_t count = 0; count < 400; count++) {
    const Contents contents = {{"few", NumberedRows(count % 7, 3)},
                               {"rows", NumberedRows(count, 9)}};
    const std::string file = FileOf(contents);
    ASSERT_EQ(BboltReader(file).ReadAll(), contents) << count;
  }
  // Two rows a leaf: branches fill with 125 leaves of these keys.
  for (const size_t children : {1u, 2u, 124u, 125u, 126u, 127u, 169u, 170u, 171u, 172u, 250u, 251u,
                                340u, 341u, 510u, 511u, 512u}) {
    const Contents contents = {{"rows", NumberedRows(2 * children, 1900)}};
    ASSERT_EQ(BboltReader(FileOf(contents)).ReadAll(), contents) << children;
  }
}

TEST(BboltWriter, DeepTreesAndLongKeys) {
  const Contents contents = {{"long", NumberedRows(700, 5, 3000)},
                             {"longest", NumberedRows(40, 1, 32768)},
                             {"many", NumberedRows(60'000, 1)}};
  BboltReader reader(FileOf(contents));
  EXPECT_EQ(reader.ReadAll(), contents);
  EXPECT_GE(reader.depth_max, 5u) << "two long keys a branch";
}

TEST(BboltWriter, LargeValues) {
  Rows rows;
  const size_t sizes[] = {0,    1,    4050,      4056, 4057,      4072,
                          4096, 8192, 1'500'000, 3,    5'000'000, 70'000};
  for (size_t i = 0; i < std::size(sizes); i++) {
    rows.emplace_back("key" + std::to_string(10 + i), std::string(sizes[i], 'v'));
  }
  const Contents contents = {{"rows", rows}};
  const std::string file = FileOf(contents);
  BboltReader reader(file);
  EXPECT_EQ(reader.ReadAll(), contents);
  EXPECT_GT(reader.overflow_pages, 1500u);
}

TEST(BboltWriter, RandomSizes) {
  std::mt19937 random(20261121);
  const std::string names[] = {"a", "b", std::string(500, 'n'), "z"};
  for (int round = 0; round < 60; round++) {
    Contents contents;
    for (const std::string& name : names) {
      std::map<std::string, std::string> sorted;
      const size_t count = random() % 300;
      for (size_t i = 0; i < count; i++) {
        std::string key(1 + random() % (random() % 9 == 0 ? 2000 : 20), '\0');
        for (char& byte : key) byte = static_cast<char>(random());
        sorted[key] = std::string(random() % (random() % 20 == 0 ? 20'000 : 200), 'x');
      }
      contents[name] = Rows(sorted.begin(), sorted.end());
    }
    ASSERT_EQ(BboltReader(FileOf(contents)).ReadAll(), contents) << round;
  }
}

TEST(BboltWriter, HoldsLittle) {
  const Contents contents = {{"rows", NumberedRows(200'000, 40)}};
  bbolt::FileWriter measure;
  std::string nothing, bytes;
  size_t measuring = 0, writing = 0;
  const bbolt::FileShape shape = Feed(contents, &measure, &nothing, &measuring);
  bbolt::FileWriter writer(shape);
  Feed(contents, &writer, &bytes, &writing);
  EXPECT_EQ(measuring, 0u);
  EXPECT_LE(writing, 6u * 4096) << "the first pages, and those that 16 rows can fill";
  EXPECT_EQ(BboltReader(bytes).ReadAll(), contents);
}

TEST(BboltWriterDeathTest, RowsThatAreNotTheSameTwice) {
  bbolt::FileWriter measure;
  std::string nothing;
  const bbolt::FileShape shape = Feed({{"rows", NumberedRows(100, 50)}}, &measure, &nothing);
  bbolt::FileWriter writer(shape);
  EXPECT_DEATH(Feed({{"rows", NumberedRows(300, 50)}}, &writer, &nothing), "the same both times");
  const Rows descending = {{"b", "1"}, {"a", "2"}};
  EXPECT_DEATH(Feed({{"other", descending}}, &measure, &nothing), "rows ascend");
}

}  // namespace
}  // namespace metastore::testing
