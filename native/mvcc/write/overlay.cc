// The overlay; see overlay.h.
#include "mvcc/write/overlay.h"

#include <utility>

#include "base/check.h"

namespace metastore::mvcc {

const VersionView* Overlay::FindFrom(uint32_t newest, int64_t at) const {
  uint32_t index = newest;
  while (index != kNone) {
    const VersionView& view = writes_[index].version->view();
    if (view.rev.main <= at) return &view;
    METASTORE_CHECK(older_[index] == kNone || older_[index] < index, "chains lead back");
    index = older_[index];
  }
  return nullptr;
}

const VersionView* Overlay::Find(std::string_view key, int64_t at) const {
  const uint32_t* newest = newest_.Find(key);
  return newest == nullptr ? nullptr : FindFrom(*newest, at);
}

void Overlay::Push(VersionWrite write) {
  METASTORE_CHECK(writes_.size() < kNone, "a run has fewer versions than 2^32");
  METASTORE_CHECK(writes_.empty() || writes_.back().version->rev() < write.version->rev(),
                  "versions come in order");
  const auto index = static_cast<uint32_t>(writes_.size());
  const std::string_view key = write.version->key();
  uint32_t* newest = newest_.Find(key);
  if (newest == nullptr) {
    older_.push_back(kNone);
    newest_.Insert(key, index);
  } else {
    // The name stays a view into the oldest version of the key, which outlives the newer ones.
    older_.push_back(*newest);
    *newest = index;
  }
  if (has_ordered_) ordered_.insert_or_assign(key, index);
  writes_.push_back(std::move(write));
}

void Overlay::PopTo(size_t size) {
  METASTORE_CHECK(size <= writes_.size(), "only what is here can go");
  while (writes_.size() > size) {
    const std::string_view key = writes_.back().version->key();
    uint32_t* newest = newest_.Find(key);
    METASTORE_CHECK(newest != nullptr && *newest == writes_.size() - 1,
                    "the newest version of all is the newest of its key");
    if (older_.back() == kNone) {
      newest_.Erase(key);
      if (has_ordered_) ordered_.erase(key);
    } else {
      *newest = older_.back();
      if (has_ordered_) ordered_[key] = older_.back();
    }
    older_.pop_back();
    writes_.pop_back();
  }
}

void Overlay::Clear() {
  newest_.Clear();
  ordered_.clear();
  has_ordered_ = false;
  older_.clear();
  writes_.clear();
}

void Overlay::BuildOrdered() const {
  if (has_ordered_) return;
  has_ordered_ = true;
  // In the order of writing: the newest of a key comes last and stays; its name is the oldest's.
  for (uint32_t index = 0; index < writes_.size(); ++index) {
    ordered_.insert_or_assign(writes_[index].version->key(), index);
  }
}

bool Overlay::Within(const KeyRange& range, Ordered::const_iterator at) const {
  return at != ordered_.end() && (range.unbounded || at->first < range.end);
}

Status Overlay::MergeScan(const Reader& base, const KeyRange& range, int64_t at, bool keys_only,
                          VersionVisitor visit) const {
  BuildOrdered();
  auto own = ordered_.lower_bound(range.start);
  bool going = true;
  // Own versions that are live and come before `limit` (null: all that are left).
  const auto emit_before = [&](const std::string_view* limit) {
    for (; going && Within(range, own) && (limit == nullptr || own->first < *limit); ++own) {
      const VersionView* version = FindFrom(own->second, at);
      if (version != nullptr && !version->tombstone) going = visit(*version);
    }
  };
  const auto each = [&](const VersionView& below) {
    emit_before(&below.key);
    if (!going) return false;
    if (Within(range, own) && own->first == below.key) {
      const VersionView* version = FindFrom(own->second, at);
      ++own;
      if (version != nullptr) {
        if (!version->tombstone) going = visit(*version);
        return going;
      }
    }
    going = visit(below);
    return going;
  };
  // What is here is newer than the base: below, the newest state is meant.
  METASTORE_RETURN_IF_ERROR(base.Scan(range, kCurrent, keys_only, each));
  emit_before(nullptr);
  return Status::Ok();
}

}  // namespace metastore::mvcc
