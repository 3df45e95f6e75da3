// Speed of the engines: loads, overwrites, point reads, pages, scans. Tiny by default so that it
// cannot rot; METASTORE_SPEED_KEYS=1000000 measures. Each part checks what it read.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "test/engine_contract.h"

namespace metastore::test {
namespace {

constexpr size_t kBatch = 300;

size_t KeyCount() {
  const char* wanted = std::getenv("METASTORE_SPEED_KEYS");
  return wanted != nullptr ? std::strtoul(wanted, nullptr, 10) : 3000;
}

/// 16 bytes.
std::string KeyOf(size_t i) {
  char key[32];
  std::snprintf(key, sizeof key, "key/%012zu", i);
  return key;
}

class Meter {
 public:
  Meter(std::string what, size_t operations) : what_(std::move(what)), operations_(operations) {}
  ~Meter() {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
    std::printf("  %-34s %10.0f/s  %9.2f us each\n", what_.c_str(),
                static_cast<double>(operations_) / spent.count(),
                spent.count() / static_cast<double>(operations_) * 1e6);
  }

 private:
  std::string what_;
  size_t operations_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Writes 256-byte values as Store does: look up, make versions, commit.
class Writer {
 public:
  explicit Writer(Engine* engine) : engine_(engine) {}

  template <typename Pick>
  void Run(size_t operations, Pick pick) {
    std::vector<std::string> keys;
    std::vector<std::string_view> views;
    for (size_t done = 0; done < operations; done += keys.size()) {
      keys.clear();
      while (keys.size() < std::min(kBatch, operations - done)) {
        keys.push_back(KeyOf(pick(done + keys.size())));
      }
      views.assign(keys.begin(), keys.end());
      Commit(views);
    }
  }

  int64_t revision() const { return revision_; }

 private:
  void Commit(const std::vector<std::string_view>& keys) {
    metas_.resize(keys.size());
    ASSERT_TRUE(engine_->Lookup(keys, metas_.data()).ok());
    batch_.Clear();
    for (size_t i = 0; i < keys.size(); ++i) {
      VersionView view;
      view.rev = Revision{++revision_, 0};
      view.key = keys[i];
      view.value = value_;
      view.version = metas_[i].version + 1;
      view.create_revision = metas_[i].exists() ? metas_[i].create_revision : revision_;
      view.prev = metas_[i].rev;
      view.prev_size_bytes = metas_[i].size_bytes;
      batch_.versions.push_back(VersionWrite{Version::Make(view), metas_[i]});
    }
    batch_.revision = revision_;
    batch_.applied_index = ++applied_;
    ASSERT_TRUE(engine_->Commit(batch_).ok());
  }

  Engine* engine_;
  Batch batch_;
  std::vector<VersionMeta> metas_;
  std::string value_ = std::string(256, 'v');
  int64_t revision_ = 1;
  uint64_t applied_ = 0;
};

void MeasureReads(Engine* engine, int64_t revision, size_t keys) {
  std::mt19937_64 random(2);
  const auto snapshot = engine->Pin(revision);
  size_t seen = 0;
  const auto count = [&](const VersionView&) { return ++seen > 0; };
  {
    Meter meter("random point get", keys);
    for (size_t i = 0; i < keys; ++i) {
      ASSERT_TRUE(engine->Get(*snapshot, KeyOf(random() % keys), revision, count).ok());
    }
  }
  EXPECT_EQ(seen, keys);
  const size_t pages = std::max<size_t>(1, keys / 1000);
  seen = 0;
  {
    Meter meter("page of 500", pages);
    for (size_t i = 0; i < pages; ++i) {
      const std::string start = KeyOf(random() % (keys - 500));
      KeyRange range;
      range.start = start;
      range.unbounded = true;
      size_t left = 500;
      const auto page = [&](const VersionView&) { return ++seen, --left > 0; };
      ASSERT_TRUE(engine->Scan(*snapshot, range, revision, false, page).ok());
    }
  }
  EXPECT_EQ(seen, pages * 500);
  KeyRange everything;
  everything.unbounded = true;
  seen = 0;
  {
    Meter meter("scan of every key", keys);
    ASSERT_TRUE(engine->Scan(*snapshot, everything, revision, true, count).ok());
  }
  EXPECT_EQ(seen, keys);
  seen = 0;
  {
    Meter meter("scan of every revision", keys + keys / 2);
    ASSERT_TRUE(engine->ScanRevisions(*snapshot, Revision{0, 0}, revision, count).ok());
  }
  EXPECT_EQ(seen, keys + keys / 2);
}

void Measure(Engine* engine, bool in_order) {
  const size_t keys = KeyCount();
  std::vector<size_t> order(keys);
  for (size_t i = 0; i < keys; ++i) order[i] = i;
  std::mt19937_64 random(1);
  if (!in_order) std::shuffle(order.begin(), order.end(), random);
  std::printf("%s, %zu keys %s\n", std::string(engine->name()).c_str(), keys,
              in_order ? "in order" : "in random order");
  Writer writer(engine);
  {
    Meter meter("load", keys);
    writer.Run(keys, [&](size_t i) { return order[i]; });
  }
  {
    Meter meter("random overwrite", keys / 2);
    writer.Run(keys / 2, [&](size_t) { return random() % keys; });
  }
  MeasureReads(engine, writer.revision(), keys);
}

TEST(EngineSpeed, Memory) {
  for (const bool in_order : {true, false}) {
    const auto engine = NewMemoryEngine();
    Measure(engine.get(), in_order);
  }
}

#ifdef METASTORE_ROCKSDB
TEST(EngineSpeed, Rocksdb) {
  for (const bool in_order : {true, false}) {
    TemporaryDirectory directory;
    RocksOptions options;
    options.directory = directory.path();
    Result<std::unique_ptr<Engine>> opened = OpenRocksEngine(options);
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    Measure(opened->get(), in_order);
    opened->reset();  // closes
    auto meter = std::make_unique<Meter>("open", 1);
    const Result<std::unique_ptr<Engine>> again = OpenRocksEngine(options);
    meter.reset();
    ASSERT_TRUE(again.ok()) << again.status().ToString();
  }
}
#endif

}  // namespace
}  // namespace metastore::test
