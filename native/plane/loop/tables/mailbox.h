// Mailbox: mail for one lane from any thread, and whether the lane has to be woken for it.
//
// A lane that is in a turn looks here again before it sleeps, so that only mail for a sleeping lane
// costs a system call.
#ifndef METASTORE_PLANE_LOOP_TABLES_MAILBOX_H_
#define METASTORE_PLANE_LOOP_TABLES_MAILBOX_H_

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "plane/mail.h"

namespace metastore::plane {

class Mailbox {
 public:
  /// Any thread. True when the lane sleeps and is to be woken, which is said once.
  bool Put(std::unique_ptr<Mail> mail) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return false;
    waiting_.push_back(std::move(mail));
    return std::exchange(asleep_, false);
  }

  /// Lane. Swaps what waits into *out, which is empty; false when nothing does.
  bool Take(std::vector<std::unique_ptr<Mail>>* out) {
    std::lock_guard<std::mutex> lock(mutex_);
    waiting_.swap(*out);
    return !out->empty();
  }

  /// Lane. False when mail has come: it is to be delivered before sleeping.
  bool Sleep() {
    std::lock_guard<std::mutex> lock(mutex_);
    asleep_ = waiting_.empty();
    return asleep_;
  }

  /// Lane. It is in a turn again and will look.
  void Awake() {
    std::lock_guard<std::mutex> lock(mutex_);
    asleep_ = false;
  }

  /// Lane. What waits and what comes is dropped.
  void Close() {
    std::vector<std::unique_ptr<Mail>> dropped;
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    waiting_.swap(dropped);
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Mail>> waiting_;  // guarded by mutex_
  bool asleep_ = false;                         // guarded by mutex_
  bool closed_ = false;                         // guarded by mutex_
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_LOOP_TABLES_MAILBOX_H_
