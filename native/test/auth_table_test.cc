// Permission tables: what is parsed and what is refused, whatever the bytes; and which requests a
// user's intervals hold, against a model that tries every key.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>

#include "auth/table.h"
#include "test/support/auth_tables.h"

namespace metastore::auth {
namespace {

using auth_test::AppendText;
using auth_test::Key;
using auth_test::kZero;
using auth_test::MakeTable;
using auth_test::Ranges;
using auth_test::TableBytes;
using auth_test::TestUser;

bool IsTable(const std::string& bytes) {
  auto table = Table::Parse(bytes);
  if (!table.ok()) {
    EXPECT_EQ(table.status().code(), Code::kUnmarshal);
    EXPECT_NE(table.status().detail(), "");
  }
  return table.ok();
}

bool ReadsAre(const Ranges& read) { return IsTable(TableBytes(true, 1, {{"u", false, read}})); }

TEST(AuthTable, HoldsWhatItWasMadeOf) {
  auto parsed = Table::Parse(TableBytes(true, 7,
                                        {{"u", false, {{"a", "b"}, {"k", ""}}, {Key("w")}},
                                         {"root", true},
                                         {std::string("\xc3\xa9\0x", 4), false, {{"", "c"}}}}));
  ASSERT_TRUE(parsed.ok());
  const Table& table = **parsed;
  EXPECT_TRUE(table.known());
  EXPECT_TRUE(table.enabled());
  EXPECT_EQ(table.revision(), 7u);
  const User* user = table.Find("u");
  ASSERT_NE(user, nullptr);
  EXPECT_FALSE(user->is_root);
  ASSERT_EQ(user->read.size(), 2u);
  EXPECT_EQ(user->read[0].key, "a");
  EXPECT_EQ(user->read[0].end, "b");
  EXPECT_EQ(user->read[1].key, "k");
  EXPECT_EQ(user->read[1].end, "");
  ASSERT_EQ(user->write.size(), 1u);
  EXPECT_EQ(user->write[0].end, "w" + kZero);
  EXPECT_TRUE(table.Find("root")->is_root);
  EXPECT_NE(table.Find(std::string("\xc3\xa9\0x", 4)), nullptr);
  for (const std::string name : {"", "a", "r", "roo", "roots", "v", "\xc3"}) {
    EXPECT_EQ(table.Find(name), nullptr) << name;
  }
}

TEST(AuthTable, NamesMayBeAsLongAsRequests) {
  const std::string name(1'500'000, 'n');
  EXPECT_NE(MakeTable(1, {{name}})->Find(name), nullptr);
}

TEST(AuthTable, OutlivesTheBytesItWasParsedFrom) {
  std::string bytes = TableBytes(true, 1, {{"somebody", false, {{"from", "to"}}}});
  auto table = Table::Parse(bytes);
  ASSERT_TRUE(table.ok());
  std::fill(bytes.begin(), bytes.end(), 'x');
  ASSERT_NE((*table)->Find("somebody"), nullptr);
  EXPECT_EQ((*table)->Find("somebody")->read[0].key, "from");
}

TEST(AuthTable, RefusesWhatIsNotExactlyATable) {
  const std::string good = TableBytes(true, 3, {{"u", false, {{"a", "b"}}}, {"v", true}});
  EXPECT_TRUE(IsTable(good));
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(IsTable(good.substr(0, length))) << length;
  }
  EXPECT_FALSE(IsTable(good + kZero));
  std::string other = good;
  other[0] = 2;
  EXPECT_FALSE(IsTable(other)) << "version";
  other = good;
  other[1] = 2;
  EXPECT_FALSE(IsTable(other)) << "flag";
  EXPECT_FALSE(IsTable(TableBytes(true, 1, {{"u"}, {"v"}, {"u"}}))) << "a name twice";
  EXPECT_FALSE(IsTable(TableBytes(true, 1, {{""}}))) << "no name";
}

TEST(AuthTable, RefusesIntervalsThatAreNotMerged) {
  EXPECT_TRUE(ReadsAre({}));
  EXPECT_TRUE(ReadsAre({{"", ""}}));
  EXPECT_TRUE(ReadsAre({{"a", "b"}, {"b" + kZero, "c"}, {"d", ""}}));
  EXPECT_FALSE(ReadsAre({{"a", "a"}})) << "empty";
  EXPECT_FALSE(ReadsAre({{"b", "a"}})) << "inverted";
  EXPECT_FALSE(ReadsAre({{"a", "b"}, {"b", "c"}})) << "adjacent";
  EXPECT_FALSE(ReadsAre({{"a", "c"}, {"b", "d"}})) << "overlapping";
  EXPECT_FALSE(ReadsAre({{"c", "d"}, {"a", "b"}})) << "unordered";
  EXPECT_FALSE(ReadsAre({{"a", ""}, {"b", "c"}})) << "behind an unbounded one";
  EXPECT_FALSE(ReadsAre({{"a", "b"}, {"a", "b"}})) << "twice";
}

TEST(AuthTable, CountsBeyondTheBytesReserveNothing) {
  std::string bytes = TableBytes(true, 1, {});
  bytes.replace(bytes.size() - 4, 4, "\xff\xff\xff\xff");
  EXPECT_FALSE(IsTable(bytes));
  bytes = TableBytes(true, 1, {{"u"}});
  bytes.replace(bytes.size() - 8, 4, "\xff\xff\xff\xff");
  EXPECT_FALSE(IsTable(bytes + std::string(64, '\0')));
  bytes = TableBytes(true, 1, {{"u", false, {{"a", "b"}}}});
  bytes.replace(bytes.size() - 14, 4, "\xff\xff\xff\xff");
  EXPECT_FALSE(IsTable(bytes));
}

TEST(AuthTable, AnyBytesAreATableOrRefused) {
  std::mt19937_64 random(20261121);
  const std::string good = TableBytes(
      true, 9, {{"u", false, {{"a", "b"}, {"c", ""}}, {{"d", "e"}}}, {"root", true}, {"z"}});
  int accepted = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string bytes = good;
    if (i % 4 == 0) {
      bytes.assign(random() % 80, '\0');
      for (char& each : bytes)
        each = static_cast<char>(random() % 4 == 0 ? random() : random() % 3);
    } else {
      for (uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
        bytes[random() % bytes.size()] = static_cast<char>(random() % 2 == 0 ? random() : 0);
      }
    }
    const auto table = Table::Parse(bytes);
    if (!table.ok()) continue;
    ++accepted;
    for (const std::string name : {"u", "root", "z", "nobody"}) {
      const User* user = (*table)->Find(name);
      if (user == nullptr) continue;
      (void)Covers(user->read, "b", "c");
      (void)Covers(user->write, "", kZero);
    }
  }
  EXPECT_GT(accepted, 1000) << "changes of keys and revisions leave a table";
  EXPECT_LT(accepted, 150'000);
}

// ---- Which requests are held. ----------------------------------------------------------------

bool Held(const Ranges& granted, const std::string& key, const std::string& range_end) {
  const auto table = MakeTable(1, {{"u", false, granted}});
  return Covers(table->Find("u")->read, key, range_end);
}

TEST(AuthCovers, SingleKeys) {
  EXPECT_FALSE(Held({}, "a", ""));
  EXPECT_TRUE(Held({{"a", "b"}}, "a", ""));
  EXPECT_TRUE(Held({{"a", "b"}}, "azz", ""));
  EXPECT_FALSE(Held({{"a", "b"}}, "b", ""));
  EXPECT_FALSE(Held({{"a", "b"}}, "A", ""));
  EXPECT_TRUE(Held({{"a", ""}}, "\xff\xff", ""));
  EXPECT_TRUE(Held({Key("k")}, "k", ""));
  EXPECT_FALSE(Held({Key("k")}, "k" + kZero, ""));
  EXPECT_TRUE(Held({{"", ""}}, kZero, ""));
}

TEST(AuthCovers, RangesInOneInterval) {
  const Ranges granted = {{"a", "c"}, {"e", "g"}};
  EXPECT_TRUE(Held(granted, "a", "c"));
  EXPECT_TRUE(Held(granted, "ab", "b"));
  EXPECT_FALSE(Held(granted, "a", "c" + kZero));
  EXPECT_FALSE(Held(granted, "b", "f")) << "over a gap";
  EXPECT_FALSE(Held(granted, "c", "e")) << "the gap";
  EXPECT_FALSE(Held(granted, "d", "f"));
  EXPECT_TRUE(Held({Key("k")}, "k", "k" + kZero));
  EXPECT_FALSE(Held({Key("k")}, "k", "k" + kZero + kZero));
}

TEST(AuthCovers, RangesWithoutEnd) {
  EXPECT_TRUE(Held({{"a", "b"}, {"k", ""}}, "k", kZero));
  EXPECT_TRUE(Held({{"a", "b"}, {"k", ""}}, "z", kZero));
  EXPECT_FALSE(Held({{"a", "b"}, {"k", ""}}, "a", kZero));
  EXPECT_FALSE(Held({{"a", "\xff\xff"}}, "a", kZero));
  EXPECT_FALSE(Held({Key("k")}, "k", kZero));
  EXPECT_TRUE(Held({{"k", ""}}, "k", "\xff\xff\xff"));
  EXPECT_TRUE(Held({{"", ""}}, kZero, kZero));
  EXPECT_FALSE(Held({{"a", ""}}, kZero, kZero));
}

// Seen on etcd 3.7.1: what counts is that an interval holds the first key.
TEST(AuthCovers, RangesThatEndBeforeTheyBegin) {
  const Ranges granted = {{"a", "c"}, {"e", "g"}};
  EXPECT_TRUE(Held(granted, "b", "a"));
  EXPECT_TRUE(Held(granted, "b", "A"));
  EXPECT_TRUE(Held(granted, "f", "b"));
  EXPECT_TRUE(Held(granted, "b", "b"));
  EXPECT_FALSE(Held(granted, "c", "b"));
  EXPECT_FALSE(Held(granted, "d", "b"));
  EXPECT_FALSE(Held(granted, "d", "d"));
}

/// Every string of up to three letters of {a, b}, in order.
std::vector<std::string> AllKeys() {
  std::vector<std::string> keys = {"a", "b"};
  for (size_t i = 0; i < 6; ++i) {
    keys.push_back(keys[i] + "a");
    keys.push_back(keys[i] + "b");
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

/// Random bounds, merged: sorted and distinct ones pair up to intervals with gaps between them.
Ranges RandomRanges(const std::vector<std::string>& keys, std::mt19937_64* random) {
  std::vector<std::string> bounds = keys;
  std::shuffle(bounds.begin(), bounds.end(), *random);
  bounds.resize((*random)() % 6);
  std::sort(bounds.begin(), bounds.end());
  Ranges ranges;
  for (size_t i = 0; i + 1 < bounds.size(); i += 2) ranges.emplace_back(bounds[i], bounds[i + 1]);
  if (bounds.size() % 2 == 1) ranges.emplace_back(bounds.back(), "");
  return ranges;
}

TEST(AuthCovers, AgreesWithAModelThatTriesEveryKey) {
  const std::vector<std::string> keys = AllKeys();
  std::mt19937_64 random(7);
  uint64_t held_ranges = 0;
  for (int round = 0; round < 300; ++round) {
    const Ranges granted = RandomRanges(keys, &random);
    const auto table = MakeTable(1, {{"u", false, granted}});
    const auto in_grant = [&](const std::string& key) {
      return std::any_of(granted.begin(), granted.end(), [&](const auto& range) {
        return range.first <= key && (range.second.empty() || key < range.second);
      });
    };
    const Intervals& intervals = table->Find("u")->read;
    for (size_t from = 0; from < keys.size(); ++from) {
      EXPECT_EQ(Covers(intervals, keys[from], ""), in_grant(keys[from]));
      for (size_t to = from + 1; to < keys.size(); ++to) {
        // Bounds are among the keys, so a gap shows at one of them.
        const bool all = std::all_of(keys.begin() + from, keys.begin() + to, in_grant);
        EXPECT_EQ(Covers(intervals, keys[from], keys[to]), all) << keys[from] << " " << keys[to];
        held_ranges += all ? 1 : 0;
      }
    }
  }
  EXPECT_GT(held_ranges, 1000u);
}

}  // namespace
}  // namespace metastore::auth
