// The memtable of the family `key`: its chains against a plain model and under concurrent readers,
// and a database that has it beside one with RocksDB's own.
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "base/bytes.h"
#include "base/file.h"
#include "engine/rocks/memtable/chains.h"
#include "engine/rocks/memtable/factory.h"
#include "test/engine_contract.h"

namespace metastore::rocks {
namespace {

/// Rows as RocksDB would make them, kept until the end.
class RowMaker {
 public:
  ChainRow* Make(std::string_view key, uint64_t tag) {
    std::string bytes;
    uint32_t length = static_cast<uint32_t>(key.size() + 8);
    for (; length >= 0x80; length >>= 7) bytes.push_back(static_cast<char>(length | 0x80));
    bytes.push_back(static_cast<char>(length));
    bytes.append(key);
    AppendLittle64(&bytes, tag);
    auto& memory = memory_.emplace_back(
        std::make_unique<uint64_t[]>((sizeof(ChainRow) + bytes.size()) / 8 + 1));
    auto* row = new (memory.get()) ChainRow();
    std::memcpy(reinterpret_cast<char*>(row + 1), bytes.data(), bytes.size());
    return row;
  }

 private:
  std::vector<std::unique_ptr<uint64_t[]>> memory_;
};

std::string RandomKey(std::mt19937* random, uint32_t keys) {
  // Short keys, the empty one, zeros and high bytes, and now and then a long one.
  const uint32_t number = (*random)() % keys;
  std::string key = number % 7 == 0 ? std::string(number % 3, '\0') : "key/";
  key += std::to_string(number);
  if (number == 1) key.clear();
  if (number % 11 == 0) key.push_back('\xff');
  if (number == 2) key.append(70'000, 'x');
  if (number == 3) key.append(200, 'y');
  return key;
}

using Model = std::map<std::pair<std::string, uint64_t>, bool>;  // (key, complement of the tag)

TEST(RocksMemtable, ChainsFindWhatTheModelFinds) {
  std::mt19937 random(7);
  RowMaker maker;
  Chains chains;
  Model model;
  for (uint64_t tag = 1; tag <= 6000; ++tag) {
    const std::string key = random() % 3 == 0 ? "hot" : RandomKey(&random, 500);
    chains.Insert(maker.Make(key, tag));
    model[{key, ~tag}] = true;
    if (tag % 3 != 0) continue;
    const std::string wanted = random() % 3 == 0 ? "hot" : RandomKey(&random, 600);
    const uint64_t at = random() % (tag + 2);
    const auto next = model.lower_bound({wanted, ~at});
    const bool same = next != model.end() && next->first.first == wanted;
    const ChainRow* found = chains.Find(wanted, at);
    ASSERT_EQ(found != nullptr, same);
    if (same) {
      ASSERT_EQ(found->tag, ~next->first.second);
    }
    std::array<const Chain*, 4> more;
    size_t filled = 0;
    found = chains.Seek(wanted, at, more, &filled);
    ASSERT_EQ(found != nullptr, next != model.end());
    if (found == nullptr) continue;
    ASSERT_EQ(UserKeyOf(InternalKeyOf(found->bytes())), next->first.first);
    ASSERT_EQ(found->tag, ~next->first.second);
    ASSERT_EQ(more[0]->key(), next->first.first);
    for (size_t i = 1; i < filled; ++i) {
      const auto above = model.upper_bound({std::string(more[i - 1]->key()), UINT64_MAX});
      ASSERT_EQ(more[i]->key(), above->first.first);
    }
  }
  EXPECT_GT(chains.bytes(), 70'000u);
}

TEST(RocksMemtable, OldStatesOfAHotKeyAreFound) {
  RowMaker maker;
  Chains chains;
  constexpr uint64_t kRows = 1000;
  for (uint64_t tag = 1; tag <= kRows; ++tag) chains.Insert(maker.Make("k", 2 * tag));
  EXPECT_EQ(chains.Find("k", 1), nullptr);
  for (uint64_t at = 2; at <= 2 * kRows + 1; ++at) {
    const ChainRow* found = chains.Find("k", at);
    ASSERT_NE(found, nullptr);
    ASSERT_EQ(found->tag, at / 2 * 2);
  }
}

TEST(RocksMemtable, ReadersSeeWholeStatesWhileItIsWritten) {
  constexpr uint64_t kRounds = 300;
  constexpr int kKeys = 97;
  RowMaker maker;
  Chains chains;
  std::atomic<uint64_t> done{0};  // rounds: round r writes every key with tag r
  std::vector<std::thread> readers;
  for (uint32_t reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&, reader] {
      std::mt19937 random(reader);
      while (done.load(std::memory_order_acquire) < kRounds) {
        const uint64_t at = done.load(std::memory_order_acquire);
        if (at == 0) continue;
        const std::string key = "key/" + std::to_string(random() % kKeys);
        const ChainRow* row = chains.Find(key, at);
        ASSERT_NE(row, nullptr);
        ASSERT_EQ(row->tag, at);
        std::array<const Chain*, 16> more;
        size_t filled = 0;
        int seen = 0;
        for (row = chains.Seek("key/", at, more, &filled); filled > 0;
             filled = chains.Following(more[filled - 1]->key(), more)) {
          for (size_t i = 0; i < filled; ++i, ++seen) {
            row = chains.Find(more[i]->key(), at);
            ASSERT_NE(row, nullptr);
            ASSERT_EQ(row->tag, at);
          }
        }
        ASSERT_EQ(seen, kKeys);
      }
    });
  }
  for (uint64_t round = 1; round <= kRounds; ++round) {
    for (int key = 0; key < kKeys; ++key) {
      chains.Insert(maker.Make("key/" + std::to_string(key), round));
    }
    done.store(round, std::memory_order_release);
  }
  for (std::thread& reader : readers) reader.join();
}

// ---- In a database. --------------------------------------------------------------------------

struct Pair {
  std::unique_ptr<rocksdb::DB> ours, theirs;
};

std::unique_ptr<rocksdb::DB> Open(const std::string& directory, bool ours) {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.allow_concurrent_memtable_write = false;
  options.disable_auto_compactions = true;
  if (ours) options.memtable_factory = std::make_shared<ChainsFactory>();
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(options, directory, &db);
  EXPECT_TRUE(opened.ok()) << opened.ToString();
  return std::unique_ptr<rocksdb::DB>(db);
}

/// A walk with turns, the same on both.
void ExpectSameWalk(rocksdb::Iterator* ours, rocksdb::Iterator* theirs, std::mt19937* random) {
  const std::string start = RandomKey(random, 300);
  const uint32_t how = (*random)() % 4;
  for (rocksdb::Iterator* each : {ours, theirs}) {
    if (how == 0) each->SeekToFirst();
    if (how == 1) each->SeekToLast();
    if (how == 2) each->Seek(start);
    if (how == 3) each->SeekForPrev(start);
  }
  bool forward = how % 2 == 0;
  for (int step = 0; step < 400; ++step) {
    ASSERT_EQ(ours->Valid(), theirs->Valid());
    if (!ours->Valid()) break;
    ASSERT_EQ(ours->key().ToString(), theirs->key().ToString());
    ASSERT_EQ(ours->value().ToString(), theirs->value().ToString());
    if ((*random)() % 40 == 0) forward = !forward;
    for (rocksdb::Iterator* each : {ours, theirs}) {
      if (forward) {
        each->Next();
      } else {
        each->Prev();
      }
    }
  }
  ASSERT_TRUE(ours->status().ok());
}

/// Everything that both show at a moment (null: now) must be the same.
void ExpectSame(const Pair& dbs, const rocksdb::Snapshot* of_ours,
                const rocksdb::Snapshot* of_theirs, std::mt19937* random) {
  rocksdb::ReadOptions ours, theirs;
  ours.snapshot = of_ours;
  theirs.snapshot = of_theirs;
  for (int i = 0; i < 20; ++i) {
    const std::string key = RandomKey(random, 320);
    std::string mine = "-", other = "-";
    ASSERT_EQ(dbs.ours->Get(ours, key, &mine), dbs.theirs->Get(theirs, key, &other));
    ASSERT_EQ(mine, other);
  }
  const std::unique_ptr<rocksdb::Iterator> left(dbs.ours->NewIterator(ours));
  const std::unique_ptr<rocksdb::Iterator> right(dbs.theirs->NewIterator(theirs));
  for (int i = 0; i < 4; ++i) {
    ASSERT_NO_FATAL_FAILURE(ExpectSameWalk(left.get(), right.get(), random));
  }
}

TEST(RocksMemtable, ADatabaseShowsWhatItShowsWithASkipList) {
  test::TemporaryDirectory first, second;
  const Pair dbs{Open(first.path(), true), Open(second.path(), false)};
  std::mt19937 random(11);
  rocksdb::WriteOptions unlogged;
  unlogged.disableWAL = true;
  std::vector<std::pair<const rocksdb::Snapshot*, const rocksdb::Snapshot*>> pinned;
  for (int round = 0; round < 400; ++round) {
    rocksdb::WriteBatch batch;
    for (int i = 0; i < 10; ++i) {
      const std::string key = random() % 4 == 0 ? "hot" : RandomKey(&random, 300);
      if (random() % 6 == 0) {
        ASSERT_TRUE(batch.Delete(key).ok());
      } else {
        ASSERT_TRUE(batch.Put(key, std::to_string(round) + "." + std::to_string(i)).ok());
      }
    }
    for (rocksdb::DB* each : {dbs.ours.get(), dbs.theirs.get()}) {
      ASSERT_TRUE(each->Write(unlogged, &batch).ok());
    }
    if (random() % 20 == 0) {
      pinned.emplace_back(dbs.ours->GetSnapshot(), dbs.theirs->GetSnapshot());
    }
    if (random() % 90 == 0) {
      for (rocksdb::DB* each : {dbs.ours.get(), dbs.theirs.get()}) {
        ASSERT_TRUE(each->Flush(rocksdb::FlushOptions()).ok());
      }
    }
    if (round % 20 != 19) continue;
    ASSERT_NO_FATAL_FAILURE(ExpectSame(dbs, nullptr, nullptr, &random));
    for (const auto& [ours, theirs] : pinned) {
      ASSERT_NO_FATAL_FAILURE(ExpectSame(dbs, ours, theirs, &random));
    }
  }
  for (const auto& [ours, theirs] : pinned) {
    dbs.ours->ReleaseSnapshot(ours);
    dbs.theirs->ReleaseSnapshot(theirs);
  }
}

}  // namespace
}  // namespace metastore::rocks
