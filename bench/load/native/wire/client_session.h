// ClientSession: HTTP/2 and gRPC of one connection, without its socket.
//
// Bytes in, bytes out, as the server's side has it; a worker starts calls and is told of messages
// and ends. Made to be cheap, since what it takes the server does not have: frames are written
// once, heads are a few bytes that stay the same, calls are reused, and a message that arrives
// whole is handed on where it lies. RFC 9113 and gRPC over HTTP/2 (grpc.io).
#ifndef METASTORE_LOAD_WIRE_CLIENT_SESSION_H_
#define METASTORE_LOAD_WIRE_CLIENT_SESSION_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "wire/http2/answer_fields.h"
#include "wire/http2/frames.h"
#include "wire/http2/heads.h"
#include "wire/http2/stream_table.h"
#include "work/options.h"

namespace metastore::load {

/// The methods that a generator calls, by index into every session's table of heads.
enum class Method : uint8_t {
  kRange,
  kPut,
  kTxn,
  kDeleteRange,
  kLeaseGrant,
  kLeaseKeepAlive,
  kAuthenticate,
  kWatch,
};
inline constexpr size_t kMethods = 8;

class ClientSession;

/// One call under way. Owned by its session and used again after OnEnd.
struct Call {
  // ---- For whoever starts it; the session does not look at these.
  Op op = Op::kPut;
  uint64_t key = 0;
  /// When it should have been sent, and when it was.
  int64_t intended_ns = 0;
  bool is_right = false;
  uint32_t index = 0;

  // ---- The session's.
  /// Framed messages; those before `sent` are on their way.
  std::string out;
  size_t sent = 0;
  bool half_close = true;
  /// -1 when it is not under way; 0 while it waits for room among the server's streams.
  int32_t stream = -1;
  Method method = Method::kRange;
  /// All of the request has been sent.
  bool is_sent = false;
  /// It waits for a window of the server.
  bool is_blocked = false;
  /// What the server takes, and what it has sent since it was given room.
  int64_t window = 0;
  uint32_t owed = 0;
  int status = -1;
  std::string error_text;
  std::string partial;
  ClientSession* session = nullptr;
};

// Large enough that flow control never slows what is measured down.
inline constexpr uint32_t kStreamWindowBytes = 8u << 20;
inline constexpr uint32_t kConnectionWindowBytes = 64u << 20;
/// CONNECT_ERROR, by which OnEnd tells of a lost connection.
inline constexpr uint32_t kConnectError = 10;

class CallHandler {
 public:
  virtual ~CallHandler() = default;
  /// One message of the server; the bytes are valid during the call only.
  virtual void OnMessage(Call* call, std::string_view message) = 0;
  /// The stream is closed. `call->status` is grpc-status, or -1 when none came. New calls may be
  /// started from here; `call` itself is used again once this returns.
  virtual void OnEnd(Call* call, uint32_t http2_error) = 0;
};

class ClientSession {
 public:
  /// `authority` is host:port; `token` may be empty. The handler outlives the session.
  ClientSession(const std::string& authority, const std::string& token, bool tls,
                CallHandler* handler);
  ClientSession(const ClientSession&) = delete;
  ClientSession& operator=(const ClientSession&) = delete;

  /// A call to fill in; follow with Start.
  Call* NewCall();
  /// Sends the head and what is in `call->out`. False when the connection takes no more streams.
  bool Start(Call* call, Method method);
  /// More has been appended to `call->out` of a call without half_close.
  void Resume(Call* call);

  /// Bytes of the server; false when the connection is of no more use.
  bool Receive(std::string_view bytes);
  /// Appends what is to be sent.
  void Produce(std::string* out);
  /// Whether new calls can still be started: not after GOAWAY.
  bool IsOpen() const;
  /// Ends every call with OnEnd, as the connection is lost.
  void Lost();

  size_t calls_under_way() const { return streams_.used() + waiting_.size(); }

 private:
  void Open(Call* call);
  /// Sends of the request what the windows allow.
  void Send(Call* call);
  void SendBlocked();
  void StartWaiting();
  void Finish(Call* call, uint32_t http2_error);
  void Recycle(Call* call);

  // What the server says; false when that ends the connection.
  bool OnFrame(const FrameHeader& frame, std::string_view payload);
  bool OnData(const FrameHeader& frame, std::string_view payload);
  void OnMessages(Call* call, std::string_view bytes);
  bool OnHeaders(const FrameHeader& frame, std::string_view payload);
  bool OnHead(const FrameHeader& frame, std::string_view block);
  bool OnSettings(const FrameHeader& frame, std::string_view payload);
  bool OnSetting(uint32_t id, uint32_t value);
  bool OnWindowUpdate(const FrameHeader& frame, std::string_view payload);
  void OnGoaway(std::string_view payload);
  void EndByServer(Call* call);
  void GiveBack(Call* call, uint32_t bytes);

  CallHandler* handler_;
  HeadWriter heads_;
  AnswerFields answers_;
  StreamTable<Call> streams_;
  std::vector<std::unique_ptr<Call>> calls_;
  std::vector<Call*> free_;
  /// Calls beyond the number of streams that the server takes at once, and those that it gives no
  /// window.
  std::deque<Call*> waiting_;
  std::vector<Call*> blocked_;
  /// Frames to be sent.
  std::string out_;
  /// A frame that has not come whole, and a head that goes on in other frames.
  std::string partial_;
  std::string block_;
  FrameHeader block_frame_;
  uint32_t streams_most_ = UINT32_MAX;
  uint32_t frame_bytes_most_ = kFrameBytesMost;
  int64_t stream_window_ = 65535;
  int64_t window_ = 65535;
  uint32_t owed_ = 0;
  bool is_going_away_ = false;
};

/// Appends gRPC's five bytes before a message of this length.
inline void AppendPrefix(size_t length, std::string* out) {
  const auto size = static_cast<uint32_t>(length);
  const char prefix[5] = {0, static_cast<char>(size >> 24), static_cast<char>(size >> 16),
                          static_cast<char>(size >> 8), static_cast<char>(size)};
  out->append(prefix, 5);
}

}  // namespace metastore::load

#endif  // METASTORE_LOAD_WIRE_CLIENT_SESSION_H_
