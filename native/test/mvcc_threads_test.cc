// Readers on other threads while apply writes, compacts and takes images: each view is one moment.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "mvcc/image.h"
#include "test/support/mvcc_fixture.h"

namespace metastore::testing {
namespace {

/// Drops what is published, as nobody listens.
class NullSink final : public PublicationSink {
 public:
  void Publish(Publication) override {}
};

constexpr int kPairs = 8;

/// Every transaction writes one value to both keys of a pair: a reader that sees two values of a
/// pair at one view has seen half a transaction.
void CheckPairs(const Store& store, const View& view, int64_t revision, std::atomic<int>* torn) {
  codec::RangeRequest request = RangeOf("p", "q");
  request.revision = revision;
  std::string bytes;
  const Status status = store.Range(view, request, {}, &bytes);
  if (!status.ok()) {
    torn->fetch_add(status.code() == Code::kCompacted ? 0 : 1);
    return;
  }
  const Reply reply = ParseRange(bytes);
  for (size_t i = 0; i + 1 < reply.kvs.size(); i += 2) {
    if (reply.kvs[i].value != reply.kvs[i + 1].value || reply.kvs[i].mod > revision) {
      torn->fetch_add(1);
    }
  }
  if (reply.header.revision != view.revision) torn->fetch_add(1);
  if (reply.count != static_cast<int64_t>(reply.kvs.size())) torn->fetch_add(1);
}

class Load {
 public:
  explicit Load(std::unique_ptr<Engine> engine) {
    StoreOptions options;
    options.compaction_batch_limit = 20;
    Result<std::unique_ptr<Store>> opened = Store::Open(options, std::move(engine), &sink_);
    EXPECT_TRUE(opened.ok());
    store_ = std::move(*opened);
  }

  void Run(int transactions) {
    std::vector<std::thread> threads;
    for (uint64_t seed = 1; seed <= 3; seed++) threads.emplace_back([=, this] { Read(seed); });
    threads.emplace_back([this] { Hash(); });
    threads.emplace_back([this] { Image(); });
    Write(transactions);
    done_ = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong_, 0);
    EXPECT_GT(reads_, 0);
    bool more = true;
    for (int step = 0; more && step < 100000; step++) {
      ASSERT_TRUE(store_->CompactStep(&more).ok());
    }
    EXPECT_FALSE(more) << "no view is left behind";
    EXPECT_EQ(store_->CompactionDone(), store_->Pin()->compact_revision);
  }

 private:
  void Write(int transactions) {
    uint64_t index = 0;
    std::mt19937_64 random(7);
    for (int i = 0; i < transactions; i++) {
      const std::string pair = "p" + std::to_string(random() % kPairs);
      const std::string left = pair + "a", right = pair + "b", end = pair + "c";
      const std::string value = std::to_string(i);
      codec::TxnRequest txn;
      if (random() % 5 == 0) {
        txn.success.emplace_back(codec::DeleteRangeRequest{left, end, false});
      } else {
        txn.success.emplace_back(PutOf(left, value));
        txn.success.emplace_back(PutOf(right, value));
      }
      std::string reply;
      const std::string_view both[] = {left, right};
      store_->Begin(both);
      wrong_ += store_->Txn(txn, {}, &reply).ok() ? 0 : 1;
      if (i % 50 == 49) {
        const int64_t behind = store_->revision() - 20;
        wrong_ += store_->Compact({behind, false}, {}, &reply).ok() ? 0 : 1;
      }
      wrong_ += store_->Commit(++index, 1).ok() ? 0 : 1;
      if (i % 3 == 0) {
        bool more = false;
        wrong_ += store_->CompactStep(&more).ok() ? 0 : 1;
      }
    }
  }

  void Read(uint64_t seed) {
    std::mt19937_64 random(seed);
    while (!done_) {
      const ViewRef view = store_->Pin();
      if (view->revision > store_->revision()) wrong_++;
      const int64_t least = std::max<int64_t>(view->compact_revision, 1);
      const auto span = static_cast<uint64_t>(view->revision - least + 1);
      for (int i = 0; i < 5; i++) {
        CheckPairs(*store_, *view, least + static_cast<int64_t>(random() % span), &wrong_);
      }
      reads_++;
    }
  }

  /// The hash of one revision is one number, however far a compaction has come.
  void Hash() {
    while (!done_) {
      wrong_ += store_->PrepareCompaction().ok() ? 0 : 1;
      const ViewRef view = store_->Pin();
      const Result<HashResult> first = store_->HashKv(*view, view->revision);
      const Result<HashResult> second = store_->HashKv(*view, view->revision);
      wrong_ += first.ok() && second.ok() && first->hash == second->hash ? 0 : 1;
    }
  }

  void Image() {
    while (!done_) {
      ImageStream stream(&store_->engine(), store_->Pin());
      const std::unique_ptr<Engine> copy = NewMemoryEngine();
      ImageLoader loader(copy.get());
      bool done = false;
      while (!done) {
        std::string piece;
        if (!stream.Next(&piece, &done).ok() || !loader.Feed(piece).ok()) wrong_++;
        if (wrong_ != 0) return;
      }
      ImageInfo info;
      wrong_ += loader.Finish(&info).ok() ? 0 : 1;
    }
  }

  NullSink sink_;
  std::unique_ptr<Store> store_;
  std::atomic<bool> done_{false};
  std::atomic<int> wrong_{0};
  std::atomic<int> reads_{0};
};

TEST(MvccThreads, ViewsAreMoments) { Load(NewMemoryEngine()).Run(8000); }

}  // namespace
}  // namespace metastore::testing
