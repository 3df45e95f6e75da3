// gzip of single messages, both ways, with a bound on what a message may become.
//
// Lane thread: one Gzip of a lane serves all its sessions, since a compressor is large.
#ifndef METASTORE_PLANE_GRPC_MESSAGE_GZIP_H_
#define METASTORE_PLANE_GRPC_MESSAGE_GZIP_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace metastore::plane {

class Gzip {
 public:
  enum class Outcome {
    kOk,
    /// It would become larger than allowed; nothing beyond that was decompressed.
    kTooLarge,
    /// Not gzip from its first byte; `why` says it.
    kNoHeader,
    /// Broken further on; `why` says it.
    kBroken,
  };

  Gzip();
  ~Gzip();
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  /// Appends the message to `out`, at most `most` bytes of it. `why` is set when it is broken.
  Outcome Decompress(std::string_view compressed, uint64_t most, std::string* out,
                     std::string_view* why);
  /// Appends the compressed message to `out`.
  void Compress(std::string_view message, std::string* out);

  /// The one of this thread.
  static Gzip& OfThread();

 private:
  struct Streams;
  std::unique_ptr<Streams> streams_;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_GRPC_MESSAGE_GZIP_H_
