// Which calls are ordinary, whose time is up, and what is told of slow ones; see hot_lane.h.
#include "plane/hot/hot_lane.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"

namespace metastore::plane {
namespace {

constexpr std::string_view kService = "/etcdserverpb.KV/";
constexpr std::string_view kBearer = "Bearer ";
/// Between the values of a header that came several times; part of no token.
constexpr std::string_view kNextValue = ", ";

std::optional<HotMethod> MethodOf(std::string_view path) {
  if (!path.starts_with(kService)) return std::nullopt;
  path.remove_prefix(kService.size());
  if (path == "Put") return HotMethod::kPut;
  if (path == "Range") return HotMethod::kRange;
  if (path == "Txn") return HotMethod::kTxn;
  if (path == "DeleteRange") return HotMethod::kDeleteRange;
  return std::nullopt;
}

/// As src/api/auth/authentication.ts reads them.
std::string_view TokenIn(const std::string& values) {
  std::string_view token = std::string_view(values).substr(0, values.find(kNextValue));
  if (token.starts_with(kBearer)) token.remove_prefix(kBearer.size());
  return token;
}

void AppendText(std::string_view text, std::string* out) {
  AppendLittle32(out, static_cast<uint32_t>(text.size()));
  out->append(text);
}

}  // namespace

HotLane::HotLane(HotService* service, const LaneView& view)
    : service_(service),
      view_(view),
      state_(&service->lanes_[view.lane]),
      resident_(service->core_->NewResidentReads()) {}

HotLane::~HotLane() {
  METASTORE_CHECK(oldest_ == nullptr, "calls go before their lane");
  state_->lane = nullptr;
}

std::unique_ptr<Call> HotLane::Make(CallId id, Wire* wire) {
  const auto method = MethodOf(wire->head().path);
  if (!method.has_value() || !service_->gate_->Has(kGateOpen)) return nullptr;
  return std::make_unique<HotCall>(this, id, wire, *method);
}

bool HotLane::Gather(HotCall* call, const Ordinary& ordinary) {
  // What says who asks is kept for one call only.
  const bool may_wait = gathers_ && (ordinary.gate & kGateAuth) == 0;
  if (!may_wait || call->method_ != HotMethod::kRange) return false;
  gathered_.push_back({call, ordinary});
  return true;
}

void HotLane::Ungather(const HotCall* call) {
  for (Gathered& gathered : gathered_) {
    if (gathered.call == call) gathered.call = nullptr;
  }
}

void HotLane::OnInputEnd() {
  gathers_ = false;
  if (!gathered_.empty()) ServeGathered();
}

void HotLane::ServeGathered() {
  constexpr size_t kMost = member::ResidentReads::kMostTogether;
  std::array<member::ResidentReads::Question, kMost> questions;
  for (size_t at = 0; at < gathered_.size(); at += kMost) {
    const size_t count = std::min(kMost, gathered_.size() - at);
    for (size_t i = 0; i < count; ++i) {
      const Gathered& gathered = gathered_[at + i];
      questions[i] = {};
      if (gathered.call == nullptr) continue;
      questions[i].request = gathered.call->message_;
      questions[i].confirmed = (gathered.ordinary.gate & kGateSolo) != 0;
    }
    const auto answer = [&](size_t i, Code code, std::string_view reply) {
      HotCall* call = std::exchange(gathered_[at + i].call, nullptr);
      call->state_ = HotCall::State::kServing;
      call->wire_->Accept(call->message_.size());
      // All of these were let in before the first of them was answered.
      if (call->IsPostponed(code, reply)) return;
      call->Answer(code, reply, true);
    };
    resident_->ServeAll({questions.data(), count}, answer);
    for (size_t i = 0; i < count; ++i) {
      HotCall* call = std::exchange(gathered_[at + i].call, nullptr);
      if (call == nullptr) continue;
      call->state_ = HotCall::State::kServing;
      call->Submit(gathered_[at + i].ordinary);
    }
  }
  gathered_.clear();
}

void HotLane::OnTurnEnd() {
  if (std::exchange(proposed_, false)) core()->Proposed(true);
  if (!reads_.empty()) core()->Serve(std::exchange(reads_, {}));
  resident_->Rest();
}

bool HotLane::Look(const RequestHead& head, HotMethod method, Ordinary* ordinary) {
  const uint32_t gate = service_->gate_->flags();
  if ((gate & kGateOpen) == 0) return false;
  const bool grows = method == HotMethod::kPut || method == HotMethod::kTxn;
  if (grows && (gate & kGateGrowth) != 0) return false;
  if (service_->in_flight() >= service_->options_.most_in_flight) return false;
  const std::string* version = nullptr;
  const std::string* needs_leader = nullptr;
  // One pass: most calls have a few headers that mean nothing here.
  for (const auto& [name, value] : head.metadata) {
    if (version == nullptr && name == "client-api-version") version = &value;
    if (needs_leader == nullptr && name == "hasleader") needs_leader = &value;
  }
  if (needs_leader != nullptr && *needs_leader == "true" && (gate & kGateLeader) == 0) return false;
  ordinary->caller = {};
  if ((gate & kGateAuth) != 0) {
    if (!Identify(head)) return false;
    ordinary->caller = caller_.view();
  }
  ordinary->gate = gate;
  ordinary->version = state_->versions.Find(version);
  return ordinary->version >= 0;
}

bool HotLane::Identify(const RequestHead& head) {
  const std::string* values = head.Find("token");
  if (values == nullptr) values = head.Find("authorization");
  // Without a token it may be a certificate that says who asks.
  return values != nullptr && service_->tokens_.Find(TokenIn(*values), now_ns_, &caller_);
}

void HotLane::Link(HotCall* call) {
  call->before_ = newest_;
  (newest_ == nullptr ? oldest_ : newest_->after_) = call;
  newest_ = call;
}

void HotLane::Unlink(HotCall* call) {
  (call->before_ == nullptr ? oldest_ : call->before_->after_) = call->after_;
  (call->after_ == nullptr ? newest_ : call->after_->before_) = call->before_;
  call->before_ = call->after_ = nullptr;
}

void HotLane::Expire(const HotExpiry& expiry, CallTable* calls) {
  std::vector<intake::Ticket> proposals;
  std::vector<CallId> old;
  const int64_t before_ns = now_ns_ - expiry.age_ns;
  for (HotCall* call = oldest_; call != nullptr && call->began_ns() < before_ns;
       call = call->after_) {
    old.push_back(call->id());
    if (call->is_proposal()) proposals.push_back(kPlaneBit | call->id());
  }
  if (old.empty()) return;
  // From here on *proposals are those that nobody will ever propose.
  core()->ExpireQueued(&proposals);
  for (const CallId id : old) {
    // By the table, so that the lane knows of the output.
    auto* call = static_cast<HotCall*>(calls->Find(id));
    if (call == nullptr) continue;
    const int64_t age_ns = now_ns_ - call->began_ns();
    Code code = Code::kTimeout;
    if (std::binary_search(proposals.begin(), proposals.end(), kPlaneBit | id)) {
      code = Code::kDeadlineExceeded;
    } else if (call->is_proposal()) {
      if (age_ns < expiry.failure_from_ns && age_ns > expiry.failure_to_ns) {
        code = Code::kTimeoutLeaderFailure;
      } else if (age_ns > expiry.connected_ns) {
        code = Code::kTimeoutConnectionLost;
      }
    }
    call->GiveUp(code);
  }
}

/// f64 milliseconds, u8 whether there is a reply, then path, peer and request behind their lengths,
/// and the reply.
void HotLane::TellSlow(const HotCall& call, int64_t took_ns, const std::string_view* reply) {
  std::string record;
  AppendLittle64(&record, std::bit_cast<uint64_t>(static_cast<double>(took_ns) / 1e6));
  record.push_back(reply == nullptr ? 0 : 1);
  AppendText(call.wire_->head().path, &record);
  AppendText(call.wire_->peer().address, &record);
  AppendText(call.message_, &record);
  if (reply != nullptr) record.append(*reply);
  view_.events->Raw(EventKind::kSlow, record);
}

}  // namespace metastore::plane
