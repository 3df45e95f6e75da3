// Threads and connections of plane.h.
#include "plane/loop/plane.h"

#include <cerrno>

namespace metastore::plane {

class Lane {};

const std::vector<std::string>& Plane::NumberNames() {
  static const std::vector<std::string> names;
  return names;
}
Plane::Plane(const PlaneOptions& options, std::function<void()> wake)
    : options_(options), events_(std::move(wake)) {
  for (size_t i = 0; i < options.lanes; ++i) lanes_.push_back(std::make_unique<Lane>());
}
Plane::~Plane() { Stop(); }
Status Plane::Start(std::vector<ServiceMaker> makers) {
  (void)makers;
  return Status::Ok();
}
void Plane::Post(size_t, std::unique_ptr<Mail>) {}
int64_t Plane::Adopt(int, std::string, Peer, bool) { return -ECANCELED; }
int64_t Plane::Attach(Peer, bool) { return -ECANCELED; }
void Plane::Feed(uint64_t, std::string) {}
void Plane::Ended(uint64_t) {}
void Plane::OutputTaken(uint64_t, uint64_t) {}
void Plane::DrainConnections() {}
void Plane::Reply(CallId, std::string) {}
void Plane::Send(CallId, std::string) {}
void Plane::Finish(CallId, int, std::string) {}
void Plane::Ask(CallId) {}
void Plane::HttpRespond(CallId, int, HeaderPairs) {}
void Plane::HttpSend(CallId, std::string) {}
void Plane::HttpEnd(CallId) {}
void Plane::HttpReset(CallId) {}
std::vector<double> Plane::Numbers() const { return {}; }
void Plane::Stop() {}

}  // namespace metastore::plane
