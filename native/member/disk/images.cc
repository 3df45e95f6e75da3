// TEMPORARY: placeholder until mvcc/image lands in this tree.
#include "member/disk/images.h"

namespace metastore::member {

Result<uint64_t> LoadImage(const std::string&, Engine*, FileLayer*) { return uint64_t{0}; }
Status SaveImage(const std::string&, Engine&, const View&, FileLayer*) {
  return Status(Code::kInternal, "images are not there yet");
}

}  // namespace metastore::member
