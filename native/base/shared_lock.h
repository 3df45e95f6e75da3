// SharedLock: a reader-writer lock on which a waiting writer goes first.
//
// std::shared_mutex on glibc lets a stream of readers keep the writer out for good; the engine's
// one writer must get in after the readers of the moment. Works with std::unique_lock and
// std::shared_lock. A thread must not take it twice.
#ifndef METASTORE_BASE_SHARED_LOCK_H_
#define METASTORE_BASE_SHARED_LOCK_H_

#include <pthread.h>

#include "base/check.h"

namespace metastore {

class SharedLock {
 public:
  SharedLock() {
    pthread_rwlockattr_t attributes;
    METASTORE_CHECK(pthread_rwlockattr_init(&attributes) == 0, "lock attributes");
#if defined(__GLIBC__)
    METASTORE_CHECK(pthread_rwlockattr_setkind_np(
                        &attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0,
                    "writers go first");
#endif
    METASTORE_CHECK(pthread_rwlock_init(&lock_, &attributes) == 0, "lock");
    pthread_rwlockattr_destroy(&attributes);
  }
  ~SharedLock() { pthread_rwlock_destroy(&lock_); }
  SharedLock(const SharedLock&) = delete;
  SharedLock& operator=(const SharedLock&) = delete;

  void lock() { METASTORE_CHECK(pthread_rwlock_wrlock(&lock_) == 0, "write lock"); }
  void unlock() { pthread_rwlock_unlock(&lock_); }
  void lock_shared() { METASTORE_CHECK(pthread_rwlock_rdlock(&lock_) == 0, "read lock"); }
  bool try_lock_shared() { return pthread_rwlock_tryrdlock(&lock_) == 0; }
  void unlock_shared() { pthread_rwlock_unlock(&lock_); }

 private:
  pthread_rwlock_t lock_;
};

}  // namespace metastore

#endif  // METASTORE_BASE_SHARED_LOCK_H_
