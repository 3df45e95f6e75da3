// Version: one immutable version of one key, shared by overlay, engines, caches and events.
//
// Every put or deletion makes exactly one. A version names its predecessor, so that compaction can
// drop what a walk over newer revisions proves superseded, and so that a watch event can find its
// previous value, both without a search.
#ifndef METASTORE_ENGINE_VERSION_H_
#define METASTORE_ENGINE_VERSION_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/ref.h"

namespace metastore {

/// The name of a change: the store revision, and its position among the changes of one request.
struct Revision {
  int64_t main = 0;
  int64_t sub = 0;
  auto operator<=>(const Revision&) const = default;
};

/// What is known of a version without its key and value. `rev.main == 0` means none.
struct VersionMeta {
  Revision rev;
  int64_t create_revision = 0;
  int64_t version = 0;
  int64_t lease = 0;
  /// Accounted size of the version (AccountedSize below), so that dropping it needs no read.
  uint32_t size_bytes = 0;
  bool exists() const { return rev.main != 0; }
};

/// A version as a reader sees it. The views live as long as the call that hands them out.
struct VersionView {
  Revision rev;
  /// The version that this one replaced; main 0 when the key did not exist (a put after a deletion
  /// has none: the tombstone is dropped by its own rule).
  Revision prev;
  uint32_t prev_size_bytes = 0;
  bool tombstone = false;
  int64_t create_revision = 0;  // 0 for a tombstone
  int64_t version = 0;          // 0 for a tombstone
  int64_t lease = 0;            // 0 for a tombstone
  std::string_view key;
  std::string_view value;  // empty for a tombstone
};

/// Bytes that a version counts for in dbSize: its revision name plus its binary record.
uint32_t AccountedSize(size_t key_bytes, size_t value_bytes);

/// One allocation: the header and, behind it, key and value. Reference-counted by base/ref.h.
class Version final : public RefCounted<Version> {
 public:
  /// Copies everything out of `view`. Key up to 2^31 bytes, value up to 2^31 bytes.
  static Ref<const Version> Make(const VersionView& view);

  const VersionView& view() const { return view_; }
  std::string_view key() const { return view_.key; }
  std::string_view value() const { return view_.value; }
  Revision rev() const { return view_.rev; }
  VersionMeta meta() const;

  void operator delete(void* memory);

 private:
  Version() = default;
  VersionView view_;
};

using VersionRef = Ref<const Version>;

}  // namespace metastore

#endif  // METASTORE_ENGINE_VERSION_H_
