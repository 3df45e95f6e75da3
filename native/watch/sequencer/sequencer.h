// Sequencer: the hub's single-threaded part, which alone orders every stream's messages.
//
// Called on the hub's thread by hub.cc, which carries calls over from other threads. Between two
// calls every synced watcher has been given, or is known to have missed, all changes up to the
// sequencer's view; so a progress answer is true by construction.
#ifndef METASTORE_WATCH_SEQUENCER_SEQUENCER_H_
#define METASTORE_WATCH_SEQUENCER_SEQUENCER_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "watch/hub.h"
#include "watch/sequencer/stream.h"

namespace metastore::watch {

/// Read by any thread.
struct Counters {
  std::atomic<uint64_t> streams{0};
  std::atomic<uint64_t> watchers{0};
  std::atomic<uint64_t> slow_watchers{0};
  std::atomic<uint64_t> events_total{0};
};

/// A request that has been dealt with: its stream, and the bytes that the gate counted.
using Handled = std::pair<StreamId, size_t>;

class Sequencer {
 public:
  Sequencer(const HubOptions& options, StreamSink* sink, Counters* counters);

  void Attach(std::shared_ptr<Store> store);
  /// Lets go of the store and of the state that it pinned; nothing may be called afterwards.
  void Detach();
  void SetHeader(const HeaderInfo& header);
  void Publish(Publication publication);
  void Open(StreamId id);
  void Close(StreamId id);
  void Handle(StreamId id, Incoming incoming);
  void Credit(StreamId id, uint64_t bytes);
  void Tick();

  /// Whether an unsynced watcher may be able to go on.
  bool HasCatchUpWork() const { return !queue_.empty(); }
  /// Reads one stretch of history for some of them.
  void CatchUpPass();

  /// Passes the messages made so far on to the sink; at the end of each turn of the hub.
  void Flush() { sender_.Flush(); }
  /// Whether credit should be told as it comes; otherwise it may wait for the next turn.
  bool WantsCredit() const { return sender_.WantsCredit(); }
  /// Requests dealt with since the last call.
  std::vector<Handled> TakeHandled() { return std::exchange(handled_, {}); }

 private:
  /// One stretch of history and those that read it.
  struct Pass;
  /// What one group has been sent.
  struct Delivered {
    uint64_t responses = 0;
    uint64_t events = 0;
  };

  // sequencer.cc: streams and requests.
  Stream* Find(StreamId id);
  void Process(Stream* stream, Incoming incoming);
  void Create(Stream* stream, CreateRequest request, Code permission);
  void Reject(Stream* stream, std::string_view reason);
  void Cancel(Stream* stream, int64_t watch_id);
  void Progress(Stream* stream);
  void NotifyProgress(Stream* stream);
  void GoOn(Stream* stream);
  bool AtProgress(const Watcher& watcher) const;
  int64_t NewestRevision() const;
  std::string_view Header(int64_t revision);

  // fan_out.cc: changes to watchers, and the states of watchers.
  void FanOutLive(const ViewRef& before, const std::vector<VersionRef>& versions);
  void DeliverGroup(Group* group, EventBatch* batch, std::optional<int64_t> header_revision,
                    std::vector<Watcher*>* behind);
  bool DeliverBody(Watcher* watcher, const Body& body, std::optional<int64_t> header_revision,
                   Delivered* delivered);
  void FallBehind(int64_t from_revision);
  void MakeUnsynced(Watcher* watcher);
  void MakeSynced(Watcher* watcher);
  void MakeCompacted(Watcher* watcher);
  void Unlist(Watcher* watcher);
  void Forget(Watcher* watcher);
  uint64_t ChunkBytes() const;

  // catch_up.cc.
  bool ChooseReaders(Pass* pass);
  void ReadHistory(Pass* pass, Matcher* matcher, std::vector<Group*>* touched);
  void FinishPass(const Pass& pass, const std::vector<Watcher*>& behind);

  HubOptions options_;
  Counters* counters_;
  Sender sender_;
  std::shared_ptr<Store> store_;
  ViewRef view_;  // the newest state whose changes have been sequenced
  HeaderInfo header_;
  std::string header_bytes_;      // the last one encoded,
  int64_t header_revision_ = -1;  // and its revision
  std::unordered_map<StreamId, std::unique_ptr<Stream>> streams_;
  Matcher matcher_;            // synced watchers
  std::list<Watcher*> queue_;  // unsynced watchers, those waiting for credit excepted
  std::vector<Handled> handled_;
};

}  // namespace metastore::watch

#endif  // METASTORE_WATCH_SEQUENCER_SEQUENCER_H_
