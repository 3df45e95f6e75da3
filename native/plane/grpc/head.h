// HeadReader: the headers of one request, read as they are decoded, and the verdict on them.
//
// A session has one, since header blocks of a connection never interleave. It decides what is
// refused before any call is made: the order of its checks is that of gRPC's own servers.
#ifndef METASTORE_PLANE_GRPC_HEAD_H_
#define METASTORE_PLANE_GRPC_HEAD_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plane/call.h"
#include "plane/http2/session.h"

namespace metastore::plane {

/// How messages of a call are compressed, both ways.
enum class Encoding : uint8_t { kIdentity, kGzip };

class HeadReader {
 public:
  enum class Verdict {
    kGrpc,
    /// Not gRPC, on a connection that shares: the caller takes the HttpHead.
    kHttp,
    /// To be answered at once with http_status, grpc_status and text.
    kRefused,
    /// More headers than anybody may send.
    kTooLarge,
  };

  /// Bytes of names and values together with 32 for each, as RFC 9113 6.5.2 counts them.
  static constexpr size_t kMostBytes = 256u << 10;

  void Begin(bool shares_http);
  void Add(std::string_view name, std::string_view value);
  Verdict Finish();

  /// The head of a gRPC request; swap it out. What is swapped in lends its memory to the next.
  RequestHead& head() { return head_; }
  Encoding encoding() const { return encoding_; }
  /// The head of another request.
  HttpHead TakeHttp();

  int http_status() const { return http_status_; }
  int grpc_status() const { return grpc_status_; }
  const std::string& text() const { return text_; }

 private:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  void AddPseudo(std::string_view name, std::string_view value);
  bool AddOwn(std::string_view name, std::string_view value);
  void SetContentType(std::string_view value);
  void SetTimeout(std::string_view value);
  void AddMetadata(std::string_view name, std::string_view value);
  void Refuse(int http_status, int grpc_status, std::string text);

  RequestHead head_;
  std::string method_;
  std::string sent_content_type_;
  std::string encoding_name_;
  std::string text_;
  // What gRPC keeps to itself, for handlers of plain HTTP.
  Fields own_;
  // Strings of former requests, whose memory is used again.
  Fields spare_;
  size_t bytes_ = 0;
  int http_status_ = 0;
  int grpc_status_ = 0;
  uint32_t authorities_ = 0;
  uint32_t hosts_ = 0;
  Encoding encoding_ = Encoding::kIdentity;
  bool shares_http_ = false;
  bool is_grpc_ = false;
  bool is_grpc_like_ = false;
  bool is_malformed_ = false;
};

}  // namespace metastore::plane

#endif  // METASTORE_PLANE_GRPC_HEAD_H_
