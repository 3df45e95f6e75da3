// Sockets that Node 20 cannot make: listeners with SO_REUSEPORT, which several processes share.
// Also how many files this process may have open. POSIX calls alone, for Linux and macOS.
#ifndef METASTORE_NET_SOCKETS_H_
#define METASTORE_NET_SOCKETS_H_

#include <cstdint>
#include <string>

namespace metastore::net {

/// A TCP socket bound to a numeric address with SO_REUSEPORT and SO_REUSEADDR, not yet listening;
/// an empty host is every address of both families, where there are both. A negative errno when
/// that fails. The caller owns the descriptor.
int BindReusable(const std::string& host, uint16_t port);

/// The soft limit of open files; UINT64_MAX for none, 0 when the system does not say.
uint64_t OpenFilesLimit();

}  // namespace metastore::net

#endif  // METASTORE_NET_SOCKETS_H_
