// The executors: order, stopping, and stepping by hand.
#include "base/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <vector>

namespace metastore {
namespace {

TEST(Executor, ThreadRunsTasksInOrderOnOneThread) {
  ThreadExecutor executor("a-name-longer-than-fifteen");
  std::vector<int> order;
  std::thread::id first;
  for (int n = 0; n < 1000; ++n) {
    ASSERT_TRUE(executor.Post([&, n] {
      if (n == 0) first = std::this_thread::get_id();
      if (std::this_thread::get_id() == first) order.push_back(n);
    }));
  }
  executor.Stop();
  ASSERT_EQ(order.size(), 1000u);
  for (int n = 0; n < 1000; ++n) EXPECT_EQ(order[static_cast<size_t>(n)], n);
  EXPECT_NE(first, std::this_thread::get_id());
}

TEST(Executor, ThreadRefusesAfterStop) {
  ThreadExecutor executor("stopped");
  executor.Stop();
  bool ran = false;
  EXPECT_FALSE(executor.Post([&] { ran = true; }));
  executor.Stop();
  EXPECT_FALSE(ran);
}

TEST(Executor, ThreadTasksMayPost) {
  ThreadExecutor executor("nested");
  std::promise<void> done;
  std::atomic<int> count = 0;
  std::function<void()> again = [&] {
    if (++count == 100) return done.set_value();
    executor.Post(again);
  };
  executor.Post(again);
  done.get_future().wait();
  EXPECT_EQ(count, 100);
}

TEST(Executor, ThreadTakesPostsFromManyThreads) {
  ThreadExecutor executor("many");
  int count = 0;  // only the executor's thread touches it
  std::vector<std::thread> threads;
  for (int n = 0; n < 4; ++n) {
    threads.emplace_back([&] {
      for (int m = 0; m < 1000; ++m) ASSERT_TRUE(executor.Post([&] { ++count; }));
    });
  }
  for (std::thread& thread : threads) thread.join();
  executor.Stop();
  EXPECT_EQ(count, 4000);
}

TEST(Executor, ManualRunsOnlyWhenStepped) {
  ManualExecutor executor;
  std::vector<int> order;
  EXPECT_FALSE(executor.Step());
  executor.Post([&] { order.push_back(1); });
  executor.Post([&] { order.push_back(2); });
  EXPECT_TRUE(order.empty());
  EXPECT_TRUE(executor.Step());
  EXPECT_EQ(order, (std::vector<int>{1}));
  executor.Drop();
  EXPECT_FALSE(executor.Step());
  executor.Post([&] { order.push_back(3); });
  executor.Stop();
  EXPECT_EQ(order, (std::vector<int>{1, 3}));
  EXPECT_FALSE(executor.Post([&] { order.push_back(4); }));
  EXPECT_FALSE(executor.Step());
}

}  // namespace
}  // namespace metastore
