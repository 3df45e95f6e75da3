// Connections and commands of plane.h: everything reaches its lane as mail.
#include "plane/loop/plane.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "plane/loop/lane.h"

namespace metastore::plane {
namespace {

template <typename Action>
class ActionMail final : public Mail {
 public:
  ActionMail(Lane* lane, Action action) : lane_(lane), action_(std::move(action)) {}
  void Deliver(CallTable*) override { action_(lane_); }

 private:
  Lane* const lane_;
  Action action_;
};

/// A descriptor of our own for the same socket, or a negative errno. The options of the socket are
/// shared with the other descriptor.
int OwnDescriptor(int descriptor) {
  const int own = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
  if (own < 0) return -errno;
  const int flags = fcntl(own, F_GETFL);
  if (flags < 0 || fcntl(own, F_SETFL, flags | O_NONBLOCK) != 0) {
    const int error = errno;
    close(own);
    return -error;
  }
  const int on = 1;
  setsockopt(own, IPPROTO_TCP, TCP_NODELAY, &on,
             sizeof on);  // fails on other sockets, which is fine
#ifdef SO_NOSIGPIPE
  setsockopt(own, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  return own;
}

struct NumberRow {
  const char* name;
  Counter LaneCounts::*counter;
};

constexpr NumberRow kNumbers[] = {
    {"turns", &LaneCounts::turns},
    {"reads", &LaneCounts::reads},
    {"readBytes", &LaneCounts::read_bytes},
    {"writes", &LaneCounts::writes},
    {"writtenBytes", &LaneCounts::written_bytes},
    {"calls", &LaneCounts::calls},
    {"foreignCalls", &LaneCounts::foreign_calls},
    {"connections", &LaneCounts::connections},
    {"cutOff", &LaneCounts::cut_off},
};

}  // namespace

/// A connection on its way to its lane. One that never arrives is closed.
class Plane::Opening final : public Mail {
 public:
  Opening(Lane* lane, int descriptor, Peer peer, bool shares_http, std::string first_bytes)
      : lane_(lane),
        descriptor_(descriptor),
        peer_(std::move(peer)),
        shares_http_(shares_http),
        first_bytes_(std::move(first_bytes)) {}
  ~Opening() override {
    if (descriptor_ >= 0) close(descriptor_);
  }
  void Deliver(CallTable*) override {
    lane_->Open(std::exchange(descriptor_, -1), std::move(peer_), shares_http_, first_bytes_);
  }

 private:
  Lane* const lane_;
  int descriptor_;
  Peer peer_;
  const bool shares_http_;
  const std::string first_bytes_;
};

const std::vector<std::string>& Plane::NumberNames() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const NumberRow& row : kNumbers) list.emplace_back(row.name);
    list.emplace_back("openConnections");
    list.emplace_back("heldBytes");
    list.emplace_back("unsentBytes");
    return list;
  }();
  return names;
}

std::vector<double> Plane::Numbers() const {
  std::vector<double> numbers;
  for (const NumberRow& row : kNumbers) {
    uint64_t sum = 0;
    for (const auto& lane : lanes_) sum += (lane->counts().*row.counter).Get();
    numbers.push_back(static_cast<double>(sum));
  }
  numbers.push_back(static_cast<double>(open_connections()));
  numbers.push_back(static_cast<double>(held_bytes_.load(std::memory_order_relaxed)));
  // Sessions add late, so that the sum may be below nothing for a moment.
  const auto unsent = static_cast<int64_t>(unsent_bytes_.load(std::memory_order_relaxed));
  numbers.push_back(static_cast<double>(std::max<int64_t>(0, unsent)));
  return numbers;
}

Plane::Plane(const PlaneOptions& options, std::function<void()> wake) : events_(std::move(wake)) {
  METASTORE_CHECK(options.lanes >= 1 && options.lanes <= (1u << kLaneBits), "1 to 8 lanes");
  LaneShared shared;
  shared.office = this;
  shared.events = &events_;
  shared.held_bytes = &held_bytes_;
  shared.unsent_bytes = &unsent_bytes_;
  shared.open_connections = &open_connections_;
  shared.session = options.session;
  for (size_t i = 0; i < options.lanes; ++i) lanes_.push_back(std::make_unique<Lane>(i, shared));
}

Plane::~Plane() { Stop(); }

Status Plane::Start(std::vector<ServiceMaker> makers) {
  for (const auto& lane : lanes_) METASTORE_RETURN_IF_ERROR(lane->Start(makers));
  return Status::Ok();
}

void Plane::Stop() {
  std::lock_guard<std::mutex> lock(life_mutex_);
  stopped_.store(true);
  for (const auto& lane : lanes_) lane->Stop();
  for (const auto& lane : lanes_) lane->Join();
}

void Plane::Post(size_t lane, std::unique_ptr<Mail> mail) {
  METASTORE_CHECK(lane < lanes_.size(), "mail is for a lane of this plane");
  lanes_[lane]->Post(std::move(mail));
}

template <typename Action>
void Plane::On(size_t lane, Action action) {
  if (lane >= lanes_.size()) return;  // a number that was never given
  Lane* const to = lanes_[lane].get();
  to->Post(std::make_unique<ActionMail<Action>>(to, std::move(action)));
}

// ---- Connections. ----------------------------------------------------------------------------

Lane* Plane::LeastLoaded() const {
  const auto least = std::min_element(
      lanes_.begin(), lanes_.end(),
      [](const auto& left, const auto& right) { return left->load() < right->load(); });
  return least->get();
}

int64_t Plane::Adopt(int descriptor, std::string first_bytes, Peer peer, bool shares_http) {
  if (stopped_.load()) return -ECANCELED;
  const int own = OwnDescriptor(descriptor);
  if (own < 0) return own;
  Lane* const lane = LeastLoaded();
  const uint64_t number = lane->NextConnection();
  peer.connection = number;
  lane->Post(
      std::make_unique<Opening>(lane, own, std::move(peer), shares_http, std::move(first_bytes)));
  return static_cast<int64_t>(number);
}

int64_t Plane::Attach(Peer peer, bool shares_http) {
  if (stopped_.load()) return -ECANCELED;
  Lane* const lane = LeastLoaded();
  const uint64_t number = lane->NextConnection();
  peer.connection = number;
  lane->Post(std::make_unique<Opening>(lane, -1, std::move(peer), shares_http, std::string()));
  return static_cast<int64_t>(number);
}

void Plane::Feed(uint64_t connection, std::string bytes) {
  On(LaneOf(connection), [connection, bytes = std::move(bytes)](Lane* lane) {
    Connection* found = lane->FindConnection(connection);
    if (found != nullptr) found->Feed(bytes);
  });
}

void Plane::Ended(uint64_t connection) {
  On(LaneOf(connection), [connection](Lane* lane) {
    Connection* found = lane->FindConnection(connection);
    if (found != nullptr) found->Lose();
  });
}

void Plane::OutputTaken(uint64_t connection, uint64_t bytes) {
  On(LaneOf(connection), [connection, bytes](Lane* lane) {
    Connection* found = lane->FindConnection(connection);
    if (found != nullptr) found->OutputTaken(bytes);
  });
}

void Plane::DrainConnections() {
  for (size_t i = 0; i < lanes_.size(); ++i) {
    On(i, [](Lane* lane) { lane->DrainAll(); });
  }
}

// ---- Foreign calls. --------------------------------------------------------------------------

void Plane::Reply(CallId call, std::string message) {
  On(LaneOf(call),
     [call, message = std::move(message)](Lane* lane) { lane->foreign()->Reply(call, message); });
}

void Plane::Send(CallId call, std::string message) {
  On(LaneOf(call), [call, message = std::move(message)](Lane* lane) mutable {
    lane->foreign()->Send(call, std::move(message));
  });
}

void Plane::Finish(CallId call, int grpc_status, std::string text) {
  On(LaneOf(call), [call, grpc_status, text = std::move(text)](Lane* lane) {
    lane->foreign()->Finish(call, grpc_status, text);
  });
}

void Plane::Ask(CallId call) {
  On(LaneOf(call), [call](Lane* lane) { lane->foreign()->Ask(call); });
}

void Plane::HttpRespond(CallId call, int status, HeaderPairs headers) {
  On(LaneOf(call), [call, status, headers = std::move(headers)](Lane* lane) {
    lane->foreign()->HttpRespond(call, status, headers);
  });
}

void Plane::HttpSend(CallId call, std::string bytes) {
  On(LaneOf(call), [call, bytes = std::move(bytes)](Lane* lane) mutable {
    lane->foreign()->HttpSend(call, std::move(bytes));
  });
}

void Plane::HttpEnd(CallId call) {
  On(LaneOf(call), [call](Lane* lane) { lane->foreign()->HttpEnd(call); });
}

void Plane::HttpReset(CallId call) {
  On(LaneOf(call), [call](Lane* lane) { lane->foreign()->HttpReset(call); });
}

}  // namespace metastore::plane
