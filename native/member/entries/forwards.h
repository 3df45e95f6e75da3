// Forwards: proposals on their way to the member that leads, opaque to TypeScript.
//
// Layout, little-endian: u32 CRC-32C of all that follows, u64 term in which they were handed over,
// u32 count, then u32 size and payload of each. The term travels inside, so that a leader of a
// later term cannot propose what the sender may have given up by then.
#ifndef METASTORE_MEMBER_ENTRIES_FORWARDS_H_
#define METASTORE_MEMBER_ENTRIES_FORWARDS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "intake/queues.h"

namespace metastore::member {

std::string EncodeForwards(const std::vector<intake::Payload>& payloads, uint64_t term);

struct Forwards {
  uint64_t term = 0;
  /// With the request ids of their headers.
  std::vector<intake::HandedOver> proposals;
};

/// kUnmarshal for bytes that EncodeForwards does not make, and for payloads that apply would not
/// understand or that carry no request.
Status DecodeForwards(std::string_view bytes, Forwards* out);

}  // namespace metastore::member

#endif  // METASTORE_MEMBER_ENTRIES_FORWARDS_H_
