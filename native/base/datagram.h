// One datagram to a socket of the local system, which Node has no interface for.
//
// Called by the addon: the readiness message of service managers (sd_notify(3)) and lines for
// systemd's journal go this way.
#ifndef METASTORE_BASE_DATAGRAM_H_
#define METASTORE_BASE_DATAGRAM_H_

#include <string_view>

namespace metastore {

/// Sends `bytes` to the datagram socket `path`; `@name` is a name in Linux' abstract namespace.
/// Without bytes it only looks whether somebody listens. Never waits for the receiver to read.
///
/// @return 0, or the errno of what failed: ENAMETOOLONG for a path that does not fit an address,
///   EMSGSIZE for more bytes than one datagram holds, EAGAIN for a receiver that is full
int SendDatagram(std::string_view path, std::string_view bytes);

}  // namespace metastore

#endif  // METASTORE_BASE_DATAGRAM_H_
