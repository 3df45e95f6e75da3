// The work of resident.h.
#include "member/work/resident.h"

#include <array>
#include <utility>

#include "auth/check.h"
#include "base/check.h"
#include "intake/check.h"

namespace metastore::member {
namespace {

/// Times up to here fall into the first bucket of their metric, and are counted together.
constexpr double kQuickSeconds = 0.0001;

/// Whether the bytes ask for what may be served here, if it is in memory.
bool IsServedHere(std::string_view request, bool confirmed, codec::RangeRequest* range) {
  *range = {};
  if (!codec::Decode(request, range).ok()) return false;
  if (!range->serializable && !confirmed) return false;
  return intake::CheckRange(*range) == Code::kOk;
}

}  // namespace

const View& ResidentReads::Current(const Store& store) {
  // Read first: a view that is published in between is pinned, and looked for once more.
  const uint64_t publication = store.publication();
  if (view_ == nullptr || store_ != &store || publication_ != publication) {
    publication_ = publication;
    store_ = &store;
    warming_ = dynamic_cast<const Warming*>(&store.engine());
    view_ = store.Pin();
    header_ = parts_.header->Get();
  }
  return *view_;
}

bool ResidentReads::Serve(std::string_view request, const auth::Caller& caller, bool confirmed,
                          Code* code, std::string* reply) {
  codec::RangeRequest range;
  if (!IsOpen() || !IsServedHere(request, confirmed, &range)) return false;
  if (caller.refusal != Code::kOk) return false;
  Stopwatch stopwatch;
  const size_t begin = reply->size();
  const bool served = parts_.stores->With([&](const Store& store) {
    return ServeAt(store, Current(store), range, caller, code, reply);
  });
  if (!served) return false;
  Measure(request, *code, std::string_view(*reply).substr(begin), stopwatch.Lap());
  return true;
}

bool ResidentReads::ServeAt(const Store& store, const View& view, const codec::RangeRequest& range,
                            const auth::Caller& caller, Code* code, std::string* reply) {
  const size_t begin = reply->size();
  // After the view, as for every read.
  const auto table = parts_.tables->Get();
  const auth::Check check(table.get(), caller);
  Status status = check.Range(range);
  if (status.ok()) {
    if (!store.RangeResident(view, range, header_, reply, &status)) return false;
    if (check.revision() != 0 && check.revision() != parts_.tables->revision()) {
      reply->resize(begin);
      status = Code::kAuthOldRevision;
    }
  }
  *code = status.code();
  return true;
}

void ResidentReads::ServeAll(std::span<const Question> questions, Answer answer) {
  METASTORE_CHECK(questions.size() <= kMostTogether, "so many are served together");
  if (!IsOpen()) return;
  std::array<codec::RangeRequest, kMostTogether> ranges;
  std::array<std::string_view, kMostTogether> keys;
  std::array<size_t, kMostTogether> places;
  size_t count = 0;
  size_t points = 0;
  for (size_t i = 0; i < questions.size(); ++i) {
    const Question& question = questions[i];
    if (!IsServedHere(question.request, question.confirmed, &ranges[count])) continue;
    if (ranges[count].range_end.empty()) keys[points++] = ranges[count].key;
    places[count++] = i;
  }
  if (count == 0) return;
  parts_.stores->With([&](const Store& store) {
    Stopwatch stopwatch;
    const View& view = Current(store);
    if (warming_ != nullptr && points > 1) warming_->Warm({keys.data(), points});
    for (size_t i = 0; i < count; ++i) {
      Code code = Code::kOk;
      reply_.clear();
      if (!ServeAt(store, view, ranges[i], auth::Caller(), &code, &reply_)) continue;
      Measure(questions[places[i]].request, code, reply_, stopwatch.Lap());
      answer(places[i], code, reply_);
    }
  });
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
