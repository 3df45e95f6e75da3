// Connection: one client's connection on its lane: the socket, or the bytes that JavaScript
// carries, and the session that speaks over them.
//
// Memory is bounded by what the client reads: when its socket takes no more, a bounded amount of
// output is made ahead, and beyond that nothing is read from it either. Lane thread only.
#ifndef METASTORE_PLANE_LOOP_CONNECTION_H_
#define METASTORE_PLANE_LOOP_CONNECTION_H_

#include <uv.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "plane/call.h"
#include "plane/http2/session.h"
#include "plane/loop/tables/timers.h"

namespace metastore::plane {

class Lane;

class Connection final : public SessionOwner, public Timed {
 public:
  /// `descriptor` is a non-blocking stream socket, which it owns from now on; -1 for a connection
  /// whose bytes are fed.
  Connection(Lane* lane, int descriptor, Peer peer, const SessionOptions& options);
  ~Connection() override;

  /// Once: the bytes that were read before come first. False when the loop does not take it.
  bool Start(std::string_view first_bytes);
  /// Bytes of the client of a fed connection.
  void Feed(std::string_view bytes);
  void OutputTaken(uint64_t bytes);
  /// The client is gone: calls end, nothing more is written.
  void Lose();
  /// GOAWAY; the connection ends with its last call.
  void Drain();
  /// At the end of the plane: what can be written at once is, then all is closed.
  void Shut();
  /// Its time has come.
  void OnTime();
  /// Room in the budget again.
  void Relax();
  /// Writes what the session has to say, as far as it is taken. True when there is more that could
  /// be written at once.
  bool Flush();

  uint64_t number() const { return peer_.connection; }
  bool is_dirty() const { return dirty_; }
  void set_dirty(bool dirty) { dirty_ = dirty; }
  bool withheld() const { return withheld_; }
  /// Calls that wait may go on, as far as the budget of answers lets them.
  void Resume();
  /// Null once it ends.
  Session* session() const { return phase_ == Phase::kOpen ? session_.get() : nullptr; }
  /// Its client does not read what it has been answered: it is sent away.
  void CutOff();

  CallId NextCallId() override;
  std::unique_ptr<Call> MakeCall(CallId id, Wire* wire) override;
  std::unique_ptr<Call> MakeHttp(CallId id, HttpWire* wire) override;
  void Closed(CallId id) override;
  void Withheld() override;
  void Parked() override;
  void Holding() override;

 private:
  /// How far it is: kOpen serves; kEnding has input dropped and output written; kLingering has
  /// said all and waits for the client to have read it; kOver is only to be destroyed.
  enum class Phase : uint8_t { kOpen, kEnding, kLingering, kOver };

  /// What a flush came to: all is written; more could be at once; or the client has to read first.
  enum class Flushed : uint8_t { kAll, kMore, kWaits };

  static void OnPoll(uv_poll_t* handle, int status, int events);
  void OnReadable();
  void Receive(std::string_view bytes);
  /// What the session says of itself after it was given something.
  void After(bool goes_on);
  /// Over soon: after the output, at the latest in a second.
  void End();
  void FinishEnding();
  void Close();
  Flushed FlushSocket();
  Flushed FlushFed();
  bool WriteOut(std::string_view bytes, size_t* written);
  void Poll();
  void SetTimer();
  bool has_socket() const { return descriptor_ >= 0; }
  size_t unwritten() const { return out_.size() - out_at_; }

  Lane* const lane_;
  Peer peer_;
  int descriptor_;
  const bool is_fed_;
  uv_poll_t poll_;
  int polled_ = 0;  // events that are waited for
  std::unique_ptr<Session> session_;
  /// Made by the session and not taken by the socket yet, from out_at_ on. Empty unless blocked_.
  std::string out_;
  size_t out_at_ = 0;
  /// The socket takes nothing more for now.
  bool blocked_ = false;
  /// Of a fed connection: output under way in JavaScript.
  uint64_t outstanding_ = 0;
  Phase phase_ = Phase::kOpen;
  int64_t end_by_ns_ = kNever;
  bool dirty_ = false;
  bool withheld_ = false;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_LOOP_CONNECTION_H_
