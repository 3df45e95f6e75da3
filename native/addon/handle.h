// CoreHandle: one open core with its thread-safe function, owned by the JavaScript environment.
//
// Released in a stated order: the plane's threads end first, then the core's, then the functions
// that they call, then the memory. Either close() does it, or the environment's clean-up hook when
// nobody did.
#ifndef METASTORE_ADDON_HANDLE_H_
#define METASTORE_ADDON_HANDLE_H_

#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "member/core.h"

namespace metastore::addon {

class PlaneHandle;

/// Calls a JavaScript function on its thread, from any thread, without keeping the process alive.
class Wake {
 public:
  /// `name` is for tools that list what is asynchronous.
  Wake(Napi::Env env, const Napi::Function& on_wake, const char* name);
  /// Any thread. Calls collapse as the completion queue only wakes when it stops being empty.
  void Notify();
  /// JavaScript thread; Notify does nothing afterwards.
  void Release();

 private:
  std::mutex mutex_;
  Napi::ThreadSafeFunction function_;  // guarded by mutex_
  bool released_ = false;              // guarded by mutex_
};

/// What native threads have to say to promises. Shared by them, so that none of them can be the
/// last to hold the core.
class Settlements {
 public:
  explicit Settlements(std::shared_ptr<Wake> wake) : wake_(std::move(wake)) {}
  /// Any thread: `settle` will run on the JavaScript thread, in order, by the next Run.
  void Add(std::function<void(Napi::Env)> settle);
  /// JavaScript thread, from drain() and at the end of close().
  void Run(Napi::Env env);

 private:
  const std::shared_ptr<Wake> wake_;
  std::mutex mutex_;
  std::vector<std::function<void(Napi::Env)>> waiting_;  // guarded by mutex_
};

class CoreHandle {
 public:
  CoreHandle(Napi::Env env, const Napi::Function& on_wake);
  ~CoreHandle() { Shut(); }
  CoreHandle(const CoreHandle&) = delete;
  CoreHandle& operator=(const CoreHandle&) = delete;

  /// Pool thread. Opens unless the environment has ended meanwhile.
  Status Open(const member::MemberOptions& options, member::RecoveredState* recovered);
  /// Pool thread. Closes and frees the core, so that its directory can be opened again; what it had
  /// completed last stays for Drain.
  Status Close();
  /// JavaScript thread, of a stepped core that is open: loses what is not on disk, then Shut.
  void Crash();
  /// JavaScript thread: releases everything, closing the core when nobody has.
  void Shut();

  /// JavaScript thread: the core, or null once RefuseCalls was called.
  member::MemberCore* core() { return refusing_ ? nullptr : core_.get(); }
  void RefuseCalls();
  std::string Drain();

  const std::shared_ptr<Settlements>& settlements() const { return settlements_; }

  /// JavaScript thread. The plane over the core, which ends before it; null without one.
  void SetPlane(std::shared_ptr<PlaneHandle> plane);
  bool has_plane() const { return plane_ != nullptr; }

  /// Set before Open when the options name a layer; outlives the core.
  std::unique_ptr<FileLayer> files;

 private:
  static void CleanUp(void* handle);

  const Napi::Env env_;
  const std::shared_ptr<Wake> wake_;
  const std::shared_ptr<Settlements> settlements_;
  std::shared_ptr<PlaneHandle> plane_;  // set once, on the JavaScript thread, before any closing
  bool hooked_ = true;                  // JavaScript thread
  bool refusing_ = false;               // JavaScript thread
  std::mutex life_mutex_;               // held while the core is opened or closed
  bool ended_ = false;                  // guarded by life_mutex_
  std::mutex core_mutex_;  // guards the two below where JavaScript and the pool may meet
  std::unique_ptr<member::MemberCore> core_;
  std::string last_records_;
};

}  // namespace metastore::addon

#endif  // METASTORE_ADDON_HANDLE_H_
