// The life of a call; see hot_lane.h.
#include <utility>

#include "plane/hot/hot_lane.h"

namespace metastore::plane {
namespace {

constexpr int kCanceled = 1;
constexpr int kUnknown = 2;
constexpr int kDeadlineExceeded = 4;

constexpr intake::Method kMethods[] = {intake::Method::kRange, intake::Method::kPut,
                                       intake::Method::kDeleteRange, intake::Method::kTxn};

}  // namespace

HotCall::~HotCall() {
  if (state_ == State::kGathered) lane_->Ungather(this);
  Leave();
}

void HotCall::OnMessage(std::string message) {
  if (foreign_) return foreign_->OnMessage(std::move(message));
  // A unary call has one message; what else a client sends is nobody's.
  if (has_message_) return wire_->Accept(message.size());
  has_message_ = true;
  message_ = std::move(message);
}

void HotCall::OnHalfClose() {
  if (foreign_) return foreign_->OnHalfClose();
  if (state_ != State::kOpen) return;
  if (!has_message_) {
    state_ = State::kOver;
    return wire_->Finish(kUnknown, "EOF");
  }
  HotLane::Ordinary ordinary;
  if (!lane_->Look(wire_->head(), method_, &ordinary)) return HandOver();
  Begin(ordinary);
  if (lane_->Gather(this, ordinary)) {
    state_ = State::kGathered;
  } else {
    Ask(ordinary);
  }
}

void HotCall::OnWritten(uint64_t bytes) {
  if (foreign_) foreign_->OnWritten(bytes);
}

void HotCall::HandOver() {
  foreign_ = lane_->view_.foreign->Make(id_, wire_);
  foreign_->OnMessage(std::move(message_));
  foreign_->OnHalfClose();
}

void HotCall::Begin(const HotLane::Ordinary& ordinary) {
  began_ns_ = lane_->now_ns_;
  state_ = State::kServing;
  MethodCounts& counts = lane_->tally().methods[static_cast<size_t>(method_)];
  counts.started.Add();
  counts.received_bytes.Add(message_.size());
  lane_->state_->versions.Add(ordinary.version);
}

void HotCall::Ask(const HotLane::Ordinary& ordinary) {
  const bool solo = (ordinary.gate & kGateSolo) != 0;
  if (method_ == HotMethod::kRange) {
    Code code = Code::kOk;
    std::string& reply = lane_->reply_;
    reply.clear();
    if (lane_->resident_->Serve(message_, ordinary.caller, solo, &code, &reply)) {
      wire_->Accept(message_.size());
      return Answer(code, reply, true);
    }
  }
  Submit(ordinary);
}

void HotCall::Submit(const HotLane::Ordinary& ordinary) {
  const bool solo = (ordinary.gate & kGateSolo) != 0;
  const auto route = lane_->core()->Submit(kPlaneBit | id_, kMethods[static_cast<size_t>(method_)],
                                           message_, ordinary.caller, solo, &lane_->reads_);
  wire_->Accept(message_.size());
  if (!route.ok()) return Answer(route.status().code(), {}, false);
  HotCounts& counts = lane_->tally();
  lane_->service_->in_flight_.fetch_add(1, std::memory_order_relaxed);
  counts.waiting.Add();
  if (*route == intake::Route::kProposed) {
    state_ = State::kProposed;
    lane_->proposed_ = true;
    counts.proposals.Add();
  } else if (*route == intake::Route::kReadWaits) {
    state_ = State::kReadWaits;
  }
  is_counted_ = true;
  if (waits()) lane_->Link(this);
}

void HotCall::Leave() {
  if (!is_counted_) return;
  is_counted_ = false;
  HotCounts& counts = lane_->tally();
  lane_->service_->in_flight_.fetch_sub(1, std::memory_order_relaxed);
  counts.waiting.Subtract(1);
  if (is_proposal()) counts.proposals.Subtract(1);
  if (waits()) lane_->Unlink(this);
}

void HotCall::OnResult(Code code, std::string_view reply) {
  if (state_ == State::kOver || foreign_) return;
  if (!IsPostponed(code, reply)) Answer(code, reply, true);
}

bool HotCall::IsPostponed(Code code, std::string_view reply) {
  if (code != Code::kOk || is_proposal()) return false;
  if (!wire_->Postpone(reply.size(), message_.size())) return false;
  Leave();
  state_ = State::kPostponed;
  return true;
}

void HotCall::OnAgain() {
  if (state_ != State::kPostponed) return;
  state_ = State::kServing;
  HotLane::Ordinary ordinary;
  if (lane_->Look(wire_->head(), method_, &ordinary)) return Ask(ordinary);
  // It is TypeScript's from now on, which counts it anew.
  MethodCounts& counts = lane_->tally().methods[static_cast<size_t>(method_)];
  counts.started.Subtract(1);
  counts.received_bytes.Subtract(message_.size());
  state_ = State::kOpen;
  HandOver();
}

HotRequest HotCall::KindOf(bool is_proposal) const {
  switch (method_) {
    case HotMethod::kPut:
      return HotRequest::kPut;
    case HotMethod::kDeleteRange:
      return HotRequest::kDeleteRange;
    case HotMethod::kTxn:
      return is_proposal ? HotRequest::kTxn : HotRequest::kReadonlyTxn;
    default:
      return HotRequest::kRange;
  }
}

void HotCall::Answer(Code code, std::string_view reply, bool accepted) {
  HotCounts& counts = lane_->tally();
  const int64_t took_ns = lane_->now_ns_ - began_ns_;
  const bool proposal = is_proposal();
  if (accepted) counts.Answered(KindOf(proposal), proposal, code, took_ns);
  Leave();
  state_ = State::kOver;
  const bool ok = code == Code::kOk;
  counts.Ended(method_, GrpcCode(code), took_ns, reply.size());
  if (took_ns > lane_->service_->options_.slow_ns) [[unlikely]] {
    lane_->TellSlow(*this, took_ns, ok ? &reply : nullptr);
  }
  if (ok) {
    wire_->Reply(reply);
  } else {
    wire_->Finish(code);
  }
}

void HotCall::OnEnd() {
  if (foreign_) return foreign_->OnEnd();
  const bool was_begun = state_ != State::kOpen && state_ != State::kOver;
  if (state_ == State::kGathered) lane_->Ungather(this);
  // Its result may still come to the core, and finds nobody.
  Leave();
  state_ = State::kOver;
  if (!was_begun) return;
  const int64_t took_ns = lane_->now_ns_ - began_ns_;
  const int64_t timeout_ns = wire_->head().timeout_ns;
  const bool timed_out = timeout_ns >= 0 && took_ns >= timeout_ns;
  lane_->tally().Ended(method_, timed_out ? kDeadlineExceeded : kCanceled, took_ns, 0);
}

}  // namespace metastore::plane
