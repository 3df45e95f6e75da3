// Worker: one thread's share of a load: its connections, what it sends and what it counts.
//
// Closed loop: as many requests under way as asked for, each answer starting the next. Open loop: a
// request at every tick of a fixed rate, timed from when it should have been sent, so that a server
// that stops answers for all that would have come meanwhile (no coordinated omission).
#ifndef METASTORE_LOAD_RUN_WORKER_H_
#define METASTORE_LOAD_RUN_WORKER_H_

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loop/fleet.h"
#include "loop/pacer.h"
#include "stats/meter.h"
#include "work/answers.h"
#include "work/keys.h"
#include "work/options.h"
#include "work/requests.h"

namespace metastore::load {

/// One worker's part. The options are its own: its connections, its rate, its count.
struct Part {
  Options options;
  uint32_t worker = 0;
  uint32_t workers = 1;
  /// Reads have to find their keys.
  bool must_find = false;
  std::string token;
};

class Worker : private ConnectionOwner, private CallHandler {
 public:
  Worker(Part part, TlsContext* tls, Board* board);
  ~Worker() override;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Connects, warms up, measures, and waits for what an open loop still owes. False with a
  /// sentence when the connections could not be made.
  bool Run(std::string* error);
  Result& result() { return meter_.result; }
  /// What Authenticate has answered.
  const std::string& token() const { return token_; }

 private:
  enum class Phase { kConnecting, kWarmUp, kMeasuring, kDraining, kOver };

  struct KeepAlive {
    int64_t intended_ns;
    uint64_t lease;
  };
  /// A connection's stream of keep-alives and those under way on it, which are answered in order.
  struct KeepAlives {
    Call* stream = nullptr;
    std::deque<KeepAlive> pending;
  };

  // ConnectionOwner
  void OnReady(Connection* connection) override;
  void OnLost(Connection* connection, const std::string& why) override;
  void OnBytes(size_t size) override;
  void OnSent(size_t size) override { meter_.Sent(size); }
  // CallHandler
  void OnMessage(Call* call, std::string_view message) override;
  void OnEnd(Call* call, uint32_t http2_error) override;

  void StartLoad();
  void StartMeasuring();
  void StopMeasuring();
  void EndIfDrained();
  void End();

  bool is_running() const { return phase_ == Phase::kWarmUp || phase_ == Phase::kMeasuring; }
  bool MayStart() const;
  /// Starts what is missing in a closed loop, on this connection if it has room for its share, or
  /// what is due in an open one.
  void Refill(Connection* preferred);
  void SendDue();
  /// When the next request of an open loop should be sent.
  int64_t DueNs() const;
  Connection* Pick(Connection* preferred);
  bool StartOn(Connection* connection, int64_t intended_ns);
  bool SendKeepAlive(Connection* connection, int64_t intended_ns, uint64_t lease);
  Op ChooseOp();
  uint64_t ChooseKey(Op op);
  /// An answer has come, right or wrong: the next request.
  void Answered(Connection* connection);
  void Judge(Op op, int64_t intended_ns, const Answer& answer);
  void EndKeepAlives(Call* stream, const std::string& what);

  Part part_;
  const Options& options_;
  Meter meter_;
  RequestMaker maker_;
  AnswerChecker checker_;
  KeyChooser keys_;
  Random random_;
  Fleet fleet_;
  Timer phase_timer_;
  Timer second_timer_;
  Pacer pacer_;
  std::vector<KeepAlives> keep_alives_;
  /// Operations with the upper end of their share of 1.
  std::vector<std::pair<Op, double>> choices_;

  Phase phase_ = Phase::kConnecting;
  std::string failure_;
  std::string token_;
  size_t next_connection_ = 0;
  int64_t now_ns_ = 0;
  int64_t first_due_ns_ = 0;
  double due_every_ns_ = 0;
  int64_t stop_ns_ = INT64_MAX;
  uint64_t due_ = 0;
  uint64_t in_flight_ = 0;
  uint64_t started_ = 0;
  uint64_t next_lease_ = 0;
};

}  // namespace metastore::load

#endif  // METASTORE_LOAD_RUN_WORKER_H_
