// Records and row keys: layouts, order, and what damaged bytes do; seeded mutations as a fuzzer.
#include "codec/record.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "codec/key_encoding.h"

namespace metastore::codec {
namespace {

std::string Encoded(const Record& record) {
  std::string bytes;
  AppendRecord(record, &bytes);
  return bytes;
}

Record Sample() {
  Record record;
  record.key = "k";
  record.value = std::string_view("v\0", 2);
  record.create_revision = 2;
  record.mod_revision = 3;
  record.version = -1;
  record.lease = INT64_MIN;
  return record;
}

TEST(Record, Layout) {
  const std::string wanted(
      "\1\0\0\0k\2\0\0\0v\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0"
      "\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\x80",
      43);
  EXPECT_EQ(Encoded(Sample()), wanted);
  EXPECT_EQ(wanted.size(), RecordSize(1, 2));
}

TEST(Record, RoundTrips) {
  const std::string large(1 << 20, '\xee');
  for (const std::string_view key : {std::string_view(""), std::string_view("\0\xff", 2)}) {
    for (const std::string_view value : {std::string_view(""), std::string_view(large)}) {
      Record record = Sample();
      record.key = key;
      record.value = value;
      const std::string bytes = Encoded(record);
      Record back;
      ASSERT_TRUE(DecodeRecord(bytes, &back).ok());
      EXPECT_EQ(back, record);
    }
  }
}

TEST(Record, ReaderTakesOneAfterAnother) {
  const std::string bytes = Encoded(Sample()) + Encoded(Sample()) + "x";
  ByteReader reader(bytes);
  Record record;
  ASSERT_TRUE(ReadRecord(&reader, &record).ok());
  ASSERT_TRUE(ReadRecord(&reader, &record).ok());
  EXPECT_EQ(record, Sample());
  EXPECT_EQ(ReadRecord(&reader, &record).code(), Code::kDamaged);
}

TEST(Record, EveryTruncationAndAnyExtensionIsDamage) {
  const std::string bytes = Encoded(Sample());
  Record record;
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_EQ(DecodeRecord(std::string_view(bytes).substr(0, length), &record).code(),
              Code::kDamaged);
  }
  EXPECT_EQ(DecodeRecord(bytes + "x", &record).code(), Code::kDamaged);
}

/// What a fuzzer would call: whatever decodes must encode to the same bytes.
void CheckAnyBytes(std::string_view bytes) {
  Record record;
  if (DecodeRecord(bytes, &record).ok()) {
    EXPECT_EQ(Encoded(record), bytes);
  }
  std::string key;
  int64_t main = 0, sub = 0;
  if (DecodeHistoryKey(bytes, &key, &main, &sub).ok()) {
    std::string again;
    AppendHistoryKey(key, main, sub, &again);
    EXPECT_EQ(again, bytes);
  }
  if (DecodeRevisionKey(bytes, &main, &sub).ok()) {
    char again[kRevisionKeyBytes];
    PutRevisionKey(again, main, sub);
    EXPECT_EQ(std::string_view(again, sizeof again), bytes);
  }
}

TEST(Record, SeededMutationsNeverCrashAndNeverLie) {
  std::mt19937 random(11);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes;
    if (round % 3 == 0) {
      bytes = Encoded(Sample());
    } else if (round % 3 == 1) {
      AppendHistoryKey(std::string_view("a\0b\0\0\xff", 6), 5, 7, &bytes);
    } else {
      bytes.resize(random() % 40);
    }
    const int changes = 1 + static_cast<int>(random() % 4);
    for (int i = 0; i < changes && !bytes.empty(); ++i) {
      const size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, 1 + random() % 4);
          break;
        case 2:
          bytes.insert(at, 1, "\0\1\xff\x7f"[random() % 4]);
          break;
        default:
          bytes.resize(random() % (bytes.size() + 1));
      }
    }
    CheckAnyBytes(bytes);
  }
}

std::vector<std::string> OddKeys() {
  std::vector<std::string> keys = {""};
  // Every string of up to 4 bytes over the alphabet that the escaping is about.
  for (size_t from = 0, length = 0; length < 4; ++length) {
    const size_t to = keys.size();
    for (; from < to; ++from) {
      for (const char c : {'\0', '\1', '\2', '\xfe', '\xff'}) keys.push_back(keys[from] + c);
    }
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

TEST(KeyEncoding, EscapedKeysSortAsKeysAndNoneIsAPrefix) {
  std::string before;
  for (const std::string& key : OddKeys()) {
    std::string escaped;
    AppendEscapedKey(key, &escaped);
    EXPECT_LT(before, escaped);
    EXPECT_TRUE(before.empty() || !escaped.starts_with(before));
    std::string back = "old";
    std::string with_tail = escaped + "tail";
    std::string_view rest = with_tail;
    ASSERT_TRUE(ReadEscapedKey(&rest, &back).ok());
    EXPECT_EQ(back, key);
    EXPECT_EQ(rest, "tail");
    before = escaped;
  }
}

TEST(KeyEncoding, HistoryKeysSortByKeyThenNewestFirst) {
  std::string before;
  for (const std::string& key : OddKeys()) {
    for (const int64_t main : {INT64_MAX, int64_t{256}, int64_t{255}, int64_t{0}}) {
      for (const int64_t sub : {INT64_MAX, int64_t{1}, int64_t{0}}) {
        std::string row;
        AppendHistoryKey(key, main, sub, &row);
        EXPECT_LT(before, row);
        std::string back;
        int64_t back_main = -1, back_sub = -1;
        ASSERT_TRUE(DecodeHistoryKey(row, &back, &back_main, &back_sub).ok());
        EXPECT_EQ(back, key);
        EXPECT_EQ(back_main, main);
        EXPECT_EQ(back_sub, sub);
        before = row;
      }
    }
  }
}

TEST(KeyEncoding, RevisionKeysSortAsRevisions) {
  std::string before;
  for (const int64_t main : {int64_t{0}, int64_t{1}, int64_t{255}, int64_t{256}, INT64_MAX}) {
    for (const int64_t sub : {int64_t{0}, int64_t{1}, int64_t{70000}, INT64_MAX}) {
      std::string row(kRevisionKeyBytes, '\0');
      PutRevisionKey(row.data(), main, sub);
      EXPECT_LT(before, row);
      int64_t back_main = -1, back_sub = -1;
      ASSERT_TRUE(DecodeRevisionKey(row, &back_main, &back_sub).ok());
      EXPECT_EQ(back_main, main);
      EXPECT_EQ(back_sub, sub);
      before = row;
    }
  }
}

TEST(KeyEncoding, DamageIsNoticed) {
  int64_t main = 0, sub = 0;
  std::string key;
  EXPECT_EQ(DecodeRevisionKey("short", &main, &sub).code(), Code::kDamaged);
  EXPECT_EQ(DecodeRevisionKey(std::string(17, '\0'), &main, &sub).code(), Code::kDamaged);
  EXPECT_EQ(DecodeRevisionKey(std::string(16, '\xff'), &main, &sub).code(), Code::kDamaged);
  EXPECT_EQ(DecodeHistoryRevision("short", &main, &sub).code(), Code::kDamaged);
  for (const std::string_view bytes :
       {std::string_view(""), std::string_view("abc"), std::string_view("a\0", 2),
        std::string_view("a\0\2", 3), std::string_view("a\0\1rest", 7)}) {
    EXPECT_EQ(DecodeHistoryKey(bytes, &key, &main, &sub).code(), Code::kDamaged);
  }
}

TEST(KeyEncoding, AttachmentsSortByLeaseAsANumber) {
  std::string before;
  for (const int64_t lease : {INT64_MIN, int64_t{-1}, int64_t{0}, int64_t{1}, INT64_MAX}) {
    for (const char* key : {"", "a", "b"}) {
      std::string row;
      AppendAttachmentKey(lease, key, &row);
      EXPECT_LT(before, row);
      EXPECT_EQ(row.substr(kAttachmentPrefixBytes), key);
      before = row;
    }
  }
}

}  // namespace
}  // namespace metastore::codec
