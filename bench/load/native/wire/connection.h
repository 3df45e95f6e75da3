// Connection: one connection to a server on a libuv loop: socket, transport and session together.
//
// Owned by a worker, on whose thread everything happens. It connects again by itself after a loss,
// a little later each time in a row, so that a load outlives a server's restart.
#ifndef METASTORE_LOAD_WIRE_CONNECTION_H_
#define METASTORE_LOAD_WIRE_CONNECTION_H_

#include <netdb.h>
#include <uv.h>

#include <memory>
#include <string>

#include "wire/client_session.h"
#include "wire/transport.h"

namespace metastore::load {

class Connection;

class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  /// Calls can be started.
  virtual void OnReady(Connection* connection) = 0;
  /// Lost, or never there; every call has been ended. It is tried again until it is closed.
  virtual void OnLost(Connection* connection, const std::string& why) = 0;
  /// About to hand received bytes on: the time to note, in monotonic nanoseconds.
  virtual void OnBytes(size_t size) = 0;
  virtual void OnSent(size_t size) = 0;
};

/// What all connections of a run have in common. Everything outlives them.
struct Wiring {
  uv_loop_t* loop = nullptr;
  ConnectionOwner* owner = nullptr;
  CallHandler* handler = nullptr;
  TlsContext* tls = nullptr;
  std::string token;
  /// For one read at a time; shared, as nothing of it outlives a read.
  std::string* buffer = nullptr;
};

class Connection {
 public:
  Connection(const Wiring& wiring, const Endpoint& endpoint, size_t index);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Connect();
  bool is_ready() const { return state_ == State::kReady && session_->IsOpen(); }
  ClientSession* session() { return session_.get(); }
  size_t index() const { return index_; }
  const Endpoint& endpoint() const { return endpoint_; }
  /// Writes what the session has to send.
  void Flush();
  /// Ends it for good, without telling the owner. The loop must run once more afterwards.
  void Close();

 private:
  enum class State { kIdle, kConnecting, kHandshake, kReady, kWaiting, kClosed };

  bool Open(std::string* why);
  void OnPoll(int status, int events);
  void OnConnected();
  void GoOnWithHandshake();
  void ReadAll();
  void Watch(int events);
  /// By value: the words may be those of a transport that goes with it.
  void Lose(std::string why);
  void CloseSocket();

  Wiring wiring_;
  Endpoint endpoint_;
  size_t index_;
  State state_ = State::kIdle;
  int socket_ = -1;
  int watched_ = 0;
  uv_poll_t* poll_ = nullptr;
  uv_timer_t* retry_ = nullptr;
  uint64_t losses_in_a_row_ = 0;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<ClientSession> session_;
  std::string out_;
  size_t written_ = 0;
  bool is_receiving_ = false;
};

}  // namespace metastore::load

#endif  // METASTORE_LOAD_WIRE_CONNECTION_H_
