// Snapshots from one member to another, over every pair of engines: what arrives is the whole
// state, what is damaged changes nothing, and watchers and reads go on over the exchange.
#include <gtest/gtest.h>

#include "test/support/reply_parser.h"
#include "test/support/transfer_harness.h"

namespace metastore::transfer_test {
namespace {

using member::EngineKind;
using member_test::Bytes;
using member_test::Field;
using member_test::Method;
using member_test::Number;
using member_test::OptionsFor;
using member_test::Record;
using member_test::ScratchDirectory;

struct Route {
  EngineKind from;
  EngineKind to;
  bool checkpoint;
};

std::string RouteName(const ::testing::TestParamInfo<Route>& info) {
  const auto name = [](EngineKind kind) {
    return std::string(kind == EngineKind::kMemory ? "Memory" : "Rocks");
  };
  return name(info.param.from) + "To" + name(info.param.to) +
         (info.param.checkpoint ? "ByCheckpoint" : "ByImage");
}

/// The hash field at the end of a HashKV reply, whose header differs between members.
std::string HashOf(TinyVoter* voter) {
  const std::string reply = voter->HashKv();
  return reply.size() > 6 ? reply.substr(reply.size() - 6) : reply;
}

/// Some of everything that a state can hold: versions, deletions, a compaction, leases with keys,
/// an alarm, rows of TypeScript.
void FillState(TinyVoter* voter, int puts) {
  ASSERT_EQ(voter->Call(Method::kLeaseGrant, Number(1, 600) + Number(2, 7)).code, Code::kOk);
  ASSERT_EQ(voter->Call(Method::kLeaseGrant, Number(1, 60) + Number(2, 8)).code, Code::kOk);
  const std::string leased = member_test::PutRequest("leased", "1") + Number(3, 7);
  ASSERT_EQ(voter->Call(Method::kPut, leased).code, Code::kOk);
  for (int i = 0; i < puts; ++i) {
    const std::string key = "key" + std::to_string(i % 37);
    ASSERT_EQ(voter->Put(key, std::string(100, 'a' + i % 26)).code, Code::kOk);
  }
  ASSERT_EQ(voter->Call(Method::kDeleteRange, Bytes(1, "key3")).code, Code::kOk);
  const std::string compact = Number(1, static_cast<uint64_t>(puts / 2)) + Number(2, 1);
  ASSERT_EQ(voter->Call(Method::kCompact, compact).code, Code::kOk);
  ASSERT_EQ(voter->Call(Method::kLeaseCheckpoint, Field(1, Number(1, 7) + Number(2, 333))).code,
            Code::kOk);
  const std::string raise = Number(1, 1) + Number(2, 0xbad) + Number(3, 1);
  ASSERT_EQ(voter->Call(Method::kAlarm, raise).code, Code::kOk);
  voter->answer_controls = false;
  ASSERT_TRUE(voter->core().SubmitInternal(900'001, Field(1301, Number(1, 5)), {}).ok());
  ASSERT_TRUE(voter->DriveUntil([&] { return voter->controls.size() == 1; }));
  voter->core().ControlDone(voter->controls[0].NumberAt(0),
                            {{"conf_state", "voters"}, {"members/1", "one"}}, Code::kOk, "",
                            nullptr);
  voter->answer_controls = true;
  ASSERT_EQ(voter->WaitFor(900'001).code, Code::kOk);
}

void ExpectState(TinyVoter* voter, const InstalledSnapshot& facts) {
  ASSERT_EQ(facts.leases.size(), 2u);
  EXPECT_EQ(facts.leases[0].id, 7);
  EXPECT_EQ(facts.leases[0].remaining_ttl_seconds, 333);
  EXPECT_EQ(facts.leases[1].ttl_seconds, 60);
  ASSERT_EQ(facts.alarms.size(), 1u);
  EXPECT_EQ(facts.alarms[0].member_id, 0xbadu);
  ASSERT_EQ(facts.meta.size(), 2u);
  EXPECT_EQ(facts.meta[0], (std::pair<std::string, std::string>("conf_state", "voters")));
  EXPECT_EQ(facts.meta[1].second, "one");
  const uint64_t ticket = 900'100;
  voter->core().LeaseKeys(ticket, 7);
  EXPECT_EQ(voter->WaitFor(ticket).reply, std::string("\6\0\0\0leased", 10));
}

class TransferTest : public ::testing::TestWithParam<Route> {
 protected:
  member::MemberOptions From() { return OptionsFor(from_.path(), GetParam().from); }
  member::MemberOptions To() { return OptionsFor(to_.path(), GetParam().to); }
  ScratchDirectory from_;
  ScratchDirectory to_;
};

TEST_P(TransferTest, CarriesTheWholeState) {
  TinyVoter source(From());
  ASSERT_TRUE(source.Open().ok());
  FillState(&source, 300);
  const std::string hash = HashOf(&source);
  std::optional<TinyVoter> target(To());
  ASSERT_TRUE(target->Open().ok());
  ASSERT_EQ(target->Put("own", "gone later").code, Code::kOk);
  const auto exported = Export(&source, GetParam().checkpoint);
  ASSERT_TRUE(exported.ok()) << exported.status().ToString();
  EXPECT_EQ(exported->kind,
            GetParam().checkpoint ? SnapshotKind::kCheckpoint : SnapshotKind::kImage);
  EXPECT_EQ(exported->index, source.last_index());
  EXPECT_EQ(exported->term, source.term());
  EXPECT_EQ(exported->conf_state, "voters");
  const std::string bytes = ReadAll(&source, *exported, 777);
  const uint64_t id = Import(&*target, exported->kind, bytes, 5000);
  auto installed = Install(&*target, id, exported->index, exported->term);
  ASSERT_TRUE(installed.ok()) << installed.status().ToString();
  EXPECT_EQ(installed->applied_index, exported->index);
  EXPECT_EQ(installed->applied_term, exported->term);
  EXPECT_EQ(installed->revision, source.core().status().revision);
  ExpectState(&*target, *installed);
  EXPECT_EQ(HashOf(&*target), hash);
  const auto status = target->core().status();
  EXPECT_EQ(status.compact_revision, source.core().status().compact_revision);
  EXPECT_EQ(status.log_start_index, exported->index);
  EXPECT_EQ(status.log_last_index, exported->index);
  EXPECT_EQ(status.durable_applied_index, exported->index);
  EXPECT_EQ(status.applied_index, exported->index);
  // It goes on, and is the same after a start.
  EXPECT_EQ(target->Put("after", "1").code, Code::kNoSpace) << "the alarm has come along";
  ASSERT_EQ(target->Call(Method::kDeleteRange, Bytes(1, "key5")).code, Code::kOk);
  const std::string later = HashOf(&*target);
  ASSERT_TRUE(target->core().Close().ok());
  target.emplace(To());
  const Status opened = target->Open();
  ASSERT_TRUE(opened.ok()) << opened.ToString();
  EXPECT_EQ(target->recovered.start_index, exported->index);
  EXPECT_EQ(target->recovered.last_index, exported->index + 2);
  if (target->recovered.applied_index < target->last_index()) {
    ASSERT_TRUE(target->DriveUntil([&] { return target->applied() == target->last_index(); }));
  }
  EXPECT_EQ(HashOf(&*target), later);
  EXPECT_EQ(target->recovered.leases.size(), 2u);
}

TEST_P(TransferTest, InstalledAgainAndAgain) {
  TinyVoter source(From());
  TinyVoter target(To());
  ASSERT_TRUE(source.Open().ok());
  ASSERT_TRUE(target.Open().ok());
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 50; ++i)
      ASSERT_EQ(source.Put("k" + std::to_string(i), "v").code, Code::kOk);
    auto installed = Transfer(&source, &target, GetParam().checkpoint);
    ASSERT_TRUE(installed.ok()) << installed.status().ToString();
    EXPECT_EQ(HashOf(&target), HashOf(&source));
    target.core().Checkpoint();
    ASSERT_TRUE(target.DriveUntil([&] { return !target.others.empty(); })) << target.fatal;
    EXPECT_EQ(target.others.back().NumberAt(0), installed->applied_index);
    target.others.clear();
  }
  // Nothing of the replaced states is left once nobody reads them.
  const auto left = [&] {
    size_t databases = 0;
    for (const auto& entry : std::filesystem::directory_iterator(to_.path() + "/member")) {
      if (entry.path().filename().string().starts_with("db")) ++databases;
    }
    return databases;
  };
  const size_t wanted = GetParam().to == EngineKind::kRocks ? 1 : 0;
  ASSERT_TRUE(target.DriveUntil([&] { return left() == wanted; }));
  for (const char* folder : {"/member/incoming", "/member/outgoing"}) {
    ASSERT_TRUE(target.DriveUntil([&] {
      return std::filesystem::is_empty(to_.path() + folder) &&
             std::filesystem::is_empty(from_.path() + folder);
    })) << folder;
  }
}

TEST_P(TransferTest, WhatIsDamagedChangesNothing) {
  TinyVoter source(From());
  TinyVoter target(To());
  ASSERT_TRUE(source.Open().ok());
  ASSERT_TRUE(target.Open().ok());
  FillState(&source, 100);
  ASSERT_EQ(target.Put("own", "stays").code, Code::kOk);
  const std::string before = HashOf(&target);
  const auto exported = Export(&source, GetParam().checkpoint);
  ASSERT_TRUE(exported.ok());
  const std::string good = ReadAll(&source, *exported);
  /// Damage may show while bytes arrive or when they are installed, but it shows as such.
  const auto outcome = [&](const std::string& bytes, uint64_t index, uint64_t term) {
    uint64_t id = 0;
    Status status = TryImport(&target, exported->kind, bytes, &id);
    if (status.ok()) status = Install(&target, id, index, term).TakeStatus();
    target.core().transfers().imports.Close(id);
    return status.code();
  };
  EXPECT_EQ(outcome(good, exported->index + 1, exported->term), Code::kDamaged);
  EXPECT_EQ(outcome(good, exported->index, exported->term + 1), Code::kDamaged);
  const std::string shorter = good.substr(0, good.size() - 1);
  EXPECT_EQ(outcome(shorter, exported->index, exported->term), Code::kDamaged);
  for (size_t at = 0; at < good.size(); at += 1 + good.size() / 23) {
    // Zeros may pad, as in the footers of RocksDB's tables: no checksum covers those.
    while (at + 1 < good.size() && good[at] == '\0') ++at;
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x10);
    ASSERT_EQ(outcome(bad, exported->index, exported->term), Code::kDamaged) << "byte " << at;
  }
  EXPECT_EQ(HashOf(&target), before);
  EXPECT_EQ(target.Put("own", "still").code, Code::kOk);
  EXPECT_EQ(outcome(good, exported->index, exported->term), Code::kOk);
  EXPECT_EQ(HashOf(&target), HashOf(&source));
}

TEST_P(TransferTest, WatchersGoOnFromTheSnapshot) {
  TinyVoter source(From());
  TinyVoter target(To());
  ASSERT_TRUE(source.Open().ok());
  ASSERT_TRUE(target.Open().ok());
  // Both have had the same first entries.
  for (TinyVoter* voter : {&source, &target}) {
    for (int i = 0; i < 3; ++i) ASSERT_EQ(voter->Put("w", "early").code, Code::kOk);
  }
  target.core().hub().Open(1);
  ASSERT_TRUE(target.core().hub().Request(1, Field(1, Bytes(1, "w"))).ok());
  ASSERT_TRUE(target.DriveUntil([&] { return target.others.size() == 1; }));
  for (int i = 0; i < 5; ++i)
    ASSERT_EQ(source.Put("w", "missed" + std::to_string(i)).code, Code::kOk);
  ASSERT_TRUE(Transfer(&source, &target, GetParam().checkpoint).ok());
  const auto count = [&](const std::string& text) {
    size_t found = 0;
    for (const Record& record : target.others) {
      for (size_t at = record.body.find(text); at != std::string::npos;
           at = record.body.find(text, at + 1)) {
        ++found;
      }
    }
    return found;
  };
  ASSERT_TRUE(target.DriveUntil([&] { return count("missed4") == 1; }));
  ASSERT_EQ(target.Put("w", "live").code, Code::kOk);
  ASSERT_TRUE(target.DriveUntil([&] { return count("live") == 1; }));
  EXPECT_EQ(count("missed"), 5u);
  EXPECT_EQ(count("early"), 0u);
  // A second one, whose middle the watcher cannot be told any more.
  for (int i = 0; i < 9; ++i) ASSERT_EQ(source.Put("w", "lost").code, Code::kOk);
  ASSERT_EQ(source.Call(Method::kCompact, Number(1, 16)).code, Code::kOk);
  target.others.clear();
  ASSERT_TRUE(Transfer(&source, &target, GetParam().checkpoint).ok());
  ASSERT_TRUE(target.DriveUntil([&] { return !target.others.empty(); }));
  // canceled (field 4) and compact_revision (field 5) of the one message.
  EXPECT_NE(target.others[0].body.find(std::string("\x20\x01\x28\x10", 4)), std::string::npos);
  EXPECT_EQ(count("lost"), 0u);
}

TEST_P(TransferTest, ReadsThatWaitAreServedByTheSnapshot) {
  TinyVoter source(From());
  TinyVoter target(To());
  ASSERT_TRUE(source.Open().ok());
  ASSERT_TRUE(target.Open().ok());
  for (int i = 0; i < 10; ++i) ASSERT_EQ(source.Put("k", std::to_string(i)).code, Code::kOk);
  ASSERT_EQ(target.Submit(500, Method::kRange, Bytes(1, "k")), Code::kOk);
  const uint32_t batch = target.core().FreezeReads();
  ASSERT_NE(batch, 0u);
  target.core().ReleaseReads(batch, 10);
  ASSERT_TRUE(Transfer(&source, &target, GetParam().checkpoint).ok());
  const auto reply = testing::ParseRange(target.WaitFor(500).reply);
  ASSERT_EQ(reply.kvs.size(), 1u);
  EXPECT_EQ(reply.kvs[0].value, "9");
  EXPECT_EQ(reply.header.revision, 11);
}

TEST_P(TransferTest, WrongMomentsAreRefused) {
  TinyVoter source(From());
  TinyVoter target(To());
  ASSERT_TRUE(source.Open().ok());
  ASSERT_TRUE(target.Open().ok());
  for (int i = 0; i < 5; ++i) ASSERT_EQ(source.Put("k", "v").code, Code::kOk);
  const auto exported = Export(&source, GetParam().checkpoint);
  ASSERT_TRUE(exported.ok());
  const std::string bytes = ReadAll(&source, *exported);
  const uint64_t id = Import(&target, exported->kind, bytes);
  EXPECT_EQ(Install(&target, 99, 5, 1).status().code(), Code::kInternal) << "unknown";
  EXPECT_EQ(Install(&target, id, 0, 1).status().code(), Code::kInternal) << "no step forward";
  for (int i = 0; i < 6; ++i) ASSERT_EQ(target.Put("k", "v").code, Code::kOk);
  EXPECT_EQ(Install(&target, id, 5, 1).status().code(), Code::kInternal) << "a step back";
  // An incomplete one, and chunks that do not fit.
  const auto half = OpenImport(&target, exported->kind, bytes.size());
  ASSERT_TRUE(half.ok());
  EXPECT_EQ(Install(&target, *half, 50, 1).status().code(), Code::kInternal);
  EXPECT_EQ(WriteChunk(&target, *half, 1, Chunk("x")).code(), Code::kInternal);
  EXPECT_EQ(WriteChunk(&target, *half, 0, "abc").code(), Code::kDamaged);
  std::string torn = Chunk(bytes.substr(0, 100));
  torn[50] ^= 1;
  EXPECT_EQ(WriteChunk(&target, *half, 0, torn).code(), Code::kDamaged);
  EXPECT_TRUE(WriteChunk(&target, *half, 0, Chunk(bytes.substr(0, 100))).ok());
  EXPECT_EQ(WriteChunk(&target, *half, 0, Chunk(bytes.substr(0, 100))).code(), Code::kInternal);
  EXPECT_EQ(WriteChunk(&target, *half, 100, Chunk(bytes)).code(), Code::kDamaged) << "too many";
  target.core().transfers().imports.Close(*half);
  EXPECT_EQ(WriteChunk(&target, *half, 100, Chunk("x")).code(), Code::kInternal);
  EXPECT_EQ(OpenImport(&target, exported->kind, 1ull << 60).status().code(), Code::kNoSpace);
  // Exports: behind the end, unknown, closed.
  EXPECT_EQ(ReadChunk(&source, exported->id, bytes.size(), 10)->size(), 4u);
  EXPECT_EQ(ReadChunk(&source, exported->id, bytes.size() + 1, 10).status().code(),
            Code::kInternal);
  source.core().transfers().exports.Close(exported->id);
  EXPECT_EQ(ReadChunk(&source, exported->id, 0, 10).status().code(), Code::kInternal);
  ASSERT_TRUE(source.core().Close().ok());
  EXPECT_EQ(Export(&source, false).status().code(), Code::kStopped);
}

constexpr Route kMemoryToMemory{EngineKind::kMemory, EngineKind::kMemory, false};
INSTANTIATE_TEST_SUITE_P(Memory, TransferTest, ::testing::Values(kMemoryToMemory), RouteName);
#ifdef METASTORE_ROCKSDB
INSTANTIATE_TEST_SUITE_P(Rocks, TransferTest,
                         ::testing::Values(Route{EngineKind::kMemory, EngineKind::kRocks, false},
                                           Route{EngineKind::kRocks, EngineKind::kMemory, false},
                                           Route{EngineKind::kRocks, EngineKind::kRocks, false},
                                           Route{EngineKind::kRocks, EngineKind::kRocks, true}),
                         RouteName);
#endif

}  // namespace
}  // namespace metastore::transfer_test
