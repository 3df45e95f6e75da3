// WatchCall: one watch stream of a client, between its wire and the hub.
//
// The hub decides everything; this side carries bytes, asks TypeScript who creates a watch where
// that matters, and returns credit for what has left.
#ifndef METASTORE_PLANE_STREAMS_WATCH_CALL_H_
#define METASTORE_PLANE_STREAMS_WATCH_CALL_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plane/streams/stream_call.h"

namespace metastore::plane {

class WatchCall final : public StreamCall {
 public:
  WatchCall(LaneStreams* lane, CallId id, Wire* wire, StreamCounts* counts);
  ~WatchCall() override;

  void OnWritten(uint64_t bytes) override;
  void Deliver(watch::StreamMessages messages) override;
  void OnCaller(const auth::Caller& caller) override;

 private:
  /// A buffer on the wire: its bytes, and the credit that it returns once they have left.
  struct Written {
    uint64_t bytes = 0;
    uint64_t credit_bytes = 0;
  };

  watch::StreamId stream() const { return kPlaneBit | id_; }
  void Handle(std::string message) override;
  void HalfClosed() override {}  // events go on
  void Over() override;
  /// False when it has been asked who calls, and the message has to wait.
  bool Pass(const std::string& message);
  void Request(std::string_view message, const auth::Caller& caller);

  bool open_ = true;  // at the hub
  const bool has_credentials_;
  /// Messages that wait for an answer about the first one's caller.
  std::unique_ptr<std::deque<std::string>> held_;
  std::vector<Written> on_wire_;
  size_t oldest_ = 0;  // of on_wire_; those before have left
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_STREAMS_WATCH_CALL_H_
