// One thread's share of a load; see worker.h.
#include "run/worker.h"

#include <algorithm>

#include "loop/clock.h"
#include "wire/status_names.h"

namespace metastore::load {

namespace {

/// An open loop wakes no more often than this: several requests may be due at once then.
constexpr int64_t kTickNs = 100'000;
/// How long an open loop waits for late answers.
constexpr double kDrainSeconds = 10;
constexpr double kConnectSeconds = 10;
/// Time after which a run by count that makes no progress is given up.
constexpr double kCountSecondsMax = 600;

}  // namespace

Worker::Worker(Part part, TlsContext* tls, Board* board)
    : part_(std::move(part)),
      options_(part_.options),
      meter_(board, options_.rate > 0),
      maker_(options_),
      checker_(options_, part_.must_find),
      keys_(options_, part_.worker, part_.workers),
      random_(Random::Mix(options_.seed * 1000 + part_.worker)),
      fleet_(options_, options_.connections, part_.token, tls, this, this),
      phase_timer_(fleet_.loop(),
                   [this] {
                     if (phase_ == Phase::kConnecting) fleet_.Stop();
                     if (phase_ == Phase::kDraining) return End();
                     if (phase_ == Phase::kMeasuring) return StopMeasuring();
                     if (phase_ == Phase::kWarmUp) StartMeasuring();
                   }),
      second_timer_(fleet_.loop(), [this] { meter_.CloseInterval(NowNs()); }),
      pacer_(fleet_.loop(), [this] { SendDue(); }),
      keep_alives_(options_.connections),
      next_lease_(part_.worker) {
  double sum = 0;
  for (const double share : options_.mix) sum += share;
  double upper = 0;
  for (size_t op = 0; op < kOps; op++) {
    if (options_.mix[op] <= 0) continue;
    upper += options_.mix[op] / sum;
    choices_.emplace_back(static_cast<Op>(op), upper);
  }
  choices_.back().second = 2;
}

Worker::~Worker() = default;

bool Worker::Run(std::string* error) {
  phase_timer_.Start(kConnectSeconds, false);
  fleet_.Connect();
  fleet_.Run();
  if (phase_ == Phase::kOver) return true;
  *error = failure_.empty() ? "the connections could not be made in time" : failure_;
  return false;
}

void Worker::OnReady(Connection* connection) {
  if (phase_ != Phase::kConnecting) return Refill(connection);
  fleet_.Connected();
  if (fleet_.is_complete()) StartLoad();
}

void Worker::OnLost(Connection* connection, const std::string& why) {
  failure_ = why;
  if (phase_ != Phase::kConnecting) return Refill(connection);
  // A server that cannot be reached at all is an error of the command, not of the server.
  fleet_.Stop();
}

void Worker::OnBytes(size_t size) {
  now_ns_ = NowNs();
  meter_.Received(size);
}

void Worker::StartLoad() {
  now_ns_ = NowNs();
  phase_ = Phase::kWarmUp;
  meter_.Begin(now_ns_);
  second_timer_.Start(1, true);
  if (options_.rate > 0) {
    due_every_ns_ = static_cast<double>(kSecondNs) / options_.rate;
    // Workers take turns rather than sending all at once.
    first_due_ns_ = now_ns_ + static_cast<int64_t>(due_every_ns_ * part_.worker / part_.workers);
  }
  const bool has_warm_up = options_.count == 0 && options_.warm_up_seconds > 0;
  if (has_warm_up) {
    phase_timer_.Start(options_.warm_up_seconds, false);
  } else {
    StartMeasuring();
  }
  Refill(nullptr);
}

void Worker::StartMeasuring() {
  phase_ = Phase::kMeasuring;
  second_timer_.Start(1, true);
  meter_.StartMeasuring(NowNs());
  phase_timer_.Start(options_.count > 0 ? kCountSecondsMax : options_.seconds, false);
}

void Worker::StopMeasuring() {
  stop_ns_ = NowNs();
  meter_.StopMeasuring(stop_ns_);
  second_timer_.Stop();
  if (options_.count == 0 && options_.rate == 0) return End();
  phase_ = Phase::kDraining;
  phase_timer_.Start(kDrainSeconds, false);
  EndIfDrained();
}

void Worker::EndIfDrained() {
  if (phase_ != Phase::kDraining) return;
  if (options_.rate > 0) SendDue();
  if (in_flight_ == 0) End();
}

void Worker::End() {
  // Requests that should have been answered by now count, or a server that stops would look well.
  if (phase_ == Phase::kDraining) {
    uint64_t owed = in_flight_;
    while (options_.rate > 0 && options_.count == 0 && DueNs() < stop_ns_) {
      owed++;
      due_++;
    }
    if (owed > 0) meter_.result.errors["no answer"].count += owed;
  }
  phase_ = Phase::kOver;
  fleet_.Stop();
}

bool Worker::MayStart() const {
  // What an open loop owed when the window closed is still sent.
  const bool is_late = phase_ == Phase::kDraining && options_.rate > 0;
  if (!(is_running() || is_late) || in_flight_ >= options_.in_flight) return false;
  return options_.count == 0 || started_ < options_.count;
}

Connection* Worker::Pick(Connection* preferred) {
  // With fewer requests than connections they take turns; else each connection keeps its share.
  const bool rotates = preferred == nullptr || options_.in_flight < fleet_.size();
  if (!rotates && preferred->is_ready()) return preferred;
  for (size_t tried = 0; tried < fleet_.size(); tried++) {
    Connection* connection = fleet_.at(next_connection_++ % fleet_.size());
    if (connection->is_ready()) return connection;
  }
  return nullptr;
}

void Worker::Refill(Connection* preferred) {
  if (options_.rate > 0) return SendDue();
  while (MayStart()) {
    Connection* connection = Pick(preferred);
    if (connection == nullptr || !StartOn(connection, NowNs())) return;
  }
}

int64_t Worker::DueNs() const {
  return first_due_ns_ + static_cast<int64_t>(due_every_ns_ * static_cast<double>(due_));
}

void Worker::SendDue() {
  const int64_t now = NowNs();
  while (MayStart()) {
    const int64_t due_ns = DueNs();
    if (due_ns > now || due_ns >= stop_ns_) break;
    Connection* connection = Pick(nullptr);
    if (connection == nullptr || !StartOn(connection, due_ns)) break;
    due_++;
  }
  if (is_running()) pacer_.Arm(std::max(now + kTickNs, DueNs()));
}

Op Worker::ChooseOp() {
  if (choices_.size() == 1) return choices_[0].first;
  const double share = random_.Share();
  size_t at = 0;
  while (share >= choices_[at].second) at++;
  return choices_[at].first;
}

uint64_t Worker::ChooseKey(Op op) {
  if (op == Op::kGrant || op == Op::kKeepAlive) {
    const uint64_t lease = next_lease_ % options_.leases;
    next_lease_ += part_.workers;
    return lease;
  }
  const uint64_t key = keys_.Next(&random_);
  if (op != Op::kScan || options_.keys <= options_.span) return op == Op::kScan ? 0 : key;
  return std::min(key, options_.keys - options_.span);
}

bool Worker::StartOn(Connection* connection, int64_t intended_ns) {
  const Op op = ChooseOp();
  const uint64_t key = ChooseKey(op);
  if (op == Op::kKeepAlive) return SendKeepAlive(connection, intended_ns, key);
  Call* call = connection->session()->NewCall();
  call->op = op;
  call->key = key;
  call->intended_ns = intended_ns;
  call->index = static_cast<uint32_t>(connection->index());
  maker_.Make(op, key, started_, &call->out);
  if (!connection->session()->Start(call, maker_.MethodOf(op))) return false;
  started_++;
  in_flight_++;
  fleet_.MarkDirty(connection);
  return true;
}

bool Worker::SendKeepAlive(Connection* connection, int64_t intended_ns, uint64_t lease) {
  KeepAlives& own = keep_alives_[connection->index()];
  const bool is_new = own.stream == nullptr;
  if (is_new) {
    own.stream = connection->session()->NewCall();
    own.stream->op = Op::kKeepAlive;
    own.stream->half_close = false;
    own.stream->index = static_cast<uint32_t>(connection->index());
  }
  maker_.Make(Op::kKeepAlive, lease, 0, &own.stream->out);
  if (is_new && !connection->session()->Start(own.stream, Method::kLeaseKeepAlive)) {
    own.stream = nullptr;
    return false;
  }
  if (!is_new) connection->session()->Resume(own.stream);
  own.pending.push_back({intended_ns, lease});
  started_++;
  in_flight_++;
  fleet_.MarkDirty(connection);
  return true;
}

void Worker::Judge(Op op, int64_t intended_ns, const Answer& answer) {
  if (answer.wrong != nullptr) {
    meter_.Fail(intended_ns, now_ns_, "wrong answer",
                std::string(OpName(op)) + ": " + answer.wrong);
  } else {
    meter_.Succeed(op, intended_ns, now_ns_);
  }
}

void Worker::OnMessage(Call* call, std::string_view message) {
  if (phase_ == Phase::kOver) return;
  if (call->op == Op::kKeepAlive) {
    KeepAlives& own = keep_alives_[call->index];
    if (own.pending.empty()) return;
    const KeepAlive first = own.pending.front();
    own.pending.pop_front();
    Judge(Op::kKeepAlive, first.intended_ns, checker_.Check(call->op, first.lease, message));
    return Answered(fleet_.at(call->index));
  }
  const Answer answer = checker_.Check(call->op, call->key, message);
  call->is_right = answer.wrong == nullptr;
  if (!call->is_right) call->error_text = answer.wrong;
  const bool is_write = call->op == Op::kPut || call->op == Op::kTxn;
  if (is_write && call->is_right) meter_.Wrote(answer.revision);
  if (call->op == Op::kAuthenticate) token_ = answer.token;
}

void Worker::OnEnd(Call* call, uint32_t http2_error) {
  if (phase_ == Phase::kOver) return;
  const bool is_fine = call->status == 0 && call->is_right;
  if (call->op == Op::kKeepAlive) {
    return EndKeepAlives(call, FailureName(call->status, false, http2_error));
  }
  if (is_fine) {
    meter_.Succeed(call->op, call->intended_ns, now_ns_);
  } else {
    const bool is_wrong = call->status == 0;
    meter_.Fail(call->intended_ns, NowNs(), FailureName(call->status, is_wrong, http2_error),
                std::string(OpName(call->op)) + ": " + call->error_text);
  }
  Answered(fleet_.at(call->index));
}

void Worker::EndKeepAlives(Call* stream, const std::string& what) {
  KeepAlives& own = keep_alives_[stream->index];
  own.stream = nullptr;
  std::deque<KeepAlive> pending;
  pending.swap(own.pending);
  for (const KeepAlive& one : pending) {
    meter_.Fail(one.intended_ns, NowNs(), what, "keepalive: " + stream->error_text);
    Answered(fleet_.at(stream->index));
  }
}

void Worker::Answered(Connection* connection) {
  in_flight_--;
  if (is_running()) {
    const bool is_last = options_.count > 0 && started_ == options_.count && in_flight_ == 0;
    if (is_last) return StopMeasuring();
    if (options_.rate == 0) return Refill(connection);
    // Held back by the bound: what is due goes out as soon as there is room.
    if (in_flight_ + 1 == options_.in_flight) SendDue();
    return;
  }
  EndIfDrained();
}

}  // namespace metastore::load
