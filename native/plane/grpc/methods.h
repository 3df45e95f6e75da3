// How many messages the client of a method sends, which the session checks by itself. Clients of
// gRPC do not send this; a server has to know it by the path.
#ifndef METASTORE_PLANE_GRPC_METHODS_H_
#define METASTORE_PLANE_GRPC_METHODS_H_

#include <cstdint>
#include <string_view>

namespace metastore::plane {

enum class MethodKind : uint8_t {
  /// One message; what comes after it is not looked at.
  kUnary,
  /// One message and the end, before anything is served.
  kServerStream,
  /// Any number; also methods that nobody serves, whose refusal is not the session's.
  kAnyMessages,
};

/// By path, e.g. "/etcdserverpb.KV/Put".
inline MethodKind KindOf(std::string_view path) {
  const auto is = [&](std::string_view other) { return path == other; };
  if (path.starts_with("/etcdserverpb.")) {
    if (is("/etcdserverpb.Watch/Watch") || is("/etcdserverpb.Lease/LeaseKeepAlive")) {
      return MethodKind::kAnyMessages;
    }
    if (is("/etcdserverpb.KV/RangeStream") || is("/etcdserverpb.Maintenance/Snapshot")) {
      return MethodKind::kServerStream;
    }
    return MethodKind::kUnary;
  }
  if (is("/v3electionpb.Election/Observe") || is("/grpc.health.v1.Health/Watch")) {
    return MethodKind::kServerStream;
  }
  const bool is_known = path.starts_with("/v3electionpb.Election/") ||
                        path.starts_with("/v3lockpb.Lock/") ||
                        path.starts_with("/grpc.health.v1.Health/");
  return is_known ? MethodKind::kUnary : MethodKind::kAnyMessages;
}

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_GRPC_METHODS_H_
