// MemberCore.openPlane: member_core.h.
#include <memory>
#include <utility>

#include "addon/member_core.h"
#include "addon/plane/plane.h"
#include "addon/values/args.h"
#include "addon/values/convert.h"

namespace metastore::addon {

Napi::Value MemberCoreObject::OpenPlane(const Info& info) {
  const Napi::Env env = info.Env();
  member::MemberCore* core = Core(info);
  if (core == nullptr) return env.Undefined();
  plane::PlaneOptions options;
  plane::HotOptions hot;
  if (!ReadPlaneOptions(info[0], &options, &hot)) return env.Undefined();
  if (!info[1].IsFunction()) {
    ThrowType(env, "onWake must be a function");
    return env.Undefined();
  }
  metastore::Status status;
  if (handle_->has_plane()) {
    status = metastore::Status(Code::kInternal, "openPlane: the core has a plane already");
  } else {
    auto plane =
        std::make_shared<PlaneHandle>(env, info[1].As<Napi::Function>(), options, hot, core);
    status = plane->Start();
    if (status.ok()) {
      handle_->SetPlane(plane);
      return PlaneObject::Wrap(env, std::move(plane));
    }
    plane->Stop();
    plane->Release();
  }
  ToError(env, status).ThrowAsJavaScriptException();
  return env.Undefined();
}

}  // namespace metastore::addon
