// Renewals of one stream; see keep_alive_call.h. Messages: LeaseKeepAliveRequest and -Response of
// etcd's rpc.proto (API reference v3.7).
#include "plane/streams/keep_alive_call.h"

#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "codec/wire.h"

namespace metastore::plane {
namespace {

constexpr uint32_t kLeaseField = 1;   // of the request
constexpr uint32_t kHeaderField = 1;  // of the response, as the following
constexpr uint32_t kIdField = 2;
constexpr uint32_t kTtlField = 3;

bool DecodeLease(std::string_view bytes, int64_t* lease) {
  codec::WireReader reader(bytes);
  codec::WireField field;
  while (reader.Next(&field)) {
    if (field.Is(kLeaseField, codec::WireType::varint)) *lease = field.Int64();
  }
  return reader.ok();
}

}  // namespace

KeepAliveCall::KeepAliveCall(LaneStreams* lane, CallId id, Wire* wire, StreamCounts* counts)
    : StreamCall(lane, id, wire, counts) {}

void KeepAliveCall::Over() {
  waiting_.clear();
  asked_.clear();
  again_.clear();
}

void KeepAliveCall::Handle(std::string message) {
  Renewal renewal{.bytes = message.size()};
  if (!DecodeLease(message, &renewal.lease)) return End(Code::kUnmarshal);
  waiting_.push_back(renewal);
  if (asked_.empty()) Ask();
}

void KeepAliveCall::HalfClosed() {
  if (waiting_.empty() && asked_.empty()) End(Code::kOk);
}

void KeepAliveCall::Ask() {
  METASTORE_CHECK(asked_.empty() && answered_ == 0, "one batch of a stream at a time");
  if (!with_credentials_ && !lane_->auth()) {
    asked_.swap(waiting_);
    for (const Renewal& renewal : asked_) lane_->Renew(id_, renewal.lease);
    return;
  }
  asked_.push_back(waiting_.front());
  waiting_.erase(waiting_.begin());
  std::string question = Question(Asking::kRenewal);
  AppendLittle64(&question, static_cast<uint64_t>(asked_.front().lease));
  AppendCredentials(&question);
  lane_->parts().events->Caller(question);
}

void KeepAliveCall::OnAnswer(std::string_view header, double answer) {
  if (ended_ || answered_ == asked_.size()) return;  // not asked for
  const Renewal& renewal = asked_[answered_];
  if (answer == kAskAgain) {
    again_.push_back(renewal);
  } else if (answer < 0) {
    const auto code = static_cast<uint64_t>(-answer);
    return End(code < static_cast<uint64_t>(Code::kCount) ? static_cast<Code>(code)
                                                          : Code::kInternal);
  } else {
    Reply(header, renewal, static_cast<int64_t>(answer));
  }
  if (++answered_ < asked_.size()) return;
  asked_.clear();
  answered_ = 0;
  if (!again_.empty()) {
    with_credentials_ = true;
    waiting_.insert(waiting_.begin(), again_.begin(), again_.end());
    again_.clear();
  }
  if (!waiting_.empty()) return Ask();
  if (half_closed_) End(Code::kOk);
}

void KeepAliveCall::Reply(std::string_view header, const Renewal& renewal, int64_t ttl_seconds) {
  std::string message;
  message.reserve(header.size() + 32);
  codec::AppendMessageField(kHeaderField, header, &message);
  codec::AppendInt64Field(kIdField, renewal.lease, &message);
  codec::AppendInt64Field(kTtlField, ttl_seconds, &message);
  counts_->Sent(1, message.size());
  wire_->Send(std::move(message));
  wire_->Accept(renewal.bytes);
}

}  // namespace metastore::plane
