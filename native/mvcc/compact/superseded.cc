// Predecessors by walking their successors; see superseded.h.
#include "mvcc/compact/superseded.h"

#include <algorithm>

#include "base/check.h"

namespace metastore::mvcc {

Superseded::Superseded(Engine* engine, const EngineSnapshot& snapshot, int64_t finished, int64_t to,
                       int64_t bound, size_t at_once)
    : engine_(engine),
      snapshot_(snapshot),
      from_{std::max<int64_t>(finished, 0) + 1, 0},
      to_(to),
      bound_(bound),
      at_once_(at_once) {
  METASTORE_CHECK(at_once_ > 0, "at least one is remembered");
}

Status Superseded::Load(Revision first) {
  part_.clear();
  next_ = 0;
  complete_ = true;
  const auto visit = [&](const VersionView& version) {
    const Revision& prev = version.prev;
    if (prev.main == 0 || prev.main > bound_ || prev < first) return true;
    if (!complete_ && prev > part_end_) return true;
    part_.push_back(prev);
    if (part_.size() >= 2 * at_once_) Cut();
    return true;
  };
  METASTORE_RETURN_IF_ERROR(engine_->ScanRevisions(snapshot_, from_, to_, visit));
  std::sort(part_.begin(), part_.end());
  return Status::Ok();
}

void Superseded::Cut() {
  const auto middle = part_.begin() + static_cast<std::ptrdiff_t>(at_once_ - 1);
  std::nth_element(part_.begin(), middle, part_.end());
  part_.resize(at_once_);
  part_end_ = part_.back();
  complete_ = false;
}

bool Superseded::Contains(Revision rev) {
  METASTORE_CHECK(Covers(rev), "load the next part first");
  while (next_ < part_.size() && part_[next_] < rev) next_++;
  return next_ < part_.size() && part_[next_] == rev;
}

}  // namespace metastore::mvcc
