// WatchSink: watch messages on their way from the hub into the completion queue. Made by
// MemberCore, called on the hub's thread.
#ifndef METASTORE_MEMBER_WORK_WATCH_SINK_H_
#define METASTORE_MEMBER_WORK_WATCH_SINK_H_

#include <string>

#include "apply/completions.h"
#include "member/core.h"
#include "watch/hub.h"

namespace metastore::member {

/// Called on the hub's thread; the hub's own credit bounds what is outstanding.
class MemberCore::WatchSink final : public watch::StreamSink {
 public:
  explicit WatchSink(apply::CompletionQueue* completions) : completions_(completions) {}

  void Message(watch::StreamId stream, std::string bytes) override {
    apply::CompletionBatch batch;
    batch.Watch(stream, bytes);
    completions_->Append(&batch);
  }

 private:
  apply::CompletionQueue* const completions_;
};

}  // namespace metastore::member

#endif  // METASTORE_MEMBER_WORK_WATCH_SINK_H_
