// Time limits, slow calls, counts and threads of KV on the lanes.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "test/support/plane_hot.h"

namespace metastore::hot_test {
namespace {

using member::EngineKind;
using plane::HotExpiry;

constexpr int64_t kMs = 1000000;
constexpr uint64_t kNever = INT64_MAX;

HotExpiry After(int64_t ms) {
  HotExpiry expiry;
  expiry.age_ns = ms * kMs;
  return expiry;
}

class PlaneHotLimits : public ::testing::Test {
 protected:
  void Expire(const HotExpiry& expiry) {
    hot.service->Expire(expiry);
    hot.Turn();
  }
  /// What waits has been handed over to consensus, and goes no further.
  void TakeAll() { hot.voter.core().TakeProposals(100, 1 << 20, hot.voter.term()); }

  HotHarness hot{EngineKind::kMemory};
};

TEST_F(PlaneHotLimits, WhatWasNeverProposedIsToldSo) {
  const CallId old = hot.Send("Put", PutRequest("k", "old"));
  hot.Advance(5000);
  hot.Turn();
  const CallId young = hot.Send("Put", PutRequest("k", "young"), {}, 1);
  hot.Advance(2001);
  Expire(After(7000));
  ASSERT_TRUE(hot.answer(old).has_value());
  EXPECT_EQ(hot.answer(old)->status, 4);
  EXPECT_EQ(hot.answer(old)->text, "context deadline exceeded");
  EXPECT_FALSE(hot.answer(young).has_value());
  EXPECT_EQ(hot.Wait(young).status, 0);
  // The other one is out of the queue for good.
  EXPECT_EQ(hot.Call("Range", RangeOf("k")).reply.find("old"), std::string::npos);
}

TEST_F(PlaneHotLimits, WhatWasHandedOverIsToldWhy) {
  const auto outcome = [&](HotExpiry expiry) {
    const CallId put = hot.Send("Put", PutRequest("k", "v"));
    TakeAll();
    hot.Advance(7001);
    Expire(expiry);
    EXPECT_TRUE(hot.answer(put).has_value());
    const std::string text = hot.answer(put).value_or(Answer()).text;
    hot.lanes[0].calls.entries.erase(put);
    return text;
  };
  EXPECT_EQ(outcome(After(7000)), CodeText(Code::kTimeout));
  HotExpiry failed = After(7000);
  failed.failure_from_ns = 8000 * kMs;
  failed.failure_to_ns = 6000 * kMs;
  EXPECT_EQ(outcome(failed), CodeText(Code::kTimeoutLeaderFailure));
  failed.failure_from_ns = 7000 * kMs;
  EXPECT_EQ(outcome(failed), CodeText(Code::kTimeout));
  HotExpiry lost = After(7000);
  lost.connected_ns = 7000 * kMs;
  EXPECT_EQ(outcome(lost), CodeText(Code::kTimeoutConnectionLost));
  lost.connected_ns = 7002 * kMs;
  EXPECT_EQ(outcome(lost), CodeText(Code::kTimeout));
}

TEST_F(PlaneHotLimits, ReadsThatWaitTimeOut) {
  hot.gate.Set(plane::kGateOpen);
  const CallId read = hot.Send("Range", RangeOf("k"));
  hot.Advance(7001);
  HotExpiry expiry = After(7000);
  expiry.connected_ns = 0;
  Expire(expiry);
  ASSERT_TRUE(hot.answer(read).has_value());
  EXPECT_EQ(hot.answer(read)->text, CodeText(Code::kTimeout)) << "whoever is connected";
  // Its result comes nevertheless, and is nobody's.
  EXPECT_EQ(hot.Call("Range", RangeOf("k")).status, 0);
}

TEST_F(PlaneHotLimits, AllOfThemInOrder) {
  std::vector<CallId> calls;
  for (int i = 0; i < 100; ++i) {
    calls.push_back(hot.Send("Put", PutRequest("k" + std::to_string(i), "v")));
    hot.Advance(10);
    hot.Turn();
  }
  // One in the middle is given up by its client.
  hot.call(calls[20]).OnEnd();
  hot.lanes[0].calls.entries.erase(calls[20]);
  Expire(After(500));
  for (size_t i = 0; i < calls.size(); ++i) {
    if (i == 20) continue;
    const bool is_old = (100 - static_cast<int>(i)) * 10 > 500;
    EXPECT_EQ(hot.answer(calls[i]).has_value(), is_old) << i;
  }
  EXPECT_EQ(hot.Wait(calls.back()).status, 0);
  EXPECT_EQ(hot.service->in_flight(), 0u);
}

TEST_F(PlaneHotLimits, FailAllReachesCalls) {
  const CallId put = hot.Send("Put", PutRequest("k", "v"));
  hot.gate.Set(plane::kGateOpen);
  const CallId read = hot.Send("Range", RangeOf("k"));
  hot.voter.core().FailAll(Code::kNoLeader);
  hot.Turn();
  EXPECT_EQ(hot.answer(put)->text, CodeText(Code::kNoLeader));
  EXPECT_EQ(hot.answer(read)->text, CodeText(Code::kNoLeader));
}

TEST(PlaneHotSlow, SlowCallsAreToldOf) {
  plane::HotOptions options;
  options.slow_ns = 300 * kMs;
  HotHarness hot(EngineKind::kMemory, options);
  hot.Call("Put", PutRequest("k", "v"));
  EXPECT_TRUE(hot.events.Drain().empty());
  const CallId put = hot.Send("Put", PutRequest("k", "v"));
  hot.Advance(301);
  const Answer answer = hot.Wait(put);
  const std::string record = hot.events.Drain();
  ASSERT_GT(record.size(), 14u);
  EXPECT_EQ(record[4], static_cast<char>(plane::EventKind::kSlow));
  EXPECT_EQ(std::bit_cast<double>(GetLittle64(record.data() + 5)), 301);
  EXPECT_EQ(record[13], 1);
  std::string_view rest = std::string_view(record).substr(14);
  const auto next = [&rest] {
    const size_t bytes = GetLittle32(rest.data());
    const std::string_view text = rest.substr(4, bytes);
    rest.remove_prefix(4 + bytes);
    return text;
  };
  EXPECT_EQ(next(), "/etcdserverpb.KV/Put");
  EXPECT_EQ(next(), "127.0.0.1:9");
  EXPECT_EQ(next(), PutRequest("k", "v"));
  EXPECT_EQ(rest, answer.reply);
}

TEST(PlaneHotCounts, CallsCountByMethodCodeAndTime) {
  HotHarness hot(EngineKind::kMemory);
  const Answer put = hot.Call("Put", PutRequest("k", "v"));
  hot.Call("Put", PutRequest("", "v"));
  const CallId slow = hot.Send("Put", PutRequest("k", "w"));
  hot.Advance(20);
  hot.Wait(slow);
  const Answer read = hot.Call("Range", RangeOf("k"));
  hot.Call("Txn", Bytes(2, Bytes(1, RangeOf("k"))));
  const CallId gone = hot.Send("DeleteRange", RangeOf("k"));
  hot.call(gone).OnEnd();
  hot.lanes[0].calls.entries.erase(gone);
  plane::RequestHead hasty;
  hasty.timeout_ns = 5 * kMs;
  const CallId late = hot.Send("DeleteRange", RangeOf("k"), hasty);
  hot.Advance(5);
  hot.Turn();
  if (!hot.answer(late).has_value()) hot.call(late).OnEnd();
  hot.lanes[0].calls.entries.erase(late);

  const plane::HotCounts& counts = hot.lanes[0].hot->counts();
  const auto& puts = counts.methods[1];
  EXPECT_EQ(puts.started.Get(), 3u);
  EXPECT_EQ(puts.handled[0].Get(), 2u);
  EXPECT_EQ(puts.handled[3].Get(), 1u) << "an empty key";
  const size_t received = 2 * PutRequest("k", "v").size() + PutRequest("", "v").size();
  EXPECT_EQ(puts.received_bytes.Get(), received);
  EXPECT_EQ(puts.sent_bytes.Get(), 2 * put.reply.size());
  EXPECT_EQ(counts.methods[0].sent_bytes.Get(), read.reply.size());
  EXPECT_EQ(counts.methods[2].started.Get(), 2u);
  EXPECT_EQ(counts.methods[2].handled[1].Get(), 1u) << "given up";
  EXPECT_EQ(counts.methods[2].handled[4].Get(), 1u) << "out of time";
  const auto numbers = hot.service->Numbers();
  ASSERT_EQ(numbers.size(), plane::HotCounts::kNumbers);
  // Times of requests that were taken in: one put in the first bucket, one between 16 and 32 ms.
  const auto& times = counts.requests[2][1];
  std::vector<double> seconds(plane::TimeCells<plane::kRequestBounds>::kNumbers);
  times.AddTo(seconds.data());
  EXPECT_EQ(seconds[0], 1);
  EXPECT_EQ(seconds[5], 1);
  EXPECT_NEAR(seconds.back(), 0.020, 1e-9);
  EXPECT_EQ(counts.proposals.Get(), 0u);
  EXPECT_EQ(counts.waiting.Get(), 0u);
}

TEST(PlaneHotCounts, MoreVersionsThanThereIsRoomForGoElsewhere) {
  plane::ClientVersions versions;
  EXPECT_EQ(versions.Find(nullptr), 0);
  for (int i = 1; i < 32; ++i) {
    const std::string name = "v" + std::to_string(i);
    EXPECT_EQ(versions.Find(&name), i);
    versions.Add(i);
  }
  const std::string more = "one more";
  EXPECT_EQ(versions.Find(&more), -1);
  const std::string known = "v7";
  EXPECT_EQ(versions.Find(&known), 7);
  std::vector<plane::ClientVersions::Count> counts;
  versions.AddTo(&counts);
  versions.AddTo(&counts);
  ASSERT_EQ(counts.size(), 32u);
  EXPECT_EQ(counts[7].calls, 2u);
}

// Lanes on threads of their own beside apply, readers and scrapes, as in production.
class PlaneHotThreads : public ::testing::TestWithParam<EngineKind> {
 protected:
  struct Request {
    std::string method;
    std::string bytes;
  };

  /// On a lane's thread: calls, several as one piece of input, and their answers.
  std::vector<Answer> Serve(size_t index, const std::vector<Request>& requests) {
    HotHarness::Lane& lane = hot_.lanes[index];
    std::vector<HotHarness::Entry*> entries;
    if (requests.size() > 1) lane.hot->OnInputBegin();
    for (const Request& request : requests) {
      HotHarness::Entry& entry = lane.calls.entries[++count_[index] << plane::kLaneBits | index];
      entry.wire = std::make_unique<HotWire>();
      entry.wire->head_.path = "/etcdserverpb.KV/" + request.method;
      entry.call = lane.hot->Make(count_[index] << plane::kLaneBits | index, entry.wire.get());
      entry.call->OnMessage(request.bytes);
      entry.call->OnHalfClose();
      entries.push_back(&entry);
    }
    lane.hot->OnInputEnd();
    const auto answered = [](auto* entry) { return entry->wire->answer.has_value(); };
    for (int turn = 0; !std::ranges::all_of(entries, answered) && turn < 200000; ++turn) {
      lane.hot->OnTurnEnd();
      lane.hot->OnTurnBegin(turn);
      for (auto& mail : hot_.office.Take(index)) mail->Deliver(&lane.calls);
      if (!std::ranges::all_of(entries, answered)) std::this_thread::yield();
    }
    std::vector<Answer> answers;
    for (auto* entry : entries) {
      answers.push_back(entry->wire->answer.value_or(Answer{-1, "", ""}));
      if (answers.back().status != 0) wrong_.store(true);
    }
    lane.calls.entries.clear();
    return answers;
  }
  std::string ServeOne(size_t index, const std::string& method, const std::string& bytes) {
    return Serve(index, {{method, bytes}})[0].reply;
  }

  void Compact(uint64_t revision) {
    const Code code = hot_.voter.Submit(revision, intake::Method::kCompact, Number(1, revision));
    if (code != Code::kOk) wrong_.store(true);
  }

  /// Runs the work once for each lane, on a thread of its own.
  void Run(const std::function<void(size_t index)>& work) {
    std::atomic<int> done{0};
    std::vector<std::thread> lanes;
    for (const size_t index : {0u, 1u}) {
      lanes.emplace_back([&, index] {
        work(index);
        hot_.lanes[index].hot->OnTurnEnd();
        done.fetch_add(1);
      });
    }
    EXPECT_TRUE(hot_.voter.DriveUntil([&] {
      for (const double number : hot_.service->Numbers()) EXPECT_FALSE(std::isnan(number));
      hot_.service->Expire(After(kNever / kMs / 2));
      return done.load() == 2;
    }));
    for (std::thread& lane : lanes) lane.join();
    EXPECT_FALSE(wrong_.load());
  }

  HotHarness hot_{GetParam()};
  std::atomic<bool> wrong_{false};

 private:
  uint64_t count_[2] = {0, 0};  // calls of each lane
};

TEST_P(PlaneHotThreads, LanesServeAtOnce) {
  Run([&](size_t index) {
    const std::string key = "lane" + std::to_string(index);
    for (int i = 0; i < 150; ++i) {
      const std::string value = "<" + std::to_string(i) + ">";
      ServeOne(index, "Put", PutRequest(key, value));
      if (ServeOne(index, "Range", RangeOf(key)).find(value) == std::string::npos) {
        wrong_.store(true);
      }
      ServeOne(index, "Range", Bytes(1, "a") + Bytes(2, "z"));
    }
  });
}

// Reads that come together look for keys before they read them, while the other lane's keys come
// and go and what has been replaced is compacted away.
TEST_P(PlaneHotThreads, LanesGatherReadsOfKeysThatComeAndGo) {
  Run([&](size_t index) {
    const std::string mine = "lane" + std::to_string(index), gone = mine + "-gone";
    const std::string other = "lane" + std::to_string(1 - index), others_gone = other + "-gone";
    for (int i = 0; i < 100; ++i) {
      const std::string value = "<" + std::to_string(i) + ">";
      ServeOne(index, "Put", PutRequest(mine, value));
      ServeOne(index, "Put", PutRequest(gone, value));
      ServeOne(index, "DeleteRange", RangeOf(gone));
      // Each round makes three revisions at least.
      if (index == 0 && i % 4 == 3) Compact(3 * i);
      std::vector<Request> reads;
      for (int round = 0; round < 8; ++round) {
        for (const std::string& key : {mine, other, gone, others_gone}) {
          reads.push_back({"Range", round % 2 == 0 ? RangeOf(key) : Serializable(key)});
        }
      }
      reads.push_back({"Range", Bytes(1, "lane0") + Bytes(2, "lane0.")});
      const std::vector<Answer> answers = Serve(index, reads);
      if (answers[0].reply.find(value) == std::string::npos) wrong_.store(true);
      if (answers[2].reply.find(value) != std::string::npos) wrong_.store(true);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Memory, PlaneHotThreads, ::testing::Values(EngineKind::kMemory));
#ifdef METASTORE_ROCKSDB
INSTANTIATE_TEST_SUITE_P(Rocks, PlaneHotThreads, ::testing::Values(EngineKind::kRocks));
#endif

}  // namespace
}  // namespace metastore::hot_test
