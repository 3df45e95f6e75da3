// Life and end of handle.h.
#include "addon/plane/handle.h"

#include <utility>

#include "addon/handle.h"

namespace metastore::addon {

PlaneHandle::PlaneHandle(Napi::Env env, const Napi::Function& on_wake,
                         const plane::PlaneOptions& options, const plane::HotOptions& hot,
                         member::MemberCore* core)
    : wake_(std::make_shared<Wake>(env, on_wake, "metastore plane")),
      plane_(options, [wake = wake_] { wake->Notify(); }),
      services_(std::make_unique<PlaneServices>(core, &plane_, hot)) {}

PlaneHandle::~PlaneHandle() { Stop(); }

Status PlaneHandle::Start() { return plane_.Start(services_->Makers()); }

void PlaneHandle::Stop() {
  std::lock_guard<std::mutex> lock(stop_mutex_);
  if (stopped_) return;
  stopped_ = true;
  plane_.Stop();
  services_->Detach();
}

void PlaneHandle::Release() { wake_->Release(); }

}  // namespace metastore::addon
