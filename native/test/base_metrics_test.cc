// Metrics: buckets, layout and values, and what a whole core counts of known operations: requests
// by kind and outcome, slow ones told of, the log, compaction and watches.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <thread>

#include "base/metrics.h"
#include "mvcc/read/reader.h"
#include "test/support/member_harness.h"

namespace metastore {
namespace {

using member_test::OptionsFor;
using member_test::PutRequest;
using member_test::Record;
using member_test::ScratchDirectory;
using member_test::TinyVoter;
using wire_test::Bytes;
using wire_test::Number;

struct Values {
  std::map<std::string, double> numbers;
  std::map<std::string, uint64_t> counts;  // of histograms
  std::map<std::string, double> sums;
};

Values Named(const std::vector<double>& values) {
  Values named;
  size_t at = 0;
  for (const MetricRow& row : Metrics::Layout()) {
    if (row.bounds == nullptr) {
      named.numbers[row.name] = values.at(at++);
      continue;
    }
    uint64_t count = 0;
    for (size_t i = 0; i <= row.bounds->size(); ++i) {
      count += static_cast<uint64_t>(values.at(at++));
    }
    named.counts[row.name] = count;
    named.sums[row.name] = values.at(at++);
  }
  EXPECT_EQ(at, values.size()) << "the layout names every value";
  return named;
}

TEST(Metrics, AValueThatEqualsABoundBelongsBelowIt) {
  static const Bounds kBounds = {1, 2, 4};
  Histogram histogram(kBounds);
  for (const double value : {0.0, 1.0, 1.5, 2.0, 4.0, 4.5, 100.0}) histogram.Observe(value);
  EXPECT_EQ(histogram.count(0), 2u);
  EXPECT_EQ(histogram.count(1), 2u);
  EXPECT_EQ(histogram.count(2), 1u);
  EXPECT_EQ(histogram.count(3), 2u);
  EXPECT_DOUBLE_EQ(histogram.sum(), 113.0);
}

TEST(Metrics, BoundsAreMultipliedStepByStep) {
  EXPECT_EQ(ExponentialBounds(0.5, 2, 4), (Bounds{0.5, 1, 2, 4}));
  EXPECT_EQ(ExponentialBounds(0.0001, 2, 20).size(), 20u);
}

TEST(Metrics, NamesAreUniqueAndEveryOperationHasBothOutcomes) {
  std::map<std::string, int> seen;
  for (const MetricRow& row : Metrics::Layout()) seen[row.name]++;
  for (const auto& [name, times] : seen) EXPECT_EQ(times, 1) << name;
  EXPECT_EQ(seen.count("applySeconds/v3/LeaseCheckpoint/false"), 1u);
  EXPECT_EQ(seen.count("applySeconds/v3/Alarm/true"), 1u);
  EXPECT_EQ(seen.count("rangeSeconds/false"), 1u);
}

TEST(Metrics, ThreadsLoseNothing) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 10000; ++n) {
        metrics.puts.Add();
        metrics.Applied(ApplyOp::kPut, true, 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Values values = Named(metrics.Values());
  EXPECT_EQ(values.numbers.at("puts"), 40000);
  EXPECT_EQ(values.counts.at("applySeconds/v3/Put/true"), 40000u);
  EXPECT_DOUBLE_EQ(values.sums.at("applySeconds/v3/Put/true"), 40000);
}

TEST(Metrics, TalliesGroupWhatBelongsTogether) {
  mvcc::Tally tally;
  tally.EndGroup();
  tally.puts = 1;
  tally.EndGroup();
  EXPECT_EQ(tally.groups, 0u) << "one operation is no transaction";
  tally.ranges = 2;
  tally.EndGroup();
  EXPECT_EQ(tally.groups, 1u);
  tally.EndGroup();
  EXPECT_EQ(tally.groups, 1u);
}

TEST(Metrics, SlowSyncsAreToldOf) {
  for (const double threshold : {0.0, 3600.0}) {
    ScratchDirectory directory;
    Metrics metrics;
    wal::WalOptions options;
    options.directory = directory.path() + "/wal";
    options.metrics = &metrics;
    options.slow_sync_seconds = threshold;
    wal::Recovered recovered;
    auto log = wal::Wal::Open(options, {1, 2}, &recovered);
    ASSERT_TRUE(log.ok());
    std::atomic<int> told{0};
    (*log)->OnSlowSync([&](double seconds) {
      EXPECT_GT(seconds, 0);
      ++told;
    });
    std::promise<bool> durable;
    (*log)->Append({{1, 1, 0, std::make_shared<const std::string>("x")}}, nullptr, true,
                   [&](Status status) { durable.set_value(status.ok()); });
    ASSERT_TRUE(durable.get_future().get());
    EXPECT_EQ(told.load(), threshold == 0 ? 1 : 0);
    const Values values = Named(metrics.Values());
    EXPECT_EQ(values.counts.at("fsyncSeconds"), 1u);
    EXPECT_EQ(values.counts.at("walBatchEntries"), 1u);
    EXPECT_TRUE((*log)->Close().ok());
  }
}

class CoreMetrics : public ::testing::Test {
 protected:
  void Open(double slow_apply_ms) {
    member::MemberOptions options =
        OptionsFor(directory_.path() + "/member", member::EngineKind::kMemory);
    options.unsafe_no_fsync = true;
    options.slow_apply_ms = slow_apply_ms;
    voter_ = std::make_unique<TinyVoter>(options);
    ASSERT_TRUE(voter_->Open().ok());
  }
  Values Read() { return Named(voter_->core().MetricValues()); }
  Code Call(intake::Method method, const std::string& request) {
    return voter_->Call(method, request).code;
  }

  ScratchDirectory directory_;
  std::unique_ptr<TinyVoter> voter_;
};

TEST_F(CoreMetrics, CountsRequestsByKindAndOutcome) {
  Open(60000);
  ASSERT_EQ(Call(intake::Method::kPut, PutRequest("a", "12345")), Code::kOk);
  ASSERT_EQ(Call(intake::Method::kPut, PutRequest("b", "1") + Number(4, 1)), Code::kOk);  // prev_kv
  ASSERT_EQ(Call(intake::Method::kPut, PutRequest("c", "1") + Number(3, 77)), Code::kLeaseNotFound);
  ASSERT_EQ(Call(intake::Method::kDeleteRange, Bytes(1, "a")), Code::kOk);
  ASSERT_EQ(Call(intake::Method::kRange, Bytes(1, "b")), Code::kOk);
  ASSERT_EQ(Call(intake::Method::kRange, Bytes(1, "b") + Number(4, 99)), Code::kFutureRevision);
  ASSERT_EQ(Call(intake::Method::kCompact, Number(1, 2)), Code::kOk);
  ASSERT_EQ(Call(intake::Method::kCompact, Number(1, 2)), Code::kCompacted);
  ASSERT_EQ(Call(intake::Method::kLeaseGrant, Number(1, 30) + Number(2, 5)), Code::kOk);
  ASSERT_EQ(Call(intake::Method::kLeaseRevoke, Number(1, 5)), Code::kOk);
  ASSERT_EQ(Call(intake::Method::kHash, ""), Code::kOk);
  const Values values = Read();
  EXPECT_EQ(values.numbers.at("puts"), 2);
  EXPECT_EQ(values.numbers.at("putBytes"), 8);
  EXPECT_EQ(values.numbers.at("deletes"), 1);
  EXPECT_EQ(values.numbers.at("ranges"), 4) << "with a previous value and a compaction";
  EXPECT_EQ(values.numbers.at("txns"), 1) << "the put that looked first";
  EXPECT_EQ(values.numbers.at("keys"), 1);
  EXPECT_EQ(values.numbers.at("leasesGranted"), 1);
  EXPECT_EQ(values.numbers.at("leasesRevoked"), 1);
  EXPECT_EQ(values.sums.at("leaseTtl"), 30);
  EXPECT_EQ(values.counts.at("applySeconds/v3/Put/true"), 2u);
  EXPECT_EQ(values.counts.at("applySeconds/v3/Put/false"), 1u);
  EXPECT_EQ(values.counts.at("applySeconds/v3/Compaction/true"), 2u) << "compacted is no failure";
  EXPECT_EQ(values.counts.at("rangeSeconds/true"), 1u);
  EXPECT_EQ(values.counts.at("rangeSeconds/false"), 1u);
  EXPECT_EQ(values.counts.at("hashSeconds"), 1u);
  EXPECT_EQ(values.numbers.at("slowApplies"), 0);
  EXPECT_EQ(values.numbers.at("openReads"), 0);
  EXPECT_GT(values.numbers.at("walBytes"), 0);
  EXPECT_GT(values.counts.at("walWriteSeconds"), 0u);
  EXPECT_GE(values.counts.at("commitSeconds"), 6u);
  EXPECT_EQ(values.sums.at("walBatchEntries"), static_cast<double>(voter_->last_index()));
}

TEST_F(CoreMetrics, WhatDecidesATransactionIsCountedApart) {
  Open(60000);
  const std::string compare = Bytes(3, "x");

  const auto success = [](const std::string& op) { return Bytes(2, op); };
  const auto failure = [](const std::string& op) { return Bytes(3, op); };
  const std::string write = Bytes(1, compare) + Bytes(1, compare) +
                            success(Bytes(2, PutRequest("x", "1"))) +
                            failure(Bytes(2, PutRequest("x", "2")));
  ASSERT_EQ(Call(intake::Method::kTxn, write), Code::kOk);
  Values values = Read();
  EXPECT_EQ(values.numbers.at("ranges"), 2) << "two compares";
  EXPECT_EQ(values.numbers.at("puts"), 1);
  EXPECT_EQ(values.numbers.at("txns"), 1) << "the compares together, the put alone";
  const std::string read =
      Bytes(1, compare) + success(Bytes(1, Bytes(1, "x"))) + failure(Bytes(1, Bytes(1, "x")));
  ASSERT_EQ(Call(intake::Method::kTxn, read), Code::kOk);
  values = Read();
  EXPECT_EQ(values.numbers.at("ranges"), 4);
  EXPECT_EQ(values.numbers.at("txns"), 2) << "nothing is written: one group";
  EXPECT_EQ(values.counts.at("rangeSeconds/true"), 0u) << "not a range by itself";
}

TEST_F(CoreMetrics, TellsOfWhatIsSlowAndOfWhatFailed) {
  Open(0);
  ASSERT_EQ(Call(intake::Method::kPut, PutRequest("a", "1")), Code::kOk);
  ASSERT_EQ(Call(intake::Method::kLeaseRevoke, Number(1, 5)), Code::kLeaseNotFound);
  ASSERT_EQ(Call(intake::Method::kRange, Bytes(1, "a")), Code::kOk);
  EXPECT_EQ(Read().numbers.at("slowApplies"), 3);
  std::vector<apply::SlowKind> kinds;
  for (const Record& record : voter_->slow) {
    kinds.push_back(static_cast<apply::SlowKind>(record.body[0]));
    EXPECT_GT(record.SignedAt(1), 0) << "seconds";
    if (kinds.back() == apply::SlowKind::kRange) {
      EXPECT_EQ(record.SignedAt(19), 1) << "rows";
      EXPECT_EQ(record.body.substr(27), Bytes(1, "a")) << "the client's own request";
    }
  }
  using apply::SlowKind;
  EXPECT_EQ(kinds, (std::vector<SlowKind>{SlowKind::kEntry, SlowKind::kEntry,
                                          SlowKind::kFailedEntry, SlowKind::kRange}));
}

}  // namespace
}  // namespace metastore
