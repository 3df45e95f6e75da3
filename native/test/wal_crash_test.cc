// Crashes: the log over the lossy layer, stopped between any two steps or killed at any moment,
// must come back with everything that was reported durable and nothing that was never written.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "base/executor.h"
#include "test/support/wal_model.h"

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

/// One life of a log that is stepped by hand and dropped somewhere.
void StepAndCrash(const std::string& directory, uint64_t seed, ModelState* state) {
  auto files = FileLayer::Lossy(seed);
  ManualExecutor executor;
  WalOptions options = CrashOptions(directory, seed, files.get());
  options.executor = &executor;
  std::vector<ModelState> states = {*state};
  size_t durable = 0;
  {
    Recovered recovered;
    auto wal = MustOpen(options, &recovered);
    ASSERT_NE(wal, nullptr);
    ModelState opened;
    ASSERT_NO_FATAL_FAILURE(ReadState(wal.get(), recovered, &opened));
    ASSERT_TRUE(opened == AsRecovered(*state)) << "a start changes nothing";
    Model model(seed, *state);
    size_t reported = 0;
    for (uint64_t turns = model.Below(80); turns > 0; --turns) {
      if (model.Below(3) == 0) {
        executor.Step();
        continue;
      }
      const ModelOperation operation = model.Next();
      states.push_back(model.state());
      const size_t number = states.size() - 1;
      operation.Run(wal.get(), [&, number, sync = operation.sync](Status status) {
        ASSERT_TRUE(status.ok()) << status.ToString();
        ASSERT_EQ(number, ++reported) << "reports come in call order";
        if (sync) durable = number;
      });
    }
    if (model.Below(4) == 0) {
      ASSERT_TRUE(wal->Close().ok());
      ASSERT_EQ(reported, states.size() - 1);
      durable = reported;
    }
    executor.Drop();
  }
  files.reset();
  // A start that is itself cut short changes nothing either: its own lossy layer is dropped.
  auto second = FileLayer::Lossy(seed + 1);
  ManualExecutor idle;
  options.files = second.get();
  options.executor = &idle;
  ModelState first_found;
  ASSERT_NO_FATAL_FAILURE(ExpectOneOf(options, states, durable, &first_found));
  second.reset();
  options.files = nullptr;
  ASSERT_NO_FATAL_FAILURE(ExpectOneOf(options, states, durable, state));
  ASSERT_TRUE(*state == first_found);
}

TEST(WalCrash, BetweenAnyTwoSteps) {
  for (uint64_t seed = 1; seed <= Rounds(300); ++seed) {
    TemporaryDirectory directory(TemporaryDirectory::kMemory);
    ModelState state;
    for (uint64_t life = 0; life < 4; ++life) {
      ASSERT_NO_FATAL_FAILURE(StepAndCrash(directory.path(), seed * 100 + life, &state))
          << "seed " << seed << " life " << life;
    }
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
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 15000));
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
  EXPECT_GT(operations, Rounds(2000)) << "the children did nothing";
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
