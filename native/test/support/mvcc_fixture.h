// A store over a fresh engine with one-line requests, each a run of its own unless a run is open.
// For the tests of mvcc; replies come back decoded.
#ifndef METASTORE_TEST_SUPPORT_MVCC_FIXTURE_H_
#define METASTORE_TEST_SUPPORT_MVCC_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mvcc/store.h"
#include "test/support/reply_parser.h"

namespace metastore::testing {

inline const std::string kZero("\0", 1);

/// Keeps what was published.
class RecordingSink final : public PublicationSink {
 public:
  void Publish(Publication publication) override { publications.push_back(std::move(publication)); }
  std::vector<Publication> publications;
};

/// An engine that a test keeps while stores over it come and go, as a crash between two batches
/// leaves it.
class SharedEngine final : public Engine {
 public:
  explicit SharedEngine(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {}
  bool persistent() const override { return engine_->persistent(); }
  std::string_view name() const override { return engine_->name(); }
  Status Commit(const Batch& batch) override { return engine_->Commit(batch); }
  EngineSnapshotRef Pin(int64_t revision) override { return engine_->Pin(revision); }
  Status Lookup(std::span<const std::string_view> keys, VersionMeta* out) override {
    return engine_->Lookup(keys, out);
  }
  Status Get(const EngineSnapshot& snapshot, std::string_view key, int64_t at,
             VersionVisitor visit) override {
    return engine_->Get(snapshot, key, at, visit);
  }
  bool GetResident(const EngineSnapshot& snapshot, std::string_view key, int64_t at,
                   VersionVisitor visit) override {
    return engine_->GetResident(snapshot, key, at, visit);
  }
  Status GetRevision(const EngineSnapshot& snapshot, Revision rev, VersionVisitor visit) override {
    return engine_->GetRevision(snapshot, rev, visit);
  }
  Status Scan(const EngineSnapshot& snapshot, const KeyRange& range, int64_t at, bool keys_only,
              VersionVisitor visit) override {
    return engine_->Scan(snapshot, range, at, keys_only, visit);
  }
  bool ScanResident(const EngineSnapshot& snapshot, const KeyRange& range, int64_t at, size_t most,
                    VersionVisitor visit) override {
    return engine_->ScanResident(snapshot, range, at, most, visit);
  }
  Status ScanRevisions(const EngineSnapshot& snapshot, Revision from, int64_t to_main,
                       VersionVisitor visit) override {
    return engine_->ScanRevisions(snapshot, from, to_main, visit);
  }
  Status GetMeta(const EngineSnapshot& snapshot, std::string_view key,
                 std::optional<std::string>* value) override {
    return engine_->GetMeta(snapshot, key, value);
  }
  Status ScanMeta(const EngineSnapshot& snapshot, std::string_view prefix,
                  RowVisitor visit) override {
    return engine_->ScanMeta(snapshot, prefix, visit);
  }
  Status ScanAttached(const EngineSnapshot& snapshot, int64_t lease, KeyVisitor visit) override {
    return engine_->ScanAttached(snapshot, lease, visit);
  }
  uint64_t DurableAppliedIndex() const override { return engine_->DurableAppliedIndex(); }
  Status Flush() override { return engine_->Flush(); }
  std::vector<std::pair<std::string, double>> Stats() const override { return engine_->Stats(); }

 private:
  std::shared_ptr<Engine> engine_;
};

class MvccHarness {
 public:
  /// Over a fresh memory engine unless another is given.
  explicit MvccHarness(StoreOptions store_options = {}, std::shared_ptr<Engine> over = nullptr)
      : options(store_options), engine(over == nullptr ? NewMemoryEngine() : std::move(over)) {
    options.compaction_sleep_ms = 0;
    Open();
  }

  /// Opens a store over the engine as it is; the one before is gone.
  void Open() {
    store.reset();
    in_run = false;
    auto opened = Store::Open(options, std::make_unique<SharedEngine>(engine), &sink);
    ASSERT_TRUE(opened.ok()) << opened.status().ToString();
    store = std::move(*opened);
    index = store->Pin()->applied_index;
  }

  void Begin(std::vector<std::string> prefetch = {}) {
    prefetched = std::move(prefetch);  // the names stay until the run ends
    store->Begin(std::vector<std::string_view>(prefetched.begin(), prefetched.end()));
    in_run = true;
  }
  void Commit() {
    ASSERT_TRUE(store->Commit(++index, 7).ok());
    in_run = false;
  }
  template <typename Operation>
  Status InRun(Operation operation) {
    const bool own = !in_run;
    if (own) Begin();
    Status status = operation();
    if (own) Commit();
    return status;
  }

  Status Put(const codec::PutRequest& request) {
    bytes.clear();
    Status status = InRun([&] { return store->Put(request, header, &bytes); });
    reply = ParsePut(bytes);
    return status;
  }
  Status Put(std::string_view key, std::string_view value, int64_t lease = 0) {
    codec::PutRequest request;
    request.key = key;
    request.value = value;
    request.lease = lease;
    return Put(request);
  }
  Status Delete(std::string_view key, std::string_view end = {}, bool prev_kv = false) {
    bytes.clear();
    const codec::DeleteRangeRequest request = {key, end, prev_kv};
    Status status = InRun([&] { return store->DeleteRange(request, header, &bytes); });
    reply = ParseDelete(bytes);
    return status;
  }
  Status Txn(const codec::TxnRequest& request) {
    bytes.clear();
    Status status = InRun([&] { return store->Txn(request, header, &bytes); });
    reply = ParseTxn(bytes);
    return status;
  }
  Status Compact(int64_t revision) {
    bytes.clear();
    Status status = InRun([&] { return store->Compact({revision, false}, header, &bytes); });
    reply = ParsePut(bytes);
    return status;
  }
  Status Grant(int64_t id, int64_t ttl) {
    bytes.clear();
    Status status = InRun([&] { return store->LeaseGrant({ttl, id}, header, &granted, &bytes); });
    reply = ParsePut(bytes);
    return status;
  }
  Status Revoke(int64_t id) {
    bytes.clear();
    Status status = InRun([&] { return store->LeaseRevoke({id}, header, &bytes); });
    reply = ParsePut(bytes);
    return status;
  }
  Status Alarm(int32_t action, uint64_t member, int32_t alarm) {
    bytes.clear();
    Status status = InRun([&] { return store->Alarm({action, member, alarm}, header, &bytes); });
    alarms = ParseAlarms(bytes);
    return status;
  }
  Status Range(const codec::RangeRequest& request) {
    bytes.clear();
    const ViewRef view = store->Pin();
    Status status = store->Range(*view, request, header, &bytes);
    std::string resident = "before";
    Status outcome;
    served_resident = store->RangeResident(*view, request, header, &resident, &outcome);
    if (served_resident) {
      // Wherever it is served from, the answer is the same.
      EXPECT_EQ(outcome.code(), status.code());
      EXPECT_EQ(resident, "before" + bytes);
    } else {
      EXPECT_EQ(resident, "before");
    }
    reply = ParseRange(bytes);
    return status;
  }
  Status Range(std::string_view key, std::string_view end = {}, int64_t revision = 0) {
    codec::RangeRequest request;
    request.key = key;
    request.range_end = end;
    request.revision = revision;
    return Range(request);
  }
  Status ReadOnlyTxn(const codec::TxnRequest& request) {
    bytes.clear();
    const ViewRef view = store->Pin();
    Status status = store->ReadOnlyTxn(*view, request, header, &bytes);
    reply = ParseTxn(bytes);
    return status;
  }
  HashResult HashKv(int64_t revision) {
    const ViewRef view = store->Pin();
    Result<HashResult> result = store->HashKv(*view, revision);
    EXPECT_TRUE(result.ok()) << result.status().ToString();
    return result.ok() ? *result : HashResult();
  }
  /// Takes hashes and steps until nothing is left to compact; false when it does not end.
  bool FinishCompaction() {
    sink.publications.clear();  // they hold views
    bool more = true;
    for (int step = 0; more && step < 100000; step++) {
      EXPECT_TRUE(store->PrepareCompaction().ok());
      EXPECT_TRUE(store->CompactStep(&more).ok());
    }
    return !more;
  }
  /// Keys of the reply, with blanks between.
  std::string Keys() const {
    std::string keys;
    for (const Kv& kv : reply.kvs) keys += (keys.empty() ? "" : " ") + kv.key;
    return keys;
  }

  StoreOptions options;
  HeaderInfo header = {11, 22, 33};
  RecordingSink sink;
  std::shared_ptr<Engine> engine;
  std::unique_ptr<Store> store;
  uint64_t index = 0;
  std::vector<std::string> prefetched;
  bool in_run = false;
  std::string bytes;
  Reply reply;
  /// Whether the last Range was one that needs no other thread.
  bool served_resident = false;
  LeaseRow granted;
  std::vector<codec::AlarmMember> alarms;
};

inline codec::RangeRequest RangeOf(std::string_view key, std::string_view end = {}) {
  codec::RangeRequest request;
  request.key = key;
  request.range_end = end;
  return request;
}
inline codec::PutRequest PutOf(std::string_view key, std::string_view value, int64_t lease = 0) {
  codec::PutRequest request;
  request.key = key;
  request.value = value;
  request.lease = lease;
  return request;
}

}  // namespace metastore::testing

#endif  // METASTORE_TEST_SUPPORT_MVCC_FIXTURE_H_
