// What went wrong with a call, as a name to count it under: gRPC's name of the status, or what
// became of the stream when none came (grpc.io, "Status codes and their use in gRPC").
#ifndef METASTORE_LOAD_WIRE_STATUS_NAMES_H_
#define METASTORE_LOAD_WIRE_STATUS_NAMES_H_

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstdint>
#include <string>

namespace metastore::load {

/// `status` is grpc-status or -1 when none came; `is_wrong` that the call ended well and was
/// answered wrongly.
inline std::string FailureName(int status, bool is_wrong, uint32_t http2_error) {
  static constexpr std::array<const char*, 17> kNames = {"OK",
                                                         "CANCELLED",
                                                         "UNKNOWN",
                                                         "INVALID_ARGUMENT",
                                                         "DEADLINE_EXCEEDED",
                                                         "NOT_FOUND",
                                                         "ALREADY_EXISTS",
                                                         "PERMISSION_DENIED",
                                                         "RESOURCE_EXHAUSTED",
                                                         "FAILED_PRECONDITION",
                                                         "ABORTED",
                                                         "OUT_OF_RANGE",
                                                         "UNIMPLEMENTED",
                                                         "INTERNAL",
                                                         "UNAVAILABLE",
                                                         "DATA_LOSS",
                                                         "UNAUTHENTICATED"};
  if (is_wrong) return "wrong answer";
  if (status >= 0 && status < static_cast<int>(kNames.size())) return kNames[status];
  if (status >= 0) return "status " + std::to_string(status);
  if (http2_error == NGHTTP2_CONNECT_ERROR) return "connection lost";
  if (http2_error == NGHTTP2_NO_ERROR) return "ended without a status";
  return std::string("stream reset: ") + nghttp2_http2_strerror(http2_error);
}

}  // namespace metastore::load

#endif  // METASTORE_LOAD_WIRE_STATUS_NAMES_H_
