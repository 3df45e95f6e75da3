// Run: the state of the entries between Begin and Commit, and the two changes there are, put and
// delete, with everything that hangs on them (versions, lease attachments, counts, sizes).
//
// Apply only. A request is opened, changes things, and is closed, which gives it its revision, or
// is taken back whole.
#ifndef METASTORE_MVCC_WRITE_RUN_H_
#define METASTORE_MVCC_WRITE_RUN_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec/requests.h"
#include "mvcc/read/reader.h"
#include "mvcc/state/lease_table.h"
#include "mvcc/state/rows.h"
#include "mvcc/write/key_slots.h"
#include "mvcc/write/overlay.h"

namespace metastore::mvcc {

/// A live version about to be deleted. `version` has its value only where that was asked for.
struct Victim {
  VersionRef version;
  uint32_t size_bytes = 0;
};

class Run final : public Reader {
 public:
  Run(Engine* engine, LeaseTable* leases) : engine_(engine), leases_(leases) {}

  /// Starts on top of `base`, which must be the newest view. `prefetch`: keys to look up at once;
  /// their bytes stay until End.
  Status Begin(ViewRef base, const Numbers& numbers, std::span<const std::string_view> prefetch);
  bool open() const { return base_ != nullptr; }
  /// Forgets everything; after the batch has been committed.
  void End();

  /// A request begins: what follows until Close gets one revision, if it changes anything.
  void Open();
  void Close();
  /// Undoes what happened since Open, and closes.
  void TakeBack();

  /// Lease first, then the key for ignore_value and ignore_lease: etcd's order.
  Status CheckPut(const codec::PutRequest& request);
  /// The request has passed CheckPut (a key that went missing since is kKeyNotFound). With
  /// `*prev` not null it receives the previous version, if there is one.
  Status Put(const codec::PutRequest& request, VersionRef* prev);
  /// Live versions that a deletion would hit, in key order.
  Status FindVictims(const KeySelector& selector, bool values, std::vector<Victim>* victims);
  void Delete(const std::vector<Victim>& victims);
  /// Keys attached to a lease as the running entries see it, in byte order.
  Status AttachedVictims(int64_t lease, std::vector<Victim>* victims);

  Numbers& numbers() { return numbers_; }
  const Numbers& numbers() const { return numbers_; }
  Overlay& overlay() { return overlay_; }
  /// Everything but the versions, which are the overlay's until the commit.
  Batch& batch() { return batch_; }
  const View& base() const { return *base_; }

  // Reader: the base with the overlay on top.
  int64_t revision() const override { return numbers_.revision + (changes_ > 0 ? 1 : 0); }
  int64_t compact_revision() const override { return numbers_.compact_revision; }
  int64_t key_count() const override { return numbers_.key_count; }
  Status Get(std::string_view key, int64_t at, VersionVisitor visit) const override;
  Status GetMeta(std::string_view key, VersionVisitor visit) const override;
  Status Scan(const KeyRange& range, int64_t at, bool keys_only,
              VersionVisitor visit) const override;

 private:
  /// Metadata of the live versions of keys, in the running state.
  Status LookupLive(std::span<const std::string_view> keys, VersionMeta* out);
  Status LookupBelow(std::string_view key, VersionMeta* out);
  Revision NextRevision() const { return {numbers_.revision + 1, changes_}; }
  void Change(VersionWrite write, uint32_t size_bytes);
  void Attach(int64_t from, int64_t to, std::string_view key);

  Engine* engine_;
  LeaseTable* leases_;
  ViewRef base_;
  Numbers numbers_;
  Overlay overlay_;
  Batch batch_;
  int64_t changes_ = 0;  // of the open request: the next sub-revision
  bool request_open_ = false;

  // Where the open request began.
  size_t versions_before_ = 0;
  size_t attachments_before_ = 0;
  int64_t key_count_before_ = 0;
  int64_t stored_bytes_before_ = 0;

  KeySlots looked_up_;  // position in looked_up_metas_
  std::vector<VersionMeta> looked_up_metas_;
};

}  // namespace metastore::mvcc

#endif  // METASTORE_MVCC_WRITE_RUN_H_
