// WatchWorker: watchers of one key over several streams, and puts to that key.
//
// Fan-out: a few puts at a time, the next as soon as the events of an earlier one are in, so that
// what is measured is how many events a second the server can send. Latency: puts at a fixed rate,
// and the time from when each should have been sent to each of its events.
#ifndef METASTORE_LOAD_RUN_WATCH_WORKER_H_
#define METASTORE_LOAD_RUN_WATCH_WORKER_H_

#include <string>
#include <vector>

#include "loop/fleet.h"
#include "loop/pacer.h"
#include "stats/meter.h"
#include "work/answers.h"
#include "work/options.h"
#include "work/requests.h"

namespace metastore::load {

class WatchWorker : private ConnectionOwner, private CallHandler {
 public:
  WatchWorker(const Options& options, const std::string& token, TlsContext* tls, Board* board);
  ~WatchWorker() override;
  WatchWorker(const WatchWorker&) = delete;
  WatchWorker& operator=(const WatchWorker&) = delete;

  /// False with a sentence when the watchers could not be set up.
  bool Run(std::string* error);
  Result& result() { return meter_.result; }

 private:
  enum class Phase { kConnecting, kCreating, kWarmUp, kMeasuring, kDraining, kOver };

  // ConnectionOwner
  void OnReady(Connection* connection) override;
  void OnLost(Connection* connection, const std::string& why) override;
  void OnBytes(size_t size) override;
  void OnSent(size_t size) override { meter_.Sent(size); }
  // CallHandler
  void OnMessage(Call* call, std::string_view message) override;
  void OnEnd(Call* call, uint32_t http2_error) override;

  void CreateWatchers();
  void OnWatchAnswer(Call* call, std::string_view message);
  void Begin();
  void StartMeasuring();
  void OnPhaseTimer();
  void StopPutting();
  void EndIfComplete();
  /// As many puts have been sent as were asked for.
  bool IsAllPut() const;
  void End();
  /// When the next put of an open loop is due.
  int64_t DueNs() const;
  /// Puts as long as events of earlier ones are not too far behind, or what is due.
  void Put();
  void PutOnce(int64_t intended_ns);
  void GiveUp(const std::string& why);
  bool is_running() const { return phase_ == Phase::kWarmUp || phase_ == Phase::kMeasuring; }

  Options options_;
  Meter meter_;
  RequestMaker maker_;
  AnswerChecker checker_;
  Fleet fleet_;
  Timer phase_timer_;
  Timer second_timer_;
  Pacer pacer_;

  Phase phase_ = Phase::kConnecting;
  std::string failure_;
  int64_t now_ns_ = 0;
  uint32_t created_ = 0;
  /// Events of each watcher: by stream, then by the watch id that the server gave.
  std::vector<std::vector<uint64_t>> received_;
  uint64_t events_ = 0;
  /// When each put should have been sent; a value's stamp is an index.
  std::vector<int64_t> intended_ns_;
  uint64_t puts_done_ = 0;
  uint64_t puts_under_way_ = 0;
  int64_t first_due_ns_ = 0;
};

}  // namespace metastore::load

#endif  // METASTORE_LOAD_RUN_WATCH_WORKER_H_
