// Call: one gRPC call on the data plane, as whoever serves it sees it, and Wire: what it may say.
//
// A call belongs to one lane (a data-plane thread) and is touched on that thread only. Other
// threads speak to it by its number, with mail that the lane delivers. The session makes the wire
// and checks what the protocol demands; what reaches a call is a whole, uncompressed message.
#ifndef METASTORE_PLANE_CALL_H_
#define METASTORE_PLANE_CALL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/call_id.h"
#include "base/status.h"

namespace metastore::plane {

/// What a request says before its messages. Names are lower-case; values as sent.
struct RequestHead {
  std::string path;
  /// Echoed in the answer.
  std::string content_type;
  /// Every header that is not the protocol's own, in order; several of one name are possible.
  std::vector<std::pair<std::string, std::string>> metadata;
  /// From grpc-timeout; -1 without one. The session ends the call when it is over.
  int64_t timeout_ns = -1;
  std::string authority;

  /// The first value; null when absent.
  const std::string* Find(std::string_view name) const {
    for (const auto& [key, value] : metadata) {
      if (key == name) return &value;
    }
    return nullptr;
  }
};

/// Where the connection of a call comes from. Outlives its calls.
struct Peer {
  std::string address;      // for logs
  std::string common_name;  // of a verified certificate; empty without one
  bool secure = false;
  uint64_t connection = 0;  // its number in events
};

/// The server's end of a call. Lane thread only. After Reply, Finish, or Call::OnEnd everything
/// said is dropped.
class Wire {
 public:
  virtual ~Wire() = default;
  virtual const RequestHead& head() const = 0;
  virtual const Peer& peer() const = 0;
  /// One message, status OK, end. `message` is copied before it returns.
  virtual void Reply(std::string_view message) = 0;
  /// A message of several. OnWritten tells when it has left.
  virtual void Send(std::string message) = 0;
  /// Several messages, each behind its prefix of gRPC (a zero byte, the length as four bytes, most
  /// significant first). OnWritten counts these bytes with the prefixes.
  virtual void SendFramed(std::string messages) = 0;
  /// Ends the call with a status; 0 is OK. Messages sent before go first.
  virtual void Finish(int grpc_status, std::string_view text) = 0;
  /// With the number and text that clients see for the code.
  void Finish(Code code) { Finish(GrpcCode(code), CodeText(code)); }
  /// Whether an answer of so many bytes is to be thrown away, since the client does not take what
  /// it has been answered already and memory is short: Call::OnAgain comes when the question, of
  /// which the call keeps so many bytes, is to be asked once more. For calls that change nothing.
  virtual bool Postpone(uint64_t answer_bytes, uint64_t question_bytes) {
    (void)answer_bytes;
    (void)question_bytes;
    return false;
  }
  /// The call has dealt with this many bytes of messages: the client may send as many again.
  virtual void Accept(uint64_t bytes) = 0;
};

/// Serves one call; destroyed on its lane once the stream is closed.
class Call {
 public:
  virtual ~Call() = default;
  /// Who serves the call in the end: itself, or whom it has handed the call to.
  virtual Call* Target() { return this; }
  /// The next message of the client.
  virtual void OnMessage(std::string message) = 0;
  /// The client sends no more messages.
  virtual void OnHalfClose() = 0;
  /// Messages of this many bytes have been handed to the connection's socket: bytes as they were
  /// given to the wire, in the order given. Compression does not change the count.
  virtual void OnWritten(uint64_t bytes) { (void)bytes; }
  /// What was postponed may be asked again.
  virtual void OnAgain() {}
  /// Nobody waits for the answer any more: reset, connection lost, or the deadline (whose status
  /// the session has sent). At most once, and not after the call has ended itself.
  virtual void OnEnd() = 0;
  /// The result of a request that was submitted under kPlaneBit | id of this call.
  virtual void OnResult(Code code, std::string_view reply) {
    (void)code;
    (void)reply;
  }
};

/// Makes calls; asked by sessions once a request's headers have passed the protocol's checks.
class CallFactory {
 public:
  virtual ~CallFactory() = default;
  /// `wire` outlives the call.
  virtual std::unique_ptr<Call> Make(CallId id, Wire* wire) = 0;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_CALL_H_
