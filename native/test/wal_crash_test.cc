// Crashes: the log over the lossy layer, stopped between any two steps or killed at any moment,
// must come back with everything that was reported durable and nothing that was never written.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

#include "base/executor.h"
#include "test/support/wal_model.h"
#include "test/support/wal_stopping_layer.h"

namespace metastore::wal {
namespace {

WalOptions CrashOptions(const std::string& directory, uint64_t seed, FileLayer* files) {
  WalOptions options = OptionsFor(directory, seed % 3 == 0 ? 2048 : seed % 3 == 1 ? 8192 : 65536);
  options.cache_bytes = seed % 2 == 0 ? 0 : 1 << 20;
  options.files = files;
  return options;
}

/// Opens after a crash and looks for a state of the model from the `durable`th operation on.
void ExpectOneOf(const WalOptions& options, const std::vector<ModelState>& states, size_t durable,
                 ModelState* found) {
  Recovered recovered;
  auto wal = MustOpen(options, &recovered);
  ASSERT_NE(wal, nullptr);
  ASSERT_NO_FATAL_FAILURE(ReadState(wal.get(), recovered, found));
  for (size_t n = states.size(); n-- > durable;) {
    if (AsRecovered(states[n]) == *found) return;
  }
  FAIL() << "recovered (" << found->start_index << ", " << found->last_index << "] commit "
         << found->hard_state.commit << " is no state from operation " << durable << " to "
         << states.size() - 1 << "; durable was (" << states[durable].start_index << ", "
         << states[durable].last_index << "] commit " << states[durable].hard_state.commit;
}

/// A log in the hands of a model, until one of them has enough.
class Life {
 public:
  Life(const std::string& directory, uint64_t seed, const ModelState& state, FileLayer* files)
      : options_(CrashOptions(directory, seed, files)), model_(seed, state), states_({state}) {
    options_.executor = &executor_;
  }

  /// A start that is cut short leaves nothing to do; any other must find what was there.
  void Start(const StoppingLayer& layer) {
    Recovered recovered;
    auto opened = Wal::Open(options_, kIdentity, &recovered);
    if (!opened.ok()) {
      ASSERT_TRUE(layer.stopped()) << opened.status().ToString();
      return;
    }
    wal_ = std::move(*opened);
    ModelState found;
    ASSERT_NO_FATAL_FAILURE(ReadState(wal_.get(), recovered, &found));
    ASSERT_TRUE(found == AsRecovered(states_[0])) << "a start changes nothing";
  }

  void Run(const StoppingLayer& layer) {
    for (uint64_t turns = model_.Below(80); turns > 0 && wal_ && !layer.stopped(); --turns) {
      if (model_.Below(3) == 0) {
        executor_.Step();
        continue;
      }
      const ModelOperation operation = model_.Next();
      states_.push_back(model_.state());
      const size_t number = states_.size() - 1;
      operation.Run(wal_.get(), [&, number, sync = operation.sync](Status status) {
        ASSERT_EQ(number, ++reported_) << "reports come in call order";
        ASSERT_TRUE(status.ok() || layer.stopped()) << status.ToString();
        if (status.ok() && sync) durable_ = number;
      });
    }
    if (wal_ && model_.Below(4) == 0 && wal_->Close().ok()) {
      ASSERT_EQ(reported_, states_.size() - 1);
      durable_ = reported_;
    }
    executor_.Drop();
    wal_.reset();
  }

  const WalOptions& options() const { return options_; }
  const std::vector<ModelState>& states() const { return states_; }
  size_t durable() const { return durable_; }

 private:
  WalOptions options_;
  ManualExecutor executor_;
  Model model_;
  std::vector<ModelState> states_;
  size_t reported_ = 0;
  size_t durable_ = 0;
  std::unique_ptr<Wal> wal_;
};

/// One life of a log that is stepped by hand, stopped between two steps or two changes of a file,
/// and left to a power cut, at once or after the process alone was killed and started again.
void LiveAndCrash(const std::string& directory, uint64_t seed, ModelState* state) {
  auto disk = FileLayer::Lossy(seed);
  std::mt19937_64 random(seed);
  StoppingLayer layer(disk.get(), random() % 2 == 0 ? UINT64_MAX : random() % 80);
  Life life(directory, seed, *state, &layer);
  ASSERT_NO_FATAL_FAILURE(life.Start(layer));
  ASSERT_NO_FATAL_FAILURE(life.Run(layer));
  size_t durable = life.durable();
  std::vector<ModelState> states = life.states();
  WalOptions options = life.options();
  ManualExecutor idle;
  options.executor = &idle;
  ModelState found;
  if (random() % 3 == 0) {
    // The kernel still has what was not synced; the start relies on it, so it has to make it
    // durable.
    options.files = disk.get();
    ASSERT_NO_FATAL_FAILURE(ExpectOneOf(options, states, durable, &found));
    states = {found};
    durable = 0;
  }
  disk = FileLayer::Lossy(seed + 1);
  // A start that is itself cut short changes nothing either.
  StoppingLayer second(disk.get(), random() % 12);
  options.files = &second;
  {
    Recovered ignored;
    auto wal = Wal::Open(options, kIdentity, &ignored);
    ASSERT_TRUE(wal.ok() || second.stopped()) << wal.status().ToString();
  }
  disk.reset();
  options.files = nullptr;
  ASSERT_NO_FATAL_FAILURE(ExpectOneOf(options, states, durable, state));
}

TEST(WalCrash, BetweenAnyTwoSteps) {
  for (uint64_t seed = 1; seed <= Rounds(300); ++seed) {
    TemporaryDirectory directory(TemporaryDirectory::kMemory);
    ModelState state;
    for (uint64_t life = 0; life < 5; ++life) {
      ASSERT_NO_FATAL_FAILURE(LiveAndCrash(directory.path(), seed * 100 + life, &state))
          << "seed " << seed << " life " << life;
    }
  }
}

/// Opens over a lossy layer, appends two entries, and stops: while closing, or behind a written
/// group when `changes` is none.
void AppendAndStop(const std::string& directory, uint64_t seed, uint64_t from,
                   std::optional<uint64_t> changes) {
  auto disk = FileLayer::Lossy(seed);
  StoppingLayer layer(disk.get(), UINT64_MAX);
  ManualExecutor executor;
  WalOptions options = OptionsFor(directory, 1 << 20);
  options.files = &layer;
  options.executor = &executor;
  Recovered recovered;
  auto wal = MustOpen(options, &recovered);
  ASSERT_NE(wal, nullptr);
  ASSERT_GE(recovered.last_index + 1, from);
  const uint64_t next = recovered.last_index + 1;
  wal->Append(MakeEntries(next, next + 1, 1, 3000), nullptr, true, nullptr);
  ASSERT_TRUE(executor.Step());
  if (!changes) return;
  while (executor.Step()) {
  }
  layer.StopAfter(*changes);
  const Status closed = wal->Close();
  ASSERT_TRUE(closed.ok() || layer.stopped()) << closed.ToString();
}

TEST(WalCrash, AroundAClose) {
  for (uint64_t seed = 1; seed <= Rounds(200); ++seed) {
    TemporaryDirectory directory(TemporaryDirectory::kMemory);
    // Closing ends after any number of its changes, and what was durable before is there after it;
    // then a group is written behind the clean end, if there is one, and torn.
    ASSERT_NO_FATAL_FAILURE(AppendAndStop(directory.path(), seed, 1, seed % 7)) << seed;
    ASSERT_NO_FATAL_FAILURE(AppendAndStop(directory.path(), seed + 1000, 3, std::nullopt)) << seed;
    Recovered recovered;
    auto wal = MustOpen(OptionsFor(directory.path(), 1 << 20), &recovered);
    ASSERT_NE(wal, nullptr) << seed;
    ASSERT_GE(recovered.last_index, 2u) << seed;
    ASSERT_NO_FATAL_FAILURE(ExpectEntries(wal.get(), 1, recovered.last_index, 3000,
                                          [](uint64_t) -> uint64_t { return 1; }));
  }
}

struct Shared {
  std::atomic<uint64_t> issued;
  std::atomic<uint64_t> durable;
  std::atomic<uint64_t> failed;
};

/// The child's work: operations without end, until it is killed.
[[noreturn]] void WorkUntilKilled(const std::string& directory, uint64_t seed,
                                  const ModelState& state, Shared* shared) {
  auto files = FileLayer::Lossy(seed);
  Recovered recovered;
  auto wal = Wal::Open(CrashOptions(directory, seed, files.get()), kIdentity, &recovered);
  if (!wal.ok()) {
    shared->failed = 1;
    ::_exit(1);
  }
  Model model(seed, state);
  std::mt19937 pauses(1);
  for (uint64_t number = 1;; ++number) {
    const ModelOperation operation = model.Next();
    shared->issued = number;
    operation.Run(wal->get(), [=, sync = operation.sync](Status status) {
      if (!status.ok()) shared->failed = 2;
      if (sync) shared->durable = number;
    });
    // Pauses draw from a generator of their own: the parent repeats the model's draws.
    while (number > shared->durable + 50 && pauses() % 20 != 0) std::this_thread::yield();
    if (number >= 3000) ::_exit(0);
  }
}

TEST(WalCrash, KilledAtAnyMoment) {
  auto* shared = static_cast<Shared*>(
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(shared, MAP_FAILED);
  std::mt19937_64 random(7);
  uint64_t operations = 0;
  for (uint64_t seed = 1; seed <= Rounds(70); ++seed) {
    TemporaryDirectory directory(TemporaryDirectory::kMemory);
    ModelState state;
    for (uint64_t life = 0; life < 3; ++life) {
      const uint64_t run = seed * 10 + life;
      new (shared) Shared();
      const pid_t child = ::fork();
      ASSERT_GE(child, 0);
      if (child == 0) WorkUntilKilled(directory.path(), run, state, shared);
      // It gets some way, however busy the machine is, and then some time.
      const uint64_t goal = random() % 150;
      for (int waits = 0; shared->issued < goal && waits < 20000 && shared->failed == 0; ++waits) {
        std::this_thread::sleep_for(std::chrono::microseconds(100));
      }
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 2000));
      ::kill(child, SIGKILL);
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      ASSERT_EQ(shared->failed, 0u) << "run " << run;

      Model model(run, state);
      std::vector<ModelState> states = {state};
      for (uint64_t n = 0; n < shared->issued; ++n) {
        (void)model.Next();
        states.push_back(model.state());
      }
      operations += shared->issued;
      ASSERT_NO_FATAL_FAILURE(ExpectOneOf(CrashOptions(directory.path(), run, nullptr), states,
                                          shared->durable, &state))
          << "run " << run;
    }
  }
  EXPECT_GT(operations, Rounds(1000)) << "the children did nothing";
  ::munmap(shared, sizeof(Shared));
}

TEST(WalCrash, UnsafeNoFsyncReallyLoses) {
  uint64_t lost = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    TemporaryDirectory directory(TemporaryDirectory::kMemory);
    auto files = FileLayer::Lossy(seed);
    ManualExecutor executor;
    WalOptions options = OptionsFor(directory.path(), 4096);
    options.files = files.get();
    options.executor = &executor;
    options.unsafe_no_fsync = true;
    Recovered recovered;
    int reported = 0;
    {
      auto wal = MustOpen(options, &recovered);
      ASSERT_NE(wal, nullptr);
      for (uint64_t index = 1; index <= 20; ++index) {
        wal->Append(MakeEntries(index, index, 1, 10), nullptr, true, [&](Status status) {
          ASSERT_TRUE(status.ok());
          ++reported;
        });
        while (executor.Step()) {
        }
      }
      EXPECT_EQ(wal->stats().syncs, 0u);
    }
    ASSERT_EQ(reported, 20);
    files.reset();
    auto wal = MustOpen(OptionsFor(directory.path(), 4096), &recovered);
    ASSERT_NE(wal, nullptr) << "what is left starts";
    ASSERT_LE(recovered.last_index, 20u);
    if (recovered.last_index < 20) ++lost;
    ASSERT_NO_FATAL_FAILURE(ExpectEntries(wal.get(), 1, recovered.last_index, 10,
                                          [](uint64_t) -> uint64_t { return 1; }));
    ASSERT_TRUE(wal->Close().ok());
  }
  EXPECT_GT(lost, 10u) << "the lossy layer would not notice a missing sync";
}

}  // namespace
}  // namespace metastore::wal
