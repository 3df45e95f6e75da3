// The work of stepped.h.
#include "member/work/stepped.h"

#include <map>
#include <mutex>

namespace metastore::member {
namespace {

/// Room for the ids of one run: 256 for each millisecond.
constexpr uint64_t kMsBetweenStarts = 1 << 20;

}  // namespace

MemberOptions SteppedExecutors::Adapt(const MemberOptions& options) {
  MemberOptions adapted = options;
  adapted.executors.log = &log_;
  adapted.executors.apply = &apply_;
  adapted.executors.watch = &watch_;
  adapted.executors.upkeep = &upkeep_;
  adapted.executors.readers.clear();
  for (ManualExecutor& reader : readers_) adapted.executors.readers.push_back(&reader);
  adapted.store.compaction_sleep_ms = 0;
  // Its threads would write whenever they come to it.
  adapted.rocks.auto_compactions = false;
  return adapted;
}

bool SteppedExecutors::Step(StepExecutor which) {
  switch (which) {
    case StepExecutor::kLog:
      return log_.Step();
    case StepExecutor::kApply:
      return apply_.Step();
    case StepExecutor::kWatch:
      return watch_.Step();
    case StepExecutor::kUpkeep:
      return upkeep_.Step();
    case StepExecutor::kRead:
      return StepReader();
  }
  return false;
}

bool SteppedExecutors::StepReader() {
  for (size_t i = 0; i < readers_.size(); ++i) {
    ManualExecutor& reader = readers_[next_reader_];
    next_reader_ = (next_reader_ + 1) % readers_.size();
    if (reader.Step()) return true;
  }
  return false;
}

void SteppedExecutors::Drop() {
  for (ManualExecutor* executor : {&log_, &apply_, &watch_, &upkeep_}) executor->Drop();
  for (ManualExecutor& reader : readers_) reader.Drop();
}

uint64_t SteppedStartMs(const std::string& data_dir, bool created) {
  static std::mutex mutex;
  static std::map<std::string, uint64_t> starts;  // guarded by mutex
  std::lock_guard<std::mutex> lock(mutex);
  uint64_t& start = starts[data_dir];
  start = created ? 1 : start + 1;
  return start * kMsBetweenStarts;
}

}  // namespace metastore::member
