// zlib behind the interface of gzip.h; streams are made on first use and reused after.
#include "plane/grpc/message/gzip.h"

#include <zlib.h>

#include <algorithm>

#include "base/check.h"

namespace metastore::plane {
namespace {

/// 15 bits of window, and gzip's own header and trailer.
constexpr int kGzipBits = 15 + 16;
constexpr int kMemoryLevel = 8;
constexpr size_t kPiece = 16u << 10;
constexpr size_t kHeaderBytes = 10;

Bytef* Bytes(std::string_view view) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(view.data()));
}

}  // namespace

struct Gzip::Streams {
  z_stream in{};
  z_stream out{};
  bool has_in = false;
  bool has_out = false;

  ~Streams() {
    if (has_in) inflateEnd(&in);
    if (has_out) deflateEnd(&out);
  }
};

Gzip::Gzip() : streams_(std::make_unique<Streams>()) {}
Gzip::~Gzip() = default;

Gzip& Gzip::OfThread() {
  static thread_local Gzip gzip;
  return gzip;
}

Gzip::Outcome Gzip::Decompress(std::string_view compressed, uint64_t most, std::string* out,
                               std::string_view* why) {
  if (compressed.size() < kHeaderBytes) {
    *why = compressed.empty() ? "EOF" : "unexpected EOF";
    return Outcome::kNoHeader;
  }
  if (compressed.substr(0, 3) != std::string_view("\x1f\x8b\x08", 3)) {
    *why = "gzip: invalid header";
    return Outcome::kNoHeader;
  }
  z_stream& z = streams_->in;
  if (!streams_->has_in) {
    METASTORE_CHECK(inflateInit2(&z, kGzipBits) == Z_OK, "no memory for a decompressor");
    streams_->has_in = true;
  }
  inflateReset(&z);
  z.next_in = Bytes(compressed);
  z.avail_in = static_cast<uInt>(compressed.size());
  const size_t start = out->size();
  while (true) {
    const size_t used = out->size();
    // One byte more than allowed shows that there is too much, without making all of it.
    const size_t room = std::min<uint64_t>(kPiece, most + 1 - (used - start));
    out->resize(used + room);
    z.next_out = reinterpret_cast<Bytef*>(out->data() + used);
    z.avail_out = static_cast<uInt>(room);
    const int rv = inflate(&z, Z_NO_FLUSH);
    out->resize(used + room - z.avail_out);
    if (out->size() - start > most) return Outcome::kTooLarge;
    if (rv == Z_STREAM_END) {
      if (z.avail_in == 0) return Outcome::kOk;
      // Another member may follow, and belongs to the same message.
      inflateReset(&z);
      if (z.avail_in >= kHeaderBytes) continue;
      *why = "unexpected EOF";
      return Outcome::kBroken;
    }
    if (rv == Z_OK && (z.avail_in > 0 || z.avail_out == 0)) continue;
    if (rv == Z_OK || rv == Z_BUF_ERROR) {
      *why = "unexpected EOF";
    } else {
      const std::string_view message = z.msg == nullptr ? "" : z.msg;
      if (message == "incorrect header check") {
        *why = "gzip: invalid header";
      } else {
        *why = message.ends_with(" check") ? "gzip: invalid checksum" : "flate: corrupt input";
      }
    }
    return Outcome::kBroken;
  }
}

void Gzip::Compress(std::string_view message, std::string* out) {
  z_stream& z = streams_->out;
  if (!streams_->has_out) {
    METASTORE_CHECK(deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipBits, kMemoryLevel,
                                 Z_DEFAULT_STRATEGY) == Z_OK,
                    "no memory for a compressor");
    streams_->has_out = true;
  }
  deflateReset(&z);
  const size_t start = out->size();
  out->resize(start + deflateBound(&z, message.size()));
  z.next_in = Bytes(message);
  z.avail_in = static_cast<uInt>(message.size());
  z.next_out = reinterpret_cast<Bytef*>(out->data() + start);
  z.avail_out = static_cast<uInt>(out->size() - start);
  const int rv = deflate(&z, Z_FINISH);
  METASTORE_CHECK(rv == Z_STREAM_END, "the bound of a compressed message was too small");
  out->resize(out->size() - z.avail_out);
}

}  // namespace metastore::plane
