// The running state of apply; see run.h.
#include "mvcc/write/run.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "mvcc/state/sizes.h"

namespace metastore::mvcc {
namespace {

/// Lookups handed to the engine at a time.
constexpr size_t kLookupChunk = 1024;

VersionMeta MetaOf(const VersionView& view) {
  return {view.rev, view.create_revision, view.version, view.lease,
          AccountedSize(view.key.size(), view.value.size())};
}

}  // namespace

Status Run::Begin(ViewRef base, const Numbers& numbers,
                  std::span<const std::string_view> prefetch) {
  METASTORE_CHECK(!open() && overlay_.empty(), "runs do not overlap");
  METASTORE_CHECK(base->revision == numbers.revision, "a run starts at the newest view");
  base_ = std::move(base);
  numbers_ = numbers;
  if (prefetch.empty()) return Status::Ok();
  looked_up_metas_.resize(prefetch.size());
  METASTORE_RETURN_IF_ERROR(engine_->Lookup(prefetch, looked_up_metas_.data()));
  for (size_t i = 0; i < prefetch.size(); i++) {
    if (looked_up_.Find(prefetch[i]) == nullptr) {
      looked_up_.Insert(prefetch[i], static_cast<uint32_t>(i));
    }
  }
  return Status::Ok();
}

void Run::End() {
  METASTORE_CHECK(open() && !request_open_, "a run ends between requests");
  looked_up_.Clear();
  overlay_.Clear();
  batch_.Clear();
  base_.reset();
}

void Run::Open() {
  METASTORE_CHECK(open() && !request_open_ && changes_ == 0, "requests do not nest");
  request_open_ = true;
  versions_before_ = overlay_.size();
  attachments_before_ = batch_.attachments.size();
  key_count_before_ = numbers_.key_count;
  stored_bytes_before_ = numbers_.stored_bytes;
}

void Run::Close() {
  METASTORE_CHECK(request_open_, "what closes was opened");
  METASTORE_CHECK(overlay_.size() == versions_before_ + static_cast<size_t>(changes_),
                  "a change is a version");
  if (changes_ > 0) numbers_.revision++;
  changes_ = 0;
  request_open_ = false;
}

void Run::TakeBack() {
  METASTORE_CHECK(request_open_, "what is taken back was opened");
  overlay_.PopTo(versions_before_);
  batch_.attachments.resize(attachments_before_);
  numbers_.key_count = key_count_before_;
  numbers_.stored_bytes = stored_bytes_before_;
  changes_ = 0;
  request_open_ = false;
}

// ---- Reading. --------------------------------------------------------------------------------

Status Run::Get(std::string_view key, int64_t at, VersionVisitor visit) const {
  if (const VersionView* own = overlay_.Find(key, at); own != nullptr) {
    if (!own->tombstone) visit(*own);
    return Status::Ok();
  }
  return ViewReader(engine_, *base_).Get(key, std::min(at, base_->revision), visit);
}

Status Run::GetMeta(std::string_view key, VersionVisitor visit) const {
  const uint32_t* known = looked_up_.Find(key);
  if (known == nullptr) return Get(key, kCurrent, visit);
  if (const VersionView* own = overlay_.Find(key, kCurrent); own != nullptr) {
    if (!own->tombstone) visit(*own);
    return Status::Ok();
  }
  const VersionMeta& meta = looked_up_metas_[*known];
  if (!meta.exists()) return Status::Ok();
  VersionView view;
  view.rev = meta.rev;
  view.create_revision = meta.create_revision;
  view.version = meta.version;
  view.lease = meta.lease;
  view.key = key;
  visit(view);
  return Status::Ok();
}

Status Run::Scan(const KeyRange& range, int64_t at, bool keys_only, VersionVisitor visit) const {
  const ViewReader below(engine_, *base_);
  if (overlay_.empty() || at <= base_->revision) {
    return below.Scan(range, std::min(at, base_->revision), keys_only, visit);
  }
  return overlay_.MergeScan(below, range, at, keys_only, visit);
}

Status Run::LookupBelow(std::string_view key, VersionMeta* out) {
  if (const uint32_t* found = looked_up_.Find(key); found != nullptr) {
    *out = looked_up_metas_[*found];
    return Status::Ok();
  }
  return engine_->Lookup({&key, 1}, out);
}

Status Run::LookupLive(std::span<const std::string_view> keys, VersionMeta* out) {
  std::vector<std::string_view> missing;
  std::vector<size_t> places;
  for (size_t i = 0; i < keys.size(); i++) {
    out[i] = VersionMeta();
    if (const VersionView* own = overlay_.Find(keys[i], kCurrent); own != nullptr) {
      if (!own->tombstone) out[i] = MetaOf(*own);
    } else if (keys.size() == 1) {
      return LookupBelow(keys[0], out);
    } else {
      missing.push_back(keys[i]);
      places.push_back(i);
    }
  }
  std::vector<VersionMeta> found(missing.size());
  for (size_t from = 0; from < missing.size(); from += kLookupChunk) {
    const size_t many = std::min(kLookupChunk, missing.size() - from);
    METASTORE_RETURN_IF_ERROR(
        engine_->Lookup(std::span(missing).subspan(from, many), found.data() + from));
  }
  for (size_t i = 0; i < found.size(); i++) out[places[i]] = found[i];
  return Status::Ok();
}

// ---- Changing. -------------------------------------------------------------------------------

void Run::Change(VersionWrite write, uint32_t size_bytes) {
  METASTORE_CHECK(request_open_, "changes belong to a request");
  METASTORE_CHECK(write.version->rev() == NextRevision(), "revisions are given in order");
  numbers_.stored_bytes += size_bytes;
  overlay_.Push(std::move(write));
  changes_++;
}

void Run::Attach(int64_t from, int64_t to, std::string_view key) {
  if (from == to) return;
  if (from != 0) batch_.attachments.push_back({from, std::string(key), false});
  if (to != 0) batch_.attachments.push_back({to, std::string(key), true});
}

Status Run::CheckPut(const codec::PutRequest& request) {
  if (request.lease != 0 && !leases_->Find(request.lease)) return Code::kLeaseNotFound;
  if (!request.ignore_value && !request.ignore_lease) return Status::Ok();
  VersionMeta live;
  METASTORE_RETURN_IF_ERROR(LookupLive({&request.key, 1}, &live));
  return live.exists() ? Status::Ok() : Status(Code::kKeyNotFound);
}

Status Run::Put(const codec::PutRequest& request, VersionRef* prev) {
  VersionMeta live;
  METASTORE_RETURN_IF_ERROR(LookupLive({&request.key, 1}, &live));
  if ((request.ignore_value || request.ignore_lease) && !live.exists()) return Code::kKeyNotFound;
  VersionRef old;
  if (live.exists() && (prev != nullptr || request.ignore_value)) {
    const auto keep = [&old](const VersionView& view) {
      old = Version::Make(view);
      return false;
    };
    METASTORE_RETURN_IF_ERROR(Get(request.key, kCurrent, keep));
    METASTORE_CHECK(old && old->rev() == live.rev, "lookup and read agree");
  }
  VersionView view;
  view.rev = NextRevision();
  view.prev = live.rev;
  view.prev_size_bytes = live.size_bytes;
  view.create_revision = live.exists() ? live.create_revision : view.rev.main;
  view.version = live.version + 1;
  view.lease = request.ignore_lease ? live.lease : request.lease;
  view.key = request.key;
  view.value = request.ignore_value ? old->value() : request.value;
  ++tally().puts;
  tally().put_bytes += view.key.size() + view.value.size();
  Change({Version::Make(view), live}, AccountedSize(view.key.size(), view.value.size()));
  if (!live.exists()) numbers_.key_count++;
  Attach(live.lease, view.lease, view.key);
  if (prev != nullptr) *prev = std::move(old);
  return Status::Ok();
}

Status Run::FindVictims(const KeySelector& selector, bool values, std::vector<Victim>* victims) {
  // Values are read even when nobody asked for them: their lengths are part of the accounting.
  const auto visit = [&](const VersionView& view) {
    VersionView kept = view;
    if (!values) kept.value = {};
    victims->push_back({Version::Make(kept), AccountedSize(view.key.size(), view.value.size())});
    return true;
  };
  return ReadSelected(*this, selector, kCurrent, false, visit);
}

void Run::Delete(const std::vector<Victim>& victims) {
  for (const Victim& victim : victims) {
    const VersionView& old = victim.version->view();
    METASTORE_CHECK(!old.tombstone, "only live keys are deleted");
    VersionMeta live = victim.version->meta();
    live.size_bytes = victim.size_bytes;
    VersionView view;
    view.rev = NextRevision();
    view.prev = old.rev;
    view.prev_size_bytes = victim.size_bytes;
    view.tombstone = true;
    view.key = old.key;
    Change({Version::Make(view), live}, AccountedSize(view.key.size(), 0));
    numbers_.key_count--;
    Attach(old.lease, 0, old.key);
  }
  METASTORE_CHECK(numbers_.key_count >= 0, "no more keys go than there are");
}

Status Run::AttachedVictims(int64_t lease, std::vector<Victim>* victims) {
  METASTORE_CHECK(lease != 0, "a lease has an id");
  std::vector<std::string> keys;
  const auto visit = [&keys](std::string_view key) {
    keys.emplace_back(key);
    return true;
  };
  METASTORE_RETURN_IF_ERROR(engine_->ScanAttached(*base_->snapshot, lease, visit));
  for (const AttachmentWrite& write : batch_.attachments) {
    if (write.lease == lease && write.attached) keys.push_back(write.key);
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  // A live key itself tells its lease, whatever happened to the attachment in this run.
  const std::vector<std::string_view> names(keys.begin(), keys.end());
  std::vector<VersionMeta> metas(keys.size());
  METASTORE_RETURN_IF_ERROR(LookupLive(names, metas.data()));
  for (size_t i = 0; i < names.size(); i++) {
    if (!metas[i].exists() || metas[i].lease != lease) continue;
    VersionView view;
    view.rev = metas[i].rev;
    view.create_revision = metas[i].create_revision;
    view.version = metas[i].version;
    view.lease = metas[i].lease;
    view.key = names[i];
    victims->push_back({Version::Make(view), metas[i].size_bytes});
  }
  return Status::Ok();
}

}  // namespace metastore::mvcc
