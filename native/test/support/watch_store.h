// The real store over the memory engine, fed with plain transactions by the watch tests.
#ifndef METASTORE_TEST_SUPPORT_WATCH_STORE_H_
#define METASTORE_TEST_SUPPORT_WATCH_STORE_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "codec/requests.h"
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

class TestStore final : public PublicationSink {
 public:
  explicit TestStore(PublicationSink* sink) : sink_(sink) {
    auto opened = Store::Open(StoreOptions{}, NewMemoryEngine(), this);
    METASTORE_CHECK(opened.ok(), "an empty store opens");
    store_ = std::move(opened.value());
  }
  /// Publications go elsewhere from now on, or nowhere.
  void set_sink(PublicationSink* sink) { sink_ = sink; }
  void Publish(Publication publication) override {
    if (sink_ != nullptr) sink_->Publish(std::move(publication));
  }

  /// Applies one run: each transaction that changes something is one revision. One publication.
  void Apply(const std::vector<Transaction>& transactions, int64_t compact = 0) {
    std::string reply;
    store_->Begin({});
    for (const Transaction& transaction : transactions) {
      codec::TxnRequest request;
      for (const Change& change : transaction) {
        if (change.value) {
          codec::PutRequest put;
          put.key = change.key;
          put.value = *change.value;
          put.lease = change.lease;
          request.success.emplace_back(put);
        } else {
          codec::DeleteRangeRequest deletion;
          deletion.key = change.key;
          request.success.emplace_back(deletion);
        }
      }
      Must(store_->Txn(request, header_, &reply));
    }
    if (compact > 0) Must(store_->Compact({compact, false}, header_, &reply));
    Must(store_->Commit(++index_, 1));
  }
  void GrantLease(int64_t id) {
    std::string reply;
    LeaseRow granted;
    store_->Begin({});
    Must(store_->LeaseGrant({60, id}, header_, &granted, &reply));
    Must(store_->Commit(++index_, 1));
  }
  /// Takes steps of physical compaction until there is nothing left to do, or no step is possible
  /// for now; true for the former.
  bool RemoveRows() {
    bool more = true;
    for (int step = 0; more && step < 10000; ++step) {
      const int64_t done = store_->CompactionDone();
      Must(store_->CompactStep(&more));
      if (more && store_->CompactionDone() == done && step > 100) return false;
    }
    return !more;
  }

  int64_t revision() const { return store_->revision(); }
  Store* store() const { return store_.get(); }

 private:
  static void Must(const Status& status) {
    METASTORE_CHECK(status.ok(), status.ToString().c_str());
  }
  PublicationSink* sink_;
  std::unique_ptr<Store> store_;
  HeaderInfo header_;
  uint64_t index_ = 0;
};

}  // namespace metastore::watch_test

#endif  // METASTORE_TEST_SUPPORT_WATCH_STORE_H_
