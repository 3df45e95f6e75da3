// In-process figures of the store: memory engine with full history, no Raft, no network. Put, get
// and transaction from one thread, then fifty workers (half put, a quarter each delete and get) on
// 1,000 keys, and the runs in which entries travel. Prints one JSON object a line; the checksum
// keeps the work from being optimised away.
//
//   store_bench [--seconds=<n>]      a fraction runs it tiny, as the tests do
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "codec/requests.h"
#include "engine/engine.h"
#include "intake/raft_request.h"
#include "member/entries/entry_run.h"
#include "mvcc/store.h"

namespace metastore {
namespace {

constexpr int kKeys = 1000;
constexpr int kWorkers = 50;
constexpr int kValueBytes = 64;
constexpr int64_t kCompactEveryRevisions = 200'000;

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class NoWatchers final : public PublicationSink {
 public:
  void Publish(Publication) override {}
};

/// A store that compacts itself now and then, as a served one would, so that memory stays bounded.
class BenchStore {
 public:
  BenchStore() {
    StoreOptions options;
    options.quota_bytes = 0;
    options.compaction_batch_limit = 10'000;
    options.compaction_hash_limit_bytes = 0;
    auto opened = Store::Open(options, NewMemoryEngine(), &sink_);
    METASTORE_CHECK(opened.ok(), "an empty store opens");
    store_ = std::move(opened.value());
    for (int key = 0; key < kKeys; ++key) {
      char name[32];
      std::snprintf(name, sizeof(name), "key/%06d", key);
      keys_.emplace_back(name);
    }
  }

  Store& store() { return *store_; }
  const std::string& key(uint32_t random) const { return keys_[random % kKeys]; }
  void Begin() { store_->Begin({}); }

  void Put(const std::string& key) {
    codec::PutRequest request;
    request.key = key;
    request.value = value_;
    reply_.clear();
    METASTORE_CHECK(store_->Put(request, header_, &reply_).ok(), "a put succeeds");
  }

  void Delete(const std::string& key) {
    codec::DeleteRangeRequest request;
    request.key = key;
    reply_.clear();
    METASTORE_CHECK(store_->DeleteRange(request, header_, &reply_).ok(), "a delete succeeds");
  }

  /// One compare, one put, one range.
  void Txn(const std::string& key, const std::string& other) {
    codec::TxnRequest request;
    codec::Compare compare;
    compare.result = 1;  // greater
    compare.target = 0;  // version
    compare.union_field = 4;
    compare.number = -1;
    compare.key = key;
    request.compare.push_back(compare);
    codec::PutRequest put;
    put.key = key;
    put.value = value_;
    request.success.emplace_back(put);
    codec::RangeRequest range;
    range.key = other;
    request.success.emplace_back(range);
    reply_.clear();
    METASTORE_CHECK(store_->Txn(request, header_, &reply_).ok(), "a transaction succeeds");
  }

  void Commit() {
    METASTORE_CHECK(store_->Commit(++index_, 1).ok(), "a commit succeeds");
    Compact();
  }

  /// Any thread. Returns the reply's size, for the checksum.
  size_t Get(const std::string& key, std::string* reply) const {
    codec::RangeRequest request;
    request.key = key;
    reply->clear();
    const ViewRef view = store_->Pin();
    METASTORE_CHECK(store_->Range(*view, request, header_, reply).ok(), "a get succeeds");
    return reply->size();
  }

 private:
  void Compact() {
    if (!removing_ && store_->revision() - compacted_ > kCompactEveryRevisions) {
      compacted_ = store_->revision() - 1000;
      codec::CompactionRequest request;
      request.revision = compacted_;
      reply_.clear();
      store_->Begin({});
      METASTORE_CHECK(store_->Compact(request, header_, &reply_).ok(), "a compaction succeeds");
      METASTORE_CHECK(store_->Commit(++index_, 1).ok(), "a commit succeeds");
      METASTORE_CHECK(store_->PrepareCompaction().ok(), "a compaction is prepared");
      removing_ = true;
    }
    if (removing_) METASTORE_CHECK(store_->CompactStep(&removing_).ok(), "a step succeeds");
  }

  NoWatchers sink_;
  std::unique_ptr<Store> store_;
  std::vector<std::string> keys_;
  const std::string value_ = std::string(kValueBytes, 'v');
  const HeaderInfo header_{1, 2, 3};
  std::string reply_;
  uint64_t index_ = 0;
  int64_t compacted_ = 1;
  bool removing_ = false;
};

void Report(const char* name, double operations, double seconds, uint64_t checksum) {
  std::printf(
      "{\"name\":\"%s\",\"operations\":%.0f,\"per_second\":%.0f,\"ns_per_operation\":%.1f,"
      "\"checksum\":%llu}\n",
      name, operations, operations / seconds, seconds * 1e9 / operations,
      static_cast<unsigned long long>(checksum));
  std::fflush(stdout);
}

/// Runs `operation` from one thread, `per_commit` to a run.
template <typename Operation>
void Sequential(const char* name, double seconds, int per_commit, Operation operation) {
  BenchStore bench;
  std::minstd_rand random(1);
  int64_t count = 0;
  const auto start = Clock::now();
  while (SecondsSince(start) < seconds) {
    for (int run = 0; run < 100; ++run) {
      bench.Begin();
      for (int i = 0; i < per_commit; ++i) operation(&bench, random);
      bench.Commit();
      count += per_commit;
    }
  }
  const double took = SecondsSince(start);
  Report(name, static_cast<double>(count), took, static_cast<uint64_t>(bench.store().revision()));
}

void SequentialGet(double seconds) {
  BenchStore bench;
  for (int key = 0; key < kKeys; ++key) {
    bench.Begin();
    bench.Put(bench.key(static_cast<uint32_t>(key)));
    bench.Commit();
  }
  std::minstd_rand random(1);
  std::string reply;
  int64_t count = 0;
  uint64_t checksum = 0;
  const auto start = Clock::now();
  while (SecondsSince(start) < seconds) {
    for (int i = 0; i < 1000; ++i) checksum += bench.Get(bench.key(random()), &reply);
    count += 1000;
  }
  Report("get, one thread", static_cast<double>(count), SecondsSince(start), checksum);
}

void RevisionRead(double seconds) {
  BenchStore bench;
  int64_t count = 0;
  uint64_t checksum = 0;
  const auto start = Clock::now();
  while (SecondsSince(start) < seconds) {
    for (int i = 0; i < 100'000; ++i) {
      checksum += static_cast<uint64_t>(bench.store().revision());
      std::atomic_signal_fence(std::memory_order_seq_cst);
    }
    count += 100'000;
  }
  Report("current revision", static_cast<double>(count), SecondsSince(start), checksum);
}

struct Write {
  const std::string* key;
  bool deletes;
};

/// What workers hand to the apply thread: it takes all that waits and runs it as one run, as it
/// does with committed entries. A worker waits until at most `window` of its writes are not
/// applied.
class WriteQueue {
 public:
  void Add(int worker, const Write& write) {
    {
      std::lock_guard lock(mutex_);
      waiting_.emplace_back(worker, write);
    }
    signal_.fetch_add(1, std::memory_order_release);
    signal_.notify_one();
  }

  void AwaitApplied(int worker, int64_t count) {
    auto& applied = applied_[worker].count;
    for (int64_t seen = applied.load(std::memory_order_acquire); seen < count;
         seen = applied.load(std::memory_order_acquire)) {
      applied.wait(seen, std::memory_order_acquire);
    }
  }

  void Stop() {
    stopped_.store(true);
    signal_.fetch_add(1, std::memory_order_release);
    signal_.notify_one();
  }

  /// The apply thread's loop.
  void Run(BenchStore* bench) {
    std::vector<std::pair<int, Write>> batch;
    while (true) {
      const uint64_t signal = signal_.load(std::memory_order_acquire);
      {
        std::lock_guard lock(mutex_);
        batch.swap(waiting_);
      }
      if (batch.empty()) {
        if (stopped_.load()) return;
        signal_.wait(signal, std::memory_order_acquire);
        continue;
      }
      bench->Begin();
      for (const auto& [worker, write] : batch) {
        write.deletes ? bench->Delete(*write.key) : bench->Put(*write.key);
      }
      bench->Commit();
      for (const auto& [worker, write] : batch) {
        applied_[worker].count.fetch_add(1, std::memory_order_release);
      }
      for (auto& applied : applied_) applied.count.notify_one();
      batch.clear();
    }
  }

 private:
  struct alignas(64) Applied {
    std::atomic<int64_t> count{0};
  };
  std::mutex mutex_;
  std::vector<std::pair<int, Write>> waiting_;
  std::atomic<uint64_t> signal_{0};
  std::atomic<bool> stopped_{false};
  Applied applied_[kWorkers];
};

/// Half put, a quarter delete, a quarter get; returns how many operations the worker made.
int64_t Work(BenchStore* bench, WriteQueue* queue, int worker, int window,
             const std::atomic<bool>& stopped, std::atomic<uint64_t>* checksum) {
  std::minstd_rand random(static_cast<uint32_t>(worker + 1));
  std::string reply;
  int64_t operations = 0;
  int64_t writes = 0;
  uint64_t sum = 0;
  while (!stopped.load(std::memory_order_relaxed)) {
    const uint32_t form = (random() >> 8) % 4;
    const std::string& key = bench->key(random());
    if (form == 3) {
      sum += bench->Get(key, &reply);
    } else {
      queue->Add(worker, Write{&key, form == 2});
      writes += 1;
      queue->AwaitApplied(worker, writes - window + 1);
    }
    operations += 1;
  }
  queue->AwaitApplied(worker, writes);
  checksum->fetch_add(sum);
  return operations;
}

void Workers(const char* name, double seconds, int window) {
  BenchStore bench;
  WriteQueue queue;
  std::atomic<bool> stopped{false};
  std::atomic<int64_t> operations{0};
  std::atomic<uint64_t> checksum{0};
  std::thread apply([&] { queue.Run(&bench); });
  const auto start = Clock::now();
  std::vector<std::thread> workers;
  for (int worker = 0; worker < kWorkers; ++worker) {
    workers.emplace_back([&, worker] {
      operations.fetch_add(Work(&bench, &queue, worker, window, stopped, &checksum));
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stopped.store(true);
  for (std::thread& worker : workers) worker.join();
  const double took = SecondsSince(start);
  queue.Stop();
  apply.join();
  Report(name, static_cast<double>(operations.load()), took, checksum.load());
}

/// Puts as they travel between members: encoded, or checked by who receives them.
void EntryRuns(const char* name, double seconds, bool inspect) {
  constexpr size_t kEntries = 100;
  const std::string put = "\x0a\x0akey/000001\x12\x40" + std::string(kValueBytes, 'v');
  std::vector<wal::Entry> entries;
  for (size_t i = 0; i < kEntries; ++i) {
    auto payload = std::make_shared<const std::string>(
        intake::EncodeEntry({i + 1, {}, 0}, intake::kFieldPut, put, {}));
    entries.push_back({i + 1, 1, 0, std::move(payload)});
  }
  std::string run;
  member::AppendEntryRun(entries, &run);
  int64_t count = 0;
  uint64_t checksum = 0;
  const auto start = Clock::now();
  while (SecondsSince(start) < seconds) {
    for (int i = 0; i < 100; ++i) {
      if (inspect) {
        checksum += member::InspectRun(run).value().back().offset;
      } else {
        run.clear();
        member::AppendEntryRun(entries, &run);
        checksum += static_cast<unsigned char>(run[0]);
      }
    }
    count += 100 * kEntries;
  }
  Report(name, static_cast<double>(count), SecondsSince(start), checksum);
}

int Main(double seconds) {
  const double each = seconds / 5;
  Sequential("put, one a run", each, 1,
             [](BenchStore* bench, std::minstd_rand& random) { bench->Put(bench->key(random())); });
  Sequential("put, 100 a run", each, 100,
             [](BenchStore* bench, std::minstd_rand& random) { bench->Put(bench->key(random())); });
  Sequential("transaction, 100 a run", each, 100, [](BenchStore* bench, std::minstd_rand& random) {
    const std::string& key = bench->key(random());
    bench->Txn(key, bench->key(random()));
  });
  SequentialGet(each);
  RevisionRead(each / 10);
  EntryRuns("entry of a run, encoded", each / 10, false);
  EntryRuns("entry of a run, checked", each / 10, true);
  Workers("50 workers, each waits for every write", seconds, 1);
  Workers("50 workers, each up to 64 writes ahead", seconds, 64);
  return 0;
}

}  // namespace
}  // namespace metastore

int main(int argc, char** argv) {
  double seconds = 5;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--seconds=", 10) == 0) seconds = std::atof(argv[i] + 10);
  }
  return metastore::Main(seconds);
}
