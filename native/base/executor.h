// Executor: where native work runs. In production each is a thread of its own that drains its whole
// queue per wake-up; tests and the simulator step one by hand, so that they can stop or crash
// between any two tasks.
#ifndef METASTORE_BASE_EXECUTOR_H_
#define METASTORE_BASE_EXECUTOR_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace metastore {

class Executor {
 public:
  virtual ~Executor() = default;
  /// Runs the task after those posted before it. False once stopped: the task will not run.
  virtual bool Post(std::function<void()> task) = 0;
  /// Refuses new tasks, runs those already posted, and returns when the last has ended.
  virtual void Stop() = 0;
  /// Runs the task on the calling thread, as one of this executor's, when none of them runs or
  /// waits; false, and nothing has happened, otherwise and where an executor cannot do that.
  virtual bool TryRun(const std::function<void()>& task) {
    (void)task;
    return false;
  }
};

/// One thread, named for debuggers (15 characters at most).
class ThreadExecutor final : public Executor {
 public:
  explicit ThreadExecutor(const std::string& name);
  ~ThreadExecutor() override;
  bool Post(std::function<void()> task) override;
  void Stop() override;

 private:
  void Run();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::thread thread_;
};

/// Passes tasks on to another executor and lets other threads take its turn while it has nothing to
/// do: what is small is done where it comes up, without waking anybody. Tasks still exclude each
/// other, and one that is posted runs behind those posted before.
class SharedExecutor final : public Executor {
 public:
  /// The other executor runs nothing but what comes through this one.
  explicit SharedExecutor(Executor* inner) : inner_(inner) {}
  bool Post(std::function<void()> task) override;
  void Stop() override;
  bool TryRun(const std::function<void()>& task) override;

 private:
  Executor* const inner_;
  std::mutex turn_;                   // held while a task runs
  std::atomic<uint64_t> waiting_{0};  // posted, and not done
  bool stopped_ = false;              // guarded by turn_
};

/// Runs nothing until stepped; for tests.
class ManualExecutor final : public Executor {
 public:
  bool Post(std::function<void()> task) override;
  void Stop() override;
  /// Runs the oldest task; false when there is none.
  bool Step();
  /// Forgets what has not run, as a crash does.
  void Drop();

 private:
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
};

}  // namespace metastore

#endif  // METASTORE_BASE_EXECUTOR_H_
