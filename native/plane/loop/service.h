// Service: what serves some of the calls of one lane, and LaneView: what a lane lets it use.
//
// A plane is given makers, one for each kind of service, and asks the services of a call's lane in
// their order; what none takes goes to TypeScript. Each lane has services of its own, which are
// made, asked and destroyed on its thread.
#ifndef METASTORE_PLANE_LOOP_SERVICE_H_
#define METASTORE_PLANE_LOOP_SERVICE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "plane/call.h"
#include "plane/foreign/events.h"
#include "plane/mail.h"

namespace metastore::plane {

class Service : public CallFactory {
 public:
  /// Null leaves the call to the next service.
  std::unique_ptr<Call> Make(CallId id, Wire* wire) override = 0;
  /// A turn of the loop begins: input and mail follow. A monotonic time, the turn's only one.
  virtual void OnTurnBegin(int64_t now_ns) { (void)now_ns; }
  /// Around what a connection has received: calls that come in between may be gathered, and are
  /// served, or under way, when it ends.
  virtual void OnInputBegin() {}
  virtual void OnInputEnd() {}
  /// All input and mail of the turn has been handed out, and output is written next. Calls must be
  /// reached by CallTable::Find in here.
  virtual void OnTurnEnd() {}
};

/// All outlive the service.
struct LaneView {
  size_t lane = 0;
  /// Any thread. Mail to the lane itself from inside a turn is delivered in that turn.
  PostOffice* office = nullptr;
  /// Of this lane. Finding a call outside of its own callbacks also has its output written.
  CallTable* calls = nullptr;
  /// To TypeScript; any thread.
  EventQueue* events = nullptr;
  /// Takes every call.
  CallFactory* foreign = nullptr;
};

using ServiceMaker = std::function<std::unique_ptr<Service>(const LaneView& lane)>;

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_LOOP_SERVICE_H_
