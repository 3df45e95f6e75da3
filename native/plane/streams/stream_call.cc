// The common part of streams; see stream_call.h.
#include "plane/streams/stream_call.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "plane/streams/keep_alive_call.h"
#include "plane/streams/watch_call.h"

namespace metastore::plane {
namespace {

constexpr std::string_view kWatchPath = "/etcdserverpb.Watch/Watch";
constexpr std::string_view kKeepAlivePath = "/etcdserverpb.Lease/LeaseKeepAlive";
constexpr std::string_view kRequiresLeader = "hasleader";
constexpr std::string_view kClientVersion = "client-api-version";
constexpr size_t kVersionBytesMost = 64;
constexpr int kGrpcCanceled = 1;

/// Metadata that says who calls, or whether a certificate does.
constexpr std::string_view kCredentials[] = {"token", "authorization", "grpcgateway-accept"};

void AppendText(std::string_view text, std::string* out) {
  AppendLittle32(out, static_cast<uint32_t>(text.size()));
  out->append(text);
}

bool IsPlainText(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

bool RequiresLeader(const RequestHead& head) {
  const std::string* value = head.Find(kRequiresLeader);
  return value != nullptr && *value == "true";
}

}  // namespace

StreamCall::StreamCall(LaneStreams* lane, CallId id, Wire* wire, StreamCounts* counts)
    : lane_(lane),
      id_(id),
      wire_(wire),
      counts_(counts),
      requires_leader_(RequiresLeader(wire->head())) {
  const bool fresh = lane_->calls_.emplace(id_, this).second;
  METASTORE_CHECK(fresh, "a call's number is used once");
  counts_->Started();
  std::string record = Question(Asking::kOpened);
  if (const std::string* version = wire->head().Find(kClientVersion)) AppendText(*version, &record);
  lane_->parts().events->Caller(record);
}

StreamCall::~StreamCall() {
  lane_->calls_.erase(id_);
  // Destroyed with its connection, without a word.
  if (!ended_) counts_->Handled(kGrpcCanceled, stopwatch_.Lap());
}

void StreamCall::Finished(int grpc_code) {
  ended_ = true;
  // Whoever waits for a message hears that there is none.
  if (!half_closed_) counts_->Received(0);
  counts_->Handled(grpc_code, stopwatch_.Lap());
  Over();
}

void StreamCall::End(Code code) {
  if (ended_) return;
  Finished(GrpcCode(code));
  wire_->Finish(code);
}

void StreamCall::OnEnd() {
  if (!ended_) Finished(kGrpcCanceled);
}

void StreamCall::OnMessage(std::string message) {
  if (ended_) return;
  counts_->Received(message.size());
  Handle(std::move(message));
}

void StreamCall::OnHalfClose() {
  if (ended_) return;
  counts_->Received(0);
  half_closed_ = true;
  HalfClosed();
}

std::string StreamCall::Question(Asking asking) const {
  std::string record;
  AppendLittle64(&record, std::bit_cast<uint64_t>(static_cast<double>(id_)));
  record.push_back(static_cast<char>(asking));
  return record;
}

void StreamCall::AppendCredentials(std::string* record) const {
  const size_t count_at = record->size();
  uint32_t count = 0;
  AppendLittle32(record, count);
  for (const std::string_view name : kCredentials) {
    const std::string* value = wire_->head().Find(name);
    if (value == nullptr) continue;
    AppendText(name, record);
    AppendText(*value, record);
    ++count;
  }
  PutLittle32(record->data() + count_at, count);
  AppendText(wire_->peer().common_name, record);
  AppendText(wire_->peer().address, record);
}

bool StreamCall::HasCredentials() const {
  if (!wire_->peer().common_name.empty()) return true;
  return std::any_of(std::begin(kCredentials), std::end(kCredentials),
                     [this](std::string_view name) { return wire_->head().Find(name) != nullptr; });
}

LaneStreams::LaneStreams(Streams* streams, size_t lane) : streams_(streams), lane_(lane) {
  METASTORE_CHECK(streams_->lanes_[lane_] == nullptr, "a lane has its streams once");
  streams_->lanes_[lane_] = this;
}

LaneStreams::~LaneStreams() {
  METASTORE_CHECK(calls_.empty(), "calls end before their lane");
  streams_->lanes_[lane_] = nullptr;
}

bool LaneStreams::Ordinary(const RequestHead& head) const {
  if (streams_->stopped()) return false;
  const Gate& gate = *parts().gate;
  if (!gate.Has(kGateOpen) || (RequiresLeader(head) && !gate.Has(kGateLeader))) return false;
  const std::string* version = head.Find(kClientVersion);
  return version == nullptr || (version->size() <= kVersionBytesMost && IsPlainText(*version));
}

std::unique_ptr<Call> LaneStreams::Make(CallId id, Wire* wire) {
  const RequestHead& head = wire->head();
  if (head.path == kWatchPath && Ordinary(head)) {
    return std::make_unique<WatchCall>(this, id, wire, streams_->watch_counts());
  }
  if (head.path == kKeepAlivePath && Ordinary(head)) {
    return std::make_unique<KeepAliveCall>(this, id, wire, streams_->keep_alive_counts());
  }
  return nullptr;
}

void LaneStreams::Renew(CallId call, int64_t lease) {
  AppendLittle64(&renewals_, std::bit_cast<uint64_t>(static_cast<double>(call)));
  AppendLittle64(&renewals_, static_cast<uint64_t>(lease));
}

void LaneStreams::OnTurnEnd() {
  if (renewals_.empty()) return;
  parts().events->KeepAlives(renewals_);
  renewals_.clear();
}

StreamCall* LaneStreams::Find(CallTable* calls, CallId id) {
  if (calls->Find(id) == nullptr) return nullptr;
  const auto found = calls_.find(id);
  return found == calls_.end() ? nullptr : found->second;
}

void LaneStreams::EndAll(CallTable* calls, Code code, bool requiring_leader_only) {
  std::vector<CallId> chosen;
  for (const auto& [id, call] : calls_) {
    if (!requiring_leader_only || call->requires_leader()) chosen.push_back(id);
  }
  for (const CallId id : chosen) {
    if (StreamCall* call = Find(calls, id)) call->End(code);
  }
}

}  // namespace metastore::plane
