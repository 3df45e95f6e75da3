// The executors of executor.h.
#include "base/executor.h"

#include <pthread.h>

#include <utility>

#include "base/check.h"

namespace metastore {

ThreadExecutor::ThreadExecutor(const std::string& name) : thread_([this] { Run(); }) {
#ifdef __linux__
  pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
#else
  (void)name;
#endif
}

ThreadExecutor::~ThreadExecutor() { Stop(); }

bool ThreadExecutor::Post(std::function<void()> task) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return false;
    queue_.push_back(std::move(task));
    if (queue_.size() > 1) return true;  // the thread has been woken for the first
  }
  wake_.notify_one();
  return true;
}

void ThreadExecutor::Stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  METASTORE_CHECK(thread_.get_id() != std::this_thread::get_id(), "an executor cannot join itself");
  if (thread_.joinable()) thread_.join();
}

void ThreadExecutor::Run() {
  std::deque<std::function<void()>> batch;
  for (;;) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      batch.swap(queue_);
    }
    for (auto& task : batch) task();
    batch.clear();
  }
}

bool SharedExecutor::Post(std::function<void()> task) {
  waiting_.fetch_add(1);
  const bool posted = inner_->Post([this, task = std::move(task)] {
    std::lock_guard<std::mutex> turn(turn_);
    task();
    waiting_.fetch_sub(1);
  });
  if (!posted) waiting_.fetch_sub(1);
  return posted;
}

void SharedExecutor::Stop() {
  {
    std::lock_guard<std::mutex> turn(turn_);
    stopped_ = true;
  }
  inner_->Stop();
}

bool SharedExecutor::TryRun(const std::function<void()>& task) {
  if (waiting_.load() != 0) return false;
  std::unique_lock<std::mutex> turn(turn_, std::try_to_lock);
  if (!turn.owns_lock() || stopped_) return false;
  task();
  return true;
}

bool ManualExecutor::Post(std::function<void()> task) {
  if (stopping_) return false;
  queue_.push_back(std::move(task));
  return true;
}

void ManualExecutor::Stop() {
  stopping_ = true;
  while (Step()) {
  }
}

bool ManualExecutor::Step() {
  if (queue_.empty()) return false;
  auto task = std::move(queue_.front());
  queue_.pop_front();
  task();
  return true;
}

void ManualExecutor::Drop() { queue_.clear(); }

}  // namespace metastore
