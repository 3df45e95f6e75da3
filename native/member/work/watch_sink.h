// WatchSink: watch messages on their way from the hub to whoever serves the stream: the data plane,
// or TypeScript by the completion queue. Made by MemberCore, called on the hub's thread.
#ifndef METASTORE_MEMBER_WORK_WATCH_SINK_H_
#define METASTORE_MEMBER_WORK_WATCH_SINK_H_

#include <mutex>
#include <utility>

#include "apply/completions.h"
#include "base/call_id.h"
#include "member/core.h"
#include "watch/events/frame.h"
#include "watch/hub.h"

namespace metastore::member {

/// The hub's own credit bounds what is outstanding.
class MemberCore::WatchSink final : public watch::StreamSink {
 public:
  explicit WatchSink(apply::CompletionQueue* completions) : completions_(completions) {}

  /// Any thread. Where messages of the plane's streams go; null to drop them. No call of the old
  /// one is under way when it returns.
  void Route(watch::StreamSink* plane) {
    std::lock_guard<std::mutex> lock(mutex_);
    plane_ = plane;
  }

  void Messages(watch::StreamMessages messages) override {
    if ((messages.stream & plane::kPlaneBit) != 0) {
      std::lock_guard<std::mutex> lock(mutex_);
      if (plane_ != nullptr) plane_->Messages(std::move(messages));
      return;
    }
    watch::ForEachFrame(messages.frames,
                        [&](std::string_view message) { batch_.Watch(messages.stream, message); });
    if (batch_.size_bytes() >= kBatchBytesMost) completions_->Append(&batch_);
  }

  void Pause() override {
    completions_->Append(&batch_);
    std::lock_guard<std::mutex> lock(mutex_);
    if (plane_ != nullptr) plane_->Pause();
  }

 private:
  static constexpr size_t kBatchBytesMost = 1u << 20;
  apply::CompletionQueue* const completions_;
  apply::CompletionBatch batch_;  // of the hub's turn
  std::mutex mutex_;
  watch::StreamSink* plane_ = nullptr;  // guarded by mutex_
};

}  // namespace metastore::member

#endif  // METASTORE_MEMBER_WORK_WATCH_SINK_H_
