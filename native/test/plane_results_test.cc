// Results of the data plane's calls on their way out of the core: routed by the bit in their
// tickets, in the order in which they came to be, none after a failure; and the word that wakes
// TypeScript for what calls have put into the queues.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "apply/completions.h"
#include "test/support/member_harness.h"

namespace metastore::apply {
namespace {

using plane::kPlaneBit;

struct Taken {
  plane::CallId call = 0;
  Code code = Code::kOk;
  std::string reply;
};

class Collector final : public ResultSink {
 public:
  void Results(size_t lane, std::string records) override {
    std::lock_guard<std::mutex> lock(mutex_);
    bytes_ += records.size();
    std::string_view rest = records;
    PlaneResult result;
    while (NextPlaneResult(&rest, &result)) {
      EXPECT_EQ(plane::LaneOf(result.call), lane);
      taken_.push_back({result.call, result.code, std::string(result.reply)});
    }
    EXPECT_TRUE(rest.empty());
  }
  std::vector<Taken> taken() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return taken_;
  }
  size_t bytes() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return bytes_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Taken> taken_;  // guarded by mutex_
  size_t bytes_ = 0;          // guarded by mutex_
};

struct Queue {
  Queue() { queue.SetSink(sink); }
  int wakes = 0;
  std::shared_ptr<Collector> sink = std::make_shared<Collector>();
  CompletionQueue queue{[this] { ++wakes; }};
};

TEST(PlaneResults, GoToTheSinkAndOthersToTheQueue) {
  Queue q;
  CompletionBatch batch;
  batch.Result(7, Code::kOk, "seven");
  batch.Result(kPlaneBit | 9, Code::kOk, "nine");
  batch.Applied(1, 2);
  batch.Result(kPlaneBit | 16, Code::kEmptyKey, "left out");
  batch.Result(kPlaneBit | 17, Code::kOk, "");
  EXPECT_FALSE(batch.empty());
  q.queue.Append(&batch);
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(q.wakes, 1);
  const auto taken = q.sink->taken();
  ASSERT_EQ(taken.size(), 3u);
  std::map<plane::CallId, Taken> by_call;
  for (const Taken& one : taken) by_call[one.call] = one;
  EXPECT_EQ(by_call[9].reply, "nine");
  EXPECT_EQ(by_call[16].code, Code::kEmptyKey);
  EXPECT_EQ(by_call[16].reply, "");
  EXPECT_EQ(by_call[17].code, Code::kOk);
  const auto records = member_test::ParseRecords(q.queue.Drain());
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].kind, Kind::kResult);
  EXPECT_EQ(records[0].NumberAt(0), 7u);
  EXPECT_EQ(records[1].kind, Kind::kApplied);
}

TEST(PlaneResults, OfOneLaneStayInOrder) {
  Queue q;
  CompletionBatch batch;
  for (uint64_t i = 0; i < 100; ++i) {
    batch.Result(kPlaneBit | (i << plane::kLaneBits | i % 3), Code::kOk, std::to_string(i));
    if (i % 10 == 9) q.queue.Append(&batch);
  }
  std::map<size_t, uint64_t> last;
  for (const Taken& one : q.sink->taken()) {
    uint64_t& before = last[plane::LaneOf(one.call)];
    EXPECT_GE(one.call, before);
    before = one.call;
    EXPECT_EQ(one.reply, std::to_string(one.call >> plane::kLaneBits));
  }
  EXPECT_EQ(q.sink->taken().size(), 100u);
  EXPECT_EQ(q.wakes, 0) << "TypeScript has nothing to do with them";
}

TEST(PlaneResults, ReplyIsWrittenInPlaceAndCutOffOnAnError) {
  Queue q;
  CompletionBatch batch;
  batch.BeginResult(kPlaneBit | 8);
  batch.reply()->append("whole");
  batch.EndResult(Code::kOk);
  batch.BeginResult(kPlaneBit | 16);
  batch.reply()->append("half a rep");
  batch.EndResult(Code::kCompacted);
  batch.BeginResult(3);
  batch.reply()->append("mine");
  batch.EndResult(Code::kOk);
  q.queue.Append(&batch);
  const auto taken = q.sink->taken();
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_EQ(taken[0].reply, "whole");
  EXPECT_EQ(taken[1].reply, "");
  EXPECT_EQ(taken[1].code, Code::kCompacted);
  EXPECT_EQ(member_test::ParseRecords(q.queue.Drain()).at(0).body.substr(10), "mine");
}

TEST(PlaneResults, NothingIsHandedOutAfterAFailure) {
  Queue q;
  q.queue.Fatal("the disk is gone");
  CompletionBatch batch;
  batch.Result(kPlaneBit | 8, Code::kOk, "too late");
  q.queue.Append(&batch);
  EXPECT_TRUE(q.sink->taken().empty());
  EXPECT_TRUE(batch.empty());
}

TEST(PlaneResults, WithoutASinkAreDropped) {
  CompletionQueue queue([] {});
  CompletionBatch batch;
  batch.Result(kPlaneBit | 8, Code::kOk, "nobody");
  queue.Append(&batch);
  EXPECT_TRUE(batch.empty());
  EXPECT_TRUE(queue.Drain().empty());
}

TEST(PlaneDemand, IsOneRecordForHoweverMany) {
  Queue q;
  for (int i = 0; i < 5; ++i) q.queue.Want(kDemandProposals);
  q.queue.Want(kDemandReads);
  EXPECT_EQ(q.wakes, 1);
  auto records = member_test::ParseRecords(q.queue.Drain());
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].kind, Kind::kDemand);
  EXPECT_EQ(records[0].body, std::string(1, kDemandProposals | kDemandReads));
  EXPECT_TRUE(q.queue.Drain().empty());
  q.queue.Want(kDemandReads);
  EXPECT_EQ(q.wakes, 2);
  EXPECT_EQ(member_test::ParseRecords(q.queue.Drain()).at(0).body, std::string(1, kDemandReads));
}

TEST(PlaneDemand, ProposalsWaitForTheEndOfAWrite) {
  std::atomic<int> wakes{0};
  CompletionQueue queue([&] { ++wakes; });
  queue.WriteBegins();
  queue.WriteBegins();
  queue.Want(kDemandProposals);
  EXPECT_EQ(wakes, 0) << "could only be written behind it";
  queue.WriteEnds();
  EXPECT_EQ(wakes, 1) << "the first end is enough";
  EXPECT_EQ(queue.Drain().size(), 6u);
  queue.Want(kDemandReads);
  EXPECT_EQ(wakes, 2) << "reads wait for no write";
  queue.Drain();
  queue.WriteEnds();
  EXPECT_EQ(wakes, 2) << "nothing waits";
  queue.Want(kDemandProposals);
  EXPECT_EQ(wakes, 3) << "no write is under way";
}

TEST(PlaneDemand, ProposalsThatAreHeldWakeNobody) {
  std::atomic<int> wakes{0};
  CompletionQueue queue([&] { ++wakes; });
  queue.Hold(3);
  queue.Want(kDemandProposals, 1);
  queue.Want(kDemandProposals, 2);
  queue.WriteBegins();
  queue.WriteEnds();
  EXPECT_EQ(wakes, 0) << "neither by themselves nor with the end of a write";
  queue.Want(kDemandReads);
  EXPECT_EQ(wakes, 1) << "reads wait for no proposals";
  EXPECT_EQ(queue.Drain().size(), 6u);
  queue.Want(kDemandProposals, 2);
  queue.Release();
  EXPECT_EQ(wakes, 1) << "whoever lets go takes them";
  EXPECT_TRUE(queue.Drain().empty());
  queue.Hold(3);
  queue.Want(kDemandProposals, 2);
  EXPECT_EQ(wakes, 1);
  queue.Want(kDemandProposals, 3);
  EXPECT_EQ(wakes, 2) << "enough wait";
  queue.Release();
  queue.Drain();
  queue.Hold(1000);
  queue.Want(kDemandProposals);
  queue.WriteBegins();
  queue.Release();
  queue.Want(kDemandProposals);
  EXPECT_EQ(wakes, 2);
  queue.WriteEnds();
  EXPECT_EQ(wakes, 3) << "what came after it was let go is told with the write's end";
}

TEST(PlaneDemand, SharesTheWakeUpWithRecords) {
  Queue q;
  CompletionBatch batch;
  batch.Durable(1);
  q.queue.Append(&batch);
  q.queue.Want(kDemandProposals);
  batch.Durable(2);
  q.queue.Append(&batch);
  EXPECT_EQ(q.wakes, 1);
  EXPECT_EQ(member_test::ParseRecords(q.queue.Drain()).size(), 3u);
  batch.Durable(3);
  q.queue.Append(&batch);
  EXPECT_EQ(q.wakes, 2);
}

// Every request that was put somewhere before its Want is seen by a Drain that takes the demand.
TEST(PlaneDemand, IsNeverLostBetweenThreads) {
  constexpr int kRequests = 20000;
  std::mutex mutex;
  std::condition_variable woken;
  bool awake = false;
  CompletionQueue queue([&] {
    std::lock_guard<std::mutex> lock(mutex);
    awake = true;
    woken.notify_one();
  });
  std::atomic<int> put{0};
  std::thread producer([&] {
    for (int i = 0; i < kRequests; ++i) {
      put.fetch_add(1, std::memory_order_relaxed);
      queue.Want(kDemandProposals);
      if (i % 97 == 0) std::this_thread::yield();
    }
  });
  int seen = 0;
  while (seen < kRequests) {
    {
      std::unique_lock<std::mutex> lock(mutex);
      ASSERT_TRUE(woken.wait_for(lock, std::chrono::seconds(20), [&] { return awake; })) << seen;
      awake = false;
    }
    while (!queue.Drain().empty()) seen = put.load(std::memory_order_relaxed);
  }
  producer.join();
  EXPECT_EQ(seen, kRequests);
}

TEST(PlaneResults, ReadersWaitWhileTheSinkHoldsTooMuch) {
  Queue q;
  CompletionBatch batch;
  const std::string megabyte(1 << 20, 'x');
  for (uint64_t i = 1; i <= 65; ++i) {
    batch.Result(kPlaneBit | (i << plane::kLaneBits), Code::kOk, megabyte);
    q.queue.Append(&batch);
  }
  std::atomic<bool> through{false};
  std::thread reader([&] {
    q.queue.WaitForRoom();
    through.store(true);
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_FALSE(through.load());
  q.queue.Delivered(q.sink->bytes());
  reader.join();
  EXPECT_TRUE(through.load());
}

class PlaneOfCore : public ::testing::TestWithParam<member::EngineKind> {};

TEST_P(PlaneOfCore, ServesRequestsUnderPlaneTickets) {
  member_test::ScratchDirectory directory;
  member_test::TinyVoter voter(member_test::OptionsFor(directory.path(), GetParam()));
  ASSERT_TRUE(voter.Open().ok());
  auto sink = std::make_shared<Collector>();
  voter.core().SetResultSink(sink);
  const auto submit = [&](uint64_t call, intake::Method method, const std::string& request) {
    return voter.Submit(kPlaneBit | call, method, request);
  };
  ASSERT_EQ(submit(8, intake::Method::kPut, member_test::PutRequest("k", "v")), Code::kOk);
  ASSERT_TRUE(voter.DriveUntil([&] { return sink->taken().size() == 1; }));
  ASSERT_EQ(submit(16, intake::Method::kRange, member_test::Bytes(1, "k")), Code::kOk);
  ASSERT_TRUE(voter.DriveUntil([&] { return sink->taken().size() == 2; }));
  // Serializable, at a revision that is yet to come.
  const std::string future =
      member_test::Bytes(1, "k") + member_test::Number(4, 1000) + member_test::Number(7, 1);
  ASSERT_EQ(submit(25, intake::Method::kRange, future), Code::kOk);
  ASSERT_TRUE(voter.DriveUntil([&] { return sink->taken().size() == 3; }));
  const auto taken = sink->taken();
  EXPECT_EQ(taken[0].call, 8u);
  EXPECT_EQ(taken[0].code, Code::kOk);
  EXPECT_EQ(taken[1].call, 16u);
  EXPECT_NE(taken[1].reply.find('v'), std::string::npos);
  EXPECT_EQ(taken[2].code, Code::kFutureRevision);
  EXPECT_TRUE(voter.results.empty()) << "TypeScript hears of none of them";
  // What waits when the core closes is told so.
  ASSERT_EQ(submit(32, intake::Method::kPut, member_test::PutRequest("k", "w")), Code::kOk);
  ASSERT_EQ(submit(40, intake::Method::kRange, member_test::Bytes(1, "k")), Code::kOk);
  ASSERT_TRUE(voter.core().Close().ok());
  const auto ended = sink->taken();
  ASSERT_EQ(ended.size(), 5u);
  EXPECT_EQ(ended[3].code, Code::kStopped);
  EXPECT_EQ(ended[4].code, Code::kStopped);
  EXPECT_EQ(submit(48, intake::Method::kPut, "x"), Code::kStopped);
}

INSTANTIATE_TEST_SUITE_P(Memory, PlaneOfCore, ::testing::Values(member::EngineKind::kMemory));
#ifdef METASTORE_ROCKSDB
INSTANTIATE_TEST_SUITE_P(Rocks, PlaneOfCore, ::testing::Values(member::EngineKind::kRocks));
#endif

}  // namespace
}  // namespace metastore::apply
