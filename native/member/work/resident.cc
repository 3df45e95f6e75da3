// The work of resident.h.
#include "member/work/resident.h"

#include <utility>

#include "auth/check.h"
#include "codec/requests.h"
#include "intake/check.h"

namespace metastore::member {
namespace {

/// Times up to here fall into the first bucket of their metric, and are counted together.
constexpr double kQuickSeconds = 0.0001;

}  // namespace

const View& ResidentReads::Current(const Store& store) {
  // Read first: a view that is published in between is pinned, and looked for once more.
  const uint64_t publication = store.publication();
  if (view_ == nullptr || store_ != &store || publication_ != publication) {
    publication_ = publication;
    store_ = &store;
    view_ = store.Pin();
    header_ = parts_.header->Get();
  }
  return *view_;
}

bool ResidentReads::Serve(std::string_view request, const auth::Caller& caller, bool confirmed,
                          Code* code, std::string* reply) {
  if (parts_.closing->load() || parts_.failed->load()) return false;
  codec::RangeRequest range;
  if (!codec::Decode(request, &range).ok()) return false;
  if (!range.range_end.empty() || (!range.serializable && !confirmed)) return false;
  if (caller.refusal != Code::kOk || intake::CheckRange(range) != Code::kOk) return false;
  Stopwatch stopwatch;
  const size_t begin = reply->size();
  Status status;
  const bool served = parts_.stores->With([&](const Store& store) {
    const View& view = Current(store);
    // After the view, as for every read.
    const auto table = parts_.tables->Get();
    const auth::Check check(table.get(), caller);
    status = check.Range(range);
    if (!status.ok()) return true;
    if (!store.RangeResident(view, range, header_, reply, &status)) return false;
    if (check.revision() != 0 && check.revision() != parts_.tables->revision()) {
      reply->resize(begin);
      status = Code::kAuthOldRevision;
    }
    return true;
  });
  if (!served) return false;
  *code = status.code();
  Measure(request, *code, std::string_view(*reply).substr(begin), stopwatch.Lap());
  return true;
}

void ResidentReads::Measure(std::string_view request, Code code, std::string_view reply,
                            double seconds) {
  if (seconds > kQuickSeconds) {
    meter_.metrics().ranges.Add();
    meter_.Served(false, request, code, reply, seconds, &slow_);
    return;
  }
  Tally& tally = tallies_[code == Code::kOk ? 1 : 0];
  ++tally.count;
  tally.seconds += seconds;
}

void ResidentReads::Rest() {
  view_.reset();
  for (const bool success : {false, true}) {
    const Tally tally = std::exchange(tallies_[success ? 1 : 0], Tally());
    if (tally.count == 0) continue;
    meter_.metrics().ranges.Add(tally.count);
    meter_.metrics().Ranged(success, tally.seconds / static_cast<double>(tally.count), tally.count);
  }
  if (!slow_.empty()) parts_.completions->Append(&slow_);
}

}  // namespace metastore::member
