// ClientSession: HTTP/2 and gRPC of one connection, on nghttp2, without its socket.
//
// Bytes in, bytes out, as the server's side has it; a worker starts calls and is told of messages
// and ends. Made to be cheap: headers are views that never change, calls are reused, and a message
// that arrives whole is handed on where it lies. RFC 9113 and gRPC over HTTP/2 (grpc.io).
#ifndef METASTORE_LOAD_WIRE_CLIENT_SESSION_H_
#define METASTORE_LOAD_WIRE_CLIENT_SESSION_H_

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "wire/memory.h"
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
  int32_t stream = -1;
  int status = -1;
  std::string error_text;
  std::string partial;
  ClientSession* session = nullptr;
};

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
  ~ClientSession();
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

  size_t calls_under_way() const { return under_way_; }
  CallHandler* handler() const { return handler_; }
  void Finish(Call* call, uint32_t http2_error);

 private:
  std::string authority_;
  std::string authorization_;
  CallHandler* handler_;
  SessionMemory memory_;
  nghttp2_session* session_ = nullptr;
  std::vector<std::vector<nghttp2_nv>> heads_;
  std::vector<std::unique_ptr<Call>> calls_;
  std::vector<Call*> free_;
  size_t under_way_ = 0;
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
