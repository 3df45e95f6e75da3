// TLS over OpenSSL, or the sentence that says that there is none; see transport.h.
#include "wire/transport.h"

#ifdef METASTORE_LOAD_TLS

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace metastore::load {

namespace {

std::string LastError() {
  char text[256];
  const unsigned long code = ERR_get_error();
  if (code == 0) return "TLS: the connection was cut";
  ERR_error_string_n(code, text, sizeof(text));
  return text;
}

class TlsTransport : public Transport {
 public:
  TlsTransport(SSL* ssl, const std::string& host, bool verify) : ssl_(ssl) {
    static constexpr unsigned char kProtocols[] = {2, 'h', '2'};
    SSL_set_alpn_protos(ssl_, kProtocols, sizeof(kProtocols));
    SSL_set_mode(ssl_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    unsigned char address[16];
    const bool is_address = inet_pton(AF_INET, host.c_str(), address) == 1 ||
                            inet_pton(AF_INET6, host.c_str(), address) == 1;
    if (!is_address) SSL_set_tlsext_host_name(ssl_, host.c_str());
    if (verify && is_address) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), host.c_str());
    } else if (verify) {
      SSL_set1_host(ssl_, host.c_str());
    }
    SSL_set_connect_state(ssl_);
  }
  ~TlsTransport() override { SSL_free(ssl_); }
  TlsTransport(const TlsTransport&) = delete;
  TlsTransport& operator=(const TlsTransport&) = delete;

  Progress Handshake() override {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_);
    if (result != 1) return Judge(result);
    const unsigned char* protocol = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(ssl_, &protocol, &length);
    if (std::string_view(reinterpret_cast<const char*>(protocol), length) == "h2") {
      return Progress::kDone;
    }
    error_ = "the server does not speak HTTP/2 over TLS";
    return Progress::kFailed;
  }

  Progress Read(char* buffer, size_t most, size_t* size) override {
    ERR_clear_error();
    const int result = SSL_read_ex(ssl_, buffer, most, size);
    if (result == 1) return Progress::kDone;
    *size = 0;
    if (SSL_get_error(ssl_, result) == SSL_ERROR_ZERO_RETURN) return Progress::kDone;
    return Judge(result);
  }

  Progress Write(std::string_view bytes, size_t* size) override {
    ERR_clear_error();
    const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), size);
    return result == 1 ? Progress::kDone : Judge(result);
  }

  const std::string& error() const override { return error_; }

 private:
  Progress Judge(int result) {
    switch (SSL_get_error(ssl_, result)) {
      case SSL_ERROR_WANT_READ:
        return Progress::kWantRead;
      case SSL_ERROR_WANT_WRITE:
        return Progress::kWantWrite;
      default:
        error_ = LastError();
        return Progress::kFailed;
    }
  }

  SSL* ssl_;
  std::string error_;
};

class OpenSslContext : public TlsContext {
 public:
  OpenSslContext() : context_(SSL_CTX_new(TLS_client_method())) {}
  ~OpenSslContext() override { SSL_CTX_free(context_); }
  OpenSslContext(const OpenSslContext&) = delete;
  OpenSslContext& operator=(const OpenSslContext&) = delete;

  bool Load(const Options& options, std::string* error) {
    verify_ = options.verify_peer;
    server_name_ = options.server_name;
    SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
    SSL_CTX_set_read_ahead(context_, 1);
    SSL_CTX_set_verify(context_, verify_ ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    const std::string& ca = options.ca_file;
    const bool trusted = ca.empty()
                             ? SSL_CTX_set_default_verify_paths(context_) == 1
                             : SSL_CTX_load_verify_locations(context_, ca.c_str(), nullptr) == 1;
    const bool is_own =
        options.cert_file.empty() ||
        (SSL_CTX_use_certificate_chain_file(context_, options.cert_file.c_str()) == 1 &&
         SSL_CTX_use_PrivateKey_file(context_, options.key_file.c_str(), SSL_FILETYPE_PEM) == 1);
    if (!trusted || !is_own) *error = "certificates: " + LastError();
    return trusted && is_own;
  }

  std::unique_ptr<Transport> Wrap(int socket, const std::string& host) override {
    SSL* ssl = SSL_new(context_);
    if (ssl == nullptr) return nullptr;
    SSL_set_fd(ssl, socket);
    const std::string& name = server_name_.empty() ? host : server_name_;
    return std::make_unique<TlsTransport>(ssl, name, verify_);
  }

 private:
  SSL_CTX* context_;
  bool verify_ = true;
  std::string server_name_;
};

}  // namespace

std::shared_ptr<TlsContext> TlsContext::Create(const Options& options, std::string* error) {
  auto made = std::make_shared<OpenSslContext>();
  return made->Load(options, error) ? made : nullptr;
}

}  // namespace metastore::load

#else

namespace metastore::load {

std::shared_ptr<TlsContext> TlsContext::Create(const Options&, std::string* error) {
  *error = "this build has no TLS: OpenSSL's headers were not there";
  return nullptr;
}

}  // namespace metastore::load

#endif
