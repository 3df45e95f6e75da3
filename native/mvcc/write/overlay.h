// Overlay: the versions that the running entries have made, by key, until their batch is committed.
//
// Apply only. Entries of one run see each other through it, reads at the revision of an earlier
// entry included, and a request that fails halfway is taken back from it.
#ifndef METASTORE_MVCC_WRITE_OVERLAY_H_
#define METASTORE_MVCC_WRITE_OVERLAY_H_

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "mvcc/read/reader.h"
#include "mvcc/write/key_slots.h"

namespace metastore::mvcc {

class Overlay {
 public:
  /// The newest version of `key` here with rev.main <= at (tombstones too); null when none.
  const VersionView* Find(std::string_view key, int64_t at) const;
  /// Adds a version newer than all here.
  void Push(VersionWrite write);
  /// Forgets the newest versions, until `size` are left.
  void PopTo(size_t size);
  void Clear();

  size_t size() const { return writes_.size(); }
  bool empty() const { return writes_.empty(); }
  /// In the order of their revisions. Taking them leaves the overlay to be cleared.
  std::vector<VersionWrite>& writes() { return writes_; }

  /// Merges what is here with the newest live versions of `base`: the result, ascending by key, is
  /// the live state at `at`, which must be above the base's revision.
  Status MergeScan(const Reader& base, const KeyRange& range, int64_t at, bool keys_only,
                   VersionVisitor visit) const;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  using Ordered = std::map<std::string_view, uint32_t>;
  void BuildOrdered() const;
  bool Within(const KeyRange& range, Ordered::const_iterator at) const;
  const VersionView* FindFrom(uint32_t newest, int64_t at) const;

  std::vector<VersionWrite> writes_;
  std::vector<uint32_t> older_;  // beside writes_: the run's former version of the same key
  KeySlots newest_;              // key (a view into the oldest version of it) -> index into writes_
  /// The same in order, made when a range of the run asks for it first, and kept from then on.
  mutable Ordered ordered_;
  mutable bool has_ordered_ = false;
};

}  // namespace metastore::mvcc

#endif  // METASTORE_MVCC_WRITE_OVERLAY_H_
