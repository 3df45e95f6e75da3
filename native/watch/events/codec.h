// Watch requests decoded, and watch responses and events encoded, as protobuf bytes.
//
// Used by the hub: requests on the transports' threads, responses on the hub's own. An event's
// bytes do not depend on the watcher, so a response is header + small fields + shared event bytes.
// Fields and numbers: etcd's rpc.proto and kv.proto (API reference v3.7).
#ifndef METASTORE_WATCH_EVENTS_CODEC_H_
#define METASTORE_WATCH_EVENTS_CODEC_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "engine/version.h"
#include "mvcc/store.h"

namespace metastore::watch {

/// What an empty key in a create request stands for: no key sorts before it.
inline constexpr std::string_view kLeastKey{"\0", 1};

struct CreateRequest {
  std::string key;
  std::string range_end;
  int64_t start_revision = 0;
  bool progress_notify = false;
  bool no_put = false;
  bool no_delete = false;
  bool prev_kv = false;
  int64_t watch_id = 0;
  bool fragment = false;
};

enum class RequestKind : uint8_t { kNone, kCreate, kCancel, kProgress };

struct WatchRequest {
  RequestKind kind = RequestKind::kNone;
  CreateRequest create;
  int64_t cancel_id = 0;
};

/// kUnmarshal for bytes that are not a WatchRequest. Unknown fields and filters are skipped; of
/// several members of the union the last one counts.
Status Decode(std::string_view bytes, WatchRequest* out);

/// The fields of a WatchResponse besides header and events; zero values are not written.
struct ResponseFields {
  int64_t watch_id = 0;
  bool created = false;
  bool canceled = false;
  int64_t compact_revision = 0;
  std::string_view cancel_reason = {};
  bool fragment = false;
};

/// The header as field 1 of a response, tag and length included.
std::string EncodeHeader(const HeaderInfo& header, int64_t revision);

/// Appends a response behind its prefix of gRPC (watch/events/frame.h). `header` from EncodeHeader,
/// `events` a concatenation of what AppendEvent wrote. At most kLargestFrameBytes.
void AppendFramedResponse(std::string_view header, const ResponseFields& fields,
                          std::string_view events, std::string* out);

/// Size in bytes of a response with `event_bytes` bytes of events, without the prefix.
size_t ResponseSize(std::string_view header, const ResponseFields& fields, size_t event_bytes);

/// Appends one event as an element of a response's `events`, tag and length included. A deletion
/// carries only key and revision. `prev` is the value before the change, or null.
void AppendEvent(const VersionView& version, const VersionView* prev, std::string* out);

}  // namespace metastore::watch

#endif  // METASTORE_WATCH_EVENTS_CODEC_H_
