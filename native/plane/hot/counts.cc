// Counting of counts.h.
#include "plane/hot/counts.h"

#include <algorithm>

namespace metastore::plane {
namespace {

constexpr int64_t kMs = 1000000;

/// Those of the families that the numbers become: grpc_server_handling_seconds, and
/// etcd_server_request_duration_seconds, which doubles from a millisecond on.
constexpr std::array<int64_t, kHandlingBounds> kHandling = {
    5 * kMs,   10 * kMs,   25 * kMs,   50 * kMs,   100 * kMs,  250 * kMs,
    500 * kMs, 1000 * kMs, 2500 * kMs, 5000 * kMs, 10000 * kMs};
constexpr std::array<int64_t, kRequestBounds> kRequest = [] {
  std::array<int64_t, kRequestBounds> bounds{};
  for (size_t i = 0; i < kRequestBounds; ++i) bounds[i] = kMs << i;
  return bounds;
}();

/// Consensus has given no result.
bool IsLost(Code code) {
  switch (code) {
    case Code::kTimeout:
    case Code::kTimeoutLeaderFailure:
    case Code::kTimeoutConnectionLost:
    case Code::kTimeoutWaitApplied:
    case Code::kDeadlineExceeded:
    case Code::kProposalDropped:
    case Code::kNoLeader:
    case Code::kLeaderChanged:
    case Code::kStopped:
    case Code::kTooManyRequests:
      return true;
    default:
      return false;
  }
}

}  // namespace

void HotCounts::Ended(HotMethod method, int grpc_code, int64_t took_ns, size_t reply_bytes) {
  MethodCounts& counts = methods[static_cast<size_t>(method)];
  counts.handled[static_cast<size_t>(grpc_code)].Add();
  counts.sent_bytes.Add(reply_bytes);
  counts.seconds.Observe(took_ns, kHandling);
}

void HotCounts::Answered(HotRequest request, bool is_proposal, Code code, int64_t took_ns) {
  const bool lost = IsLost(code);
  if (is_proposal && lost) proposals_failed.Add();
  // An error of the store is a result of a proposal; a read has failed with any.
  const bool succeeded = code == Code::kOk || (is_proposal && !lost);
  requests[static_cast<size_t>(request)][succeeded ? 1 : 0].Observe(took_ns, kRequest);
}

void HotCounts::AddTo(double* values) const {
  const auto add = [&values](const Cell& cell) { *values++ += static_cast<double>(cell.Get()); };
  for (const MethodCounts& method : methods) {
    add(method.started);
    add(method.received_bytes);
    add(method.sent_bytes);
    for (const Cell& code : method.handled) add(code);
    method.seconds.AddTo(values);
    values += TimeCells<kHandlingBounds>::kNumbers;
  }
  for (const auto& request : requests) {
    for (const auto& times : request) {
      times.AddTo(values);
      values += TimeCells<kRequestBounds>::kNumbers;
    }
  }
  add(proposals_failed);
  add(proposals);
  add(waiting);
}

int ClientVersions::Find(const std::string* version) {
  static const std::string unknown = "unknown";
  const std::string& name = version == nullptr ? unknown : *version;
  const size_t used = used_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < used; ++i) {
    if (slots_[i].version == name) return static_cast<int>(i);
  }
  const auto is_plain = [](char c) { return c >= ' ' && c <= '~'; };
  if (used == kMost || name.size() > kMostBytes ||
      !std::all_of(name.begin(), name.end(), is_plain)) {
    return -1;
  }
  slots_[used].version = name;
  used_.store(used + 1, std::memory_order_release);
  return static_cast<int>(used);
}

void ClientVersions::AddTo(std::vector<Count>* counts) const {
  const size_t used = used_.load(std::memory_order_acquire);
  for (size_t i = 0; i < used; ++i) {
    const Slot& slot = slots_[i];
    const auto same = std::find_if(counts->begin(), counts->end(), [&](const Count& count) {
      return count.version == slot.version;
    });
    if (same != counts->end()) {
      same->calls += slot.calls.Get();
    } else {
      counts->push_back({slot.version, slot.calls.Get()});
    }
  }
}

}  // namespace metastore::plane
