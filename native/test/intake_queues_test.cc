// The queues between transports and Raft: stages of a proposal, batches of reads, bounds.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "intake/queues.h"
#include "intake/raft_request.h"
#include "test/support/wire_builder.h"

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
  EXPECT_EQ(queue.Take(2, 1000, 1), (std::vector<uint32_t>{2, 2}));
  EXPECT_EQ(queue.Take(9, 3, 1), (std::vector<uint32_t>{2})) << "bytes bound, but at least one";
  EXPECT_EQ(Named(&queue, 1), (std::vector<std::string>{"p1"}));
  std::vector<Ticket> failed;
  ASSERT_TRUE(queue.Drop(1, &failed));
  EXPECT_EQ(failed, (std::vector<Ticket>{102}));
  EXPECT_FALSE(queue.Drop(2, &failed));
  queue.Clear();  // p4 and p5; p3 is taken and stays
  EXPECT_EQ(queue.use().operations, 1u);
  EXPECT_EQ(Named(&queue, 1), (std::vector<std::string>{"p3"}));
  EXPECT_TRUE(queue.Take(9, 9, 1).empty());
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
  EXPECT_EQ(queue.Take(1, 1, 1).size(), 1u);
  EXPECT_EQ(queue.Add(2, 2, "y"), Code::kTooManyRequests);
  EXPECT_EQ(Named(&queue, 1).size(), 1u);
  EXPECT_EQ(queue.Add(3, 3, "y"), Code::kOk);
  EXPECT_EQ(queue.Add(4, 4, "y"), Code::kOk);
  EXPECT_EQ(queue.Add(5, 5, "y"), Code::kTooManyRequests);
  EXPECT_EQ(tickets.Take(5), std::nullopt) << "a refused proposal leaves no ticket";
}

std::vector<Payload> Payloads(const std::vector<std::string>& texts) {
  std::vector<Payload> payloads;
  for (const std::string& text : texts) payloads.push_back(std::make_shared<std::string>(text));
  return payloads;
}

std::vector<std::string> Texts(const std::vector<Payload>& payloads) {
  std::vector<std::string> texts;
  for (const Payload& payload : payloads) texts.push_back(*payload);
  return texts;
}

using Lines = std::vector<std::string>;

TEST(Forwarding, HandsOverInOrderWithinTheLimits) {
  Tickets tickets;
  ProposalQueue queue({100, 1000}, &tickets);
  for (uint64_t i = 1; i <= 4; ++i) {
    ASSERT_EQ(queue.Add(100 + i, i, "p" + std::to_string(i)), Code::kOk);
  }
  EXPECT_EQ(Texts(queue.TakeForwards(2, 1000, 5)), (Lines{"p1", "p2"}));
  EXPECT_EQ(Texts(queue.TakeForwards(9, 1, 5)), (Lines{"p3"})) << "at least one";
  EXPECT_EQ(queue.use().operations, 1u);
  EXPECT_EQ(queue.use().bytes, 2u);
  EXPECT_EQ(Texts(queue.TakeForwards(0, 1000, 5)), Lines{});
  // Their tickets wait here, and know their term; p4 is still queued.
  EXPECT_EQ(tickets.TakeBefore(5), std::vector<Ticket>{});
  EXPECT_EQ(tickets.Take(2), 102u) << "applied";
  EXPECT_EQ(tickets.TakeBefore(6), (std::vector<Ticket>{101, 103}));
  EXPECT_EQ(tickets.TakeAll(), (std::vector<Ticket>{104}));
}

TEST(Forwarding, ReturnsGoToTheFrontOnce) {
  Tickets tickets;
  ProposalQueue queue({2, 4}, &tickets);
  ASSERT_EQ(queue.Add(101, 1, "p1"), Code::kOk);
  ASSERT_EQ(queue.Add(102, 2, "p2"), Code::kOk);
  std::vector<Payload> taken = queue.TakeForwards(9, 1000, 5);
  ASSERT_EQ(queue.Add(103, 3, "p3"), Code::kOk);
  ASSERT_EQ(queue.Add(104, 4, "p4"), Code::kOk);
  ASSERT_EQ(tickets.Take(1), 101u) << "answered meanwhile";
  const std::vector<HandedOver> back = {{1, taken[0]}, {2, taken[1]}};
  queue.Return(back, 5);
  EXPECT_EQ(queue.use().operations, 3u) << "past the limit, but without what was answered";
  queue.Return(back, 5);
  EXPECT_EQ(queue.use().operations, 3u) << "the second time is of no effect";
  EXPECT_EQ(tickets.TakeBefore(100), std::vector<Ticket>{}) << "queued again";
  EXPECT_EQ(queue.Take(9, 1000, 7).size(), 3u);
  EXPECT_EQ(Named(&queue, 3), (Lines{"p2", "p3", "p4"}));
  EXPECT_EQ(queue.use().bytes, 0u);
  queue.Return(back, 5);
  EXPECT_EQ(queue.use().operations, 0u) << "handed over again in another term";
  EXPECT_EQ(tickets.TakeBefore(8), (std::vector<Ticket>{102, 103, 104}));
}

TEST(Forwarding, ForwardedAreProposedInTheirTermOnly) {
  Tickets tickets;
  ProposalQueue queue({100, 1000}, &tickets);
  ASSERT_EQ(queue.AddForwarded(Payloads({"f1", "f2"}), 5), Code::kOk);
  ASSERT_EQ(queue.Add(101, 1, "p1"), Code::kOk);
  ASSERT_EQ(queue.AddForwarded(Payloads({"f3"}), 5), Code::kOk);
  EXPECT_EQ(queue.Take(1, 1000, 5), (std::vector<uint32_t>{2}));
  EXPECT_EQ(Named(&queue, 1), (Lines{"f1"}));
  EXPECT_EQ(queue.Take(9, 1000, 6), (std::vector<uint32_t>{2})) << "of f2, p1 and f3";
  EXPECT_EQ(Named(&queue, 1), (Lines{"p1"}));
  EXPECT_EQ(queue.use().operations, 0u);
  EXPECT_EQ(queue.use().bytes, 0u);
  // Nor are they handed on, whatever the term.
  ASSERT_EQ(queue.AddForwarded(Payloads({"f4"}), 7), Code::kOk);
  ASSERT_EQ(queue.Add(102, 2, "p2"), Code::kOk);
  ASSERT_EQ(queue.AddForwarded(Payloads({"f5"}), 7), Code::kOk);
  EXPECT_EQ(Texts(queue.TakeForwards(9, 1000, 7)), (Lines{"p2"}));
  EXPECT_EQ(queue.use().operations, 0u);
  // Dropped ones have no ticket to answer.
  ASSERT_EQ(queue.AddForwarded(Payloads({"f6"}), 7), Code::kOk);
  EXPECT_EQ(queue.Take(9, 1000, 7).size(), 1u);
  std::vector<Ticket> failed;
  ASSERT_TRUE(queue.Drop(1, &failed));
  EXPECT_TRUE(failed.empty());
}

TEST(Forwarding, IsBoundedAllOrNone) {
  Tickets tickets;
  ProposalQueue queue({3, 100}, &tickets);
  ASSERT_EQ(queue.AddForwarded(Payloads({"1", "2", "3", "4", "5"}), 1), Code::kOk)
      << "an empty queue takes any number";
  EXPECT_EQ(queue.AddForwarded(Payloads({"6"}), 1), Code::kTooManyRequests);
  EXPECT_EQ(queue.Take(4, 100, 1).size(), 4u);
  Named(&queue, 4);
  EXPECT_EQ(queue.AddForwarded(Payloads({"6", "7", "8"}), 1), Code::kTooManyRequests);
  EXPECT_EQ(queue.use().operations, 1u) << "none of them";
  EXPECT_EQ(queue.AddForwarded(Payloads({"6", std::string(99, 'x')}), 1), Code::kTooManyRequests);
  EXPECT_EQ(queue.AddForwarded(Payloads({"6", "7"}), 1), Code::kOk);
}

TEST(ProposalQueue, ExpiresWhatWaitsTooLong) {
  Tickets tickets;
  ProposalQueue queue({100, 1000}, &tickets);
  for (uint64_t i = 1; i <= 5; ++i) {
    ASSERT_EQ(queue.Add(100 + i, i, "p" + std::to_string(i)), Code::kOk);
  }
  ASSERT_EQ(queue.AddForwarded(Payloads({"f1"}), 1), Code::kOk);
  ASSERT_EQ(queue.Take(1, 1000, 1).size(), 1u);
  EXPECT_EQ(queue.Expire(100), std::vector<Ticket>{});
  EXPECT_EQ(queue.Expire(103), (std::vector<Ticket>{102, 103})) << "101 is taken";
  EXPECT_EQ(queue.Expire(103), std::vector<Ticket>{});
  EXPECT_EQ(queue.use().operations, 4u);
  EXPECT_EQ(queue.use().bytes, 8u);
  EXPECT_EQ(queue.Take(9, 1000, 1).size(), 3u);
  EXPECT_EQ(Named(&queue, 4), (Lines{"p1", "p4", "p5", "f1"}));
  EXPECT_EQ(tickets.TakeAll(), (std::vector<Ticket>{101, 104, 105}));
}

PendingRead Read(Ticket ticket, const std::string& request = "r") {
  return {ticket, Method::kRange, std::nullopt, request};
}

std::string PutPayload(uint64_t id, const std::string& key) {
  const std::string body = wire_test::Bytes(1, key) + wire_test::Bytes(2, "v");
  return EncodeEntry({id, {}, 0}, kFieldPut, body, {});
}

std::vector<uint64_t> IdsOf(const std::string& payload) {
  std::vector<RaftRequest> operations;
  EXPECT_TRUE(DecodeOperations(payload, &operations).ok());
  std::vector<uint64_t> ids;
  for (const RaftRequest& operation : operations) ids.push_back(operation.header.id);
  return ids;
}

TEST(ProposalQueue, OperationsOfKvShareAnEntryAndControlStaysAlone) {
  Tickets tickets;
  ProposalQueue queue({100, 100000}, &tickets);
  queue.BatchEntries(3, 1000);
  for (uint64_t id = 1; id <= 5; ++id) {
    ASSERT_EQ(queue.Add(100 + id, id, PutPayload(id, "k")), Code::kOk);
  }
  const std::string grant = EncodeEntry({6, {}, 0}, kFieldLeaseGrant, wire_test::Number(2, 7), {});
  ASSERT_EQ(queue.Add(106, 6, grant), Code::kOk);
  ASSERT_EQ(queue.Add(107, 7, PutPayload(7, "k")), Code::kOk);
  EXPECT_TRUE(queue.Take(100, 10000, 1, 8).empty()) << "fewer wait";
  const auto sizes = queue.Take(100, 10000, 1, 7);
  EXPECT_EQ(queue.use().operations, 7u) << "operations are counted, not entries";
  ASSERT_EQ(sizes.size(), 4u);
  const auto entries = Named(&queue, 3);
  EXPECT_EQ(IdsOf(entries[0]), (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(entries[0].size(), sizes[0]);
  EXPECT_EQ(entries[0][0], kBatchFormat);
  EXPECT_EQ(IdsOf(entries[1]), (std::vector<uint64_t>{4, 5}));
  EXPECT_EQ(entries[2], grant);
  EXPECT_EQ(Named(&queue, 1)[0], PutPayload(7, "k")) << "a single one has the older format";
  EXPECT_EQ(queue.use().operations, 0u);
  EXPECT_EQ(queue.use().bytes, 0u);
}

TEST(ProposalQueue, ADroppedEntryFailsAllItsOperations) {
  Tickets tickets;
  ProposalQueue queue({100, 100000}, &tickets);
  queue.BatchEntries(512, 1 << 20);
  for (uint64_t id = 1; id <= 4; ++id) {
    ASSERT_EQ(queue.Add(100 + id, id, PutPayload(id, "k")), Code::kOk);
  }
  // Others' share entries with ours, but not those of another term.
  ASSERT_EQ(queue.AddForwarded({std::make_shared<std::string>(PutPayload(50, "f"))}, 1), Code::kOk);
  ASSERT_EQ(queue.AddForwarded({std::make_shared<std::string>(PutPayload(51, "f"))}, 2), Code::kOk);
  EXPECT_EQ(queue.Take(2, 100000, 2).size(), 1u) << "operations bound";
  EXPECT_EQ(queue.Take(100, 100000, 2).size(), 1u);
  ASSERT_EQ(tickets.Take(1), 101u) << "answered meanwhile";
  std::vector<Ticket> failed;
  ASSERT_TRUE(queue.Drop(2, &failed));
  EXPECT_EQ(failed, (std::vector<Ticket>{102, 103, 104}));
  EXPECT_EQ(queue.use().operations, 0u);
  EXPECT_EQ(queue.use().bytes, 0u);
}

TEST(ProposalQueue, AnEntrysBytesAreBounded) {
  Tickets tickets;
  ProposalQueue queue({1000, 100 << 20}, &tickets);
  queue.BatchEntries(1000, 1 << 30);
  const std::string large(400 << 10, 'x');
  for (uint64_t id = 1; id <= 6; ++id) {
    ASSERT_EQ(queue.Add(id, id, PutPayload(id, large)), Code::kOk);
  }
  for (uint64_t id = 7; id <= 700; ++id) {
    ASSERT_EQ(queue.Add(id, id, PutPayload(id, "k")), Code::kOk);
  }
  const auto sizes = queue.Take(1000, 100 << 20, 1);
  for (const std::string& entry : Named(&queue, sizes.size())) {
    EXPECT_LE(entry.size(), kMostBatchBytes + 1024);
    EXPECT_LE(IdsOf(entry).size(), kMostBatchOperations);
  }
}

TEST(Batches, OnlyWhatIsWellFormedIsRead) {
  const std::string put = PutPayload(1, "k");
  const std::string grant = EncodeEntry({6, {}, 0}, kFieldLeaseGrant, wire_test::Number(2, 7), {});
  const auto code = [](const std::string& payload) {
    std::vector<RaftRequest> operations;
    const Status decoded = DecodeOperations(payload, &operations);
    const Status checked = CheckOperations(payload);
    EXPECT_EQ(decoded.code(), checked.code());
    return decoded.code();
  };
  const std::string_view two[] = {put, put};
  const std::string batch = EncodeBatch(two);
  EXPECT_EQ(code(batch), Code::kOk);
  EXPECT_EQ(code(std::string(1, kBatchFormat)), Code::kUnmarshal) << "nothing in it";
  for (size_t cut = 1; cut < batch.size(); ++cut) {
    const bool whole = cut == 1 + 4 + put.size() - 1;
    EXPECT_EQ(code(batch.substr(0, cut)), whole ? Code::kOk : Code::kUnmarshal) << cut;
  }
  const std::string_view control[] = {put, grant};
  EXPECT_EQ(code(EncodeBatch(control)), Code::kUnmarshal) << "control has an entry of its own";
  RaftRequest request;
  EXPECT_EQ(CheckEntry(batch, &request).code(), Code::kUnmarshal) << "no single proposal";
  const std::vector<std::string_view> many(kMostBatchOperations + 1, put);
  EXPECT_EQ(code(EncodeBatch(many)), Code::kUnmarshal);
  EXPECT_EQ(code(EncodeBatch(std::span(many).subspan(1))), Code::kOk);
}

TEST(Tickets, SameAsAMapWhileTheTableGrowsAndSlotsMove) {
  Tickets tickets;
  std::map<uint64_t, Ticket> model;
  std::mt19937_64 random(5);
  std::vector<std::optional<Ticket>> taken;
  uint64_t next = 1;
  for (int round = 0; round < 3000; ++round) {
    for (uint64_t n = random() % 8; n > 0; --n) {
      // Mostly counting up, as ids do; sometimes far away, onto a slot that is taken.
      const uint64_t id = random() % 5 == 0 ? (next++ | (random() % 4096) << 32) : next++;
      if (!model.emplace(id, id * 10).second) continue;
      tickets.Add(id, id * 10);
    }
    if (random() % 3 == 0) continue;
    std::vector<uint64_t> ids = {0, next + 100};
    for (auto it = model.begin(); it != model.end() && ids.size() < 9; ++it) {
      if (random() % 2 == 0) ids.push_back(it->first);
    }
    tickets.TakeMany(ids, &taken);
    ASSERT_EQ(taken.size(), ids.size());
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto known = model.find(ids[i]);
      ASSERT_EQ(taken[i].has_value(), known != model.end()) << ids[i];
      if (known == model.end()) continue;
      ASSERT_EQ(*taken[i], known->second);
      model.erase(known);
    }
  }
  std::vector<Ticket> left;
  for (const auto& [id, ticket] : model) left.push_back(ticket);
  std::sort(left.begin(), left.end());
  EXPECT_EQ(tickets.TakeAll(), left);
  EXPECT_EQ(tickets.Take(next), std::nullopt);
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
