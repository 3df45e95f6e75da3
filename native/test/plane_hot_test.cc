// KV on the lanes: requests to results over a whole core, what is read at once and what waits, what
// is not ordinary, whose time is up, and what is counted.
#include "test/support/plane_hot.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "test/support/auth_tables.h"

namespace metastore::hot_test {
namespace {

using member::EngineKind;

class PlaneHot : public ::testing::TestWithParam<EngineKind> {
 protected:
  HotHarness hot{GetParam()};
};

TEST_P(PlaneHot, PutsAndReadsAsSubmitDoes) {
  const Answer put = hot.Call("Put", PutRequest("k", "v1"));
  EXPECT_EQ(put.status, 0);
  const Answer read = hot.Call("Range", RangeOf("k"));
  const auto beside = hot.voter.Call(intake::Method::kRange, RangeOf("k"));
  EXPECT_EQ(read.reply, beside.reply) << "header, revision and all";
  EXPECT_NE(read.reply.find("v1"), std::string::npos);
  EXPECT_EQ(hot.Call("DeleteRange", RangeOf("k")).status, 0);
  EXPECT_EQ(hot.Call("Range", RangeOf("k")).reply,
            hot.voter.Call(intake::Method::kRange, RangeOf("k")).reply);
  EXPECT_TRUE(hot.foreign.seen.empty());
}

TEST_P(PlaneHot, RefusalsAreThoseOfAdmission) {
  EXPECT_EQ(hot.Call("Put", PutRequest("", "v")).text, CodeText(Code::kEmptyKey));
  EXPECT_EQ(hot.Call("Range", "").text, CodeText(Code::kEmptyKey));
  EXPECT_EQ(hot.Call("Range", Bytes(1, "k") + Number(5, 9)).text,
            CodeText(Code::kInvalidSortOption));
  EXPECT_EQ(hot.Call("Range", "\xff\xff").text, CodeText(Code::kUnmarshal));
  EXPECT_EQ(hot.Call("Txn", "\xff\xff").status, 13);
  EXPECT_EQ(hot.Call("Range", RangeOf("k") + Number(4, 99)).text, CodeText(Code::kFutureRevision));
  EXPECT_EQ(hot.Call("Put", PutRequest("k", "v") + Number(3, 12345)).text,
            CodeText(Code::kLeaseNotFound));
}

TEST_P(PlaneHot, ReadsAtOnceWhatIsInMemory) {
  ASSERT_EQ(hot.Call("Put", PutRequest("k", "v")).status, 0);
  if (GetParam() == EngineKind::kRocks) {
    // The first read goes to the readers, who fill the map of hot keys.
    const CallId first = hot.Send("Range", RangeOf("k"));
    EXPECT_FALSE(hot.answer(first).has_value());
    hot.Wait(first);
  }
  for (const std::string& request : {RangeOf("k"), Serializable("k"), RangeOf("k") + Number(8, 1),
                                     RangeOf("k") + Number(9, 1), RangeOf("k") + Number(4, 2)}) {
    const CallId read = hot.Send("Range", request);
    ASSERT_TRUE(hot.answer(read).has_value()) << "without a turn";
    EXPECT_EQ(hot.answer(read)->reply, hot.voter.Call(intake::Method::kRange, request).reply);
    EXPECT_EQ(hot.wire(read).accepted, request.size());
  }
}

TEST_P(PlaneHot, ReadsThatComeTogetherAreServedTogether) {
  std::vector<std::string> requests;
  for (int i = 0; i < 40; ++i) {
    const std::string key = "k" + std::to_string(i);
    ASSERT_EQ(hot.Call("Put", PutRequest(key, std::string(i * 20, 'v'))).status, 0);
    requests.push_back(i % 2 == 0 ? RangeOf(key) : Serializable(key));
    hot.Call("Range", requests.back());  // is in memory from now on
  }
  requests.push_back(RangeOf("k1") + Number(4, 3));
  std::vector<std::string> replies;
  for (const std::string& request : requests) {
    replies.push_back(hot.voter.Call(intake::Method::kRange, request).reply);
  }
  const std::string short_range = Bytes(1, "k1") + Bytes(2, "k3");
  requests.push_back(short_range);
  replies.push_back(hot.voter.Call(intake::Method::kRange, short_range).reply);
  plane::HotLane& lane = *hot.lanes[0].hot;
  lane.OnInputBegin();
  std::vector<CallId> reads;
  for (const std::string& request : requests) reads.push_back(hot.Send("Range", request));
  const CallId wrong = hot.Send("Range", "");
  const CallId future = hot.Send("Range", RangeOf("k1") + Number(4, 9999));
  const CallId missing = hot.Send("Range", RangeOf("nobody"));
  const CallId many = hot.Send("Range", Bytes(1, "k") + Bytes(2, "l"));
  const CallId put = hot.Send("Put", PutRequest("p", "v"));
  EXPECT_FALSE(hot.answer(reads[0]).has_value()) << "the input goes on";
  // Calls end in the middle, by their client and with their connection.
  hot.call(reads[3]).OnEnd();
  hot.lanes[0].calls.entries.erase(reads[5]);
  lane.OnInputEnd();
  EXPECT_FALSE(hot.answer(many).has_value()) << "long ranges are the readers'";
  for (size_t i = 0; i < reads.size(); ++i) {
    if (i == 5) continue;
    ASSERT_EQ(hot.answer(reads[i]).has_value(), i != 3) << i;
    if (i == 3) continue;
    EXPECT_EQ(hot.answer(reads[i])->reply, replies[i]);
    EXPECT_EQ(hot.wire(reads[i]).accepted, requests[i].size());
  }
  EXPECT_EQ(hot.Wait(wrong).text, CodeText(Code::kEmptyKey));
  EXPECT_EQ(hot.Wait(future).text, CodeText(Code::kFutureRevision));
  EXPECT_EQ(hot.Wait(missing).status, 0);
  EXPECT_EQ(hot.Wait(many).status, 0);
  EXPECT_EQ(hot.Wait(put).status, 0);
  // Afterwards, and without solo, as ever.
  EXPECT_EQ(hot.Call("Range", requests[0]).reply,
            hot.voter.Call(intake::Method::kRange, requests[0]).reply);
  hot.gate.Set(plane::kGateOpen | plane::kGateLeader);
  lane.OnInputBegin();
  const CallId waits = hot.Send("Range", requests[0]);
  const CallId stale = hot.Send("Range", requests[1]);
  lane.OnInputEnd();
  EXPECT_FALSE(hot.answer(waits).has_value());
  EXPECT_TRUE(hot.answer(stale).has_value());
  EXPECT_EQ(hot.Wait(waits).status, 0);
  EXPECT_EQ(hot.service->in_flight(), 0u);
}

TEST_P(PlaneHot, ReadsOfOldRevisionsAndCompactedOnes) {
  for (const char* value : {"one", "two", "three"}) {
    ASSERT_EQ(hot.Call("Put", PutRequest("k", value)).status, 0);
  }
  const std::string at_two = RangeOf("k") + Number(4, 2);
  EXPECT_EQ(hot.Call("Range", at_two).reply, hot.voter.Call(intake::Method::kRange, at_two).reply);
  ASSERT_EQ(hot.voter.Call(intake::Method::kCompact, Number(1, 3)).code, Code::kOk);
  hot.Turn();
  EXPECT_EQ(hot.Call("Range", at_two).text, CodeText(Code::kCompacted));
  EXPECT_EQ(hot.Call("Range", RangeOf("k") + Number(4, 3)).status, 0);
}

TEST_P(PlaneHot, AReadSeesEveryPutThatWasAnswered) {
  for (int i = 0; i < 200; ++i) {
    const std::string value = "v" + std::to_string(i) + ".";
    const CallId put = hot.Send("Put", PutRequest("k", value), {}, i % 2);
    hot.Wait(put);
    // In the same turn, on either lane, while views of the turn before may be held.
    for (const size_t lane : {0u, 1u}) {
      const CallId read = hot.Send("Range", RangeOf("k"), {}, lane);
      const Answer answer = hot.answer(read).has_value() ? *hot.answer(read) : hot.Wait(read);
      ASSERT_NE(answer.reply.find(value), std::string::npos) << i;
    }
  }
}

TEST_P(PlaneHot, WithoutSoloALinearizableReadWaitsForARound) {
  ASSERT_EQ(hot.Call("Put", PutRequest("k", "v")).status, 0);
  hot.Call("Range", RangeOf("k"));
  hot.gate.Set(plane::kGateOpen | plane::kGateLeader);
  const CallId read = hot.Send("Range", RangeOf("k"));
  const CallId other = hot.Send("Range", Serializable("k"));
  hot.Turn();
  EXPECT_FALSE(hot.answer(read).has_value());
  EXPECT_TRUE(hot.answer(other).has_value()) << "a serializable one waits for nobody";
  EXPECT_EQ(hot.Wait(read).reply, hot.answer(other)->reply);
}

TEST_P(PlaneHot, RangesOfManyKeysGoToTheReaders) {
  // Up to 32 keys in memory are few.
  for (char last = 'A'; last < 'A' + 33; ++last) {
    ASSERT_EQ(hot.Call("Put", PutRequest(std::string("k") + last, "v")).status, 0);
  }
  const auto through = [](char last) {
    return Bytes(1, "k") + Bytes(2, std::string("k") + static_cast<char>(last + 1));
  };
  const std::string few = through('A' + 31);
  const CallId at_once = hot.Send("Range", few);
  ASSERT_TRUE(hot.answer(at_once).has_value());
  EXPECT_EQ(hot.Wait(at_once).reply, hot.voter.Call(intake::Method::kRange, few).reply);
  const std::string many = through('A' + 32);
  const CallId range = hot.Send("Range", many);
  EXPECT_FALSE(hot.answer(range).has_value());
  EXPECT_EQ(hot.Wait(range).reply, hot.voter.Call(intake::Method::kRange, many).reply);
  // A transaction that only reads, at once as well: no round under solo.
  const std::string txn = Bytes(2, Bytes(1, RangeOf("kA")));
  EXPECT_EQ(hot.Call("Txn", txn).reply, hot.voter.Call(intake::Method::kTxn, txn).reply);
}

TEST_P(PlaneHot, MethodsOfOthersAndAClosedGateAreNotOurs) {
  EXPECT_EQ(hot.Open("Compact"), 0u);
  EXPECT_EQ(hot.Open("RangeStream"), 0u);
  EXPECT_EQ(hot.Open("put"), 0u);
  hot.gate.Set(0);
  EXPECT_EQ(hot.Open("Put"), 0u);
}

TEST_P(PlaneHot, WhatIsNotOrdinaryGoesOnWithAllItsBytes) {
  const auto expect_foreign = [&](const std::string& method, plane::RequestHead head) {
    const size_t before = hot.foreign.seen.size();
    const CallId id = hot.Send(method, PutRequest("k", "v"), std::move(head));
    ASSERT_EQ(hot.foreign.seen.size(), before + 1) << method;
    const ForeignCalls::Seen& seen = *hot.foreign.seen.back();
    EXPECT_EQ(seen.id, id);
    EXPECT_EQ(seen.message, PutRequest("k", "v"));
    EXPECT_TRUE(seen.half_closed);
    EXPECT_EQ(hot.wire(id).accepted, 0u) << "whoever serves it says so";
    hot.call(id).OnEnd();
    EXPECT_TRUE(seen.ended);
  };
  expect_foreign("Put", WithHeader("client-api-version", "3.\xc3\xa4"));
  expect_foreign("Put", WithHeader("client-api-version", std::string(65, 'x')));
  hot.gate.Set(plane::kGateOpen);
  expect_foreign("Range", WithHeader("hasleader", "true"));
  hot.gate.Set(plane::kGateOpen | plane::kGateLeader | plane::kGateGrowth);
  expect_foreign("Put", {});
  expect_foreign("Txn", {});
  hot.gate.Set(plane::kGateOpen | plane::kGateLeader | plane::kGateAuth);
  expect_foreign("Put", {});
  expect_foreign("Put", WithHeader("token", "unknown"));
  // Closed between a call's headers and its message.
  hot.gate.Set(plane::kGateOpen | plane::kGateLeader);
  const CallId late = hot.Open("Put");
  hot.gate.Set(0);
  hot.call(late).OnMessage("bytes");
  hot.call(late).OnHalfClose();
  EXPECT_EQ(hot.foreign.seen.back()->id, late);
  EXPECT_EQ(hot.foreign.seen.back()->message, "bytes");
  const auto numbers = hot.service->Numbers();
  for (const double number : numbers) EXPECT_EQ(number, 0) << "nothing of it is counted here";
}

TEST_P(PlaneHot, HarmlessHeadersAreOrdinary) {
  hot.Call("Put", PutRequest("k", "v"), WithHeader("hasleader", "true"));
  hot.gate.Set(plane::kGateOpen);
  hot.Call("Put", PutRequest("k", "v"), WithHeader("hasleader", "false"));
  hot.Call("Put", PutRequest("k", "v"), WithHeader("client-api-version", "3.7"));
  hot.Call("Put", PutRequest("k", "v"), WithHeader("client-api-version", "3.7"));
  hot.Call("Put", PutRequest("k", "v"), WithHeader("token", "nobody asks"));
  EXPECT_TRUE(hot.foreign.seen.empty());
  const auto versions = hot.service->Versions();
  ASSERT_EQ(versions.size(), 2u);
  EXPECT_EQ(versions[0].version, "unknown");
  EXPECT_EQ(versions[0].calls, 3u);
  EXPECT_EQ(versions[1].version, "3.7");
  EXPECT_EQ(versions[1].calls, 2u);
}

TEST_P(PlaneHot, TokensSpeakForTheirUsersWhileTheyAreKnown) {
  const std::string table =
      auth_test::TableBytes(true, 5, {{"reader", false, {{"k", "l"}}, {}}, {"root", true}});
  hot.voter.core().SetAuth(*auth::Table::Parse(table));
  hot.gate.Set(plane::kGateOpen | plane::kGateLeader | plane::kGateSolo | plane::kGateAuth);
  const auto learn = [&](int64_t ms) {
    hot.service->LearnToken("t-root", "root", 5, ms);
    hot.service->LearnToken("t-reader", "reader", 5, ms);
    hot.service->LearnToken("t-old", "reader", 4, ms);
  };
  hot.now_ns = std::chrono::steady_clock::now().time_since_epoch().count();
  hot.Turn();
  learn(60000);
  EXPECT_EQ(hot.Call("Put", PutRequest("k", "v"), WithHeader("token", "t-root")).status, 0);
  EXPECT_EQ(
      hot.Call("Put", PutRequest("k", "v"), WithHeader("authorization", "Bearer t-root")).status,
      0);
  EXPECT_EQ(hot.Call("Put", PutRequest("k", "v"), WithHeader("token", "t-reader")).text,
            CodeText(Code::kPermissionDenied));
  EXPECT_EQ(hot.Call("Range", RangeOf("k"), WithHeader("token", "t-reader")).status, 0);
  EXPECT_EQ(hot.Call("Range", RangeOf("x"), WithHeader("token", "t-reader")).text,
            CodeText(Code::kPermissionDenied));
  EXPECT_EQ(hot.Call("Range", RangeOf("k"), WithHeader("token", "t-old")).text,
            CodeText(Code::kAuthOldRevision));
  EXPECT_TRUE(hot.foreign.seen.empty());
  hot.service->ForgetTokens();
  hot.Send("Range", RangeOf("k"), WithHeader("token", "t-root"));
  EXPECT_EQ(hot.foreign.seen.size(), 1u);
  learn(1000);
  hot.Advance(120000);
  hot.Turn();
  hot.Send("Range", RangeOf("k"), WithHeader("token", "t-root"));
  EXPECT_EQ(hot.foreign.seen.size(), 2u) << "what was learnt long ago is asked again";
}

TEST_P(PlaneHot, CallsThatEndAreForgotten) {
  const CallId put = hot.Send("Put", PutRequest("k", "v"));
  EXPECT_EQ(hot.service->in_flight(), 1u);
  hot.call(put).OnEnd();
  EXPECT_EQ(hot.service->in_flight(), 0u);
  hot.lanes[0].calls.entries.erase(put);
  // Its proposal goes on, and its result finds nobody.
  const Answer read = hot.Call("Range", RangeOf("k"));
  EXPECT_EQ(read.status, 0);
  ASSERT_TRUE(hot.voter.DriveUntil([&] {
    hot.Turn();
    return hot.Call("Range", RangeOf("k")).reply.find('v') != std::string::npos;
  }));
  // Destroyed without a word, as when its connection goes down with the lane.
  const CallId lost = hot.Send("Put", PutRequest("k", "w"));
  hot.lanes[0].calls.entries.erase(lost);
  EXPECT_EQ(hot.service->in_flight(), 0u);
}

TEST_P(PlaneHot, NoMessageIsAnEarlyEnd) {
  const CallId id = hot.Open("Put");
  hot.call(id).OnHalfClose();
  EXPECT_EQ(hot.answer(id)->status, 2);
  EXPECT_EQ(hot.answer(id)->text, "EOF");
  const CallId surplus = hot.Open("Put");
  hot.call(surplus).OnMessage(PutRequest("k", "v"));
  hot.call(surplus).OnMessage("more");
  EXPECT_EQ(hot.wire(surplus).accepted, 4u);
  hot.call(surplus).OnHalfClose();
  EXPECT_EQ(hot.Wait(surplus).status, 0);
}

TEST_P(PlaneHot, AtTheBoundCallsGoToTypeScript) {
  plane::HotOptions options;
  options.most_in_flight = 2;
  HotHarness bounded(GetParam(), options);
  const CallId first = bounded.Send("Put", PutRequest("a", "v"));
  bounded.Send("Put", PutRequest("b", "v"));
  bounded.Send("Put", PutRequest("c", "v"));
  EXPECT_EQ(bounded.foreign.seen.size(), 1u);
  bounded.Wait(first);
  ASSERT_TRUE(bounded.voter.DriveUntil([&] {
    bounded.Turn();
    return bounded.service->in_flight() == 0;
  }));
  bounded.Send("Put", PutRequest("d", "v"));
  EXPECT_EQ(bounded.foreign.seen.size(), 1u);
}

TEST_P(PlaneHot, ACloseEndsWhatWaits) {
  const CallId put = hot.Send("Put", PutRequest("k", "v"));
  hot.gate.Set(plane::kGateOpen);
  const CallId read = hot.Send("Range", RangeOf("k"));
  ASSERT_TRUE(hot.voter.core().Close().ok());
  hot.Turn();
  EXPECT_EQ(hot.answer(put)->text, CodeText(Code::kStopped));
  EXPECT_EQ(hot.answer(read)->text, CodeText(Code::kStopped));
  const CallId late = hot.Send("Range", Serializable("k"));
  EXPECT_EQ(hot.answer(late)->text, CodeText(Code::kStopped));
}

INSTANTIATE_TEST_SUITE_P(Memory, PlaneHot, ::testing::Values(EngineKind::kMemory));
#ifdef METASTORE_ROCKSDB
INSTANTIATE_TEST_SUITE_P(Rocks, PlaneHot, ::testing::Values(EngineKind::kRocks));
#endif

}  // namespace
}  // namespace metastore::hot_test
