// SteppedExecutors: the executors of a core of which nothing runs by itself. Tests only.
//
// Made by MemberCore::Open when it is asked for; a simulator runs tasks one by one between its own
// events, and so decides every order and can lose power between any two.
#ifndef METASTORE_MEMBER_WORK_STEPPED_H_
#define METASTORE_MEMBER_WORK_STEPPED_H_

#include <array>
#include <cstdint>
#include <string>

#include "base/executor.h"
#include "member/options.h"

namespace metastore::member {

/// Which executor to step; named in src/storage/native.ts.
enum class StepExecutor : uint8_t { kLog, kApply, kWatch, kUpkeep, kRead };

class SteppedExecutors {
 public:
  /// Options of a core that runs on these, and whose work never waits for time.
  MemberOptions Adapt(const MemberOptions& options);

  /// Runs the oldest task of one executor; of the readers', in turn. False when there is none.
  bool Step(StepExecutor which);
  /// Forgets all tasks.
  void Drop();
  /// Runs the tasks of the watch hub that remain, none of which posts another.
  void StopWatch() { watch_.Stop(); }

 private:
  bool StepReader();

  ManualExecutor log_;
  ManualExecutor apply_;
  ManualExecutor watch_;
  ManualExecutor upkeep_;
  std::array<ManualExecutor, 2> readers_;
  size_t next_reader_ = 0;
};

/// What stands in for the time at which a stepped core starts: higher at each opening of the
/// directory by this process, counted anew when it has been created.
uint64_t SteppedStartMs(const std::string& data_dir, bool created);

}  // namespace metastore::member

#endif  // METASTORE_MEMBER_WORK_STEPPED_H_
