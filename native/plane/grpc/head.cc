// What a request's headers mean, and which of them end it. See head.h.
#include "plane/grpc/head.h"

#include "plane/grpc/text/text.h"
#include "plane/grpc/text/timeout.h"

namespace metastore::plane {
namespace {

constexpr std::string_view kBaseType = "application/grpc";
constexpr size_t kFieldOverhead = 32;
/// Strings that are kept for the next request.
constexpr size_t kMostSpare = 16;
constexpr size_t kMostSpareBytes = 1024;

constexpr int kInvalidArgument = 3;
constexpr int kUnimplemented = 12;
constexpr int kInternal = 13;

}  // namespace

void HeadReader::Begin(bool shares_http) {
  for (auto& field : head_.metadata) {
    const bool is_small = field.first.capacity() + field.second.capacity() <= kMostSpareBytes;
    if (is_small && spare_.size() < kMostSpare) spare_.push_back(std::move(field));
  }
  head_.metadata.clear();
  head_.path.clear();
  head_.content_type.clear();
  head_.authority.clear();
  head_.timeout_ns = -1;
  method_.clear();
  sent_content_type_.clear();
  encoding_name_.clear();
  text_.clear();
  own_.clear();
  bytes_ = 0;
  http_status_ = grpc_status_ = 0;
  authorities_ = hosts_ = 0;
  encoding_ = Encoding::kIdentity;
  shares_http_ = shares_http;
  is_grpc_ = is_grpc_like_ = is_malformed_ = false;
}

void HeadReader::Add(std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size() + kFieldOverhead;
  // The rest of a list that is too large is decoded, since the decoder's state depends on it, but
  // nothing of it is kept.
  if (bytes_ > kMostBytes) return;
  if (!name.empty() && name[0] == ':') {
    AddPseudo(name, value);
  } else if (AddOwn(name, value)) {
    if (shares_http_) own_.emplace_back(name, value);
  } else {
    AddMetadata(name, value);
  }
}

void HeadReader::AddPseudo(std::string_view name, std::string_view value) {
  if (name == ":path") {
    head_.path.assign(value);
  } else if (name == ":method") {
    method_.assign(value);
  } else if (name == ":authority") {
    head_.authority.assign(value);
    ++authorities_;
  }
}

bool HeadReader::AddOwn(std::string_view name, std::string_view value) {
  switch (name.size()) {
    case 2:
      return name == "te";
    case 4:
      if (name != "host") return false;
      if (++hosts_ == 1 && authorities_ == 0) head_.authority.assign(value);
      return true;
    case 10:
      return name == "user-agent";
    case 11:
      return name == "grpc-status";
    case 12:
      if (name == "content-type") {
        SetContentType(value);
        return true;
      }
      if (name == "grpc-timeout") {
        SetTimeout(value);
        return true;
      }
      return name == "grpc-message";
    case 13:
      if (name != "grpc-encoding") return false;
      encoding_name_.assign(value);
      return true;
    case 17:
      return name == "grpc-message-type";
    case 20:
      return name == "grpc-accept-encoding";
    default:
      return false;
  }
}

void HeadReader::SetContentType(std::string_view value) {
  sent_content_type_.assign(value);
  if (!value.starts_with(kBaseType)) return;
  is_grpc_like_ = true;
  const std::string_view rest = value.substr(kBaseType.size());
  if (!rest.empty() && rest[0] != '+' && rest[0] != ';') return;
  is_grpc_ = true;
  head_.content_type.assign(kBaseType);
  if (rest.size() > 1) head_.content_type.append("+").append(rest.substr(1));
}

void HeadReader::SetTimeout(std::string_view value) {
  std::string why;
  if (!ParseTimeout(value, &head_.timeout_ns, &why)) {
    is_malformed_ = true;
    text_ = "malformed grpc-timeout: " + why;
  }
}

void HeadReader::AddMetadata(std::string_view name, std::string_view value) {
  if (name.ends_with("-bin")) {
    const size_t at = Base64Error(value);
    if (at != std::string_view::npos) {
      is_malformed_ = true;
      text_ = "malformed binary metadata " + Quote(value) + " in header " + Quote(name) +
              ": illegal base64 data at input byte " + std::to_string(at);
      if (!shares_http_) return;
    }
  }
  if (spare_.empty()) {
    head_.metadata.emplace_back(name, value);
    return;
  }
  head_.metadata.push_back(std::move(spare_.back()));
  spare_.pop_back();
  head_.metadata.back().first.assign(name);
  head_.metadata.back().second.assign(value);
}

void HeadReader::Refuse(int http_status, int grpc_status, std::string text) {
  http_status_ = http_status;
  grpc_status_ = grpc_status;
  text_ = std::move(text);
}

HeadReader::Verdict HeadReader::Finish() {
  if (bytes_ > kMostBytes) return Verdict::kTooLarge;
  if (shares_http_ && !is_grpc_like_) return Verdict::kHttp;
  if (head_.content_type.empty()) head_.content_type.assign(kBaseType);
  if (authorities_ > 1 || hosts_ > 1) {
    Refuse(400, kInternal,
           "num values of :authority: " + std::to_string(authorities_) + ", num values of host: " +
               std::to_string(hosts_) + ", both must only have 1 value as per HTTP/2 spec");
  } else if (!is_grpc_) {
    Refuse(415, kInvalidArgument, "invalid gRPC request content-type " + Quote(sent_content_type_));
  } else if (is_malformed_) {
    Refuse(400, kInternal, std::move(text_));
  } else if (method_ != "POST") {
    Refuse(405, kInternal,
           "Received a HEADERS frame with :method " + Quote(method_) + " which should be POST");
  } else if (encoding_name_ == "gzip") {
    encoding_ = Encoding::kGzip;
    return Verdict::kGrpc;
  } else if (encoding_name_.empty() || encoding_name_ == "identity") {
    return Verdict::kGrpc;
  } else {
    Refuse(200, kUnimplemented,
           "grpc: Decompressor is not installed for grpc-encoding " + Quote(encoding_name_));
  }
  return Verdict::kRefused;
}

HttpHead HeadReader::TakeHttp() {
  HttpHead http;
  http.method = std::move(method_);
  http.path = std::move(head_.path);
  http.authority = std::move(head_.authority);
  http.headers = std::move(own_);
  for (auto& field : head_.metadata) http.headers.push_back(std::move(field));
  head_.metadata.clear();
  own_.clear();
  return http;
}

}  // namespace metastore::plane
