// The lease table; see lease_table.h.
#include "mvcc/state/lease_table.h"

#include <algorithm>

#include "base/check.h"
#include "mvcc/state/rows.h"

namespace metastore::mvcc {

Status LeaseTable::Load(Engine* engine, const EngineSnapshot& snapshot, int64_t min_ttl_seconds) {
  METASTORE_CHECK(rows_.empty() && staged_.empty(), "loaded once, before anything else");
  Status bad;
  const auto visit = [&](std::string_view name, std::string_view value) {
    LeaseRow lease;
    bad = DecodeLease(name, value, &lease);
    if (!bad.ok()) return false;
    lease.ttl_seconds = std::max(lease.ttl_seconds, min_ttl_seconds);
    rows_.emplace(lease.id, lease);
    return true;
  };
  METASTORE_RETURN_IF_ERROR(engine->ScanMeta(snapshot, kLeasePrefix, visit));
  return bad;
}

std::optional<LeaseRow> LeaseTable::Find(int64_t id) const {
  if (const auto staged = staged_.find(id); staged != staged_.end()) return staged->second;
  const auto row = rows_.find(id);  // apply is the only writer, so reading needs no lock
  return row == rows_.end() ? std::nullopt : std::optional<LeaseRow>(row->second);
}

void LeaseTable::Stage(const LeaseRow& lease, Batch* batch) {
  METASTORE_CHECK(lease.id != 0, "a lease has an id");
  staged_[lease.id] = lease;
  batch->meta.push_back({LeaseRowName(lease.id), EncodeLease(lease)});
}

void LeaseTable::StageRemoval(int64_t id, Batch* batch) {
  METASTORE_CHECK(Find(id).has_value(), "only a lease that exists is removed");
  staged_[id] = std::nullopt;
  batch->meta.push_back({LeaseRowName(id), std::nullopt});
}

void LeaseTable::Publish() {
  if (staged_.empty()) return;
  const std::lock_guard lock(mutex_);
  for (const auto& [id, lease] : staged_) {
    if (lease) {
      rows_[id] = *lease;
    } else {
      rows_.erase(id);
    }
  }
  staged_.clear();
}

std::vector<LeaseRow> LeaseTable::All() const {
  const std::lock_guard lock(mutex_);
  std::vector<LeaseRow> all;
  all.reserve(rows_.size());
  for (const auto& [id, lease] : rows_) all.push_back(lease);
  return all;
}

bool LeaseTable::Exists(int64_t id) const {
  const std::lock_guard lock(mutex_);
  return rows_.contains(id);
}

}  // namespace metastore::mvcc
