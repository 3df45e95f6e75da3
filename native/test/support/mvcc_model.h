// The plainest store there is: every version of every key in maps, rules written out one by one.
// The random test runs it beside the real one.
#ifndef METASTORE_TEST_SUPPORT_MVCC_MODEL_H_
#define METASTORE_TEST_SUPPORT_MVCC_MODEL_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "codec/requests.h"
#include "engine/engine.h"
#include "test/support/reply_parser.h"

namespace metastore::testing {

class MvccModel {
 public:
  struct Stored {
    bool tombstone = false;
    Kv kv;
  };
  using State = std::map<std::string, Kv>;

  int64_t revision() const { return revision_; }
  int64_t compact_revision() const { return compact_; }
  const std::map<int64_t, int64_t>& leases() const { return leases_; }

  Status Put(const codec::PutRequest& request, Reply* reply);
  Status Delete(const codec::DeleteRangeRequest& request, Reply* reply);
  Status Txn(const codec::TxnRequest& request, Reply* reply);
  Status Range(const codec::RangeRequest& request, Reply* reply) const;
  Status Compact(int64_t revision);
  Status Grant(int64_t id, int64_t ttl);
  Status Revoke(int64_t id);

  /// Live keys at a revision; the newest by default.
  State At(int64_t revision = INT64_MAX) const;
  /// Rows as they are once compactions are through.
  const std::map<Revision, Stored>& rows() const { return rows_; }
  std::vector<std::string> Attached(int64_t lease) const;
  /// The rule of HashKV, at compact revision `compact` over `rows`.
  static uint32_t Hash(const std::map<Revision, Stored>& rows, int64_t upto, int64_t compact,
                       bool keep_deletions);
  uint32_t HashKv(int64_t upto) const { return Hash(rows_, upto, compact_, false); }
  /// Hash and compact revision that a compaction leaves behind, by its revision.
  const std::map<int64_t, std::pair<uint32_t, int64_t>>& compaction_hashes() const {
    return compaction_hashes_;
  }
  int64_t StoredBytes() const;
  /// Changes since the last call, in order.
  std::vector<std::pair<Revision, Stored>> TakeChanges();

 private:
  /// A transaction being run: its changes have main revision_ + 1.
  Status RunTxn(const codec::TxnRequest& request, std::vector<bool>::const_iterator* path,
                Reply* reply);
  Status CheckTxn(const codec::TxnRequest& request, std::vector<bool>::const_iterator* path) const;
  void Choose(const codec::TxnRequest& request, std::vector<bool>* path) const;
  bool Holds(const codec::Compare& compare) const;
  Status CheckPut(const codec::PutRequest& request) const;
  Status DoPut(const codec::PutRequest& request, Reply* reply);
  void DoDelete(const codec::DeleteRangeRequest& request, Reply* reply);
  Status DoRange(const codec::RangeRequest& request, Reply* reply) const;
  int64_t Now() const { return revision_ + (changes_ > 0 ? 1 : 0); }
  void Change(Stored stored);
  Status Finish(Status status, const std::map<Revision, Stored>& before);

  std::map<Revision, Stored> rows_;
  std::vector<std::pair<Revision, Stored>> published_;
  std::map<int64_t, int64_t> leases_;
  std::map<int64_t, std::pair<uint32_t, int64_t>> compaction_hashes_;
  int64_t revision_ = 1;
  int64_t compact_ = -1;
  int64_t changes_ = 0;
};

}  // namespace metastore::testing

#endif  // METASTORE_TEST_SUPPORT_MVCC_MODEL_H_
