// ServerSession: a Session over nghttp2, which keeps the state of frames, streams and windows.
//
// What nghttp2 leaves to its user is here: what a request means, how a call ends, when windows are
// given back, and how much of anything a client may do. server_session.cc drives it, requests.cc
// has what comes in, replies.cc what goes out, parts/untaken.cc what of that a client leaves lying,
// upkeep.cc what time brings.
#ifndef METASTORE_PLANE_HTTP2_SERVER_SESSION_H_
#define METASTORE_PLANE_HTTP2_SERVER_SESSION_H_

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plane/grpc/head.h"
#include "plane/http2/parts/deadlines.h"
#include "plane/http2/parts/guard.h"
#include "plane/http2/parts/input/closed.h"
#include "plane/http2/parts/input/scanner.h"
#include "plane/http2/parts/input/shape.h"
#include "plane/http2/session.h"
#include "plane/http2/stream.h"

namespace metastore::plane {

class ServerSession final : public Session {
 public:
  ServerSession(const SessionOptions& options, SessionOwner* owner, const Peer* peer,
                int64_t now_ns);
  ~ServerSession() override;

  bool Receive(std::string_view bytes, int64_t now_ns) override;
  void Produce(std::string* out, size_t most, int64_t now_ns) override;
  bool HasOutput() const override;
  int64_t NextTimeNs() const override;
  bool OnTime(int64_t now_ns) override;
  void Drain() override;
  bool Done() const override;
  void Lost() override;
  void Relax() override;
  void Resume() override;
  bool IsHolding() const override;
  uint64_t Stalled(int64_t now_ns) override;
  void CutOff() override;
  size_t open_streams() const override { return open_streams_; }

  // For streams: what calls say.
  const Peer& peer() const { return *peer_; }
  void Reply(Stream* stream, std::string_view message);
  void SendMessage(Stream* stream, std::string message);
  void SendFramed(Stream* stream, std::string messages);
  void FinishCall(Stream* stream, int grpc_status, std::string_view text);
  void Accept(Stream* stream, uint64_t bytes);
  bool Postpone(Stream* stream, uint64_t answer_bytes, uint64_t question_bytes);
  void HttpRespond(Stream* stream, int status,
                   const std::vector<std::pair<std::string, std::string>>& headers);
  void HttpSend(Stream* stream, std::string bytes);
  void HttpFinish(Stream* stream);
  void HttpReset(Stream* stream);
  /// Says how much of a stream goes into its next frame.
  ssize_t ReadData(Stream* stream, size_t length, uint32_t* flags);

 private:
  friend struct Callbacks;

  /// Draining goes in two steps while calls are open, so that a request that crosses the first
  /// GOAWAY is still served.
  enum class DrainStep : uint8_t { kNone, kAnnounced, kFinal };

  void Feed(std::string_view bytes);
  /// Appends the next frame of nghttp2's; its size, 0 without one.
  size_t TakeFrame(std::string* out);
  /// Appends the first frame, with the number of streams that may be open written in.
  void TakeSettings(std::string* out);

  // requests.cc: what nghttp2 has read.
  void OnRequest(int32_t id, bool is_end);
  void RefuseRequest(Stream* stream);
  void OnTrailers(int32_t id, bool is_end);
  void OnReset(int32_t id);
  void ResetStream(int32_t id, uint32_t error);
  Stream* AddStream(int32_t id);
  void OnData(int32_t id, std::string_view bytes);
  void FeedGrpc(Stream* stream, std::string_view bytes);
  bool TakeMessage(Stream* stream);
  void HandOver(Stream* stream, std::string message);
  void OnRemoteEnd(int32_t id);
  void OnStreamClosed(int32_t id);
  void Close(Stream* stream);
  Stream* Find(int32_t id);

  // replies.cc: what goes out.
  bool IsTooLarge(Stream* stream, size_t bytes);
  void SubmitHeaders(Stream* stream);
  void SubmitTrailersOnly(Stream* stream);
  void WakeData(Stream* stream);
  void StartEnd(Stream* stream, int grpc_status, std::string_view text);
  /// The session ends a call by itself; the call is told now, or with the next Produce.
  void EndBySession(Stream* stream, int grpc_status, std::string_view text, bool tells_now);
  int WriteData(Stream* stream, const uint8_t* frame_header, size_t length);
  void OnFrameSent(const nghttp2_frame* frame);
  void TellCalls();

  // parts/untaken.cc: answers that clients do not take.
  void CountUnsent(Stream* stream, int64_t change);
  void CountShared(int64_t change);
  void Reserve(Stream* stream, uint64_t bytes);
  uint64_t UnsentOfAll() const;
  bool HasTakenAll() const;
  bool MayAnswer(uint64_t bytes) const;
  /// Whether calls that come now have to wait.
  bool MustPark() const;
  void Park(Stream* stream);
  void Unpark(Stream* stream);
  bool MayUnpark(const Stream& stream) const;
  void ServeParked();
  void Serve(Stream* stream);
  /// The call has its answer or its end: others may have their turn.
  void Settle(Stream* stream);

  // upkeep.cc: windows, time, and the end of the connection.
  void Hold(Stream* stream, uint64_t bytes);
  void Release(Stream* stream, uint64_t bytes);
  void CountHeld(int64_t change);
  bool IsOverBudget();
  void GiveBack(Stream* stream);
  void GiveBackConnection();
  void EndStarving();
  void OnFrameBegun(const FrameHeader& frame);
  /// A frame for a stream that is no more.
  void OnLateFrame(const FrameHeader& frame);
  void AppendFrame(uint8_t type, int32_t stream, std::string_view payload);
  bool IsOver() const;
  void OnPing(const uint8_t* payload, bool is_answer);
  void AppendGoaway(int32_t last_stream, uint32_t error, std::string_view debug);
  /// Ends the connection with an error: nothing but GOAWAY is said after it.
  void Fail(uint32_t error, std::string_view debug);
  void AnnounceDrain(std::string_view debug);
  void FinishDrain();
  bool KeepAlive();

  const SessionOptions options_;
  SessionOwner* const owner_;
  const Peer* const peer_;
  nghttp2_session* session_ = nullptr;
  HeadReader reader_;
  Shape shape_;
  ClosedStreams closed_;
  Deadlines<Stream> deadlines_;
  PingGuard pings_;
  TokenBucket idle_frames_;
  TokenBucket resets_;
  FrameScanner scanner_;
  // Streams by age, the newest first.
  Stream* streams_ = nullptr;
  // The stream of the last frame, since frames of one stream come together.
  Stream* last_stream_ = nullptr;
  size_t open_streams_ = 0;
  // The highest stream that has been begun, and the highest that a frame not dealt with begins.
  int32_t newest_id_ = 0;
  int32_t newest_seen_ = 0;
  // Answers that will end before their requests have.
  size_t half_open_ends_ = 0;
  // Bytes of answers that wait for the client, over all streams.
  uint64_t unsent_bytes_ = 0;
  // What of it, and of what is set aside, is not added to the budget that all share, either way.
  int64_t unsent_uncounted_ = 0;
  // All that has ever left of answers.
  uint64_t sent_bytes_ = 0;
  // Calls that wait until they may be served, and those that have waited and are being served.
  std::deque<Stream*> parked_;
  size_t resumed_ = 0;
  // Frames that are not nghttp2's; they go first, but for SETTINGS.
  std::string raw_;
  // Where Produce writes; null outside of it.
  std::string* out_ = nullptr;
  // The size at which it stops.
  size_t out_most_ = 0;
  std::vector<Stream*> credited_;
  std::vector<Stream*> owing_end_;
  std::string_view drain_reason_;

  uint64_t owed_connection_ = 0;
  uint64_t connection_step_ = 0;
  uint64_t stream_step_ = 0;
  // What this session holds and has not yet added to the budget that all share.
  int64_t held_uncounted_ = 0;

  int64_t now_ns_ = 0;
  int64_t last_read_ns_ = 0;
  int64_t ping_sent_ns_ = 0;
  int64_t idle_since_ns_ = 0;
  int64_t settings_by_ns_ = 0;
  int64_t drain_by_ns_ = 0;
  int64_t starving_since_ns_ = 0;

  DrainStep drain_ = DrainStep::kNone;
  bool has_settings_ = false;
  bool is_pinging_ = false;
  bool is_withholding_ = false;
  // The owner knows of it.
  bool is_holding_ = false;
  bool has_told_parked_ = false;
  // GOAWAY has been said because of an error: the connection is to be closed.
  bool is_failed_ = false;
  bool is_first_output_ = true;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_HTTP2_SERVER_SESSION_H_
