// Plane: gRPC served by native threads. Owns the lanes and what they share.
//
// The addon makes one for each open core and is its only caller besides tests; JavaScript keeps the
// listeners and hands connections over. Every call of a connection is served on the lane that the
// connection was given to, by the first service that takes it, else by TypeScript (foreign/).
#ifndef METASTORE_PLANE_LOOP_PLANE_H_
#define METASTORE_PLANE_LOOP_PLANE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "plane/foreign/events.h"
#include "plane/foreign/foreign.h"
#include "plane/gate.h"
#include "plane/http2/session.h"
#include "plane/loop/service.h"
#include "plane/mail.h"

namespace metastore::plane {

class Lane;

struct PlaneOptions {
  /// Threads, 1 to 2^kLaneBits.
  size_t lanes = 1;
  /// `shares_http` and `held_bytes` are set by the plane.
  SessionOptions session;
};

class Plane final : public PostOffice {
 public:
  /// Values of `Numbers`, in order; exported to TypeScript by name.
  static const std::vector<std::string>& NumberNames();

  /// `wake` is called on any thread when events wait.
  Plane(const PlaneOptions& options, std::function<void()> wake);
  /// Stops.
  ~Plane() override;

  /// Once. Starts the threads; each makes its services by these, in the order of their asking.
  /// kIo when the system has no descriptors left for a loop.
  Status Start(std::vector<ServiceMaker> makers);

  size_t lanes() const override { return lanes_.size(); }
  /// After Stop mail is dropped.
  void Post(size_t lane, std::unique_ptr<Mail> mail) override;

  Gate& gate() { return gate_; }
  EventQueue& events() { return events_; }

  // Connections. Any thread; after Stop nothing happens.

  /// Serves a connected stream socket through a descriptor of its own: the caller closes his. The
  /// bytes were read from it before. Its number, or a negative errno. Event kClosed follows, once.
  int64_t Adopt(int descriptor, std::string first_bytes, Peer peer, bool shares_http);
  /// A connection whose bytes somebody else carries (Feed, event kOutput). As Adopt.
  int64_t Attach(Peer peer, bool shares_http);
  /// What the client has sent on an attached connection.
  void Feed(uint64_t connection, std::string bytes);
  /// The client of an attached connection is gone.
  void Ended(uint64_t connection);
  /// So many bytes of kOutput have been sent on: as many may follow.
  void OutputTaken(uint64_t connection, uint64_t bytes);
  /// Every client is told to go elsewhere with new calls; those under way end as they would.
  void DrainConnections();
  uint64_t open_connections() const { return open_connections_.load(std::memory_order_relaxed); }

  // Foreign calls, by the thread that drains the events. A call that is over is passed by.

  /// One message, status OK.
  void Reply(CallId call, std::string message);
  void Send(CallId call, std::string message);
  void Finish(CallId call, int grpc_status, std::string text);
  /// One more message (or chunk of a body) is wanted, the last one having been dealt with.
  void Ask(CallId call);
  void HttpRespond(CallId call, int status, HeaderPairs headers);
  void HttpSend(CallId call, std::string bytes);
  void HttpEnd(CallId call);
  void HttpReset(CallId call);

  /// Any thread.
  std::vector<double> Numbers() const;

  /// Ends every call, writes what sockets take at once, closes them, and joins the threads. Blocks;
  /// any thread; a second call waits for the first.
  void Stop();

 private:
  class Opening;
  Lane* LeastLoaded() const;
  /// Runs on the lane of a call or connection.
  template <typename Action>
  void On(size_t lane, Action action);

  Gate gate_;
  EventQueue events_;
  /// Bytes of clients' messages that wait, over all lanes.
  std::atomic<uint64_t> held_bytes_{0};
  /// Bytes of answers that clients have not taken, over all lanes.
  std::atomic<uint64_t> unsent_bytes_{0};
  std::atomic<uint64_t> open_connections_{0};
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::mutex life_mutex_;  // held while it stops
  std::atomic<bool> stopped_{false};
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_LOOP_PLANE_H_
