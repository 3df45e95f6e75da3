// A stepped core under test: nothing runs by itself, and every engine meets every file layer, the
// one that loses what was not synced included. Used by the tests that cut the power between steps.
#ifndef METASTORE_TEST_SUPPORT_STEPPED_H_
#define METASTORE_TEST_SUPPORT_STEPPED_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "test/support/member_harness.h"

namespace metastore::member_test {

using member::EngineKind;
using member::StepExecutor;

inline constexpr StepExecutor kExecutors[] = {StepExecutor::kLog, StepExecutor::kApply,
                                              StepExecutor::kWatch, StepExecutor::kUpkeep,
                                              StepExecutor::kRead};

inline bool StepAny(MemberCore* core) {
  bool stepped = false;
  for (const StepExecutor each : kExecutors) stepped = core->Step(each) || stepped;
  return stepped;
}

/// Turns and steps until there is nothing more to do.
inline void Settle(TinyVoter* voter) {
  for (int i = 0; i < 100000; ++i) {
    voter->Turn();
    if (!StepAny(&voter->core())) {
      voter->Turn();
      if (!StepAny(&voter->core())) return;
    }
  }
  FAIL() << "there is always more to do";
}

struct Variant {
  EngineKind engine;
  bool lossy;
};

inline std::vector<Variant> Variants() {
  std::vector<Variant> variants = {{EngineKind::kMemory, false}, {EngineKind::kMemory, true}};
#ifdef METASTORE_ROCKSDB
  variants.push_back({EngineKind::kRocks, false});
  variants.push_back({EngineKind::kRocks, true});
#endif
  return variants;
}

inline std::string NameOfVariant(const ::testing::TestParamInfo<Variant>& info) {
  const bool memory = info.param.engine == EngineKind::kMemory;
  return std::string(memory ? "memory" : "rocksdb") + (info.param.lossy ? "_lossy" : "_plain");
}

class SteppedTest : public ::testing::TestWithParam<Variant> {
 protected:
  MemberOptions Options() {
    MemberOptions options = OptionsFor(scratch_.path(), GetParam().engine);
    options.stepped = true;
    options.wal_segment_bytes = 8192;
    if (GetParam().lossy) {
      layers_.push_back(FileLayer::Lossy(layers_.size()));
      options.files = layers_.back().get();
    }
    return options;
  }

  ScratchDirectory scratch_;
  std::vector<std::unique_ptr<FileLayer>> layers_;
};

}  // namespace metastore::member_test

#endif  // METASTORE_TEST_SUPPORT_STEPPED_H_
