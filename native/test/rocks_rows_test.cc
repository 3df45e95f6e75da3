// Rows of the rocksdb engine: round trips, truncation, and seeded mutations that must never crash.
#include <gtest/gtest.h>

#include <random>

#include "engine/rocks/rows.h"
#include "test/engine_contract.h"

namespace metastore::rocks {
namespace {

VersionView Sample(bool tombstone) {
  VersionView view;
  view.rev = Revision{7, 3};
  view.prev = Revision{6, 1};
  view.prev_size_bytes = 0xfedcba98;
  view.tombstone = tombstone;
  view.key = std::string_view("k\0\xff", 3);
  if (tombstone) return view;
  view.create_revision = 5;
  view.version = 2;
  view.lease = -1;
  view.value = std::string_view("v\0", 2);
  return view;
}

std::string KeyRow(const VersionView& view) {
  std::string row(kKeyRowHeaderBytes, '\0');
  EncodeKeyRowHeader(view, row.data());
  return row.append(view.value);
}

TEST(RocksRows, RoundTrips) {
  for (const bool tombstone : {false, true}) {
    const VersionView view = Sample(tombstone);
    std::string row = "old";
    EncodeRevRow(view, &row);
    VersionView back;
    ASSERT_TRUE(DecodeRevRow(view.rev, row, &back).ok());
    EXPECT_EQ(test::RowOf(back), test::RowOf(view));
  }
  const VersionView view = Sample(false);
  const std::string row = KeyRow(view);
  VersionView back;
  ASSERT_TRUE(DecodeKeyRow(view.key, row, &back).ok());
  EXPECT_EQ(test::RowOf(back), test::RowOf(view));
  bool tombstone = false;
  ASSERT_TRUE(DecodeHistRow(kHistTombstone, &tombstone).ok());
  EXPECT_TRUE(tombstone);
  ASSERT_TRUE(DecodeHistRow(kHistLive, &tombstone).ok());
  EXPECT_FALSE(tombstone);
}

TEST(RocksRows, WhatDoesNotFitIsDamage) {
  std::string row;
  EncodeRevRow(Sample(false), &row);
  VersionView view;
  EXPECT_EQ(DecodeRevRow(Revision{8, 3}, row, &view).code(), Code::kDamaged);
  EXPECT_EQ(DecodeRevRow(Revision{7, 3}, row + "x", &view).code(), Code::kDamaged);
  for (size_t length = 0; length < row.size(); ++length) {
    EXPECT_EQ(DecodeRevRow(Revision{7, 3}, row.substr(0, length), &view).code(), Code::kDamaged);
  }
  row[0] = 2;
  EXPECT_EQ(DecodeRevRow(Revision{7, 3}, row, &view).code(), Code::kDamaged);
  const std::string key_row = KeyRow(Sample(false));
  for (size_t length = 0; length < kKeyRowHeaderBytes; ++length) {
    EXPECT_EQ(DecodeKeyRow("k", key_row.substr(0, length), &view).code(), Code::kDamaged);
  }
  EXPECT_EQ(DecodeKeyRow("k", std::string(kKeyRowHeaderBytes, '\0'), &view).code(), Code::kDamaged);
  bool tombstone = false;
  for (const std::string_view bytes : {"", "\2", "\1\1"}) {
    EXPECT_EQ(DecodeHistRow(bytes, &tombstone).code(), Code::kDamaged);
  }
}

TEST(RocksRows, SeededMutationsNeverCrash) {
  std::mt19937 random(3);
  size_t accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string row;
    EncodeRevRow(Sample(round % 2 == 0), &row);
    for (size_t changes = 1 + random() % 3; changes > 0 && !row.empty(); --changes) {
      const size_t at = random() % row.size();
      if (random() % 4 == 0) {
        row.resize(at);
      } else {
        row[at] = static_cast<char>(random());
      }
    }
    VersionView view;
    if (DecodeRevRow(Revision{7, 3}, row, &view).ok()) {
      ++accepted;
      std::string again;
      EncodeRevRow(view, &again);
      EXPECT_EQ(again, row);
    }
  }
  EXPECT_GT(accepted, 0u);
}

TEST(RocksRows, PrefixEndIsTheLeastAboveThePrefix) {
  EXPECT_EQ(PrefixEnd("a"), "b");
  EXPECT_EQ(PrefixEnd(std::string("a\xff")), "b");
  EXPECT_EQ(PrefixEnd(std::string("a\xfe")), std::string("a\xff"));
  EXPECT_EQ(PrefixEnd(std::string("\xff\xff")), "");
  EXPECT_EQ(PrefixEnd(""), "");
  EXPECT_EQ(PrefixEnd(std::string(1, '\x7f')), std::string(1, '\x80'));
}

}  // namespace
}  // namespace metastore::rocks
