// Lane: one data-plane thread: a loop with its connections, the calls on them, and their services.
//
// A turn: what sockets have brought is read and handed out, then mail, then timers; services end
// the turn; then every connection that has something to say is written to once. Nothing of a lane
// is touched on other threads but its mailbox and its counts.
#ifndef METASTORE_PLANE_LOOP_LANE_H_
#define METASTORE_PLANE_LOOP_LANE_H_

#include <uv.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "plane/foreign/foreign.h"
#include "plane/loop/connection.h"
#include "plane/loop/service.h"
#include "plane/loop/tables/call_slots.h"
#include "plane/loop/tables/mailbox.h"
#include "plane/loop/tables/timers.h"
#include "plane/mail.h"

namespace metastore::plane {

/// What a lane counts of itself.
struct LaneCounts {
  Counter turns;
  Counter reads;
  Counter read_bytes;
  Counter writes;
  Counter written_bytes;
  Counter calls;
  Counter foreign_calls;
  Counter connections;
  /// Connections whose clients did not read what they had been answered.
  Counter cut_off;
};

/// Of all lanes of a plane; outlives them.
struct LaneShared {
  PostOffice* office = nullptr;
  EventQueue* events = nullptr;
  std::atomic<uint64_t>* held_bytes = nullptr;
  std::atomic<uint64_t>* unsent_bytes = nullptr;
  std::atomic<uint64_t>* open_connections = nullptr;
  SessionOptions session;
};

class Lane final : public CallTable {
 public:
  Lane(size_t index, const LaneShared& shared);
  ~Lane() override;

  /// Once. Starts the thread, which makes the services. kIo when there is no loop to be had.
  Status Start(std::vector<ServiceMaker> makers);
  /// Any thread; after Stop mail is dropped.
  void Post(std::unique_ptr<Mail> mail);
  /// Any thread but the lane's: ends everything; Join waits for it.
  void Stop();
  void Join();

  /// Any thread: a number for a new connection, which counts as one of the lane's from now on.
  uint64_t NextConnection();
  uint64_t load() const { return load_.load(std::memory_order_relaxed); }
  LaneCounts& counts() { return counts_; }

  // Lane thread only, from here on.

  /// For mail that opens or names a connection.
  void Open(int descriptor, Peer peer, bool shares_http, std::string_view first_bytes);
  Connection* FindConnection(uint64_t number);
  /// Connections that come later are drained too.
  void DrainAll();
  ForeignCalls* foreign() { return &foreign_; }

  /// Of CallTable.
  Call* Find(CallId call) override;

  // For connections.

  uv_loop_t* loop() { return &loop_; }
  int64_t now_ns() const { return now_ns_; }
  std::string_view read_buffer() const { return {read_buffer_.get(), kReadBytes}; }
  std::string* scratch() { return &scratch_; }
  EventBatch* events() { return &events_; }
  CallSlots* slots() { return &slots_; }
  bool is_draining() const { return is_draining_; }
  void BeginTurn();
  void BeginInput();
  void EndInput();
  void MarkDirty(Connection* connection);
  void SetTimer(Connection* connection, int64_t due_ns) { timers_.Set(connection, due_ns); }
  void OnWithheld(uint64_t connection) { withheld_.push_back(connection); }
  void OnParked(uint64_t connection) { parked_.push_back(connection); }
  void OnHolding(uint64_t connection);
  std::unique_ptr<Call> MakeCall(CallId id, Wire* wire);
  std::unique_ptr<Call> MakeHttp(CallId id, HttpWire* wire);
  /// It is over: nothing of the lane names it any more.
  void Forget(Connection* connection);
  /// Destroys it once the turn is over.
  void Bury(Connection* connection) { graves_.emplace_back(connection); }

 private:
  /// Enough for what a socket's buffer holds in the ordinary case.
  static constexpr size_t kReadBytes = 256u << 10;

  void Run();
  /// All that can be done now, until the lane may sleep.
  void Settle();
  void EndTurn();
  void DeliverMail();
  void RunTimers();
  void FlushDirty();
  void RelaxWithheld();
  void ResumeParked();
  void CutStalled();
  void ArmTimer();
  void CloseAll();

  const size_t index_;
  const LaneShared shared_;
  SessionOptions plain_options_;
  SessionOptions shared_options_;
  std::vector<ServiceMaker> makers_;
  uv_loop_t loop_;
  uv_async_t wake_;
  uv_prepare_t prepare_;
  uv_timer_t timer_;
  std::thread thread_;
  Mailbox mailbox_;
  LaneCounts counts_;
  std::atomic<uint64_t> load_{0};
  std::atomic<uint64_t> next_connection_{0};
  std::atomic<bool> stopping_{false};

  // Of the lane's thread.
  bool in_turn_ = false;
  bool ended_ = false;
  bool is_draining_ = false;
  int64_t now_ns_ = 0;
  int64_t armed_ns_ = Timed::kNever;
  std::unique_ptr<char[]> read_buffer_;
  std::string scratch_;
  EventBatch events_;
  CallSlots slots_;
  ForeignCalls foreign_;
  std::vector<std::unique_ptr<Service>> services_;
  Timers timers_;
  std::unordered_map<uint64_t, Connection*> connections_;
  std::vector<Connection*> dirty_;
  std::vector<Connection*> flushing_;
  std::vector<uint64_t> withheld_;
  // Connections with calls that wait for the budget of answers, and those with much to take.
  std::vector<uint64_t> parked_;
  std::vector<uint64_t> holding_;
  int64_t resume_at_ns_ = 0;
  int64_t look_at_ns_ = 0;
  std::vector<std::unique_ptr<Connection>> graves_;
  std::vector<std::unique_ptr<Mail>> mail_;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_LOOP_LANE_H_
