// PlaneServices: what a plane serves by itself, in the order of asking, wired to its core.
//
// The one place where the plane's services and the core meet. Made before the lanes, detached from
// the core when they have been joined, destroyed after both.
#ifndef METASTORE_ADDON_PLANE_SERVICES_H_
#define METASTORE_ADDON_PLANE_SERVICES_H_

#include <memory>
#include <vector>

#include "member/core.h"
#include "plane/hot/service.h"
#include "plane/loop/plane.h"
#include "plane/loop/service.h"
#include "plane/streams/streams.h"

namespace metastore::addon {

class PlaneServices {
 public:
  PlaneServices(member::MemberCore* core, plane::Plane* plane, const plane::HotOptions& hot);
  ~PlaneServices();

  /// One maker a service; called once, before the plane starts.
  std::vector<plane::ServiceMaker> Makers();
  /// The lanes are joined: the core must not be told of again, nor tell.
  void Detach();

  /// Null behind Detach.
  plane::Streams* streams() { return streams_.get(); }

  /// KV; it counts on behind Detach.
  plane::HotService* hot() { return hot_.get(); }

 private:
  class StreamRecords;
  member::MemberCore* core_;
  plane::Plane* const plane_;
  const std::unique_ptr<plane::HotService> hot_;
  std::unique_ptr<StreamRecords> stream_records_;
  std::unique_ptr<plane::Streams> streams_;
};

}  // namespace metastore::addon

#endif  // METASTORE_ADDON_PLANE_SERVICES_H_
