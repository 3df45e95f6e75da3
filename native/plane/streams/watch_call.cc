// Bytes between a watch stream's wire and the hub; see watch_call.h.
#include "plane/streams/watch_call.h"

#include <utility>

#include "base/check.h"

namespace metastore::plane {
namespace {

// First byte of a WatchRequest that creates: field 1, a message. One that hides its create_request
// behind another field creates as nobody, which the hub refuses where somebody is asked for.
constexpr char kCreateTag = 0x0a;

// Entries of on_wire_ that have left before they are cleared away, so that a stream which always
// has something under way does not grow.
constexpr size_t kLeftMost = 32;

}  // namespace

WatchCall::WatchCall(LaneStreams* lane, CallId id, Wire* wire, StreamCounts* counts)
    : StreamCall(lane, id, wire, counts), has_credentials_(HasCredentials()) {
  lane_->parts().hub->Open(stream());
}

WatchCall::~WatchCall() { Over(); }

void WatchCall::Over() {
  held_.reset();
  if (std::exchange(open_, false)) lane_->parts().hub->Close(stream());
}

void WatchCall::Handle(std::string message) {
  if (held_ != nullptr) {
    held_->push_back(std::move(message));
  } else if (!Pass(message)) {
    held_ = std::make_unique<std::deque<std::string>>();
    held_->push_back(std::move(message));
  }
}

bool WatchCall::Pass(const std::string& message) {
  // Whoever says who he is may be ahead of the gate: users have just been switched on.
  const bool is_asked_for = lane_->auth() || has_credentials_;
  if (!message.empty() && message[0] == kCreateTag && is_asked_for) {
    std::string question = Question(Asking::kWatcher);
    AppendCredentials(&question);
    lane_->parts().events->Caller(question);
    return false;
  }
  Request(message, {});
  return true;
}

void WatchCall::Request(std::string_view message, const auth::Caller& caller) {
  const Status status = lane_->parts().hub->Request(stream(), message, caller);
  wire_->Accept(message.size());
  if (!status.ok()) End(status.code());
}

void WatchCall::OnCaller(const auth::Caller& caller) {
  if (held_ == nullptr) return;  // it has not been asked
  const std::string first = std::move(held_->front());
  held_->pop_front();
  Request(first, caller);
  while (!ended_ && !held_->empty()) {
    if (!Pass(held_->front())) return;
    if (!ended_) held_->pop_front();
  }
  held_.reset();
}

void WatchCall::Deliver(watch::StreamMessages messages) {
  if (ended_) return;
  const uint64_t credit_bytes = messages.credit_bytes();
  counts_->Sent(messages.count, credit_bytes);
  on_wire_.push_back({messages.frames.size(), credit_bytes});
  wire_->SendFramed(std::move(messages.frames));
}

// Credit goes back a buffer at a time, since only whole messages count.
void WatchCall::OnWritten(uint64_t bytes) {
  if (ended_) return;
  uint64_t credit_bytes = 0;
  while (bytes > 0) {
    METASTORE_CHECK(oldest_ < on_wire_.size(), "no more leaves than was sent");
    Written& written = on_wire_[oldest_];
    const uint64_t taken = bytes < written.bytes ? bytes : written.bytes;
    bytes -= taken;
    written.bytes -= taken;
    if (written.bytes > 0) break;
    credit_bytes += written.credit_bytes;
    ++oldest_;
  }
  if (oldest_ == on_wire_.size() || oldest_ >= kLeftMost) {
    on_wire_.erase(on_wire_.begin(), on_wire_.begin() + static_cast<ptrdiff_t>(oldest_));
    oldest_ = 0;
  }
  if (credit_bytes > 0) lane_->parts().hub->Credit(stream(), credit_bytes);
}

}  // namespace metastore::plane
