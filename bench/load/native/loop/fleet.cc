// Connections on one loop; see fleet.h.
#include "loop/fleet.h"

#include <algorithm>

#include "base/check.h"

namespace metastore::load {

namespace {
constexpr size_t kConnectingMax = 256;
constexpr size_t kBufferBytes = 256u << 10;
}  // namespace

Fleet::Fleet(const Options& options, uint32_t connections, const std::string& token,
             TlsContext* tls, ConnectionOwner* owner, CallHandler* handler)
    : buffer_(kBufferBytes, '\0'), is_dirty_(connections) {
  METASTORE_CHECK(uv_loop_init(&loop_) == 0, "no descriptors left for a loop");
  uv_check_init(&loop_, &flusher_);
  flusher_.data = this;
  uv_check_start(&flusher_,
                 [](uv_check_t* handle) { static_cast<Fleet*>(handle->data)->FlushDirty(); });
  const Wiring wiring = {&loop_, owner, handler, tls, token, &buffer_};
  for (uint32_t index = 0; index < connections; index++) {
    const Endpoint& endpoint = options.endpoints[index % options.endpoints.size()];
    connections_.push_back(std::make_unique<Connection>(wiring, endpoint, index));
  }
}

Fleet::~Fleet() {
  connections_.clear();
  uv_close(reinterpret_cast<uv_handle_t*>(&flusher_), nullptr);
  uv_run(&loop_, UV_RUN_DEFAULT);
  METASTORE_CHECK(uv_loop_close(&loop_) == 0, "everything on the loop has been closed");
}

void Fleet::Connect() {
  while (begun_ < connections_.size() && begun_ < connected_ + kConnectingMax) {
    connections_[begun_++]->Connect();
  }
}

void Fleet::Connected() {
  connected_++;
  Connect();
}

void Fleet::MarkDirty(Connection* connection) {
  if (is_dirty_[connection->index()]) return;
  is_dirty_[connection->index()] = true;
  dirty_.push_back(connection);
}

void Fleet::FlushDirty() {
  // Writing may lose a connection, and its calls then go to others: those wait for the next turn.
  std::vector<Connection*> now;
  now.swap(dirty_);
  for (Connection* connection : now) {
    is_dirty_[connection->index()] = false;
    connection->Flush();
  }
  if (dirty_.empty()) {
    now.clear();
    dirty_.swap(now);
  }
}

Timer::Timer(uv_loop_t* loop, std::function<void()> on_time)
    : handle_(new uv_timer_t), on_time_(std::move(on_time)) {
  METASTORE_CHECK(uv_timer_init(loop, handle_) == 0, "a timer cannot be refused");
  handle_->data = this;
}

Timer::~Timer() {
  uv_close(reinterpret_cast<uv_handle_t*>(handle_),
           [](uv_handle_t* closed) { delete reinterpret_cast<uv_timer_t*>(closed); });
}

void Timer::Start(double seconds, bool repeats) {
  const auto ms = std::max<uint64_t>(1, static_cast<uint64_t>(seconds * 1000 + 0.5));
  uv_update_time(handle_->loop);
  uv_timer_start(
      handle_, [](uv_timer_t* timer) { static_cast<Timer*>(timer->data)->on_time_(); }, ms,
      repeats ? ms : 0);
}

}  // namespace metastore::load
