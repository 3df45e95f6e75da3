// The queues between transports and Raft: stages of a proposal, batches of reads, bounds.
#include <gtest/gtest.h>

#include <thread>

#include "intake/queues.h"

namespace metastore::intake {
namespace {

std::vector<std::string> Named(ProposalQueue* queue, uint64_t count) {
  std::vector<std::shared_ptr<const std::string>> payloads;
  EXPECT_TRUE(queue->Name(count, &payloads));
  std::vector<std::string> texts;
  for (const auto& payload : payloads) texts.push_back(*payload);
  return texts;
}

TEST(ProposalQueue, StagesKeepTheOrder) {
  Tickets tickets;
  ProposalQueue queue({100, 1000}, &tickets);
  for (uint64_t i = 1; i <= 5; ++i) {
    ASSERT_EQ(queue.Add(100 + i, i, "p" + std::to_string(i)), Code::kOk);
  }
  EXPECT_EQ(queue.Take(2, 1000), (std::vector<uint32_t>{2, 2}));
  EXPECT_EQ(queue.Take(9, 3), (std::vector<uint32_t>{2})) << "bytes bound, but at least one";
  EXPECT_EQ(Named(&queue, 1), (std::vector<std::string>{"p1"}));
  std::vector<Ticket> failed;
  ASSERT_TRUE(queue.Drop(1, &failed));
  EXPECT_EQ(failed, (std::vector<Ticket>{102}));
  EXPECT_FALSE(queue.Drop(2, &failed));
  queue.Clear();  // p4 and p5; p3 is taken and stays
  EXPECT_EQ(queue.use().operations, 1u);
  EXPECT_EQ(Named(&queue, 1), (std::vector<std::string>{"p3"}));
  EXPECT_TRUE(queue.Take(9, 9).empty());
  EXPECT_EQ(queue.use().bytes, 0u);
  EXPECT_EQ(tickets.Take(1), 101u);
  EXPECT_EQ(tickets.Take(1), std::nullopt);
  EXPECT_EQ(tickets.TakeAll(), (std::vector<Ticket>{103, 104, 105}));
}

TEST(ProposalQueue, BoundsCountWhatIsTaken) {
  Tickets tickets;
  ProposalQueue queue({2, 10}, &tickets);
  ASSERT_EQ(queue.Add(1, 1, std::string(50, 'x')), Code::kOk) << "one always fits";
  EXPECT_EQ(queue.Add(2, 2, "y"), Code::kTooManyRequests);
  EXPECT_EQ(queue.Take(1, 1).size(), 1u);
  EXPECT_EQ(queue.Add(2, 2, "y"), Code::kTooManyRequests);
  EXPECT_EQ(Named(&queue, 1).size(), 1u);
  EXPECT_EQ(queue.Add(3, 3, "y"), Code::kOk);
  EXPECT_EQ(queue.Add(4, 4, "y"), Code::kOk);
  EXPECT_EQ(queue.Add(5, 5, "y"), Code::kTooManyRequests);
  EXPECT_EQ(tickets.Take(5), std::nullopt) << "a refused proposal leaves no ticket";
}

PendingRead Read(Ticket ticket, const std::string& request = "r") {
  return {ticket, Method::kRange, std::nullopt, request};
}

std::vector<Ticket> TicketsOf(const ReadBatch& batch) {
  std::vector<Ticket> tickets;
  for (const PendingRead& read : batch) tickets.push_back(read.ticket);
  return tickets;
}

TEST(ReadQueue, AReadBelongsToTheRoundThatStartsAfterIt) {
  ReadQueue queue({100, 1000});
  std::atomic<uint64_t> applied{5};
  EXPECT_EQ(queue.Freeze(), 0u);
  ASSERT_EQ(queue.Add(Read(1)), Code::kOk);
  const uint32_t first = queue.Freeze();
  ASSERT_NE(first, 0u);
  ASSERT_EQ(queue.Add(Read(2)), Code::kOk);
  EXPECT_EQ(TicketsOf(queue.Release(first, 5, applied)), (std::vector<Ticket>{1}));
  EXPECT_TRUE(queue.Release(first, 5, applied).empty()) << "released once";
  const uint32_t second = queue.Freeze();
  ASSERT_EQ(queue.Add(Read(3)), Code::kOk);
  const uint32_t third = queue.Freeze();
  EXPECT_TRUE(queue.Release(third, 8, applied).empty());
  EXPECT_TRUE(queue.Release(second, 7, applied).empty());
  EXPECT_TRUE(queue.TakeReady(6).empty());
  EXPECT_EQ(TicketsOf(queue.TakeReady(7)), (std::vector<Ticket>{2}));
  EXPECT_EQ(TicketsOf(queue.TakeReady(9)), (std::vector<Ticket>{3}));
  EXPECT_EQ(queue.use().operations, 0u);
  EXPECT_EQ(queue.use().bytes, 0u);
}

TEST(ReadQueue, EverythingCanBeTakenOut) {
  ReadQueue queue({100, 1000});
  std::atomic<uint64_t> applied{0};
  ASSERT_EQ(queue.Add(Read(1)), Code::kOk);
  const uint32_t failed = queue.Freeze();
  EXPECT_EQ(TicketsOf(queue.Remove(failed)), (std::vector<Ticket>{1}));
  EXPECT_TRUE(queue.Remove(failed).empty());
  EXPECT_TRUE(queue.Release(failed, 0, applied).empty());
  ASSERT_EQ(queue.Add(Read(2)), Code::kOk);
  EXPECT_TRUE(queue.Release(queue.Freeze(), 9, applied).empty());
  ASSERT_EQ(queue.Add(Read(3)), Code::kOk);
  (void)queue.Freeze();
  ASSERT_EQ(queue.Add(Read(4)), Code::kOk);
  EXPECT_EQ(TicketsOf(queue.RemoveAll()), (std::vector<Ticket>{4, 3, 2}));
  EXPECT_EQ(queue.use().operations, 0u);
}

TEST(ReadQueue, Bounds) {
  ReadQueue queue({2, 10});
  ASSERT_EQ(queue.Add(Read(1, std::string(8, 'x'))), Code::kOk);
  EXPECT_EQ(queue.Add(Read(2, std::string(3, 'x'))), Code::kTooManyRequests);
  ASSERT_EQ(queue.Add(Read(2, "x")), Code::kOk);
  EXPECT_EQ(queue.Add(Read(3, "")), Code::kTooManyRequests);
}

TEST(ReadQueue, NoReleaseIsMissedBetweenThreads) {
  constexpr uint64_t kRounds = 20000;
  ReadQueue queue({kRounds, 1 << 20});
  std::atomic<uint64_t> applied{0};
  std::atomic<uint64_t> served{0};
  std::thread apply([&] {
    for (uint64_t index = 1; index <= kRounds; ++index) {
      applied.store(index);
      served.fetch_add(queue.TakeReady(index).size());
    }
  });
  for (uint64_t index = 1; index <= kRounds; ++index) {
    ASSERT_EQ(queue.Add(Read(index)), Code::kOk);
    served.fetch_add(queue.Release(queue.Freeze(), index, applied).size());
  }
  apply.join();
  served.fetch_add(queue.TakeReady(kRounds).size());
  EXPECT_EQ(served.load(), kRounds);
}

}  // namespace
}  // namespace metastore::intake
