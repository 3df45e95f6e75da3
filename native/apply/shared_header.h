// SharedHeader: the fields of response headers that JavaScript sets and other threads read.
//
// Read once per run of entries or chunk of reads, so that all their replies agree.
#ifndef METASTORE_APPLY_SHARED_HEADER_H_
#define METASTORE_APPLY_SHARED_HEADER_H_

#include <mutex>

#include "mvcc/store.h"

namespace metastore::apply {

class SharedHeader {
 public:
  void Set(const HeaderInfo& header) {
    std::lock_guard<std::mutex> lock(mutex_);
    header_ = header;
  }
  HeaderInfo Get() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return header_;
  }

 private:
  mutable std::mutex mutex_;
  HeaderInfo header_;  // guarded by mutex_
};

}  // namespace metastore::apply

#endif  // METASTORE_APPLY_SHARED_HEADER_H_
