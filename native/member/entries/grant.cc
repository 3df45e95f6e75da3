// The work of grant.h.
//
// Who takes is decided by `works_`: whoever turns it on posts the work to the log's thread, and the
// work turns it off only when it has nothing to do, and then looks once more. The end of a write is
// where it goes on, so at most one run is on its way to the disk while the next one forms.
#include "member/entries/grant.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace metastore::member {
namespace {

/// Runs of so few entries are applied by the log's thread itself when nothing else waits for it:
/// waking the apply thread would cost more.
constexpr uint64_t kAppliedHere = 16;

}  // namespace

Status Grant::Give(const GrantTerms& terms) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (holds_.load() || terms.first_index != parts_.log->last_index() + 1) {
      return Status(Code::kInternal, "grant: the log does not end where TypeScript takes it to");
    }
    if (terms.run_operations == 0 || terms.run_bytes == 0 || terms.ahead_entries == 0) {
      return Status(Code::kInternal, "grant: nothing is granted");
    }
    METASTORE_CHECK(given_.runs.empty(), "TypeScript has been told when the last one was revoked");
    terms_ = terms;
    next_index_ = terms.first_index;
    given_.first_index = next_index_;
    holds_.store(true);
  }
  // What came before has asked TypeScript, which leaves it to this from now on.
  if (!parts_.proposals->empty()) Kick();
  return Status::Ok();
}

Given Grant::Revoke() {
  std::lock_guard<std::mutex> lock(mutex_);
  holds_.store(false);
  return TellLocked();
}

Given Grant::Tell() {
  std::lock_guard<std::mutex> lock(mutex_);
  return TellLocked();
}

Given Grant::TellLocked() {
  const bool news = !given_.runs.empty() || given_.durable != told_durable_;
  tells_.store(!news);
  told_durable_ = given_.durable;
  Given told;
  told.is_news = news;
  told.durable = given_.durable;
  told.first_index = given_.first_index;
  told.runs.swap(given_.runs);
  given_.first_index = next_index_;
  return told;
}

bool Grant::Kick() {
  if (!holds_.load()) return false;
  if (!works_.exchange(true)) Post();
  return true;
}

void Grant::Applied() {
  if (stalled_.load() && stalled_.exchange(false)) Kick();
}

void Grant::Post() {
  parts_.log->Post([this] { Work(); });
}

void Grant::Work() {
  do {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (holds_.load() && TakeRun()) return;  // the end of its write goes on
    }
    works_.store(false);
    // Something may have come, been applied or been granted between the look and the flag.
    if (parts_.proposals->empty()) return;
    if (!holds_.load()) {
      // Whoever came while the grant was being taken back was told that it would be taken here.
      return parts_.completions->Want(apply::kDemandProposals);
    }
  } while (!stalled_.load() && !works_.exchange(true));
}

bool Grant::HasRoom() {
  const uint64_t applied = parts_.applier->applied().load();
  while (!ahead_.empty() && ahead_.front().last_index <= applied) {
    ahead_bytes_ -= ahead_.front().bytes;
    ahead_.pop_front();
  }
  const uint64_t entries = next_index_ - 1 > applied ? next_index_ - 1 - applied : 0;
  return ahead_.empty() || (entries < terms_.ahead_entries && ahead_bytes_ < terms_.ahead_bytes);
}

bool Grant::TakeRun() {
  if (!HasRoom()) {
    stalled_.store(true);
    // What is applied from here on sees the flag; what was applied before is seen here.
    if (!HasRoom()) return false;
    stalled_.store(false);
  }
  std::vector<intake::Payload> payloads =
      parts_.proposals->TakeOut(terms_.run_operations, terms_.run_bytes, terms_.term);
  if (payloads.empty()) return false;
  Append(std::move(payloads));
  return true;
}

void Grant::Append(std::vector<intake::Payload> payloads) {
  const int64_t begun_ns = MonotonicNs();
  std::vector<wal::Entry> entries;
  entries.reserve(payloads.size());
  uint64_t bytes = 0;
  for (intake::Payload& payload : payloads) {
    bytes += payload->size();
    entries.push_back({next_index_++, terms_.term, 0, std::move(payload)});
  }
  given_.runs.push_back(static_cast<uint32_t>(entries.size()));
  const uint64_t count = entries.size();
  const uint64_t last = next_index_ - 1;
  ahead_.push_back({last, bytes});
  ahead_bytes_ += bytes;
  parts_.log->Append(std::move(entries), nullptr, true,
                     [this, last, count, begun_ns](const Status& status) {
                       Durable(last, count, begun_ns, status);
                     });
  parts_.metrics->Passed(Stage::kPropose, static_cast<double>(MonotonicNs() - begun_ns) * 1e-9);
}

void Grant::Durable(uint64_t last_index, uint64_t entries, int64_t begun_ns, const Status& status) {
  if (!status.ok()) return parts_.on_failure(status);
  parts_.metrics->Passed(Stage::kLog, static_cast<double>(MonotonicNs() - begun_ns) * 1e-9);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    METASTORE_CHECK(last_index > given_.durable, "the log reports in order");
    given_.durable = last_index;
  }
  // Told of before anybody can see what follows from it.
  parts_.committed(last_index);
  const bool here = entries <= kAppliedHere && parts_.proposals->empty();
  parts_.applier->ApplyCommitted(last_index, here);
  if (tells_.load() && tells_.exchange(false)) parts_.completions->Nudge();
  Work();
}

}  // namespace metastore::member
