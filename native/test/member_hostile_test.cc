// Entries that decode but that no admission would let through: a peer can send them, so apply must
// answer each with a refusal or a result, on both engines alike, and go on.
#include <gtest/gtest.h>

#include <random>

#include "intake/raft_request.h"
#include "member/entries/entry_run.h"
#include "test/support/member_harness.h"

namespace metastore::member_test {
namespace {

using member::AppendRun;
using member::EngineKind;
using Random = std::mt19937_64;

constexpr int kRounds = 30;
constexpr int kEntries = 100;

/// Numbers at which arithmetic goes wrong.
uint64_t OddNumber(Random& random) {
  constexpr uint64_t kOdd[] = {
      0, 1, 2, 3, 7, 127, 128, 1 << 20, INT64_MAX, 1ull << 63, UINT64_MAX, UINT64_MAX - 1,
  };
  return random() % 3 == 0 ? random() % 40 : kOdd[random() % std::size(kOdd)];
}

std::string Key(Random& random) {
  const std::string keys[] = {"", "a", "b", "c", std::string(1, '\0'), "\xff\xff", "ab"};
  return keys[random() % std::size(keys)];
}

std::string Range(Random& random) {
  std::string request = Bytes(1, Key(random));
  if (random() % 2) request += Bytes(2, Key(random));
  for (uint32_t field = 3; field <= 13; ++field) {
    if (random() % 3 == 0) request += Number(field, OddNumber(random));
  }
  return request;
}

std::string Put(Random& random) {
  std::string request;
  if (random() % 8) request += Bytes(1, Key(random));
  if (random() % 4) request += Bytes(2, std::string(random() % 50, 'v'));
  for (uint32_t field = 3; field <= 6; ++field) {
    if (random() % 4 == 0) request += Number(field, OddNumber(random));
  }
  return request;
}

std::string DeleteRange(Random& random) {
  std::string request;
  if (random() % 8) request += Bytes(1, Key(random));
  if (random() % 2) request += Bytes(2, Key(random));
  if (random() % 2) request += Number(3, 1);
  return request;
}

std::string Compare(Random& random) {
  std::string compare = Number(1, OddNumber(random)) + Number(2, OddNumber(random) % 9);
  compare += Bytes(3, Key(random));
  if (random() % 2) compare += Number(4 + random() % 3, OddNumber(random));
  if (random() % 3 == 0) compare += Bytes(7, "v");
  if (random() % 3 == 0) compare += Bytes(64, Key(random));
  return compare;
}

/// The same key may be put, deleted and read any number of times, in any order.
std::string Txn(Random& random, int depth) {
  std::string txn;
  for (uint64_t n = random() % 3; n > 0; --n) txn += Field(1, Compare(random));
  for (uint32_t branch = 2; branch <= 3; ++branch) {
    for (uint64_t n = random() % 5; n > 0; --n) {
      switch (random() % 8) {
        case 0:
          txn += Field(branch, "");
          break;
        case 1:
          txn += Field(branch, Field(4, depth == 0 ? "" : Txn(random, depth - 1)));
          break;
        case 2:
          txn += Field(branch, Field(1, Range(random)));
          break;
        case 3:
          txn += Field(branch, Field(3, DeleteRange(random)));
          break;
        default:
          txn += Field(branch, Field(2, Put(random)));
      }
    }
  }
  return txn;
}

std::string Numbers(Random& random, uint32_t fields) {
  std::string request;
  for (uint32_t field = 1; field <= fields; ++field) {
    if (random() % 4) request += Number(field, OddNumber(random));
  }
  return request;
}

std::string Payload(Random& random, uint64_t id) {
  const intake::RequestHeader header{random() % 3 == 0 ? OddNumber(random) : id, {}, 0};
  const auto entry = [&](uint32_t field, const std::string& body) {
    return intake::EncodeEntry(header, field, body, {});
  };
  switch (random() % 12) {
    case 0:
      return entry(intake::kFieldDeleteRange, DeleteRange(random));
    case 1:
      return entry(intake::kFieldCompaction, Numbers(random, 2));
    case 2:
      return entry(intake::kFieldLeaseGrant, Numbers(random, 2));
    case 3:
      return entry(intake::kFieldLeaseRevoke, Numbers(random, 1));
    case 4:
      // NOSPACE and CORRUPT would refuse everything else from then on.
      return entry(intake::kFieldAlarm, Number(1, random() % 5) + Number(3, 3 + random() % 9));
    case 5:
      return entry(intake::kFieldLeaseCheckpoint, Field(1, Numbers(random, 2)));
    case 6:
    case 7:
    case 8:
      return entry(intake::kFieldTxn, Txn(random, 3));
    default:
      return entry(intake::kFieldPut, Put(random));
  }
}

std::string RunOf(Random& random, uint64_t first_index) {
  std::vector<wal::Entry> entries;
  for (int i = 0; i < kEntries; ++i) {
    auto payload = std::make_shared<const std::string>(Payload(random, first_index + i));
    entries.push_back({0, 1, 0, std::move(payload)});
  }
  std::string run;
  member::AppendEntryRun(entries, &run);
  return run;
}

TEST(MemberHostile, ApplySurvivesWhateverDecodes) {
  ScratchDirectory scratch;
  std::vector<EngineKind> engines = {EngineKind::kMemory};
#ifdef METASTORE_ROCKSDB
  engines.push_back(EngineKind::kRocks);
#endif
  std::vector<std::unique_ptr<TinyVoter>> voters;
  for (const EngineKind engine : engines) {
    const std::string name = engine == EngineKind::kMemory ? "/memory" : "/rocks";
    voters.push_back(std::make_unique<TinyVoter>(OptionsFor(scratch.path() + name, engine)));
    ASSERT_TRUE(voters.back()->Open().ok());
  }
  Random random(20261121);
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t first = voters[0]->last_index() + 1;
    const std::string run = RunOf(random, first);
    ASSERT_TRUE(member::InspectRun(run).has_value());
    for (const auto& voter : voters) {
      AppendRun received;
      received.kind = AppendRun::Kind::kReceived;
      received.first_index = first;
      received.count = kEntries;
      received.received = run;
      received.offset = 4;
      voter->Append({received}, kEntries);
      ASSERT_TRUE(voter->DriveUntil([&] { return voter->applied() == voter->last_index(); }))
          << "round " << round << ": " << voter->fatal;
    }
    // A hash tells up to where rows have been removed, which goes on in the background.
    const auto agree = [&] { return voters.front()->HashKv() == voters.back()->HashKv(); };
    ASSERT_TRUE(voters.front()->DriveUntil(agree)) << "round " << round;
  }
  EXPECT_GT(voters[0]->core().status().revision, 100);
  EXPECT_GT(voters[0]->core().status().compact_revision, 1);
}

}  // namespace
}  // namespace metastore::member_test
