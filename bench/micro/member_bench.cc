// What a durable Put costs behind the transport and beside JavaScript: a MemberCore with a thread
// that proposes in a closed loop and a thread in JavaScript's place, which commits what is durable
// as the only voter. Prints one JSON object: rate, latency, and processor time per Put by thread.
//
//   member_bench [--engine=memory|rocksdb] [--in-flight=<n>] [--seconds=<n>] [--keys=<n>]
//                [--value=<bytes>] [--directory=<where to make the data directory>]
#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "member/core.h"

namespace metastore {
namespace {

using Clock = std::chrono::steady_clock;
using member::MemberCore;

struct BenchOptions {
  member::EngineKind engine = member::EngineKind::kRocks;
  uint64_t in_flight = 100;
  double seconds = 3;
  uint32_t keys = 100'000;
  size_t value_bytes = 256;
  std::string directory = std::filesystem::temp_directory_path().string();
};

/// Wakes one thread; a word that comes before it sleeps is not lost.
class Bell {
 public:
  void Ring() {
    count_.fetch_add(1, std::memory_order_release);
    count_.notify_one();
  }
  uint64_t Count() const { return count_.load(std::memory_order_acquire); }
  void AwaitChange(uint64_t seen) const { count_.wait(seen, std::memory_order_acquire); }

 private:
  std::atomic<uint64_t> count_{0};
};

/// Processor time of every thread of this process, by name, nanoseconds.
std::map<std::string, uint64_t> ThreadTimes() {
  std::map<std::string, uint64_t> times;
  DIR* tasks = ::opendir("/proc/self/task");
  if (tasks == nullptr) return times;
  while (const dirent* task = ::readdir(tasks)) {
    if (task->d_name[0] == '.') continue;
    const std::string path = std::string("/proc/self/task/") + task->d_name;
    std::string name;
    uint64_t nanoseconds = 0;
    std::ifstream(path + "/comm") >> name;
    std::ifstream(path + "/schedstat") >> nanoseconds;
    times[name] += nanoseconds;
  }
  ::closedir(tasks);
  return times;
}

class Bench {
 public:
  explicit Bench(const BenchOptions& options) : options_(options) {
    std::string name = options.directory + "/metastore-bench-XXXXXX";
    METASTORE_CHECK(::mkdtemp(name.data()) != nullptr, "a scratch directory");
    directory_ = name;
    member::MemberOptions member;
    member.data_dir = directory_;
    member.engine = options.engine;
    member.identity = {0xc1, 0xa1};
    auto opened = MemberCore::Open(
        member, [this] { completed_.Ring(); }, &recovered_);
    METASTORE_CHECK(opened.ok(), "an empty directory opens");
    core_ = std::move(*opened);
    core_->SetHeader({0xc1, 0xa1, 1});
    for (uint32_t key = 0; key < options.keys; ++key) {
      char text[32];
      std::snprintf(text, sizeof text, "key/%010u", key);
      std::string request = "\x0a\x0e" + std::string(text) + "\x12";
      request.push_back(static_cast<char>(0x80 | (options.value_bytes & 0x7f)));
      request.push_back(static_cast<char>(options.value_bytes >> 7));
      requests_.push_back(request + std::string(options.value_bytes, 'v'));
    }
    begun_.resize(options.in_flight);
  }

  ~Bench() {
    METASTORE_CHECK(core_->Close().ok(), "a core closes");
    core_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  void Run() {
    std::thread decider([this] { Decide(); });
    std::thread proposer([this] { Propose(); });
    ::pthread_setname_np(decider.native_handle(), "decider");
    ::pthread_setname_np(proposer.native_handle(), "proposer");
    std::this_thread::sleep_for(std::chrono::duration<double>(options_.seconds / 4));
    const auto before = ThreadTimes();
    const uint64_t first = answered_.load();
    const auto start = Clock::now();
    counting_.store(true);
    std::this_thread::sleep_for(std::chrono::duration<double>(options_.seconds));
    counting_.store(false);
    const double took = std::chrono::duration<double>(Clock::now() - start).count();
    const uint64_t puts = answered_.load() - first;
    const auto after = ThreadTimes();
    Report(puts, took, before, after);
    stopping_.store(true);
    answers_.Ring();
    proposer.join();
    completed_.Ring();
    decider.join();
  }

 private:
  /// Puts whose tickets are free again; a ticket is a position, its answers are told apart by time.
  void Propose() {
    std::minstd_rand random(7);
    std::vector<uint64_t> free;
    for (uint64_t ticket = 0; ticket < options_.in_flight; ++ticket) free.push_back(ticket);
    while (!stopping_.load(std::memory_order_relaxed)) {
      const uint64_t seen = answers_.Count();
      for (const uint64_t ticket : free) {
        begun_[ticket] = Clock::now();
        const std::string& request = requests_[random() % requests_.size()];
        auto route = core_->Submit(ticket, intake::Method::kPut, request, {});
        METASTORE_CHECK(route.ok(), "a put is admitted");
      }
      if (!free.empty() && !asked_.exchange(true)) completed_.Ring();
      free.clear();
      {
        std::lock_guard<std::mutex> lock(mutex_);
        free.swap(done_);
      }
      if (free.empty()) answers_.AwaitChange(seen);
    }
  }

  /// In JavaScript's place: what is durable is committed, what waits is appended.
  void Decide() {
    const uint64_t term = 1;
    uint64_t last = recovered_.last_index;
    uint64_t committed = last;
    uint64_t sequence = 0;
    std::map<uint64_t, uint64_t> ends;  // of the writes on their way, by sequence
    while (!stopping_.load(std::memory_order_relaxed)) {
      const uint64_t seen = completed_.Count();
      ++turns_;
      asked_.store(false);
      const uint64_t durable = Handle(core_->Drain());
      if (durable != 0) {
        committed = ends[durable];
        ends.erase(ends.begin(), ends.upper_bound(durable));
        core_->SetCommitted(committed);
        core_->Apply(committed);
      }
      const auto sizes = core_->TakeProposals(8192, 16 << 20, term);
      if (!sizes.empty()) {
        member::AppendRun run;
        run.kind = member::AppendRun::Kind::kQueued;
        run.first_index = last + 1;
        run.term = term;
        run.count = sizes.size();
        last += sizes.size();
        ends[++sequence] = last;
        const wal::HardState state{term, 0xa1, committed};
        METASTORE_CHECK(core_->Append(sequence, {run}, &state, true).ok(), "a run is appended");
        ++appends_;
      }
      completed_.AwaitChange(seen);
    }
  }

  /// Returns the last sequence that has become durable, 0 for none.
  uint64_t Handle(const std::string& records) {
    uint64_t durable = 0;
    std::vector<uint64_t> done;
    const bool counting = counting_.load(std::memory_order_relaxed);
    const auto now = Clock::now();
    for (size_t at = 0; at < records.size();) {
      const size_t length = GetLittle32(records.data() + at);
      const auto kind = static_cast<apply::Kind>(records[at + 4]);
      const auto number =
          static_cast<uint64_t>(std::bit_cast<double>(GetLittle64(records.data() + at + 5)));
      METASTORE_CHECK(kind != apply::Kind::kFatal, "the core goes on");
      if (kind == apply::Kind::kDurable) durable = number;
      if (kind == apply::Kind::kResult) {
        done.push_back(number);
        if (counting) latencies_.push_back((now - begun_[number]).count() / 1000);
      }
      at += 4 + length;
    }
    if (done.empty()) return durable;
    answered_.fetch_add(done.size(), std::memory_order_relaxed);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      done_.insert(done_.end(), done.begin(), done.end());
    }
    answers_.Ring();
    return durable;
  }

  void Report(uint64_t puts, double took, const std::map<std::string, uint64_t>& before,
              const std::map<std::string, uint64_t>& after) {
    std::string threads;
    double sum = 0;
    for (const auto& [name, time] : after) {
      const auto old = before.find(name);
      const uint64_t spent = time - (old == before.end() ? 0 : old->second);
      const double each = static_cast<double>(spent) / 1000.0 / static_cast<double>(puts);
      if (name != "proposer" && name != "decider") sum += each;
      char text[80];
      std::snprintf(text, sizeof text, "%s\"%s\":%.2f", threads.empty() ? "" : ",", name.c_str(),
                    each);
      if (each >= 0.01) threads += text;
    }
    std::vector<int64_t> sorted = latencies_;
    std::sort(sorted.begin(), sorted.end());
    const auto quantile = [&](double q) {
      const auto at = static_cast<size_t>(q * static_cast<double>(sorted.size()));
      return sorted.empty() ? 0 : sorted[std::min(at, sorted.size() - 1)];
    };
    const auto status = core_->status();
    std::printf(
        "{\"name\":\"put, %llu in flight, %s\",\"per_second\":%.0f,\"p50_us\":%lld,"
        "\"p99_us\":%lld,\"syncs_per_second\":%.0f,\"core_us_per_put\":%.2f,"
        "\"us_per_put_by_thread\":{%s}}\n",
        static_cast<unsigned long long>(options_.in_flight),
        options_.engine == member::EngineKind::kMemory ? "memory" : "rocksdb",
        static_cast<double>(puts) / took, static_cast<long long>(quantile(0.5)),
        static_cast<long long>(quantile(0.99)),
        static_cast<double>(status.log.syncs) / (took * 1.25), sum, threads.c_str());
    std::fflush(stdout);
  }

  const BenchOptions options_;
  std::string directory_;
  member::RecoveredState recovered_;
  std::unique_ptr<MemberCore> core_;
  std::vector<std::string> requests_;
  std::vector<Clock::time_point> begun_;  // by ticket; handed over with it
  Bell completed_;                        // for the decider
  Bell answers_;                          // for the proposer
  std::mutex mutex_;
  std::vector<uint64_t> done_;  // guarded by mutex_
  std::atomic<uint64_t> answered_{0};
  std::atomic<bool> asked_{false};
  std::atomic<bool> counting_{false};
  std::atomic<bool> stopping_{false};
  std::vector<int64_t> latencies_;  // the decider's, microseconds
  uint64_t turns_ = 0;
  uint64_t appends_ = 0;
};

const char* ValueOf(const char* argument, const char* name) {
  const size_t length = std::strlen(name);
  return std::strncmp(argument, name, length) == 0 ? argument + length : nullptr;
}

}  // namespace
}  // namespace metastore

int main(int argc, char** argv) {
  using metastore::ValueOf;
  metastore::BenchOptions options;
  for (int i = 1; i < argc; ++i) {
    if (const char* engine = ValueOf(argv[i], "--engine=")) {
      const bool memory = std::strcmp(engine, "memory") == 0;
      options.engine = memory ? metastore::member::EngineKind::kMemory
                              : metastore::member::EngineKind::kRocks;
    }
    if (const char* many = ValueOf(argv[i], "--in-flight=")) options.in_flight = std::atoi(many);
    if (const char* length = ValueOf(argv[i], "--seconds=")) options.seconds = std::atof(length);
    if (const char* keys = ValueOf(argv[i], "--keys=")) options.keys = std::atoi(keys);
    if (const char* bytes = ValueOf(argv[i], "--value=")) options.value_bytes = std::atoi(bytes);
    if (const char* where = ValueOf(argv[i], "--directory=")) options.directory = where;
  }
  metastore::Bench(options).Run();
  return 0;
}
