// Wiring of services.h.
#include "addon/plane/services.h"

namespace metastore::addon {

PlaneServices::PlaneServices(member::MemberCore* core, plane::Plane* plane)
    : core_(core), plane_(plane) {}

std::vector<plane::ServiceMaker> PlaneServices::Makers() { return {}; }

void PlaneServices::Detach() { core_ = nullptr; }

}  // namespace metastore::addon
