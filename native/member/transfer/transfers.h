// Transfers: snapshots to and from other members; what MemberCore has of this folder.
// One of a state that others want (exports), one of states that arrive (imports), and the one that
// puts an arrived state in place of the member's own (install).
#ifndef METASTORE_MEMBER_TRANSFER_TRANSFERS_H_
#define METASTORE_MEMBER_TRANSFER_TRANSFERS_H_

#include <utility>

#include "member/transfer/exports.h"
#include "member/transfer/imports.h"
#include "member/transfer/install.h"

namespace metastore::member::transfer {

class Transfers {
 public:
  explicit Transfers(TransferParts parts)
      : parts_(std::move(parts)),
        exports(&parts_),
        imports(&parts_),
        installer(&parts_, &imports) {}

  /// What has begun ends with kStopped where it can; before the executors stop.
  void Stop() {
    exports.Stop();
    imports.Stop();
    installer.Stop();
  }

 private:
  TransferParts parts_;

 public:
  Exports exports;
  Imports imports;
  Installer installer;
};

}  // namespace metastore::member::transfer

#endif  // METASTORE_MEMBER_TRANSFER_TRANSFERS_H_
