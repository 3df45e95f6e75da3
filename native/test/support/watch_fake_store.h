// A store double for the watch tests: a plain map of versions that publishes like the real one.
//
// Only what the hub uses works: Pin, the engine's Get, GetRevision and ScanRevisions. Compaction
// first publishes, and removes rows when no older view is held, as the real store does.
#ifndef METASTORE_TEST_SUPPORT_WATCH_FAKE_STORE_H_
#define METASTORE_TEST_SUPPORT_WATCH_FAKE_STORE_H_

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "engine/engine.h"
#include "mvcc/store.h"

namespace metastore::watch_test {

/// One change of a transaction.
struct Change {
  std::string key;
  std::optional<std::string> value;  // none: delete
  int64_t lease = 0;
};
using Transaction = std::vector<Change>;

class FakeEngine final : public Engine {
 public:
  bool persistent() const override { return false; }
  std::string_view name() const override { return "fake"; }
  Status Commit(const Batch&) override { return Code::kInternal; }
  EngineSnapshotRef Pin(int64_t revision) override {
    std::lock_guard<std::mutex> lock(mutex_);
    held_.insert(revision);
    auto* snapshot = new EngineSnapshot();
    snapshot->revision = revision;
    return EngineSnapshotRef(snapshot, [this](const EngineSnapshot* gone) {
      {
        std::lock_guard<std::mutex> inner(mutex_);
        held_.erase(held_.find(gone->revision));
      }
      delete gone;
    });
  }
  Status Lookup(std::span<const std::string_view>, VersionMeta*) override {
    return Code::kInternal;
  }
  Status Get(const EngineSnapshot& snapshot, std::string_view key, int64_t at,
             VersionVisitor visit) override {
    METASTORE_CHECK(at <= snapshot.revision, "a snapshot does not show the future");
    std::lock_guard<std::mutex> lock(mutex_);
    METASTORE_CHECK(at >= compacted_, "a read below the compact revision");
    if (const Version* found = Newest(key, at); found != nullptr && !found->view().tombstone) {
      visit(found->view());
    }
    return Status::Ok();
  }
  Status GetRevision(const EngineSnapshot& snapshot, Revision rev, VersionVisitor visit) override {
    METASTORE_CHECK(rev.main <= snapshot.revision, "a snapshot does not show the future");
    std::lock_guard<std::mutex> lock(mutex_);
    const auto found = rows_.find(rev);
    if (found != rows_.end()) visit(found->second->view());
    return Status::Ok();
  }
  Status Scan(const EngineSnapshot&, const KeyRange&, int64_t, bool, VersionVisitor) override {
    return Code::kInternal;
  }
  Status ScanRevisions(const EngineSnapshot& snapshot, Revision from, int64_t to_main,
                       VersionVisitor visit) override {
    METASTORE_CHECK(to_main <= snapshot.revision, "a snapshot does not show the future");
    METASTORE_CHECK(from.main <= to_main, "a scan goes forward");
    std::lock_guard<std::mutex> lock(mutex_);
    ++scans;
    for (auto at = rows_.lower_bound(from); at != rows_.end() && at->first.main <= to_main; ++at) {
      if (!visit(at->second->view())) break;
    }
    return Status::Ok();
  }
  Status GetMeta(const EngineSnapshot&, std::string_view, std::optional<std::string>*) override {
    return Code::kInternal;
  }
  Status ScanMeta(const EngineSnapshot&, std::string_view, RowVisitor) override {
    return Code::kInternal;
  }
  Status ScanAttached(const EngineSnapshot&, int64_t, KeyVisitor) override {
    return Code::kInternal;
  }
  uint64_t DurableAppliedIndex() const override { return 0; }
  Status Flush() override { return Status::Ok(); }
  std::vector<std::pair<std::string, double>> Stats() const override { return {}; }

  VersionRef Write(const Change& change, Revision rev) {
    std::lock_guard<std::mutex> lock(mutex_);
    const Version* old = Newest(change.key, rev.main);
    const bool live = old != nullptr && !old->view().tombstone;
    VersionView view;
    view.rev = rev;
    view.key = change.key;
    view.tombstone = !change.value.has_value();
    if (view.tombstone && !live) return VersionRef();
    if (live) view.prev = old->rev();
    if (!view.tombstone) {
      view.value = *change.value;
      view.create_revision = live ? old->view().create_revision : rev.main;
      view.version = live ? old->view().version + 1 : 1;
      view.lease = change.lease;
    }
    VersionRef version = Version::Make(view);
    rows_.emplace(rev, version);
    newest_[change.key].push_back(version);
    return version;
  }

  /// Drops what a compaction at `revision` supersedes, unless an older view is held.
  bool RemoveCompacted(int64_t revision) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!held_.empty() && *held_.begin() < revision) return false;
    compacted_ = revision;
    for (auto& [key, versions] : newest_) {
      size_t keep = 0;  // the newest at or below the revision, unless an older tombstone
      while (keep + 1 < versions.size() && versions[keep + 1]->rev().main <= revision) ++keep;
      if (keep < versions.size() && versions[keep]->view().tombstone &&
          versions[keep]->rev().main < revision) {
        ++keep;
      }
      for (size_t at = 0; at < keep; ++at) rows_.erase(versions[at]->rev());
      versions.erase(versions.begin(), versions.begin() + static_cast<std::ptrdiff_t>(keep));
    }
    return true;
  }

  int scans = 0;

 private:
  const Version* Newest(std::string_view key, int64_t at) const {
    const auto found = newest_.find(key);
    if (found == newest_.end()) return nullptr;
    const auto& versions = found->second;
    for (size_t back = versions.size(); back > 0; --back) {
      if (versions[back - 1]->rev().main <= at) return versions[back - 1].get();
    }
    return nullptr;
  }
  std::mutex mutex_;
  std::map<Revision, VersionRef> rows_;
  std::map<std::string, std::vector<VersionRef>, std::less<>> newest_;
  std::multiset<int64_t> held_;
  int64_t compacted_ = -1;
};

class FakeStore final : public Store {
 public:
  explicit FakeStore(PublicationSink* sink) : sink_(sink) { MakeView(); }

  /// Applies one run: each transaction that changes something is one revision. One publication.
  void Apply(const std::vector<Transaction>& transactions, int64_t compact = 0) {
    Publication publication;
    for (const Transaction& transaction : transactions) {
      int64_t sub = 0;
      for (const Change& change : transaction) {
        VersionRef version = engine_.Write(change, Revision{next_, sub});
        if (!version) continue;
        publication.versions.push_back(std::move(version));
        ++sub;
      }
      if (sub > 0) ++next_;
    }
    if (compact > 0) compact_ = compact;
    MakeView();
    publication.view = Pin();
    sink_->Publish(std::move(publication));
  }
  /// Logical compaction, then the removal of rows if possible.
  void CompactTo(int64_t revision) { Apply({}, revision); }
  bool RemoveRows() { return engine_.RemoveCompacted(compact_); }
  FakeEngine& fake() const { return engine_; }
  /// Lets the sink miss publications, as a replaced store would.
  void set_sink(PublicationSink* sink) { sink_ = sink; }

  ViewRef Pin() const override {
    std::lock_guard<std::mutex> lock(mutex_);
    return view_;
  }
  Engine& engine() const override { return engine_; }

  // What follows is not used by the hub.
  using Error = Status;
  void Begin(std::vector<std::string>) override {}
  Error Put(const codec::PutRequest&, const HeaderInfo&, std::string*) override { return kNo; }
  Error DeleteRange(const codec::DeleteRangeRequest&, const HeaderInfo&, std::string*) override {
    return kNo;
  }
  Error Txn(const codec::TxnRequest&, const HeaderInfo&, std::string*) override { return kNo; }
  Error Compact(const codec::CompactionRequest&, const HeaderInfo&, std::string*) override {
    return kNo;
  }
  Error LeaseGrant(const codec::LeaseGrantRequest&, const HeaderInfo&, LeaseRow*,
                   std::string*) override {
    return kNo;
  }
  Error LeaseRevoke(const codec::LeaseRevokeRequest&, const HeaderInfo&, std::string*) override {
    return kNo;
  }
  Error LeaseCheckpoint(const codec::LeaseCheckpointRequest&) override { return kNo; }
  Error Alarm(const codec::AlarmRequest&, const HeaderInfo&, std::string*) override { return kNo; }
  void PutMeta(std::string, std::optional<std::string>) override {}
  Error Commit(uint64_t, uint64_t) override { return kNo; }
  Error PrepareCompaction() override { return kNo; }
  Error CompactStep(bool*) override { return kNo; }
  int64_t CompactionDone() const override { return 0; }
  Error Defragment() override { return kNo; }
  Error Range(const View&, const codec::RangeRequest&, const HeaderInfo&,
              std::string*) const override {
    return kNo;
  }
  Error ReadOnlyTxn(const View&, const codec::TxnRequest&, const HeaderInfo&,
                    std::string*) const override {
    return kNo;
  }
  Result<HashResult> HashKv(const View&, int64_t) const override { return kNo; }
  Result<uint32_t> Hash(const View&) const override { return kNo; }
  Error AttachedKeys(const View&, int64_t, std::vector<std::string>*) const override { return kNo; }
  StoreSizes sizes() const override { return {}; }
  bool OverQuota(int64_t) const override { return false; }
  std::vector<LeaseRow> Leases() const override { return {}; }
  bool LeaseExists(int64_t) const override { return false; }

 private:
  static constexpr Code kNo = Code::kInternal;
  void MakeView() {
    auto view = std::make_shared<View>();
    view->revision = next_ - 1;
    view->compact_revision = compact_;
    view->snapshot = engine_.Pin(view->revision);
    ViewRef old;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      old = std::exchange(view_, std::move(view));
    }
    revision_.store(next_ - 1, std::memory_order_release);
  }
  PublicationSink* sink_;
  mutable FakeEngine engine_;
  mutable std::mutex mutex_;
  ViewRef view_;  // guarded by mutex_
  int64_t next_ = 2;
  int64_t compact_ = -1;
};

}  // namespace metastore::watch_test

#endif  // METASTORE_TEST_SUPPORT_WATCH_FAKE_STORE_H_
