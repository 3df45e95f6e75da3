// PlaneHandle: the plane of an open core, and what its events wake. Shared by the JavaScript object
// and the core's handle, which stops it before the core closes.
#ifndef METASTORE_ADDON_PLANE_HANDLE_H_
#define METASTORE_ADDON_PLANE_HANDLE_H_

#include <napi.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "addon/plane/services.h"
#include "base/status.h"
#include "member/core.h"
#include "plane/loop/plane.h"

namespace metastore::addon {

class Wake;

class PlaneHandle {
 public:
  PlaneHandle(Napi::Env env, const Napi::Function& on_wake, const plane::PlaneOptions& options,
              const plane::HotOptions& hot, member::MemberCore* core);
  ~PlaneHandle();

  Status Start();
  /// JavaScript thread: commands do nothing from now on.
  void Refuse() { refusing_.store(true); }
  /// Any thread, once or more: joins the lanes and lets go of the core. Blocks.
  void Stop();
  /// JavaScript thread: nothing is told any more.
  void Release();

  /// For commands; null once the plane stops.
  plane::Plane* plane() { return refusing_.load() ? nullptr : &plane_; }
  PlaneServices* services() { return refusing_.load() ? nullptr : services_.get(); }
  /// What they have counted, at any time.
  PlaneServices& counted() { return *services_; }
  /// Numbers and events may be read as long as the handle lives.
  std::string Drain() { return plane_.events().Drain(); }
  std::vector<double> Numbers() const { return plane_.Numbers(); }

 private:
  const std::shared_ptr<Wake> wake_;
  plane::Plane plane_;
  std::unique_ptr<PlaneServices> services_;  // made after the plane, which outlives it
  std::atomic<bool> refusing_{false};
  std::mutex stop_mutex_;
  bool stopped_ = false;  // guarded by stop_mutex_
};

}  // namespace metastore::addon

#endif  // METASTORE_ADDON_PLANE_HANDLE_H_
