// Transport: the bytes of one connection, in clear text or TLS, over a non-blocking socket.
//
// Used by a Connection, which owns the waiting. OpenSSL does TLS where it was there at build time;
// without it asking for TLS is an error that says so.
#ifndef METASTORE_LOAD_WIRE_TRANSPORT_H_
#define METASTORE_LOAD_WIRE_TRANSPORT_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "work/options.h"

namespace metastore::load {

enum class Progress { kDone, kWantRead, kWantWrite, kFailed };

class Transport {
 public:
  virtual ~Transport() = default;
  /// Goes on with the handshake. `error()` says what has failed.
  virtual Progress Handshake() = 0;
  /// Reads what is there: `*size` bytes. 0 bytes with kDone is the end of the stream.
  virtual Progress Read(char* buffer, size_t most, size_t* size) = 0;
  virtual Progress Write(std::string_view bytes, size_t* size) = 0;
  virtual const std::string& error() const = 0;
};

/// What all TLS connections of a run share. Null with a sentence when it cannot be had.
class TlsContext {
 public:
  static std::shared_ptr<TlsContext> Create(const Options& options, std::string* error);
  virtual ~TlsContext() = default;
  /// Takes a connected socket, which stays the caller's to close. `host` is what the certificate
  /// must be for.
  virtual std::unique_ptr<Transport> Wrap(int socket, const std::string& host) = 0;
};

std::unique_ptr<Transport> ClearText(int socket);

}  // namespace metastore::load

#endif  // METASTORE_LOAD_WIRE_TRANSPORT_H_
