// The JavaScript class Plane: one method for each of src/storage/native-plane.ts, same names, same
// order. Arguments are checked, work goes to plane/loop/plane.h, nothing is decided here.
#ifndef METASTORE_ADDON_PLANE_PLANE_H_
#define METASTORE_ADDON_PLANE_PLANE_H_

#include <napi.h>

#include <memory>

#include "addon/plane/handle.h"

namespace metastore::addon {

/// What the addon exports of planes: constants and names.
void ExportPlane(Napi::Env env, Napi::Object exports);
/// False with a pending TypeError.
bool ReadPlaneOptions(const Napi::Value& value, plane::PlaneOptions* options,
                      plane::HotOptions* hot);

class PlaneObject final : public Napi::ObjectWrap<PlaneObject> {
 public:
  /// Defines the class; its constructor is kept in the environment's instance data.
  static Napi::Function Define(Napi::Env env);
  /// Wraps a started plane.
  static Napi::Object Wrap(Napi::Env env, std::shared_ptr<PlaneHandle> handle);

  explicit PlaneObject(const Napi::CallbackInfo& info);

 private:
  using Info = Napi::CallbackInfo;
  Napi::Value Adopt(const Info& info);
  Napi::Value Attach(const Info& info);
  Napi::Value Feed(const Info& info);
  Napi::Value Ended(const Info& info);
  Napi::Value OutputTaken(const Info& info);
  Napi::Value Reply(const Info& info);
  Napi::Value Send(const Info& info);
  Napi::Value Finish(const Info& info);
  Napi::Value Ask(const Info& info);
  Napi::Value HttpRespond(const Info& info);
  Napi::Value HttpSend(const Info& info);
  Napi::Value HttpEnd(const Info& info);
  Napi::Value HttpReset(const Info& info);
  Napi::Value Gate(const Info& info);
  Napi::Value WatchCaller(const Info& info);
  Napi::Value KeepAlivesDone(const Info& info);
  Napi::Value EndStreams(const Info& info);
  Napi::Value StreamCounts(const Info& info);
  Napi::Value LearnToken(const Info& info);
  Napi::Value ForgetTokens(const Info& info);
  Napi::Value Expire(const Info& info);
  Napi::Value HotCounts(const Info& info);
  Napi::Value HotVersions(const Info& info);
  Napi::Value HotInFlight(const Info& info);
  Napi::Value Drain(const Info& info);
  Napi::Value OpenConnections(const Info& info);
  Napi::Value Metrics(const Info& info);
  Napi::Value DrainConnections(const Info& info);
  Napi::Value Stop(const Info& info);

  /// The plane, or null: commands may still come while it stops, and there is nothing left to do.
  plane::Plane* OpenPlane() { return handle_ == nullptr ? nullptr : handle_->plane(); }
  /// The same for Watch and LeaseKeepAlive.
  plane::Streams* OpenStreams() {
    PlaneServices* services = handle_ == nullptr ? nullptr : handle_->services();
    return services == nullptr ? nullptr : services->streams();
  }

  PlaneServices* OpenServices() { return handle_ == nullptr ? nullptr : handle_->services(); }

  std::shared_ptr<PlaneHandle> handle_;
};

}  // namespace metastore::addon

#endif  // METASTORE_ADDON_PLANE_PLANE_H_
