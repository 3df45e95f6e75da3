// The header grpc-timeout: a number of at most eight digits and a unit. Read by HeadReader; what is
// wrong with one is told in the words of gRPC's own servers.
#ifndef METASTORE_PLANE_GRPC_TEXT_TIMEOUT_H_
#define METASTORE_PLANE_GRPC_TEXT_TIMEOUT_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace metastore::plane {

/// Reads it into `ns`; INT64_MAX for what is beyond that. When it is unreadable `why` says it as
/// clients know it, and the answer is false.
bool ParseTimeout(std::string_view text, int64_t* ns, std::string* why);

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_GRPC_TEXT_TIMEOUT_H_
