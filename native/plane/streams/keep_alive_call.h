// KeepAliveCall: one stream of lease renewals.
//
// Its requests of a turn go into the lane's batch; those that come while an answer is awaited wait
// for the next one, so that answers stay in order. What is not answered is not given back as
// window: a client that sends without reading is held up by itself.
#ifndef METASTORE_PLANE_STREAMS_KEEP_ALIVE_CALL_H_
#define METASTORE_PLANE_STREAMS_KEEP_ALIVE_CALL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "plane/streams/stream_call.h"

namespace metastore::plane {

class KeepAliveCall final : public StreamCall {
 public:
  KeepAliveCall(LaneStreams* lane, CallId id, Wire* wire, StreamCounts* counts);

  void OnAnswer(std::string_view header, double answer) override;

 private:
  struct Renewal {
    int64_t lease = 0;
    uint64_t bytes = 0;  // of the request
  };

  void Handle(std::string message) override;
  void HalfClosed() override;
  void Over() override;
  void Ask();
  void Reply(std::string_view header, const Renewal& renewal, int64_t ttl_seconds);

  std::vector<Renewal> waiting_;
  std::vector<Renewal> asked_;
  size_t answered_ = 0;  // of asked_
  std::vector<Renewal> again_;
  /// TypeScript has said that users are asked for, before the gate did.
  bool with_credentials_ = false;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_STREAMS_KEEP_ALIVE_CALL_H_
