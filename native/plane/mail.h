// Mail: what other threads tell calls, delivered on the calls' lane.
//
// Results of apply and readers, watch messages, and answers of TypeScript all arrive so. Posting
// never blocks; a lane is woken once for all that waits.
#ifndef METASTORE_PLANE_MAIL_H_
#define METASTORE_PLANE_MAIL_H_

#include <memory>
#include <string>

#include "plane/call.h"

namespace metastore::plane {

/// The calls of a lane by number. Lane thread only.
class CallTable {
 public:
  virtual ~CallTable() = default;
  /// Who serves the call (Call::Target); null when it has ended meanwhile.
  virtual Call* Find(CallId call) = 0;
};

class Mail {
 public:
  virtual ~Mail() = default;
  virtual void Deliver(CallTable* calls) = 0;
};

/// Where mail is dropped. Any thread.
class PostOffice {
 public:
  virtual ~PostOffice() = default;
  virtual size_t lanes() const = 0;
  /// Mail for a lane, in the order in which one thread posts it.
  virtual void Post(size_t lane, std::unique_ptr<Mail> mail) = 0;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_MAIL_H_
