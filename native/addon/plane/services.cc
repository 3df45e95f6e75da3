// Wiring of services.h.
#include "addon/plane/services.h"

#include <utility>

#include "plane/hot/hot_lane.h"
#include "plane/streams/stream_call.h"

namespace metastore::addon {
namespace {

/// The streams of one lane as one of its services.
class StreamService final : public plane::Service {
 public:
  StreamService(plane::Streams* streams, size_t lane) : streams_(streams, lane) {}
  std::unique_ptr<plane::Call> Make(plane::CallId id, plane::Wire* wire) override {
    return streams_.Make(id, wire);
  }
  void OnTurnEnd() override { streams_.OnTurnEnd(); }

 private:
  plane::LaneStreams streams_;
};

}  // namespace

class PlaneServices::StreamRecords final : public plane::StreamEvents {
 public:
  explicit StreamRecords(plane::EventQueue* events) : events_(events) {}
  void KeepAlives(std::string_view items) override {
    events_->Raw(plane::EventKind::kKeepAlives, items);
  }
  void Caller(std::string_view record) override { events_->Raw(plane::EventKind::kCaller, record); }

 private:
  plane::EventQueue* const events_;
};

PlaneServices::PlaneServices(member::MemberCore* core, plane::Plane* plane,
                             const plane::HotOptions& hot)
    : core_(core),
      plane_(plane),
      hot_(std::make_unique<plane::HotService>(core, &plane->gate(), plane, hot)),
      stream_records_(std::make_unique<StreamRecords>(&plane->events())) {
  plane::StreamParts parts;
  parts.hub = &core->hub();
  parts.gate = &plane->gate();
  parts.office = plane;
  parts.events = stream_records_.get();
  parts.route = [core](watch::StreamSink* sink) { core->RouteStreams(sink); };
  streams_ = std::make_unique<plane::Streams>(std::move(parts));
}

PlaneServices::~PlaneServices() = default;

std::vector<plane::ServiceMaker> PlaneServices::Makers() {
  std::vector<plane::ServiceMaker> makers;
  makers.push_back([this](const plane::LaneView& view) { return hot_->MakeLane(view); });
  makers.push_back([this](const plane::LaneView& view) {
    return std::make_unique<StreamService>(streams_.get(), view.lane);
  });
  return makers;
}

void PlaneServices::Detach() {
  streams_.reset();
  hot_->Detach();
  core_ = nullptr;
}

}  // namespace metastore::addon
