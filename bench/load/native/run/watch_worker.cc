// Watchers of one key and puts to it; see watch_worker.h.
#include "run/watch_worker.h"

#include <algorithm>

#include "loop/clock.h"
#include "report/format.h"
#include "wire/status_names.h"

namespace metastore::load {

namespace {

constexpr int64_t kTickNs = 100'000;
constexpr double kSetUpSeconds = 60;
constexpr double kDrainSeconds = 20;
constexpr double kCountSecondsMax = 600;
/// The key that is watched, and the watch id above which a server's numbering is not believed.
constexpr uint64_t kKey = 0;
constexpr int64_t kWatchIdMax = 100'000'000;

}  // namespace

WatchWorker::WatchWorker(const Options& options, const std::string& token, TlsContext* tls,
                         Board* board)
    : options_(options),
      meter_(board, options.watch == WatchMode::kLatency),
      maker_(options_),
      checker_(options_, false),
      // One more than asked for: puts have a connection of their own.
      fleet_(options_, std::min(options.connections, options.streams) + 1, token, tls, this, this),
      phase_timer_(fleet_.loop(), [this] { OnPhaseTimer(); }),
      second_timer_(fleet_.loop(), [this] { meter_.CloseInterval(NowNs()); }),
      pacer_(fleet_.loop(), [this] { Put(); }),
      received_(std::min(options.streams, options.watchers)) {}

WatchWorker::~WatchWorker() = default;

bool WatchWorker::Run(std::string* error) {
  phase_timer_.Start(kSetUpSeconds, false);
  fleet_.Connect();
  fleet_.Run();
  if (phase_ == Phase::kOver && failure_.empty()) return true;
  *error = failure_.empty() ? "the watchers could not be set up in time" : failure_;
  return false;
}

void WatchWorker::GiveUp(const std::string& why) {
  failure_ = why;
  phase_ = Phase::kOver;
  fleet_.Stop();
}

void WatchWorker::OnReady(Connection*) {
  fleet_.Connected();
  if (fleet_.is_complete()) CreateWatchers();
}

void WatchWorker::OnLost(Connection*, const std::string& why) {
  if (phase_ != Phase::kOver) GiveUp("a connection was lost: " + why);
}

void WatchWorker::OnBytes(size_t size) {
  now_ns_ = NowNs();
  meter_.Received(size);
}

void WatchWorker::CreateWatchers() {
  phase_ = Phase::kCreating;
  const auto streams = static_cast<uint32_t>(received_.size());
  std::string create;
  maker_.Make(Op::kWatch, kKey, 0, &create);
  for (uint32_t stream = 0; stream < streams; stream++) {
    Connection* connection = fleet_.at(stream % (fleet_.size() - 1));
    Call* call = connection->session()->NewCall();
    call->op = Op::kWatch;
    call->index = stream;
    call->half_close = false;
    for (uint32_t at = stream; at < options_.watchers; at += streams) call->out += create;
    if (!connection->session()->Start(call, Method::kWatch)) return GiveUp("no stream to watch on");
    fleet_.MarkDirty(connection);
  }
  fleet_.FlushDirty();
}

void WatchWorker::OnMessage(Call* call, std::string_view message) {
  if (phase_ == Phase::kOver) return;
  if (call->op == Op::kWatch) return OnWatchAnswer(call, message);
  const Answer answer = checker_.Check(call->op, call->key, message);
  call->is_right = answer.wrong == nullptr;
  if (call->is_right) meter_.Wrote(answer.revision);
}

void WatchWorker::OnWatchAnswer(Call* call, std::string_view message) {
  const WatchAnswer answer = ReadWatchAnswer(message, [this](std::string_view value) {
    const bool is_ours = IsValueOf(kKey, value, options_) && StampOf(value) < intended_ns_.size();
    if (is_ours) return meter_.Event(intended_ns_[StampOf(value)], now_ns_);
    meter_.Fail(now_ns_, now_ns_, "wrong answer", "watch: an event of nobody's put");
  });
  if (answer.malformed) return GiveUp("a watch answer is not protobuf");
  if (answer.canceled) {
    return GiveUp("a watch was canceled: " + std::string(answer.cancel_reason));
  }
  if (answer.watch < 0 || answer.watch > kWatchIdMax) return GiveUp("a watch id out of range");
  std::vector<uint64_t>& counts = received_[call->index];
  const auto watch = static_cast<size_t>(answer.watch);
  if (answer.created) {
    if (counts.size() <= watch) counts.resize(watch + 1);
    if (++created_ == options_.watchers) Begin();
    return;
  }
  if (watch >= counts.size()) return GiveUp("events of a watch that was not created");
  counts[watch] += answer.events;
  events_ += answer.events;
  if (options_.watch == WatchMode::kFanOut) Put();
  EndIfComplete();
}

void WatchWorker::Begin() {
  now_ns_ = NowNs();
  phase_ = Phase::kWarmUp;
  first_due_ns_ = now_ns_;
  meter_.Begin(now_ns_);
  second_timer_.Start(1, true);
  if (options_.count > 0) {
    StartMeasuring();
  } else {
    phase_timer_.Start(std::max(options_.warm_up_seconds, 0.001), false);
  }
  Put();
}

void WatchWorker::StartMeasuring() {
  phase_ = Phase::kMeasuring;
  second_timer_.Start(1, true);
  meter_.StartMeasuring(NowNs());
  phase_timer_.Start(options_.count > 0 ? kCountSecondsMax : options_.seconds, false);
}

void WatchWorker::OnPhaseTimer() {
  switch (phase_) {
    case Phase::kWarmUp:
      return StartMeasuring();
    case Phase::kMeasuring:
      return StopPutting();
    case Phase::kDraining:
      return End();
    default:
      return GiveUp("the watchers could not be set up in time");
  }
}

void WatchWorker::StopPutting() {
  meter_.StopMeasuring(NowNs());
  second_timer_.Stop();
  phase_ = Phase::kDraining;
  phase_timer_.Start(kDrainSeconds, false);
  EndIfComplete();
}

bool WatchWorker::IsAllPut() const {
  return options_.count > 0 && intended_ns_.size() >= options_.count;
}

void WatchWorker::EndIfComplete() {
  const bool is_last = phase_ == Phase::kMeasuring && IsAllPut();
  if ((phase_ != Phase::kDraining && !is_last) || puts_under_way_ > 0) return;
  if (events_ < puts_done_ * options_.watchers) return;
  if (is_last) meter_.StopMeasuring(NowNs());
  End();
}

void WatchWorker::End() {
  phase_ = Phase::kOver;
  fleet_.Stop();
  uint64_t watchers = 0;
  uint64_t wrong = 0;
  for (const std::vector<uint64_t>& counts : received_) {
    watchers += counts.size();
    for (const uint64_t count : counts) wrong += count == puts_done_ ? 0 : 1;
  }
  if (wrong == 0 && watchers == options_.watchers) return;
  meter_.result.AddError("wrong answer", Grouped(static_cast<double>(wrong)) + " of " +
                                             Grouped(static_cast<double>(watchers)) +
                                             " watchers did not get one event of each put");
}

int64_t WatchWorker::DueNs() const {
  const double every_ns = static_cast<double>(kSecondNs) / options_.rate;
  return first_due_ns_ + static_cast<int64_t>(every_ns * static_cast<double>(intended_ns_.size()));
}

void WatchWorker::Put() {
  if (!is_running()) return;
  const int64_t now = NowNs();
  if (options_.watch == WatchMode::kLatency) {
    while (puts_under_way_ < options_.in_flight && !IsAllPut() && DueNs() <= now) {
      PutOnce(DueNs());
    }
    return pacer_.Arm(std::max(now + kTickNs, DueNs()));
  }
  while (puts_under_way_ < options_.in_flight && !IsAllPut() &&
         intended_ns_.size() * options_.watchers - events_ <
             uint64_t{options_.in_flight} * options_.watchers) {
    PutOnce(now);
  }
}

void WatchWorker::PutOnce(int64_t intended_ns) {
  Connection* connection = fleet_.at(fleet_.size() - 1);
  Call* call = connection->session()->NewCall();
  call->op = Op::kPut;
  call->key = kKey;
  call->intended_ns = intended_ns;
  maker_.Make(Op::kPut, kKey, intended_ns_.size(), &call->out);
  if (!connection->session()->Start(call, Method::kPut)) return GiveUp("no stream to put on");
  intended_ns_.push_back(intended_ns);
  puts_under_way_++;
  fleet_.MarkDirty(connection);
}

void WatchWorker::OnEnd(Call* call, uint32_t http2_error) {
  if (phase_ == Phase::kOver) return;
  const bool is_fine = call->status == 0 && call->is_right;
  const std::string what = FailureName(call->status, call->status == 0, http2_error);
  if (call->op == Op::kWatch) {
    return GiveUp("a watch stream ended: " + what + " " + call->error_text);
  }
  puts_under_way_--;
  if (is_fine) {
    puts_done_++;
    // Its events are what is counted second by second; its own latency stands beside them.
    if (meter_.Counts(call->intended_ns, now_ns_)) {
      meter_.result.latency[static_cast<size_t>(Op::kPut)].Add(now_ns_ - call->intended_ns);
    }
  } else {
    meter_.Fail(call->intended_ns, now_ns_, what, "put: " + call->error_text);
  }
  if (options_.watch == WatchMode::kFanOut) Put();
  EndIfComplete();
}

}  // namespace metastore::load
