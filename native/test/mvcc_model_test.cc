// Thousands of seeded random operations on the store and on the plain model, on every engine:
// replies, events, hashes, attachments and sizes must be the same, whatever the runs, compaction
// steps and re-openings in between.
#include "test/support/mvcc_model.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "mvcc/state/sizes.h"
#include "test/support/mvcc_fixture.h"
#include "test/support/mvcc_requests.h"

namespace metastore::testing {
namespace {

void ExpectSameReply(const Reply& actual, const Reply& expected) {
  EXPECT_EQ(actual.header.revision, expected.header.revision);
  EXPECT_EQ(actual.kvs, expected.kvs);
  EXPECT_EQ(actual.more, expected.more);
  EXPECT_EQ(actual.count, expected.count);
  EXPECT_EQ(actual.succeeded, expected.succeeded);
  EXPECT_EQ(actual.kind, expected.kind);
  ASSERT_EQ(actual.responses.size(), expected.responses.size());
  for (size_t i = 0; i < actual.responses.size(); i++) {
    EXPECT_TRUE(actual.responses[i].has_header);
    ExpectSameReply(actual.responses[i], expected.responses[i]);
  }
}

/// One store with its model. The transcript is what clients saw, for comparing engines.
class Pair {
 public:
  explicit Pair(std::shared_ptr<Engine> engine) : h(StoreOptions(), std::move(engine)) {
    h.options.compaction_batch_limit = 5;
    h.Open();
  }

  void Apply(const Operation& operation) {
    Reply expected;
    Status status, wanted;
    switch (operation.kind) {
      case Operation::kPut: {
        codec::PutRequest request;
        ASSERT_TRUE(codec::Decode(operation.bytes, &request).ok());
        wanted = model.Put(request, &expected);
        status = h.Put(request);
        break;
      }
      case Operation::kDelete: {
        codec::DeleteRangeRequest request;
        ASSERT_TRUE(codec::Decode(operation.bytes, &request).ok());
        wanted = model.Delete(request, &expected);
        status = h.Delete(request.key, request.range_end, request.prev_kv);
        break;
      }
      case Operation::kTxn: {
        codec::TxnRequest request;
        ASSERT_TRUE(codec::Decode(operation.bytes, &request).ok());
        wanted = model.Txn(request, &expected);
        status = h.Txn(request);
        break;
      }
      case Operation::kGrant:
        wanted = model.Grant(operation.number, 10);
        status = h.Grant(operation.number, 10);
        expected.header.revision = model.revision();
        break;
      case Operation::kRevoke:
        wanted = model.Revoke(operation.number);
        status = h.Revoke(operation.number);
        expected.header.revision = model.revision();
        break;
      case Operation::kCompact: {
        const int64_t revision = model.revision() - operation.number;
        wanted = model.Compact(revision);
        status = h.Compact(revision);
        expected.header.revision = model.revision();
        break;
      }
    }
    ASSERT_EQ(CodeName(status.code()), CodeName(wanted.code()));
    Note(status, h.bytes);
    if (status.ok()) {
      ExpectSameReply(h.reply, expected);
    } else {
      EXPECT_TRUE(h.bytes.empty());
    }
  }

  void ExpectSameRange(const std::string& bytes) {
    codec::RangeRequest request;
    ASSERT_TRUE(codec::Decode(bytes, &request).ok());
    Reply expected;
    const Status wanted = model.Range(request, &expected);
    const Status status = h.Range(request);
    ASSERT_EQ(CodeName(status.code()), CodeName(wanted.code()));
    Note(status, h.bytes);
    if (status.ok()) ExpectSameReply(h.reply, expected);
  }

  void ExpectSameReads(const std::string& txn_bytes) {
    codec::TxnRequest request;
    ASSERT_TRUE(codec::Decode(txn_bytes, &request).ok());
    MvccModel copy = model;
    Reply expected;
    const Status wanted = copy.Txn(request, &expected);
    const Status status = h.ReadOnlyTxn(request);
    ASSERT_EQ(CodeName(status.code()), CodeName(wanted.code()));
    Note(status, h.bytes);
    if (status.ok()) ExpectSameReply(h.reply, expected);
  }

  void ExpectSameHash(int64_t revision) {
    for (const HashResult& hash : h.store->CompactionHashes()) {
      if (hash.hash_revision != revision) continue;
      const auto found = model.compaction_hashes().find(revision);
      if (found == model.compaction_hashes().end()) return;  // the model forgets at once
      EXPECT_EQ(hash.hash, found->second.first) << "compaction " << revision;
      EXPECT_EQ(hash.compact_revision, found->second.second);
      return;
    }
    const ViewRef view = h.store->Pin();
    const Result<HashResult> result = h.store->HashKv(*view, revision);
    if (revision < model.compact_revision()) {
      EXPECT_EQ(result.status().code(), Code::kCompacted);
      return;
    }
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->hash, model.HashKv(revision)) << "revision " << revision;
    EXPECT_EQ(result->compact_revision, model.compact_revision());
  }

  void ExpectSameEvents() {
    std::vector<VersionRef> versions;
    for (const Publication& publication : h.sink.publications) {
      versions.insert(versions.end(), publication.versions.begin(), publication.versions.end());
    }
    h.sink.publications.clear();
    const auto changes = model.TakeChanges();
    ASSERT_EQ(versions.size(), changes.size());
    for (size_t i = 0; i < versions.size(); i++) {
      const VersionView& view = versions[i]->view();
      const auto& [rev, stored] = changes[i];
      EXPECT_EQ(view.rev, rev);
      EXPECT_EQ(view.tombstone, stored.tombstone);
      const Kv kv = {std::string(view.key), std::string(view.value),
                     view.create_revision,  view.rev.main,
                     view.version,          view.lease};
      EXPECT_EQ(kv, stored.kv);
    }
  }

  /// Everything that must hold when no compaction is under way.
  void ExpectSameState() {
    ASSERT_TRUE(h.FinishCompaction());
    const ViewRef view = h.store->Pin();
    EXPECT_EQ(view->key_count, static_cast<int64_t>(model.At().size()));
    EXPECT_EQ(h.store->sizes().db_size_in_use_bytes, mvcc::InUseBytes(model.StoredBytes()));
    std::vector<Revision> rows;
    const auto visit = [&rows](const VersionView& row) {
      rows.push_back(row.rev);
      return true;
    };
    ASSERT_TRUE(h.engine->ScanRevisions(*view->snapshot, {0, 0}, INT64_MAX, visit).ok());
    std::vector<Revision> expected;
    for (const auto& [rev, stored] : model.rows()) expected.push_back(rev);
    EXPECT_EQ(rows, expected);
    for (int64_t lease = -2; lease <= 3; lease++) {
      std::vector<std::string> keys;
      ASSERT_TRUE(h.store->AttachedKeys(*view, lease, &keys).ok());
      EXPECT_EQ(keys, lease == 0 ? std::vector<std::string>() : model.Attached(lease));
    }
    std::vector<LeaseRow> leases = h.store->Leases();
    ASSERT_EQ(leases.size(), model.leases().size());
  }

  void Note(const Status& status, const std::string& bytes) {
    transcript.append(CodeName(status.code())).append(bytes);
  }

  MvccHarness h;
  MvccModel model;
  std::string transcript;
};

/// Runs of random length, reads and compaction steps between them. `pace` draws what must not
/// matter: where runs end, when steps happen, when the store is opened anew.
void Drive(Pair* pair, uint64_t seed, uint64_t pace_seed, int operations) {
  RequestMaker maker(seed);
  RequestMaker guesses(pace_seed);
  std::mt19937_64 pace(pace_seed);
  const auto chance = [&pace](uint64_t one_in) { return pace() % one_in == 0; };
  for (int i = 0; i < operations && !::testing::Test::HasFatalFailure();) {
    const int run = 1 + static_cast<int>(pace() % 8);
    pair->h.Begin(chance(2) ? guesses.SomeKeys() : std::vector<std::string>());
    for (int k = 0; k < run && i < operations; k++, i++) pair->Apply(maker.Next());
    pair->h.Commit();
    pair->ExpectSameEvents();
    if (chance(3)) {
      bool more = false;
      ASSERT_TRUE(pair->h.store->PrepareCompaction().ok());
      ASSERT_TRUE(pair->h.store->CompactStep(&more).ok());
    }
    if (chance(40)) pair->ExpectSameState();
    if (chance(60)) pair->h.Open();
  }
}

/// Reads at what the model and the store hold now; the same for the same seed.
void Look(Pair* pair, uint64_t seed, int reads) {
  RequestMaker maker(seed);
  for (int i = 0; i < reads && !::testing::Test::HasFatalFailure(); i++) {
    pair->ExpectSameRange(maker.Range(pair->model.revision()));
    if (i % 4 == 0) pair->ExpectSameReads(maker.ReadOnlyTxn());
    if (i % 8 == 0) pair->ExpectSameHash(pair->model.revision() - i / 8);
  }
}

struct EngineKind {
  const char* name;
  std::shared_ptr<Engine> (*make)(const std::string& directory);
  uint64_t seeds;
};

std::shared_ptr<Engine> Memory(const std::string&) { return NewMemoryEngine(); }

#ifdef METASTORE_ROCKSDB
std::shared_ptr<Engine> Rocks(const std::string& directory) {
  RocksOptions options;
  options.directory = directory;
  options.write_buffer_bytes = 64 << 10;
  Result<std::unique_ptr<Engine>> engine = OpenRocksEngine(options);
  EXPECT_TRUE(engine.ok()) << engine.status().ToString();
  return engine.ok() ? std::move(*engine) : nullptr;
}
#endif

class MvccRandom : public ::testing::TestWithParam<EngineKind> {
 protected:
  void SetUp() override {
    directory_ = ::testing::TempDir() + "mvcc_random_" + GetParam().name;
    std::filesystem::remove_all(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string directory_;
};

TEST_P(MvccRandom, SameAsTheModel) {
  for (uint64_t seed = 1; seed <= GetParam().seeds && !HasFatalFailure(); seed++) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    {
      Pair pair(GetParam().make(directory_));
      for (uint64_t round = 0; round < 12 && !HasFatalFailure(); round++) {
        Drive(&pair, seed * 100 + round, seed * 7 + round, 40);
        Look(&pair, seed * 1000 + round, 24);
      }
      pair.ExpectSameState();
    }
    std::filesystem::remove_all(directory_);
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, MvccRandom,
                         ::testing::Values(EngineKind{"memory", Memory, 200}
#ifdef METASTORE_ROCKSDB
                                           ,
                                           EngineKind{"rocksdb", Rocks, 5}
#endif
                                           ),
                         [](const auto& info) { return info.param.name; });

/// The same operations give the same bytes on both engines, wherever runs end.
TEST(MvccDeterminism, EnginesAndRunsDoNotShow) {
  const std::string directory = ::testing::TempDir() + "mvcc_determinism";
  std::filesystem::remove_all(directory);
  const auto transcript = [](std::shared_ptr<Engine> engine, uint64_t pace) {
    Pair pair(std::move(engine));
    Drive(&pair, 77, pace, 400);
    pair.ExpectSameState();
    Look(&pair, 5, 60);
    return pair.transcript + std::to_string(*pair.h.store->Hash(*pair.h.store->Pin()));
  };
  const std::string first = transcript(NewMemoryEngine(), 1);
  EXPECT_GT(first.size(), 1000u);
  EXPECT_TRUE(first == transcript(NewMemoryEngine(), 2));
  EXPECT_TRUE(first == transcript(NewMemoryEngine(), 3));
#ifdef METASTORE_ROCKSDB
  EXPECT_TRUE(first == transcript(Rocks(directory), 1));
#endif
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace metastore::testing
