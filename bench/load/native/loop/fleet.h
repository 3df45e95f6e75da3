// Fleet: a libuv loop and the connections on it, for whoever puts load on them.
//
// Connections are made a few hundred at a time, and what calls have been started on is written once
// in each turn of the loop. Single-threaded.
#ifndef METASTORE_LOAD_LOOP_FLEET_H_
#define METASTORE_LOAD_LOOP_FLEET_H_

#include <uv.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "wire/connection.h"
#include "work/options.h"

namespace metastore::load {

class Fleet {
 public:
  /// `connections` spread over the endpoints in turn. All arguments outlive the fleet.
  Fleet(const Options& options, uint32_t connections, const std::string& token, TlsContext* tls,
        ConnectionOwner* owner, CallHandler* handler);
  ~Fleet();
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  uv_loop_t* loop() { return &loop_; }
  size_t size() const { return connections_.size(); }
  Connection* at(size_t index) { return connections_[index].get(); }

  /// Begins to connect; the owner hears of each, and calls Connected for every new one.
  void Connect();
  void Connected();
  bool is_complete() const { return connected_ >= connections_.size(); }

  /// To be written in this turn of the loop.
  void MarkDirty(Connection* connection);
  void FlushDirty();

  void Run() { uv_run(&loop_, UV_RUN_DEFAULT); }
  void Stop() { uv_stop(&loop_); }

 private:
  uv_loop_t loop_;
  uv_check_t flusher_;
  std::string buffer_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> dirty_;
  std::vector<bool> is_dirty_;
  size_t begun_ = 0;
  size_t connected_ = 0;
};

/// A repeating or single timer that calls a member; the loop owns it.
class Timer {
 public:
  Timer(uv_loop_t* loop, std::function<void()> on_time);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  void Start(double seconds, bool repeats);
  void Stop() { uv_timer_stop(handle_); }

 private:
  uv_timer_t* handle_;
  std::function<void()> on_time_;
};

}  // namespace metastore::load

#endif  // METASTORE_LOAD_LOOP_FLEET_H_
