// Session: the protocol of one client's connection, HTTP/2 and gRPC on top, without its socket.
//
// Bytes in, bytes out: a lane feeds it what a socket or a TLS stream of Node's has read, and writes
// what it produces. It checks everything that a strict or a hostile client could send, and hands
// whole messages to calls. Single-threaded; reads no clock but the one that it is given.
// RFC 9113, RFC 7541, and gRPC over HTTP/2 (grpc.io).
#ifndef METASTORE_PLANE_HTTP2_SESSION_H_
#define METASTORE_PLANE_HTTP2_SESSION_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plane/call.h"

namespace metastore::plane {

struct SessionOptions {
  /// Largest message of a client, bytes after decompression; larger ones end with
  /// ResourceExhausted.
  uint64_t max_receive_bytes = (1536u << 10) + (512u << 10);
  /// Largest message to a client; 0 for no limit.
  uint64_t max_send_bytes = 0;
  uint32_t max_concurrent_streams = UINT32_MAX;  // the maximum: nothing is announced
  uint32_t stream_window_bytes = 65535;
  uint32_t connection_window_bytes = 1u << 20;
  /// Idle time after which the client is pinged, and how long its answer may take; 0: never.
  int64_t keepalive_interval_ns = 0;
  int64_t keepalive_timeout_ns = 0;
  /// Clients that ping more often are sent away with ENHANCE_YOUR_CALM `too_many_pings`; 0: any.
  int64_t min_ping_ns = 0;
  /// A connection without calls is drained after this time; 0 for never.
  int64_t idle_ns = 0;
  /// Requests that are not gRPC go to the plain handler instead of being answered 415.
  bool shares_http = false;
  /// Bytes of clients' messages that wait to be served, over all connections. While it is above
  /// the budget no window is given back. Never null.
  std::atomic<uint64_t>* held_bytes = nullptr;
  uint64_t held_bytes_most = 256u << 20;
  /// Bytes of answers that clients have not taken, over all connections; null for no budget. From
  /// half of it on, connections that have some are served no further; from all of it on, large
  /// answers wait for those who have not shown that they read, and who does not read is cut off.
  std::atomic<uint64_t>* unsent_bytes = nullptr;
  uint64_t unsent_bytes_most = 128u << 20;
};

/// A request that is not gRPC, on a connection that shares: body bytes come as they arrive.
struct HttpHead {
  std::string method;
  std::string path;
  std::string authority;
  std::vector<std::pair<std::string, std::string>> headers;
};

class HttpWire {
 public:
  virtual ~HttpWire() = default;
  virtual const HttpHead& head() const = 0;
  virtual const Peer& peer() const = 0;
  virtual void Respond(int status,
                       const std::vector<std::pair<std::string, std::string>>& headers) = 0;
  virtual void Send(std::string bytes) = 0;
  virtual void Finish() = 0;
  /// Ends it without an end.
  virtual void Reset() = 0;
  virtual void Accept(uint64_t bytes) = 0;
};

/// Makes what serves the streams of a session, and numbers them.
class SessionOwner {
 public:
  virtual ~SessionOwner() = default;
  virtual CallId NextCallId() = 0;
  virtual std::unique_ptr<Call> MakeCall(CallId id, Wire* wire) = 0;
  /// For requests that are not gRPC. Body bytes come by OnMessage, as they arrive.
  virtual std::unique_ptr<Call> MakeHttp(CallId id, HttpWire* wire) = 0;
  /// The call's stream is closed; the session destroys the call next.
  virtual void Closed(CallId id) = 0;
  /// The session keeps windows back for the budget: Relax is wanted once there is room.
  virtual void Withheld() {}
  /// Calls wait for their client to take answers, or for the budget of these: Resume is wanted.
  virtual void Parked() {}
  /// Its client has much to take: Stalled is to be asked from time to time.
  virtual void Holding() {}
};

class Session {
 public:
  /// All must outlive the session. `now_ns` is a monotonic time.
  static std::unique_ptr<Session> Create(const SessionOptions& options, SessionOwner* owner,
                                         const Peer* peer, int64_t now_ns);
  virtual ~Session() = default;

  /// Bytes of the client. False when the connection is to be closed once all output is written.
  virtual bool Receive(std::string_view bytes, int64_t now_ns) = 0;
  /// Appends at most about `most` bytes of output; what is not taken waits. Bytes that have been
  /// taken count as written (Call::OnWritten).
  virtual void Produce(std::string* out, size_t most, int64_t now_ns) = 0;
  virtual bool HasOutput() const = 0;
  /// When OnTime is next wanted; INT64_MAX for never.
  virtual int64_t NextTimeNs() const = 0;
  /// Deadlines, keep-alive, idleness. False as Receive.
  virtual bool OnTime(int64_t now_ns) = 0;
  /// GOAWAY: no new calls; those under way go on. Done() once there are none.
  virtual void Drain() = 0;
  virtual bool Done() const = 0;
  /// The connection is lost: every call gets OnEnd. Nothing may be called afterwards.
  virtual void Lost() = 0;
  /// Gives windows back that were withheld for the budget.
  virtual void Relax() = 0;
  /// Goes on with calls that wait, as far as they may now.
  virtual void Resume() = 0;
  /// Whether the client has much to take.
  virtual bool IsHolding() const = 0;
  /// Bytes of answers of which the client has not taken any for long; 0 for none.
  virtual uint64_t Stalled(int64_t now_ns) = 0;
  /// Ends the connection of a client that does not read: Receive and OnTime are false from now on.
  virtual void CutOff() = 0;
  virtual size_t open_streams() const = 0;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_HTTP2_SESSION_H_
