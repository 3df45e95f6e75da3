// TlsGuard: refuses a certificate while the handshake is under way, so that the other side is told
// by an alert. Node itself looks at a certificate only after the handshake, and then just closes.
// Installed on the SSL_CTX of a Node secure context; called by OpenSSL on the JavaScript thread.
#ifndef METASTORE_NET_TLS_GUARD_H_
#define METASTORE_NET_TLS_GUARD_H_

#include <string>
#include <vector>

namespace metastore::net {

/// What a certificate must say beyond being signed by a trusted authority.
struct TlsPolicy {
  /// The subject's common name is one of these; empty: any.
  std::vector<std::string> allowed_names;
  /// One of these is a name or address of the certificate; empty: any.
  std::vector<std::string> allowed_hosts;
  /// For a client: the host that was dialled, which the certificate must be for. Empty on servers.
  std::string host;
  /// For a client: the server's certificate is checked. Servers check what they are given.
  bool is_client = false;
};

/// A refusal fails the handshake with an error whose text ends in `metastore refusal <number>`: an
/// X509_V_ERR number, -1 for a certificate that is trusted but not allowed, -2 for another host's.
/// False when this Node does not export what is needed; nothing is installed then.
bool GuardTls(void* ssl_context, TlsPolicy policy);

}  // namespace metastore::net

#endif  // METASTORE_NET_TLS_GUARD_H_
