// The fan-out's speed, as a benchmark that also runs small with the tests so that it does not rot.
//
// WATCH_SPEED_PUBLICATIONS sets its length. It reports events per second of the hub's own work:
// everything runs on the calling thread, the sink only counts.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "test/support/watch_harness.h"

namespace metastore::watch_test {
namespace {

using Clock = std::chrono::steady_clock;

class CountingSink final : public watch::StreamSink {
 public:
  void Messages(watch::StreamMessages sent) override {
    messages += sent.count;
    bytes_total += sent.frames.size();
    ++buffers;
  }
  uint64_t messages = 0;
  uint64_t bytes_total = 0;
  uint64_t buffers = 0;
};

int Publications() {
  const char* wanted = std::getenv("WATCH_SPEED_PUBLICATIONS");
  return wanted != nullptr ? std::atoi(wanted) : 20;
}

struct Setting {
  const char* name;
  uint64_t streams;
  int watchers_per_stream;
  int events_per_publication;
  bool prefix;  // ranges instead of single keys
  bool prev_kv;
};

void Measure(const Setting& setting) {
  CountingSink sink;
  ManualExecutor executor;
  HubOptions options = ManualOptions();
  options.executor = &executor;
  options.stream_credit_bytes = 1ull << 60;
  options.total_credit_bytes = 1ull << 60;
  auto hub = WatchHub::Create(options, &sink);
  HeldPublications held;
  TestStore store(&held);
  hub->Attach(store.store());
  hub->SetHeader({0x1234567890abcdef, 0x2234567890abcdef, 3});
  for (StreamId stream = 1; stream <= setting.streams; ++stream) {
    hub->Open(stream);
    for (int i = 0; i < setting.watchers_per_stream; ++i) {
      CreateOptions create{.key = "key", .prev_kv = setting.prev_kv};
      if (setting.prefix) create.end = "kez";
      ASSERT_TRUE(hub->Request(stream, CreateBytes(create)).ok());
    }
  }
  while (executor.Step()) {
  }
  const uint64_t created = sink.messages;
  ASSERT_EQ(created, setting.streams * static_cast<uint64_t>(setting.watchers_per_stream));
  const int publications = Publications();
  for (int i = 0; i < publications; ++i) {
    store.Apply(std::vector<Transaction>(static_cast<size_t>(setting.events_per_publication),
                                         {{"key", std::string(256, 'v')}}));
  }
  const auto before = Clock::now();
  for (Publication& publication : held.held) {
    hub->Publish(std::move(publication));
    while (executor.Step()) {
    }
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - before).count();
  const uint64_t events = hub->stats().events_total;
  EXPECT_EQ(events, created * static_cast<uint64_t>(publications * setting.events_per_publication));
  EXPECT_EQ(hub->stats().slow_watchers, 0u);
  std::printf("%-34s %9.0f events/s  %9.0f messages/s  %7.1f MB/s  (%llu events)\n", setting.name,
              static_cast<double>(events) / seconds,
              static_cast<double>(sink.messages - created) / seconds,
              static_cast<double>(sink.bytes_total) / seconds / 1e6,
              static_cast<unsigned long long>(events));
}

TEST(WatchSpeed, ThousandWatchersOfOneKey) {
  Measure({"1000 streams, 1 event", 1000, 1, 1, false, false});
  Measure({"10 streams of 100, 1 event", 10, 100, 1, false, false});
  Measure({"1 stream of 1000, 1 event", 1, 1000, 1, false, false});
  Measure({"1000 streams, 16 events", 1000, 1, 16, false, false});
  Measure({"1000 streams, prefix, prev_kv", 1000, 1, 1, true, true});
}

}  // namespace
}  // namespace metastore::watch_test
