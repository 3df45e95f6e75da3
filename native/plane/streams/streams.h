// Streams: Watch and LeaseKeepAlive on the data plane, what its lanes share of them.
//
// Watch streams speak to the hub directly: requests in, framed messages out. Keep-alives of all
// streams of a lane's turn become one event, which TypeScript answers as one batch, since leases'
// deadlines are its own. Both end with the member, or when there is no leader for too long, by one
// command. Made by the addon, one for a plane; each lane has a LaneStreams. What is not ordinary is
// left to TypeScript's handlers (gate.h).
#ifndef METASTORE_PLANE_STREAMS_STREAMS_H_
#define METASTORE_PLANE_STREAMS_STREAMS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/caller.h"
#include "base/status.h"
#include "plane/call.h"
#include "plane/gate.h"
#include "plane/mail.h"
#include "plane/streams/counts.h"
#include "watch/hub.h"

namespace metastore::plane {

class LaneStreams;

/// Events to TypeScript, from any lane's thread. Layouts: src/api/streams/records.ts.
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;
  /// Leases to be renewed: (f64 call, i64 lease) each, in the order of every call's requests.
  virtual void KeepAlives(std::string_view items) = 0;
  /// Something about who calls; see Asking.
  virtual void Caller(std::string_view record) = 0;
};

/// Second field, behind the call's number (f64), of what is asked by StreamEvents::Caller. Exported
/// to TypeScript by name; append only.
enum class Asking : uint8_t {
  /// Who creates a watch? Credentials follow; WatchCaller answers.
  kWatcher = 1,
  /// Renews a lease (i64) for whom the credentials that follow say; KeepAlivesDone answers.
  kRenewal,
  /// A stream has been opened by a client of the version (text) that follows. No answer.
  kOpened,
};

/// In place of a TTL in KeepAlivesDone: the same again, with credentials.
inline constexpr double kAskAgain = -65536;

struct StreamParts {
  watch::WatchHub* hub = nullptr;
  const Gate* gate = nullptr;
  PostOffice* office = nullptr;
  StreamEvents* events = nullptr;
  /// Has the hub's messages of the plane's streams sent to the sink, or to nobody (null); none is
  /// on its way to the old one when it returns.
  std::function<void(watch::StreamSink*)> route;
};

class Streams final : public watch::StreamSink {
 public:
  /// All parts outlive the streams, which outlive the lanes.
  explicit Streams(StreamParts parts);
  ~Streams() override;

  // From TypeScript; any thread. Calls that have ended meanwhile are passed by.

  /// Answers Asking::kWatcher.
  void WatchCaller(CallId call, const auth::Caller& caller);
  /// A batch's answers: u32 length and bytes of a ResponseHeader, then (f64 call, f64 TTL in
  /// seconds, or a code times -1, or kAskAgain) each. False, and nothing done, for other bytes.
  bool KeepAlivesDone(std::string_view answers);
  /// Ends every stream with the code, and serves none that is still to come; or ends those alone
  /// that were opened with the demand for a leader.
  void EndAll(Code code, bool requiring_leader_only);
  /// StreamCounts of Watch, then of LeaseKeepAlive.
  std::vector<double> Counts() const;

  // From the hub, one call at a time.

  void Messages(watch::StreamMessages messages) override;
  void Pause() override;

  const StreamParts& parts() const { return parts_; }
  /// Streams to come are TypeScript's, who knows what to tell them.
  bool stopped() const { return stopped_.load(); }
  StreamCounts* watch_counts() { return &watch_counts_; }
  StreamCounts* keep_alive_counts() { return &keep_alive_counts_; }

 private:
  friend class LaneStreams;
  static constexpr size_t kLanesMost = size_t{1} << kLaneBits;

  const StreamParts parts_;
  std::atomic<bool> stopped_{false};
  StreamCounts watch_counts_;
  StreamCounts keep_alive_counts_;
  /// Each is set, read and cleared on its lane.
  std::array<LaneStreams*, kLanesMost> lanes_{};
  /// Messages of the hub's turn; used by the hub's calls alone.
  std::array<std::vector<watch::StreamMessages>, kLanesMost> collected_;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_STREAMS_STREAMS_H_
