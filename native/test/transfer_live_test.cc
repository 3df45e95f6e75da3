// Snapshots while everything else goes on: writes during an export, reads, watchers and compaction
// during an install, a member that is closed in the middle of one; and how fast it all is.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <protozero/pbf_reader.hpp>
#include <thread>

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

struct Kind {
  EngineKind engine;
  bool checkpoint;
};

std::string KindName(const ::testing::TestParamInfo<Kind>& info) {
  if (info.param.engine == EngineKind::kMemory) return "Memory";
  return info.param.checkpoint ? "RocksByCheckpoint" : "RocksByImage";
}

std::string HashAt(TinyVoter* voter, int64_t revision) {
  const std::string reply =
      voter->Call(Method::kHashKv, Number(1, static_cast<uint64_t>(revision))).reply;
  return reply.size() > 6 ? reply.substr(reply.size() - 6) : reply;
}

/// Drives the voter until the answer is there.
template <typename T, typename Call>
Result<T> DriveFor(TinyVoter* voter, Call call) {
  auto promise = std::make_shared<std::promise<Result<T>>>();
  auto future = promise->get_future();
  call([promise](Result<T> result) { promise->set_value(std::move(result)); });
  const bool ready = voter->DriveUntil(
      [&] { return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
  if (!ready) return Status(Code::kTimeout, "no answer");
  return future.get();
}

class TransferLive : public ::testing::TestWithParam<Kind> {
 protected:
  member::MemberOptions From() { return OptionsFor(from_.path(), GetParam().engine); }
  member::MemberOptions To() { return OptionsFor(to_.path(), GetParam().engine); }
  Result<InstalledSnapshot> Install(TinyVoter* target, uint64_t id, const SnapshotExport& facts) {
    auto installed = DriveFor<InstalledSnapshot>(target, [&](auto answer) {
      target->core().transfers().installer.Install(id, facts.index, facts.term,
                                                   target->hard_state(facts.index), answer);
    });
    if (installed.ok()) target->Installed(facts.index);
    return installed;
  }
  ScratchDirectory from_;
  ScratchDirectory to_;
};

TEST_P(TransferLive, ExportsOneMomentOfManyWrites) {
  TinyVoter source(From());
  TinyVoter target(To());
  ASSERT_TRUE(source.Open().ok());
  ASSERT_TRUE(target.Open().ok());
  uint64_t ticket = 10'000;
  const auto write = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const std::string key = "k" + std::to_string(i % 400);
      ASSERT_EQ(source.Submit(ticket++, Method::kPut,
                              member_test::PutRequest(key, std::string(2000, 'x'))),
                Code::kOk);
    }
  };
  const auto answered = [&] {
    const auto first = source.results.lower_bound(10'000);
    return std::distance(first, source.results.end()) == static_cast<long>(ticket - 10'000);
  };
  write(3000);
  ASSERT_TRUE(source.DriveUntil(answered));
  for (int round = 0; round < 3; ++round) {
    write(1500);
    auto exported = DriveFor<SnapshotExport>(&source, [&](auto answer) {
      source.core().transfers().exports.Begin(GetParam().checkpoint, answer);
    });
    ASSERT_TRUE(exported.ok()) << exported.status().ToString();
    write(500);
    ASSERT_TRUE(source.DriveUntil(answered));
    EXPECT_LE(exported->index, source.last_index());
    const uint64_t id = Import(&target, exported->kind, ReadAll(&source, *exported));
    source.core().transfers().exports.Close(exported->id);
    auto installed = Install(&target, id, *exported);
    ASSERT_TRUE(installed.ok()) << installed.status().ToString();
    EXPECT_EQ(installed->revision, static_cast<int64_t>(exported->index) + 1);
    EXPECT_EQ(HashAt(&target, 0), HashAt(&source, installed->revision));
  }
}

/// Every revision of a watched key, as the streams' messages tell of them.
std::vector<int64_t> RevisionsOf(const std::vector<Record>& records, uint64_t stream) {
  std::vector<int64_t> revisions;
  for (const Record& record : records) {
    if (record.kind != apply::Kind::kWatch || record.NumberAt(0) != stream) continue;
    // Events are field 11, their key-value field 2, whose mod_revision is field 3.
    protozero::pbf_reader response(record.body.data() + 8, record.body.size() - 8);
    while (response.next(11)) {
      protozero::pbf_reader event = response.get_message();
      while (event.next(2)) {
        protozero::pbf_reader kv = event.get_message();
        while (kv.next(3)) revisions.push_back(kv.get_int64());
      }
    }
  }
  return revisions;
}

TEST_P(TransferLive, WatchersMissNothingAndReadsGoOn) {
  TinyVoter source(From());
  TinyVoter target(To());
  ASSERT_TRUE(source.Open().ok());
  ASSERT_TRUE(target.Open().ok());
  constexpr int kStreams = 20;
  for (uint64_t stream = 1; stream <= kStreams; ++stream) {
    target.core().hub().Open(stream);
    const std::string all = Bytes(1, "k") + Bytes(2, "l") + Number(3, stream % 5 == 0 ? 1 : 2);
    ASSERT_TRUE(target.core().hub().Request(stream, Field(1, all)).ok());
  }
  uint64_t reads = 0;
  uint64_t ticket = 50'000;
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < 150; ++i) {
      ASSERT_EQ(source.Put("k" + std::to_string(i % 30), std::string(300, 'y')).code, Code::kOk);
    }
    auto exported = Export(&source, GetParam().checkpoint);
    ASSERT_TRUE(exported.ok());
    const uint64_t id = Import(&target, exported->kind, ReadAll(&source, *exported));
    source.core().transfers().exports.Close(exported->id);
    // Ranges over everything, before, during and after.
    for (int i = 0; i < 300; ++i, ++reads) {
      const std::string range = Bytes(1, "k") + Bytes(2, "l") + Number(7, 1);
      ASSERT_EQ(target.Submit(ticket++, Method::kRange, range), Code::kOk);
    }
    auto installed = Install(&target, id, *exported);
    ASSERT_TRUE(installed.ok()) << installed.status().ToString();
    // The same entries on both sides, so that their histories stay one.
    for (TinyVoter* voter : {&source, &target}) {
      for (int i = 0; i < 10; ++i) ASSERT_EQ(voter->Put("k-live", "z").code, Code::kOk);
    }
    for (const Record& record : target.others) {
      if (record.kind != apply::Kind::kWatch) continue;
      target.core().hub().Credit(record.NumberAt(0), record.body.size() - 8);
    }
  }
  const int64_t last = target.core().status().revision;
  EXPECT_EQ(last, 1 + 6 * 160);
  std::vector<int64_t> wanted;
  for (int64_t revision = 2; revision <= last; ++revision) wanted.push_back(revision);
  for (uint64_t stream = 1; stream <= kStreams; ++stream) {
    ASSERT_TRUE(target.DriveUntil([&] {
      return RevisionsOf(target.others, stream).size() >= wanted.size();
    })) << RevisionsOf(target.others, stream).size()
        << " " << target.fatal;
    EXPECT_EQ(RevisionsOf(target.others, stream), wanted) << "stream " << stream;
  }
  ASSERT_TRUE(target.DriveUntil([&] { return target.results.size() >= reads; }));
  for (uint64_t at = 50'000; at < ticket; ++at) EXPECT_EQ(target.results[at].code, Code::kOk);
  EXPECT_EQ(target.fatal, "");
}

TEST_P(TransferLive, CompactionGoesOnInTheNewState) {
  TinyVoter source(From());
  TinyVoter target(To());
  ASSERT_TRUE(source.Open().ok());
  ASSERT_TRUE(target.Open().ok());
  for (TinyVoter* voter : {&source, &target}) {
    for (int i = 0; i < 400; ++i) ASSERT_EQ(voter->Put("k", "v").code, Code::kOk);
    // Its answer waits until the rows are gone.
    ASSERT_EQ(voter->Submit(77'000, Method::kCompact, Number(1, 350) + Number(2, 1)), Code::kOk);
    ASSERT_TRUE(voter->DriveUntil([&] { return voter->applied() == 401; }));
  }
  ASSERT_EQ(source.Put("last", "1").code, Code::kOk);
  auto exported = Export(&source, GetParam().checkpoint);
  ASSERT_TRUE(exported.ok());
  const uint64_t id = Import(&target, exported->kind, ReadAll(&source, *exported));
  ASSERT_TRUE(Install(&target, id, *exported).ok());
  EXPECT_EQ(target.WaitFor(77'000).code, Code::kOk);
  EXPECT_EQ(target.Call(Method::kRange, Bytes(1, "k") + Number(4, 349)).code, Code::kCompacted);
  ASSERT_EQ(target.Call(Method::kCompact, Number(1, 390) + Number(2, 1)).code, Code::kOk);
  ASSERT_EQ(source.WaitFor(77'000).code, Code::kOk);
  ASSERT_EQ(source.Call(Method::kCompact, Number(1, 390) + Number(2, 1)).code, Code::kOk);
  EXPECT_EQ(HashAt(&target, 0), HashAt(&source, 0));
}

TEST_P(TransferLive, ClosedInTheMiddleOfAnInstall) {
  TinyVoter source(From());
  ASSERT_TRUE(source.Open().ok());
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(source.Put("k" + std::to_string(i), std::string(3000, 'v')).code, Code::kOk);
  }
  auto exported = Export(&source, GetParam().checkpoint);
  ASSERT_TRUE(exported.ok());
  const std::string bytes = ReadAll(&source, *exported);
  const std::string hash = HashAt(&source, 0);
  for (int delay_us : {0, 300, 1000, 3000, 6000, 10'000, 20'000, 40'000}) {
    const ScratchDirectory directory;
    const auto options = OptionsFor(directory.path(), GetParam().engine);
    bool done = false;
    {
      TinyVoter target(options);
      ASSERT_TRUE(target.Open().ok());
      ASSERT_EQ(target.Put("own", "1").code, Code::kOk);
      const uint64_t id = Import(&target, exported->kind, bytes);
      auto answer = std::make_shared<std::promise<Code>>();
      auto future = answer->get_future();
      target.core().transfers().installer.Install(id, exported->index, exported->term,
                                                  target.hard_state(exported->index),
                                                  [answer](Result<InstalledSnapshot> installed) {
                                                    answer->set_value(installed.status().code());
                                                  });
      std::this_thread::sleep_for(std::chrono::microseconds(delay_us));
      const Status closed = target.core().Close();
      EXPECT_TRUE(closed.ok()) << closed.ToString();
      ASSERT_EQ(future.wait_for(std::chrono::seconds(10)), std::future_status::ready);
      const Code code = future.get();
      EXPECT_TRUE(code == Code::kOk || code == Code::kStopped) << CodeName(code);
      done = code == Code::kOk;
    }
    TinyVoter again(options);
    const Status opened = again.Open();
    ASSERT_TRUE(opened.ok()) << opened.ToString();
    const bool fresh = again.recovered.applied_index == exported->index;
    EXPECT_TRUE(fresh || !done);
    if (fresh) {
      EXPECT_EQ(HashAt(&again, 0), hash);
    } else {
      EXPECT_EQ(again.Put("own", "2").code, Code::kOk);
      EXPECT_EQ(again.last_index(), 2u);
    }
  }
}

/// Megabytes of values; a few by default, so that it does not rot, more when asked for.
uint64_t SpeedMegabytes() {
  const char* asked = std::getenv("METASTORE_TRANSFER_MB");
  return asked != nullptr ? std::strtoull(asked, nullptr, 10) : 8;
}

TEST_P(TransferLive, Speed) {
  member::MemberOptions options = From();
  options.wal_segment_bytes = 64 << 20;
  TinyVoter source(options);
  TinyVoter target(To());
  ASSERT_TRUE(source.Open().ok());
  ASSERT_TRUE(target.Open().ok());
  constexpr uint64_t kValueBytes = 16 << 10;
  const uint64_t puts = (SpeedMegabytes() << 20) / kValueBytes;
  std::string value(kValueBytes, '\0');
  uint64_t state = 1;
  uint64_t sent = 0;
  while (sent < puts) {
    for (int i = 0; i < 200 && sent < puts; ++i, ++sent) {
      for (size_t at = 0; at + 8 <= value.size(); at += 8) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        PutLittle64(value.data() + at, state);
      }
      ASSERT_EQ(source.Submit(100'000 + sent, Method::kPut,
                              member_test::PutRequest("k" + std::to_string(sent), value)),
                Code::kOk);
    }
    ASSERT_TRUE(source.DriveUntil([&] { return source.results.size() == sent; }));
  }
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  auto exported = Export(&source, GetParam().checkpoint);
  ASSERT_TRUE(exported.ok());
  const auto built = Clock::now();
  auto id = OpenImport(&target, exported->kind, exported->size_bytes);
  ASSERT_TRUE(id.ok());
  for (uint64_t at = 0; at < exported->size_bytes;) {
    auto chunk = ReadChunk(&source, exported->id, at, 1 << 20);
    ASSERT_TRUE(chunk.ok());
    const size_t bytes = chunk->size() - 4;
    ASSERT_TRUE(WriteChunk(&target, *id, at, std::move(*chunk)).ok());
    at += bytes;
  }
  const auto received = Clock::now();
  auto installed = transfer_test::Install(&target, *id, exported->index, exported->term);
  ASSERT_TRUE(installed.ok()) << installed.status().ToString();
  const auto done = Clock::now();
  const double megabytes = static_cast<double>(exported->size_bytes) / (1 << 20);
  const auto rate = [&](Clock::time_point from, Clock::time_point to) {
    return megabytes / std::chrono::duration<double>(to - from).count();
  };
  std::printf("%.0f MB: export %.0f MB/s, chunks %.0f MB/s, install %.0f MB/s, in all %.0f MB/s\n",
              megabytes, rate(begin, built), rate(built, received), rate(received, done),
              rate(begin, done));
}

INSTANTIATE_TEST_SUITE_P(Memory, TransferLive, ::testing::Values(Kind{EngineKind::kMemory, false}),
                         KindName);
#ifdef METASTORE_ROCKSDB
INSTANTIATE_TEST_SUITE_P(Rocks, TransferLive,
                         ::testing::Values(Kind{EngineKind::kRocks, false},
                                           Kind{EngineKind::kRocks, true}),
                         KindName);
#endif

}  // namespace
}  // namespace metastore::transfer_test
