// What a watcher is told of an event: the filters of its kind, and the value before it.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>

#include "test/support/watch_harness.h"

namespace metastore::watch_test {
namespace {

constexpr int kNoPut = 0;
constexpr int kNoDelete = 1;

struct WatchPreviousTest : ::testing::Test {
  WatchPreviousTest() { h.Open(1); }
  Harness h;
};

TEST_F(WatchPreviousTest, Filters) {
  h.Create(1, {.key = "a", .filters = {kNoPut}});
  h.Create(1, {.key = "a", .filters = {kNoDelete}, .packed = false});
  h.Create(1, {.key = "a", .filters = {kNoPut, kNoDelete}, .packed = false});
  h.Create(1, {.key = "a", .filters = {7, -1}});
  for (int i = 0; i < 4; ++i) h.Must(1);
  h.Put("a", "1");
  std::map<int64_t, std::string> seen;
  while (const auto next = h.Next(1)) seen[next->watch_id] += "+";
  EXPECT_EQ(seen, (std::map<int64_t, std::string>{{1, "+"}, {3, "+"}}));
  h.Delete("a");
  seen.clear();
  while (const auto next = h.Next(1)) seen[next->watch_id] += "-";
  EXPECT_EQ(seen, (std::map<int64_t, std::string>{{0, "-"}, {3, "-"}}));
}

TEST_F(WatchPreviousTest, PreviousValues) {
  h.Put("a", "old");
  h.Create(1, {.key = "a", .prev_kv = true});
  h.Create(1, {.key = "a"});
  h.Must(1);
  h.Must(1);
  h.Put("a", "new");
  const Response with = h.Must(1), without = h.Must(1);
  EXPECT_EQ(with.events[0].prev, (KeyValue{"a", "old", 2, 2, 1, 0}));
  EXPECT_FALSE(without.events[0].prev.has_value());
  h.Delete("a");
  const Response deleted = h.Must(1);
  EXPECT_EQ(deleted.events[0], (Event{1, {"a", "", 0, 4, 0, 0}, KeyValue{"a", "new", 2, 3, 2, 0}}));
  h.Must(1);
  h.Put("a", "again");
  EXPECT_FALSE(h.Must(1).events[0].prev.has_value());  // a creation
}

TEST_F(WatchPreviousTest, PreviousValueInsideOnePublication) {
  h.Create(1, {.key = "a", .prev_kv = true});
  h.Must(1);
  h.Apply({{{"a", "2"}}, {{"a", "3"}}, {{"a", std::nullopt}}, {{"a", "5"}}});
  const Response all = h.Must(1);
  ASSERT_EQ(all.events.size(), 4u);
  EXPECT_EQ(all.revision, 5);
  EXPECT_FALSE(all.events[0].prev);
  EXPECT_EQ(all.events[1].prev->value, "2");
  EXPECT_EQ(all.events[2].prev->value, "3");
  EXPECT_FALSE(all.events[3].prev);
}

TEST_F(WatchPreviousTest, PreviousValueIsThatBeforeTheRevision) {
  // A transaction may change a key twice: the value before the event's revision counts for both.
  h.Put("a", "old");
  h.Put("b", "old");
  h.Create(1, {.key = "", .end = kZero, .prev_kv = true});
  h.Must(1);
  const Transaction twice = {{"a", "x"},         {"a", std::nullopt}, {"b", std::nullopt},
                             {"b", "y"},         {"b", std::nullopt}, {"c", "new"},
                             {"c", std::nullopt}};
  const auto check = [](const Response& response) {
    ASSERT_EQ(response.events.size(), 7u);
    EXPECT_EQ(response.events[0].prev->value, "old");
    EXPECT_EQ(response.events[1].prev->value, "old");
    EXPECT_EQ(response.events[2].prev->value, "old");
    EXPECT_FALSE(response.events[3].prev);  // a creation, though something was there before
    EXPECT_EQ(response.events[4].prev->value, "old");
    EXPECT_FALSE(response.events[5].prev);
    EXPECT_FALSE(response.events[6].prev);
  };
  h.Apply({twice});
  check(h.Must(1));
  h.Create(1, {.key = "", .end = kZero, .start = 4, .prev_kv = true});
  h.Must(1);
  check(h.Must(1));  // and the same from history
}

TEST_F(WatchPreviousTest, PreviousValueThatIsCompacted) {
  for (int i = 0; i < 4; ++i) h.Put("a", std::to_string(i));
  h.Apply({}, 4);  // the rows are still there
  h.Create(1, {.key = "a", .start = 4, .prev_kv = true});
  h.Must(1);
  EXPECT_FALSE(h.Must(1).events[0].prev);
  h.Cancel(1, 0);
  h.Must(1);
  EXPECT_TRUE(h.store->RemoveRows());
  h.Create(1, {.key = "a", .start = 4, .prev_kv = true});
  h.Must(1);
  const Response caught_up = h.Must(1);
  ASSERT_EQ(caught_up.events.size(), 2u);
  EXPECT_FALSE(caught_up.events[0].prev);
  EXPECT_EQ(caught_up.events[1].prev->value, "2");
}

TEST_F(WatchPreviousTest, PreviousValueOutlivesACompactionInTheSameRun) {
  h.Put("a", "old");
  h.Create(1, {.key = "a", .prev_kv = true});
  h.Must(1);
  h.store->Apply({{{"a", "new"}}}, 3);
  EXPECT_FALSE(h.store->RemoveRows());  // the hub still holds the state before
  h.Run();
  EXPECT_EQ(h.Must(1).events[0].prev->value, "old");
  EXPECT_TRUE(h.store->RemoveRows());
}

}  // namespace
}  // namespace metastore::watch_test
