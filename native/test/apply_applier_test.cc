// The applier over the memory engine and a real log, stepped by hand: how runs are cut, in which
// order things are told, where control entries stop it, and that no cut changes the state.
#include <gtest/gtest.h>

#include <future>
#include <random>

#include "apply/applier.h"
#include "codec/requests.h"
#include "intake/raft_request.h"
#include "test/support/member_harness.h"

namespace metastore::apply {
namespace {

using member_test::ParseRecords;
using member_test::PutRequest;
using member_test::Record;
using member_test::ScratchDirectory;
using wire_test::Bytes;
using wire_test::Field;
using wire_test::Number;

class NullSink final : public PublicationSink {
 public:
  void Publish(Publication) override { publications += 1; }
  int publications = 0;
};

struct LogEntry {
  uint8_t type = 0;
  std::shared_ptr<const std::string> payload;
};

LogEntry Entry(uint64_t id, uint32_t field, const std::string& body) {
  return {0,
          std::make_shared<const std::string>(intake::EncodeEntry({id, {}, 0}, field, body, {}))};
}
LogEntry PutEntry(uint64_t id, const std::string& key, const std::string& value) {
  return Entry(id, intake::kFieldPut, PutRequest(key, value));
}
LogEntry Empty() { return {}; }

/// A log with the entries, a store, and an applier on a manual executor.
class Bench {
 public:
  explicit Bench(const std::vector<LogEntry>& entries, ApplierOptions options = {},
                 int compaction_batch_limit = 1000) {
    wal::WalOptions log;
    log.directory = directory_.path();
    log.unsafe_no_fsync = true;
    wal::Recovered recovered;
    auto opened = wal::Wal::Open(log, {1, 2}, &recovered);
    EXPECT_TRUE(opened.ok());
    log_ = std::move(*opened);
    std::vector<wal::Entry> list;
    for (const LogEntry& entry : entries) {
      list.push_back({list.size() + 1, 1 + list.size() / 50, entry.type, entry.payload});
    }
    std::promise<bool> written;
    log_->Append(std::move(list), nullptr, true,
                 [&](const Status& status) { written.set_value(status.ok()); });
    EXPECT_TRUE(written.get_future().get());
    StoreOptions store_options;
    store_options.compaction_batch_limit = compaction_batch_limit;
    auto store = Store::Open(store_options, NewMemoryEngine(), &sink);
    EXPECT_TRUE(store.ok());
    store_ = std::move(*store);
    header_.Set({7, 8, 9});
    ApplierParts parts;
    parts.log = log_.get();
    parts.store = store_.get();
    parts.tickets = &tickets;
    parts.completions = &completions_;
    parts.header = &header_;
    parts.tables = &tables_;
    parts.executor = &executor;
    parts.on_applied = [this](uint64_t index) { readable.push_back(index); };
    parts.on_compacted = [this] { compactions += 1; };
    parts.on_failure = [this](const Status& status) { failure = status.ToString(); };
    applier = std::make_unique<Applier>(options, std::move(parts), 0);
  }
  ~Bench() { (void)log_->Close(); }

  void RunAll() {
    while (executor.Step()) {
    }
  }
  std::vector<Record> Drain() { return ParseRecords(completions_.Drain()); }
  std::vector<uint64_t> DrainApplied() {
    std::vector<uint64_t> indexes;
    for (const Record& record : Drain()) {
      if (record.kind == Kind::kApplied) indexes.push_back(record.NumberAt(0));
    }
    return indexes;
  }
  uint32_t Hash() {
    auto hash = store_->HashKv(*store_->Pin(), 0);
    EXPECT_TRUE(hash.ok());
    return hash.ok() ? hash->hash : 0;
  }
  Store& store() { return *store_; }

  intake::Tickets tickets;
  ManualExecutor executor;
  NullSink sink;
  std::vector<uint64_t> readable;
  int compactions = 0;
  std::string failure;
  std::unique_ptr<Applier> applier;

 private:
  ScratchDirectory directory_;
  std::unique_ptr<wal::Wal> log_;
  std::unique_ptr<Store> store_;
  CompletionQueue completions_{[] {}};
  SharedHeader header_;
  auth::TableSlot tables_;
};

std::vector<LogEntry> Puts(int count, size_t value_bytes = 10) {
  std::vector<LogEntry> entries;
  for (int i = 1; i <= count; ++i) {
    entries.push_back(PutEntry(i, "k" + std::to_string(i % 7), std::string(value_bytes, 'v')));
  }
  return entries;
}

TEST(Applier, RunsAreBoundedInEntries) {
  Bench bench(Puts(35), {10, 4 << 20});
  bench.applier->ApplyTo(35);
  bench.applier->ApplyTo(20);  // a target never goes back
  ASSERT_TRUE(bench.executor.Step());
  EXPECT_EQ(bench.applier->applied().load(), 10u);
  bench.RunAll();
  EXPECT_EQ(bench.DrainApplied(), (std::vector<uint64_t>{10, 20, 30, 35}));
  EXPECT_EQ(bench.readable, (std::vector<uint64_t>{10, 20, 30, 35}));
  EXPECT_EQ(bench.sink.publications, 4);
  EXPECT_EQ(bench.store().revision(), 36);
  EXPECT_EQ(bench.store().Pin()->applied_index, 35u);
}

TEST(Applier, RunsAreBoundedInBytesButHoldOneEntry) {
  Bench bench(Puts(6, 5000), {100, 4000});
  bench.applier->ApplyTo(6);
  bench.RunAll();
  EXPECT_EQ(bench.DrainApplied(), (std::vector<uint64_t>{1, 2, 3, 4, 5, 6}));
}

TEST(Applier, ResultsComeByIdAndBeforeApplied) {
  std::vector<LogEntry> entries = Puts(3);
  entries.push_back(Entry(4, intake::kFieldPut, PutRequest("k", "v") + Number(3, 77)));
  entries.push_back(Empty());
  Bench bench(entries);
  bench.tickets.Add(4, 104);
  bench.tickets.Add(2, 102);
  bench.tickets.Add(99, 199);  // never in the log
  bench.applier->ApplyTo(5);
  bench.RunAll();
  const auto records = bench.Drain();
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[0].kind, Kind::kResult);
  EXPECT_EQ(records[0].NumberAt(0), 102u);
  EXPECT_EQ(records[0].body.substr(8, 2), std::string(2, '\0'));
  // cluster 7, member 8, revision 3, term 9
  EXPECT_EQ(records[0].body.substr(10),
            Field(1, Number(1, 7) + Number(2, 8) + Number(3, 3) + Number(4, 9)));
  EXPECT_EQ(records[1].NumberAt(0), 104u);
  EXPECT_EQ(static_cast<uint8_t>(records[1].body[8]), static_cast<uint8_t>(Code::kLeaseNotFound));
  EXPECT_EQ(records[1].body.size(), 10u);
  EXPECT_EQ(records[2].kind, Kind::kSlow);
  EXPECT_EQ(static_cast<SlowKind>(records[2].body[0]), SlowKind::kFailedEntry);
  EXPECT_EQ(records[3].kind, Kind::kApplied);
  EXPECT_EQ(records[3].NumberAt(0), 5u);
  EXPECT_EQ(records[3].NumberAt(8), 4u);
  EXPECT_EQ(bench.tickets.TakeAll(), (std::vector<uint64_t>{199}));
}

TEST(Applier, ControlEntriesStandAloneWhereverTheyAre) {
  const std::string version = Field(1300, Bytes(1, "3.7.0"));
  const auto control = [&](uint64_t id) {
    return LogEntry{
        0, std::make_shared<const std::string>(intake::EncodeInternalEntry({id, {}, 0}, version))};
  };
  const LogEntry conf_change{1, std::make_shared<const std::string>("conf change")};
  Bench bench({control(1), conf_change, PutEntry(3, "a", "1"), control(4), PutEntry(5, "b", "2")});
  bench.tickets.Add(4, 44);
  bench.applier->ApplyTo(5);
  bench.RunAll();
  auto records = bench.Drain();
  ASSERT_EQ(records.size(), 1u);  // nothing was applied before it
  EXPECT_EQ(records[0].kind, Kind::kControl);
  EXPECT_EQ(bench.applier->applied().load(), 0u);
  bench.applier->ApplyTo(5);  // does not get past it
  bench.RunAll();
  EXPECT_TRUE(bench.Drain().empty());

  bench.applier->ControlDone(1, {{"row", "one"}}, Code::kOk, "", nullptr);
  bench.RunAll();
  records = bench.Drain();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].kind, Kind::kApplied);
  EXPECT_EQ(records[1].kind, Kind::kControl);
  EXPECT_EQ(records[1].body.substr(16),
            "\x01"
            "conf change");

  bench.applier->ControlDone(2, {{"row", std::nullopt}, {"other", "two"}}, Code::kOk, "", nullptr);
  bench.RunAll();
  records = bench.Drain();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[1].NumberAt(0), 3u);  // the put between two control entries is committed first
  EXPECT_EQ(records[2].NumberAt(0), 4u);

  bench.applier->ControlDone(4, {}, Code::kOk, "reply", nullptr);
  bench.RunAll();
  records = bench.Drain();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].kind, Kind::kResult);
  EXPECT_EQ(records[0].NumberAt(0), 44u);
  EXPECT_EQ(records[0].body.substr(10), "reply");
  EXPECT_EQ(bench.applier->applied().load(), 5u);
  std::vector<std::string> rows;
  const ViewRef view = bench.store().Pin();
  ASSERT_TRUE(bench.store()
                  .engine()
                  .ScanMeta(*view->snapshot, kMetaPrefix,
                            [&](std::string_view key, std::string_view value) {
                              rows.push_back(std::string(key) + "=" + std::string(value));
                              return true;
                            })
                  .ok());
  EXPECT_EQ(rows, (std::vector<std::string>{"server/other=two"}));
}

TEST(Applier, CompactionStepsStandBetweenRuns) {
  std::vector<LogEntry> entries = Puts(40);
  entries.push_back(Entry(41, intake::kFieldCompaction, Number(1, 30) + Number(2, 1)));
  for (const LogEntry& entry : Puts(20)) entries.push_back(entry);
  Bench bench(entries, {10, 4 << 20}, 5);
  bench.tickets.Add(41, 141);
  bench.applier->ApplyTo(entries.size());
  int steps = 0;
  std::function<void(bool)> next = [&](bool more) {
    steps += 1;
    if (more && steps < 1000) bench.applier->CompactStep(next);
  };
  bool answered = false;
  bool started = false;
  int held = 0;
  while (bench.executor.Step()) {
    for (const Record& record : bench.Drain()) {
      if (record.kind == Kind::kHeld) held += 1;
      if (record.kind != Kind::kResult) continue;
      answered = true;
      EXPECT_EQ(bench.store().CompactionDone(), 30) << "a physical compaction waits for its rows";
    }
    if (bench.compactions > 0 && !started) {
      started = true;
      EXPECT_FALSE(answered);
      bench.applier->CompactStep(next);
    }
  }
  EXPECT_TRUE(answered);
  EXPECT_EQ(held, 1) << "consensus is done with it long before";
  EXPECT_EQ(bench.compactions, 1);
  EXPECT_GT(steps, 3);
  EXPECT_EQ(bench.applier->applied().load(), entries.size());
}

TEST(Applier, FailuresAreFinalAndNameTheIndex) {
  std::vector<LogEntry> entries = Puts(3);
  entries.push_back({0, std::make_shared<const std::string>("\x01\xff\xff")});
  Bench damaged(entries);
  damaged.tickets.Add(1, 101);
  damaged.applier->ApplyTo(4);
  damaged.RunAll();
  EXPECT_NE(damaged.failure.find("index 4"), std::string::npos) << damaged.failure;
  EXPECT_EQ(damaged.applier->applied().load(), 0u);
  EXPECT_TRUE(damaged.Drain().empty()) << "nothing of a failed run is acknowledged";
  damaged.failure.clear();
  damaged.applier->ApplyTo(4);
  damaged.RunAll();
  EXPECT_TRUE(damaged.failure.empty()) << "once";

  // A body that does not decode was committed by nobody we know.
  Bench body({Entry(1, intake::kFieldPut, "\x0a\x09")});
  body.applier->ApplyTo(1);
  body.RunAll();
  EXPECT_NE(body.failure.find("index 1"), std::string::npos) << body.failure;

  Bench beyond(Puts(2));
  beyond.applier->ApplyTo(3);
  beyond.RunAll();
  EXPECT_FALSE(beyond.failure.empty());
}

TEST(Applier, StopEndsAfterTheRun) {
  Bench bench(Puts(30), {10, 4 << 20});
  bench.applier->ApplyTo(30);
  ASSERT_TRUE(bench.executor.Step());
  bench.applier->Stop();
  bench.RunAll();
  EXPECT_EQ(bench.applier->applied().load(), 10u);
}

/// Legal and illegal requests of every native kind over a few keys, leases and revisions.
std::vector<LogEntry> RandomHistory(uint64_t seed, int count) {
  std::mt19937_64 random(seed);
  const auto key = [&] { return "k" + std::to_string(random() % 12); };
  std::vector<LogEntry> entries;
  int64_t revision = 1;
  for (int i = 1; i <= count; ++i) {
    switch (random() % 12) {
      case 0:
        entries.push_back(Empty());
        break;
      case 1:
        entries.push_back(Entry(i, intake::kFieldDeleteRange, Bytes(1, key()) + Bytes(2, "k9")));
        break;
      case 2:
        entries.push_back(Entry(i, intake::kFieldTxn,
                                Field(2, Field(2, PutRequest(key(), "t"))) +
                                    Field(2, Field(3, Bytes(1, "zz"))) +
                                    Field(2, Field(2, PutRequest("t" + key(), "t")))));
        break;
      case 3:
        entries.push_back(
            Entry(i, intake::kFieldLeaseGrant, Number(1, 10) + Number(2, 1 + random() % 5)));
        break;
      case 4:
        entries.push_back(Entry(i, intake::kFieldLeaseRevoke, Number(1, 1 + random() % 5)));
        break;
      case 5:
        entries.push_back(Entry(i, intake::kFieldCompaction, Number(1, random() % (revision + 3))));
        break;
      default:
        entries.push_back(Entry(i, intake::kFieldPut,
                                PutRequest(key(), std::to_string(i)) + Number(3, random() % 6)));
        revision += 1;
    }
  }
  return entries;
}

TEST(Applier, HowRunsAreCutDoesNotChangeTheState) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const auto entries = RandomHistory(seed, 400);
    uint32_t expected = 0;
    int64_t revision = 0;
    for (const uint64_t run : {1u, 3u, 64u, 1000u}) {
      Bench bench(entries, {run, 4 << 20});
      // The target comes in steps, as commits do; a replay after a crash sees it all at once.
      for (uint64_t target = 7; run != 1000 && target < entries.size(); target += 13) {
        bench.applier->ApplyTo(target);
        if (target % 2 == 0) bench.RunAll();
      }
      bench.applier->ApplyTo(entries.size());
      bench.RunAll();
      ASSERT_TRUE(bench.failure.empty()) << bench.failure;
      if (run == 1) {
        expected = bench.Hash();
        revision = bench.store().revision();
      }
      EXPECT_EQ(bench.Hash(), expected) << "seed " << seed << " runs of " << run;
      EXPECT_EQ(bench.store().revision(), revision) << "seed " << seed << " runs of " << run;
    }
  }
}

}  // namespace
}  // namespace metastore::apply
