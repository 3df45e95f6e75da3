// Units of the load generator: what it measures with, what it sends and what it lets pass. Built
// with the C++ units of native/ and run by bench/bench.test.ts, which also runs the whole program.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "codec/replies.h"
#include "codec/requests.h"
#include "codec/wire.h"
#include "report/format.h"
#include "report/report.h"
#include "stats/histogram.h"
#include "stats/result.h"
#include "work/answers.h"
#include "work/keys.h"
#include "work/options.h"
#include "work/requests.h"

namespace metastore::load {
namespace {

constexpr codec::ResponseHeader kHeader = {1, 2, 77, 3};

Options Parsed(const std::vector<std::string>& args) {
  Options options;
  std::string error;
  EXPECT_TRUE(ParseOptions(args, &options, &error)) << error;
  return options;
}

std::string ErrorOf(const std::vector<std::string>& args) {
  Options options;
  std::string error;
  EXPECT_FALSE(ParseOptions(args, &options, &error));
  return error;
}

std::string Message(const Options& options, Op op, uint64_t key, uint64_t stamp = 0) {
  std::string framed;
  RequestMaker(options).Make(op, key, stamp, &framed);
  return framed.substr(5);
}

TEST(LoadHistogram, QuantilesAreWithinABucketOfTheExactOnes) {
  Random random(7);
  Histogram histogram;
  std::vector<int64_t> values;
  for (int i = 0; i < 100'000; i++) {
    // From nanoseconds to minutes, as many in each power of two.
    const auto value = static_cast<int64_t>(std::exp2(random.Share() * 36));
    values.push_back(value);
    histogram.Add(value);
  }
  std::sort(values.begin(), values.end());
  for (const double share : {0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(values.size())));
    const auto exact = static_cast<double>(values[rank == 0 ? 0 : rank - 1]);
    const auto told = static_cast<double>(histogram.Quantile(share));
    EXPECT_NEAR(told, exact, exact / 128 + 1) << share;
  }
  EXPECT_EQ(histogram.min(), values.front());
  EXPECT_EQ(histogram.max(), values.back());
  EXPECT_EQ(histogram.total(), values.size());
}

TEST(LoadHistogram, MergingIsAddingAll) {
  Histogram left;
  Histogram right;
  Histogram both;
  for (int64_t value = 1; value < 5'000'000; value = value * 3 / 2 + 1) {
    (value % 2 == 0 ? left : right).Add(value);
    both.Add(value);
  }
  Histogram merged;
  merged.Merge(Histogram());
  merged.Merge(left);
  merged.Merge(right);
  EXPECT_EQ(merged.total(), both.total());
  EXPECT_EQ(merged.min(), both.min());
  EXPECT_EQ(merged.max(), both.max());
  EXPECT_DOUBLE_EQ(merged.mean(), both.mean());
  for (const double share : {0.1, 0.5, 0.99}) {
    EXPECT_EQ(merged.Quantile(share), both.Quantile(share));
  }
}

TEST(LoadHistogram, TakesWhatIsOutOfRange) {
  Histogram histogram;
  EXPECT_EQ(histogram.Quantile(0.5), 0);
  histogram.Add(-5);
  histogram.Add(INT64_MAX);
  EXPECT_EQ(histogram.Quantile(0), 0);
  EXPECT_EQ(histogram.max(), INT64_MAX);
  EXPECT_GT(histogram.Quantile(1), int64_t{1} << 39);
}

TEST(LoadKeys, SequentialWorkersCoverEveryKeyOnce) {
  const Options options = Parsed({"--keys=10", "--distribution=sequential"});
  Random random(1);
  std::set<uint64_t> seen;
  for (uint32_t worker = 0; worker < 2; worker++) {
    KeyChooser keys(options, worker, 2);
    for (int i = 0; i < 5; i++) EXPECT_TRUE(seen.insert(keys.Next(&random)).second);
  }
  EXPECT_EQ(seen.size(), 10u);
  EXPECT_EQ(*seen.rbegin(), 9u);
}

TEST(LoadKeys, UniformChoosesAllKeysAlike) {
  const Options options = Parsed({"--keys=10"});
  Random random(1);
  KeyChooser keys(options, 0, 1);
  std::map<uint64_t, int> counts;
  for (int i = 0; i < 100'000; i++) counts[keys.Next(&random)]++;
  EXPECT_EQ(counts.size(), 10u);
  for (const auto& [key, count] : counts) EXPECT_NEAR(count, 10'000, 600) << key;
}

TEST(LoadKeys, ZipfFollowsItsLaw) {
  const Options options = Parsed({"--keys=1000", "--distribution=zipf:0.8"});
  Random random(1);
  KeyChooser keys(options, 0, 1);
  std::map<uint64_t, double> counts;
  constexpr int kDraws = 400'000;
  for (int i = 0; i < kDraws; i++) {
    const uint64_t key = keys.Next(&random);
    ASSERT_LT(key, 1000u);
    counts[key]++;
  }
  double zeta = 0;
  for (int rank = 1; rank <= 1000; rank++) zeta += std::pow(rank, -0.8);
  // Two ranks may share a key, as they are scattered: the most popular keys are at least as
  // popular.
  std::vector<double> shares;
  for (const auto& [key, count] : counts) shares.push_back(count / kDraws);
  std::sort(shares.rbegin(), shares.rend());
  EXPECT_NEAR(shares[0], 1 / zeta, 0.1 / zeta);
  EXPECT_NEAR(shares[1], std::pow(2, -0.8) / zeta, 0.1 / zeta);
}

TEST(LoadRequests, AreWhatAServerDecodes) {
  const Options options = Parsed({"--serializable", "--value-size=40", "--span=3"});
  codec::RangeRequest range;
  const std::string get = Message(options, Op::kGet, 42);
  ASSERT_TRUE(codec::Decode(get, &range).ok());
  EXPECT_EQ(range.key, "load/00000000042");
  EXPECT_EQ(range.range_end, "");
  EXPECT_TRUE(range.serializable);

  codec::RangeRequest scan;
  const std::string scan_bytes = Message(options, Op::kScan, 42);
  ASSERT_TRUE(codec::Decode(scan_bytes, &scan).ok());
  EXPECT_EQ(scan.range_end, "load/00000000045");
  EXPECT_EQ(scan.limit, 3);

  codec::PutRequest put;
  const std::string put_bytes = Message(options, Op::kPut, 42, 4711);
  ASSERT_TRUE(codec::Decode(put_bytes, &put).ok());
  EXPECT_EQ(put.key, KeyText(42, options));
  EXPECT_TRUE(IsValueOf(42, put.value, options));
  EXPECT_FALSE(IsValueOf(43, put.value, options));
  EXPECT_EQ(StampOf(put.value), 4711u);

  codec::TxnRequest txn;
  const std::string txn_bytes = Message(options, Op::kTxn, 42);
  ASSERT_TRUE(codec::Decode(txn_bytes, &txn).ok());
  ASSERT_EQ(txn.compare.size(), 1u);
  EXPECT_EQ(txn.compare[0].key, "load/00000000042");
  EXPECT_EQ(txn.compare[0].number, -1);
  ASSERT_EQ(txn.success.size(), 1u);
  EXPECT_EQ(std::get<codec::PutRequest>(txn.success[0]).key, "load/00000000042");
}

TEST(LoadRequests, ValuesOfEverySizeAreWhole) {
  for (const char* size : {"0", "1", "15", "16", "17", "5000"}) {
    const Options options = Parsed({"--value-size", size});
    codec::PutRequest put;
    const std::string bytes = Message(options, Op::kPut, 7);
    ASSERT_TRUE(codec::Decode(bytes, &put).ok());
    EXPECT_EQ(put.value.size(), options.value_bytes);
    EXPECT_TRUE(IsValueOf(7, put.value, options));
  }
}

/// A RangeResponse with these pairs.
std::string RangeReply(const Options& options, std::vector<uint64_t> keys, uint64_t values_of) {
  std::string reply;
  codec::AppendHeader(kHeader, &reply);
  for (const uint64_t key : keys) {
    const std::string text = KeyText(key, options);
    const std::string put_bytes = Message(options, Op::kPut, values_of);
    codec::PutRequest put;
    EXPECT_TRUE(codec::Decode(put_bytes, &put).ok());
    codec::AppendRangeKv({text, 1, 2, 3, put.value, 0}, &reply);
  }
  codec::AppendRangeEnd(false, static_cast<int64_t>(keys.size()), &reply);
  return reply;
}

TEST(LoadAnswers, AReadHasToFindTheRightPair) {
  const Options options = Parsed({});
  const AnswerChecker strict(options, true);
  const AnswerChecker lax(options, false);
  EXPECT_EQ(strict.Check(Op::kGet, 5, RangeReply(options, {5}, 5)).wrong, nullptr);
  EXPECT_EQ(strict.Check(Op::kGet, 5, RangeReply(options, {5}, 5)).revision, 77);
  EXPECT_NE(strict.Check(Op::kGet, 5, RangeReply(options, {6}, 6)).wrong, nullptr);
  EXPECT_NE(strict.Check(Op::kGet, 5, RangeReply(options, {5}, 6)).wrong, nullptr);
  EXPECT_NE(strict.Check(Op::kGet, 5, RangeReply(options, {}, 5)).wrong, nullptr);
  EXPECT_EQ(lax.Check(Op::kGet, 5, RangeReply(options, {}, 5)).wrong, nullptr);
  EXPECT_NE(lax.Check(Op::kGet, 5, RangeReply(options, {6}, 5)).wrong, nullptr);
  EXPECT_NE(strict.Check(Op::kGet, 5, "").wrong, nullptr);
  EXPECT_NE(strict.Check(Op::kGet, 5, "\xff").wrong, nullptr);
  std::string cut = RangeReply(options, {5}, 5);
  cut.resize(cut.size() - 3);
  EXPECT_NE(strict.Check(Op::kGet, 5, cut).wrong, nullptr);
}

TEST(LoadAnswers, AScanHasToFindItsSpan) {
  const Options options = Parsed({"--span=3", "--keys=100"});
  const AnswerChecker strict(options, true);
  const auto wrong = [&](std::vector<uint64_t> keys, uint64_t from) {
    std::string reply;
    codec::AppendHeader(kHeader, &reply);
    for (const uint64_t key : keys) {
      const std::string text = KeyText(key, options);
      const std::string bytes = Message(options, Op::kPut, key);
      codec::PutRequest put;
      EXPECT_TRUE(codec::Decode(bytes, &put).ok());
      codec::AppendRangeKv({text, 1, 2, 3, put.value, 0}, &reply);
    }
    codec::AppendRangeEnd(false, static_cast<int64_t>(keys.size()), &reply);
    return strict.Check(Op::kScan, from, reply).wrong;
  };
  EXPECT_EQ(wrong({4, 5, 6}, 4), nullptr);
  EXPECT_NE(wrong({4, 5}, 4), nullptr);
  EXPECT_NE(wrong({4, 6, 7}, 4), nullptr);
  EXPECT_NE(wrong({4, 5, 6, 7}, 4), nullptr);
}

TEST(LoadAnswers, ATransactionHasToSucceed) {
  const Options options = Parsed({});
  const AnswerChecker checker(options, false);
  std::string put;
  codec::AppendPutResponse(kHeader, nullptr, &put);
  EXPECT_EQ(checker.Check(Op::kPut, 1, put).wrong, nullptr);
  std::string responses;
  codec::AppendResponseOp(codec::ResponseKind::kPut, put, &responses);
  for (const bool succeeded : {true, false}) {
    std::string txn;
    codec::AppendTxnResponse(&kHeader, succeeded, responses, &txn);
    EXPECT_EQ(checker.Check(Op::kTxn, 1, txn).wrong == nullptr, succeeded);
  }
  std::string empty;
  codec::AppendTxnResponse(&kHeader, true, "", &empty);
  EXPECT_NE(checker.Check(Op::kTxn, 1, empty).wrong, nullptr);
}

TEST(LoadAnswers, ALeaseHasToBeTheOneAndAlive) {
  const Options options = Parsed({});
  const AnswerChecker checker(options, false);
  for (const auto& [lease, ttl, is_right] : std::vector<std::tuple<uint64_t, int64_t, bool>>{
           {3, 60, true}, {4, 60, false}, {3, 0, false}}) {
    std::string reply;
    codec::AppendLeaseGrantResponse(kHeader, LeaseId(lease, options), ttl, &reply);
    EXPECT_EQ(checker.Check(Op::kKeepAlive, 3, reply).wrong == nullptr, is_right);
  }
}

TEST(LoadAnswers, EventsAreCountedWithTheirValues) {
  std::string pair;
  codec::AppendBytesField(1, "key", &pair);
  codec::AppendBytesField(5, "value", &pair);
  std::string event;
  codec::AppendMessageField(2, pair, &event);
  std::string message;
  codec::AppendHeader(kHeader, &message);
  codec::AppendInt64Field(2, 9, &message);
  codec::AppendMessageField(11, event, &message);
  codec::AppendMessageField(11, event, &message);
  int values = 0;
  const WatchAnswer answer = ReadWatchAnswer(message, [&](std::string_view value) {
    EXPECT_EQ(value, "value");
    values++;
  });
  EXPECT_EQ(values, 2);
  EXPECT_EQ(answer.events, 2u);
  EXPECT_EQ(answer.watch, 9);
  EXPECT_FALSE(answer.created || answer.canceled || answer.malformed);
  message.pop_back();
  EXPECT_TRUE(ReadWatchAnswer(message, [](std::string_view) {}).malformed);
}

TEST(LoadOptions, AreReadAndRefused) {
  const Options options =
      Parsed({"--endpoints=https://a:1,[::1]:2", "--mix=put=3,get", "--rate=5"});
  EXPECT_TRUE(options.tls);
  EXPECT_EQ(options.endpoints[1].host, "::1");
  EXPECT_EQ(options.endpoints[1].port, "2");
  EXPECT_EQ(options.Share(Op::kPut), 3);
  EXPECT_EQ(options.Share(Op::kGet), 1);
  EXPECT_EQ(options.in_flight, 10'000u);
  EXPECT_EQ(Parsed({}).in_flight, 100u);
  EXPECT_EQ(ErrorOf({"--help"}), "");
  for (const std::string bad :
       {"--nothing", "--connections=0", "--connections=x", "--mix=grant", "--mix=put=0",
        "--endpoints=nowhere", "--distribution=zipf:1.5", "--watch=some", "--tls=yes", "stray",
        "--watch=latency", "--key-size=6", "--key-size=9 --keys=10000", "--cert=only"}) {
    std::vector<std::string> words;
    for (size_t at = 0; at < bad.size();) {
      const size_t end = std::min(bad.find(' ', at), bad.size());
      words.push_back(bad.substr(at, end - at));
      at = end + 1;
    }
    EXPECT_NE(ErrorOf(words), "") << bad;
  }
  EXPECT_NE(ErrorOf({"--rate"}), "");
}

TEST(LoadReports, SayWhatWasMeasured) {
  const Options options = Parsed({"--title=a <title> & \"more\""});
  Result result;
  result.seconds = 2;
  for (int64_t i = 1; i <= 1000; i++) {
    result.latency[static_cast<size_t>(Op::kPut)].Add(i * 1'000'000);
  }
  result.intervals.resize(2);
  result.intervals[0].seconds = 1;
  result.intervals[0].done = 1000;
  result.AddError("UNAVAILABLE", "put: \"no\" leader");
  result.AddError("UNAVAILABLE", "put: another");
  const std::string text = TextReport(options, result);
  EXPECT_NE(text.find("2 UNAVAILABLE (put: \"no\" leader)"), std::string::npos) << text;
  const std::string json = JsonReport(options, result);
  EXPECT_NE(json.find("\"put\":{\"count\":1000,\"per_second\":500,"), std::string::npos) << json;
  EXPECT_NE(json.find("\"sample\":\"put: \\\"no\\\" leader\""), std::string::npos) << json;
  const std::string svg = SvgReport(options, result);
  EXPECT_NE(svg.find("a &lt;title&gt; &amp; \"more\""), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(SvgReport(options, Result()).find("nan"), std::string::npos);
  EXPECT_EQ(Grouped(1234567), "1,234,567");
  EXPECT_EQ(Grouped(0.5), "0.5");
}

}  // namespace
}  // namespace metastore::load
