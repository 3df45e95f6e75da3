// Life and end of handle.h.
#include "addon/handle.h"

#include <utility>

#include "addon/plane/handle.h"

namespace metastore::addon {

Wake::Wake(Napi::Env env, const Napi::Function& on_wake, const char* name)
    : function_(Napi::ThreadSafeFunction::New(env, on_wake, name, 0, 1)) {
  function_.Unref(env);
}

void Wake::Notify() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (released_) return;
  // "Closing" means that the environment is ending: the function must not be touched again.
  if (function_.NonBlockingCall() == napi_closing) released_ = true;
}

void Wake::Release() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (released_) return;
  released_ = true;
  function_.Release();
}

void Settlements::Add(std::function<void(Napi::Env)> settle) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    waiting_.push_back(std::move(settle));
  }
  wake_->Notify();
}

void Settlements::Run(Napi::Env env) {
  std::vector<std::function<void(Napi::Env)>> waiting;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    waiting.swap(waiting_);
  }
  for (const auto& settle : waiting) {
    const Napi::HandleScope scope(env);
    settle(env);
  }
}

CoreHandle::CoreHandle(Napi::Env env, const Napi::Function& on_wake)
    : env_(env),
      wake_(std::make_shared<Wake>(env, on_wake, "metastore completions")),
      settlements_(std::make_shared<Settlements>(wake_)) {
  napi_add_env_cleanup_hook(env_, CleanUp, this);
}

Status CoreHandle::Open(const member::MemberOptions& options, member::RecoveredState* recovered) {
  std::lock_guard<std::mutex> life(life_mutex_);
  if (ended_) return Status(Code::kStopped, "the environment has ended");
  const std::shared_ptr<Wake> wake = wake_;
  auto opened = member::MemberCore::Open(
      options, [wake] { wake->Notify(); }, recovered);
  if (!opened.ok()) return opened.TakeStatus();
  std::lock_guard<std::mutex> lock(core_mutex_);
  core_ = std::move(*opened);
  return Status::Ok();
}

Status CoreHandle::Close() {
  std::lock_guard<std::mutex> life(life_mutex_);
  if (ended_) return Status::Ok();
  ended_ = true;
  if (plane_ != nullptr) plane_->Stop();
  Status status = core_->Close();
  std::unique_ptr<member::MemberCore> doomed;
  {
    std::lock_guard<std::mutex> lock(core_mutex_);
    last_records_ = core_->Drain();
    doomed = std::move(core_);
  }
  return status;
}

void CoreHandle::Crash() {
  RefuseCalls();
  core_->Crash();
  Shut();
  files.reset();
}

std::string CoreHandle::Drain() {
  std::lock_guard<std::mutex> lock(core_mutex_);
  if (core_ != nullptr) return core_->Drain();
  return std::exchange(last_records_, std::string());
}

void CoreHandle::CleanUp(void* handle) {
  auto* self = static_cast<CoreHandle*>(handle);
  self->hooked_ = false;
  self->Shut();
}

void CoreHandle::SetPlane(std::shared_ptr<PlaneHandle> plane) { plane_ = std::move(plane); }

void CoreHandle::RefuseCalls() {
  refusing_ = true;
  if (plane_ != nullptr) plane_->Refuse();
}

void CoreHandle::Shut() {
  RefuseCalls();
  {
    std::lock_guard<std::mutex> life(life_mutex_);
    ended_ = true;
    if (plane_ != nullptr) plane_->Stop();
    core_.reset();
  }
  if (plane_ != nullptr) plane_->Release();
  wake_->Release();
  if (hooked_) {
    hooked_ = false;
    napi_remove_env_cleanup_hook(env_, CleanUp, this);
  }
}

}  // namespace metastore::addon
