// The parts under the sequencer: requests from bytes, and the matcher against plain comparison.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <random>

#include "test/support/watch_harness.h"
#include "watch/events/codec.h"
#include "watch/events/matcher.h"
#include "watch/sequencer/stream.h"

namespace metastore::watch_test {
namespace {

using watch::Decode;
using watch::Matcher;
using watch::RequestKind;
using watch::Watcher;
using watch::WatchRequest;

// ---- Requests. -------------------------------------------------------------------------------

TEST(WatchCodec, CreateRequestsRoundTrip) {
  WatchRequest request;
  const CreateOptions options{.key = std::string("k\0y", 3),
                              .end = "z",
                              .start = std::numeric_limits<int64_t>::min(),
                              .progress = true,
                              .filters = {0, 1},
                              .prev_kv = true,
                              .id = -9,
                              .fragment = true};
  ASSERT_TRUE(Decode(CreateBytes(options), &request).ok());
  EXPECT_EQ(request.kind, RequestKind::kCreate);
  EXPECT_EQ(request.create.key, options.key);
  EXPECT_EQ(request.create.range_end, "z");
  EXPECT_EQ(request.create.start_revision, options.start);
  EXPECT_EQ(request.create.watch_id, -9);
  EXPECT_TRUE(request.create.progress_notify && request.create.prev_kv && request.create.fragment);
  EXPECT_TRUE(request.create.no_put && request.create.no_delete);
}

TEST(WatchCodec, TheLastMemberOfTheUnionCounts) {
  WatchRequest request;
  ASSERT_TRUE(Decode(CreateBytes({.key = "a"}) + CancelBytes(5), &request).ok());
  EXPECT_EQ(request.kind, RequestKind::kCancel);
  EXPECT_EQ(request.cancel_id, 5);
  ASSERT_TRUE(Decode(CancelBytes(5) + ProgressBytes(), &request).ok());
  EXPECT_EQ(request.kind, RequestKind::kProgress);
  // The same member again is merged.
  ASSERT_TRUE(
      Decode(CreateBytes({.key = "a", .id = 3}) + CreateBytes({.end = "b"}), &request).ok());
  EXPECT_EQ(request.create.key, "a");
  EXPECT_EQ(request.create.range_end, "b");
  EXPECT_EQ(request.create.watch_id, 3);
  // Replaced and set again, nothing of the first one is left.
  ASSERT_TRUE(
      Decode(CreateBytes({.key = "a"}) + CancelBytes(5) + CreateBytes({.end = "b"}), &request)
          .ok());
  EXPECT_EQ(request.create.key, "");
}

TEST(WatchCodec, EveryPrefixAnswersWithoutHarm) {
  const std::string bytes =
      CreateBytes({.key = "abc", .end = "abd", .start = 1ll << 40, .filters = {1}, .id = 70000});
  WatchRequest request;
  for (size_t length = 1; length < bytes.size(); ++length) {
    EXPECT_EQ(Decode(bytes.substr(0, length), &request).code(), Code::kUnmarshal) << length;
  }
}

TEST(WatchCodec, RandomBytesAnswerWithoutHarm) {
  std::mt19937_64 random(7);
  Harness h;
  h.Open(1);
  const std::string good = CreateBytes({.key = "abc", .filters = {0, 1, 300}, .id = -1}) +
                           CancelBytes(7) + ProgressBytes();
  int refused = 0, accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string bytes;
    if (round % 2 == 0) {
      bytes.resize(random() % 40);
      for (char& byte : bytes) byte = static_cast<char>(random());
    } else {
      bytes = good;
      for (uint64_t flips = random() % 4; flips > 0; --flips) {
        bytes[random() % bytes.size()] = static_cast<char>(random());
      }
      bytes.resize(random() % (bytes.size() + 1));
    }
    // Own memory of the exact size, so that a sanitizer sees a read beyond the end.
    const std::unique_ptr<char[]> exact(new char[bytes.size()]);
    std::copy(bytes.begin(), bytes.end(), exact.get());
    const Status status = h.hub->Request(1, std::string_view(exact.get(), bytes.size()));
    EXPECT_TRUE(status.ok() || status.code() == Code::kUnmarshal);
    (status.ok() ? accepted : refused) += 1;
    if (round % 100 == 0) h.Run();
  }
  h.Run();
  EXPECT_GT(refused, 1000);
  EXPECT_GT(accepted, 1000);
  while (h.Next(1)) {
  }
  h.Create(1, {.key = "still there", .id = 123456789});
  EXPECT_EQ(h.Must(1).watch_id, 123456789);
}

// ---- Matching. -------------------------------------------------------------------------------

std::string RandomKey(std::mt19937_64* random) {
  std::string key(1 + (*random)() % 3, 'a');
  for (char& byte : key) byte = static_cast<char>("\0ab\xff"[(*random)() % 4]);
  return key;
}

TEST(WatchMatcher, FindsWhatComparisonFinds) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    Matcher matcher;
    std::vector<std::unique_ptr<Watcher>> watchers;
    for (int step = 0; step < 1500; ++step) {
      const uint64_t what = random() % 10;
      if (what < 4) {
        auto watcher = std::make_unique<Watcher>();
        watcher->span.start = RandomKey(&random);
        watcher->span.single = random() % 2 == 0;
        if (!watcher->span.single) {
          watcher->span.unbounded = random() % 4 == 0;
          const std::string end = watcher->span.start + RandomKey(&random);
          if (!watcher->span.unbounded) watcher->span.end = end;
        }
        matcher.Add(watcher.get());
        watchers.push_back(std::move(watcher));
      } else if (what < 7 && !watchers.empty()) {
        const size_t at = random() % watchers.size();
        matcher.Remove(watchers[at].get());
        watchers.erase(watchers.begin() + static_cast<std::ptrdiff_t>(at));
      } else {
        const std::string key = RandomKey(&random);
        std::vector<Watcher*> found, wanted;
        matcher.Match(key, [&](watch::Group& group) {
          found.insert(found.end(), group.watchers.begin(), group.watchers.end());
        });
        for (auto& watcher : watchers) {
          if (watcher->span.Contains(key)) wanted.push_back(watcher.get());
        }
        std::sort(found.begin(), found.end());
        std::sort(wanted.begin(), wanted.end());
        ASSERT_EQ(found, wanted) << "seed " << seed << " step " << step;
      }
    }
    for (auto& watcher : watchers) matcher.Remove(watcher.get());
    EXPECT_TRUE(matcher.empty());
  }
}

TEST(WatchMatcher, NestedRangesInOrderOfInsertionStayShallow) {
  // A degenerate tree of this size would overflow the stack.
  Matcher matcher;
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int i = 0; i < 100000; ++i) {
    auto watcher = std::make_unique<Watcher>();
    char name[16];
    std::snprintf(name, sizeof name, "%08d", i);
    watcher->span.start = name;
    watcher->span.end = "9";
    watcher->span.single = false;
    matcher.Add(watcher.get());
    watchers.push_back(std::move(watcher));
  }
  size_t found = 0;
  matcher.Match("00000499", [&](watch::Group&) { ++found; });
  EXPECT_EQ(found, 500u);
  for (auto& watcher : watchers) matcher.Remove(watcher.get());
  EXPECT_TRUE(matcher.empty());
}

}  // namespace
}  // namespace metastore::watch_test
