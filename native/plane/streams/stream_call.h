// StreamCall: what Watch and LeaseKeepAlive have in common, and LaneStreams: those of one lane.
//
// Everything here happens on the lane's thread.
#ifndef METASTORE_PLANE_STREAMS_STREAM_CALL_H_
#define METASTORE_PLANE_STREAMS_STREAM_CALL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/metrics.h"
#include "plane/streams/streams.h"

namespace metastore::plane {

class StreamCall : public Call {
 public:
  StreamCall(LaneStreams* lane, CallId id, Wire* wire, StreamCounts* counts);
  ~StreamCall() override;

  bool requires_leader() const { return requires_leader_; }
  /// Ends the call from this side, once; afterwards nothing happens any more.
  void End(Code code);

  // What comes from elsewhere; each kind of stream takes its own.

  /// From the hub.
  virtual void Deliver(watch::StreamMessages messages) { (void)messages; }
  /// Who creates the watch that waits for it.
  virtual void OnCaller(const auth::Caller& caller) { (void)caller; }
  /// About the oldest renewal that was asked for: a TTL, a code times -1, or kAskAgain. `header` is
  /// an encoded ResponseHeader.
  virtual void OnAnswer(std::string_view header, double answer) {
    (void)header;
    (void)answer;
  }

  void OnMessage(std::string message) final;
  void OnHalfClose() final;
  void OnEnd() final;

 protected:
  virtual void Handle(std::string message) = 0;
  virtual void HalfClosed() = 0;
  /// The call is over, whoever has ended it.
  virtual void Over() = 0;

  /// The record of StreamEvents::Caller as far as it is the same for all.
  std::string Question(Asking asking) const;
  /// Name and value of each piece of metadata that says who calls behind their number, then the
  /// certificate's name and the client's address, each behind its u32 length.
  void AppendCredentials(std::string* record) const;
  /// Whether the client says who it is.
  bool HasCredentials() const;

  LaneStreams* const lane_;
  const CallId id_;
  Wire* const wire_;
  StreamCounts* const counts_;
  bool ended_ = false;
  bool half_closed_ = false;

 private:
  void Finished(int grpc_code);

  Stopwatch stopwatch_;
  bool requires_leader_ = false;
};

/// The streams of one lane; made, used and destroyed on its thread.
class LaneStreams {
 public:
  LaneStreams(Streams* streams, size_t lane);
  ~LaneStreams();

  /// The call that serves a request, or null when it is none of ours or not ordinary.
  std::unique_ptr<Call> Make(CallId id, Wire* wire);
  /// At the end of each turn of the lane's loop: asks for what has been collected.
  void OnTurnEnd();

  /// A lease to be renewed, asked for at the turn's end.
  void Renew(CallId call, int64_t lease);
  /// One of ours, by `calls`, so that its output is written; null when it is over.
  StreamCall* Find(CallTable* calls, CallId id);
  void EndAll(CallTable* calls, Code code, bool requiring_leader_only);

  const StreamParts& parts() const { return streams_->parts(); }
  /// Whether users are asked for.
  bool auth() const { return parts().gate->Has(kGateAuth); }
  size_t size() const { return calls_.size(); }

 private:
  friend class StreamCall;
  bool Ordinary(const RequestHead& head) const;

  Streams* const streams_;
  const size_t lane_;
  std::unordered_map<CallId, StreamCall*> calls_;
  std::string renewals_;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_STREAMS_STREAM_CALL_H_
