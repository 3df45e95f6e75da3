// TlsGuard over OpenSSL's callback for whole chains. The chain itself is verified by OpenSSL; this
// only keeps Node's lenient callback out of it, and adds the names that are allowed.
#include "net/tls_guard.h"

#include <memory>
#include <string_view>
#include <utility>

#include "net/openssl.h"

namespace metastore::net {
namespace {

constexpr int kExSslContext = 1;          // CRYPTO_EX_INDEX_SSL_CTX
constexpr int kVerifyPeer = 1;            // SSL_VERIFY_PEER
constexpr int kSslLibrary = 20;           // ERR_LIB_SSL
constexpr int kVerifyFailed = 134;        // SSL_R_CERTIFICATE_VERIFY_FAILED
constexpr int kUnspecified = 1;           // X509_V_ERR_UNSPECIFIED
constexpr int kCertificateRejected = 28;  // X509_V_ERR_CERT_REJECTED: alert bad_certificate
constexpr int kExpired = 10;              // X509_V_ERR_CERT_HAS_EXPIRED
constexpr int kCommonName = 13;           // NID_commonName
constexpr unsigned kNeverSubject = 0x20;  // X509_CHECK_FLAG_NEVER_CHECK_SUBJECT

/// The certificate is trusted, but none of those that are allowed.
constexpr int kNotAllowed = -1;
/// It is not for the host that was dialled.
constexpr int kWrongHost = -2;

int Strict(int passed, x509_store_ctx_st*) { return passed; }

bool IsFor(x509_st* certificate, const std::string& host) {
  return X509_check_ip_asc(certificate, host.c_str(), 0) == 1 ||
         X509_check_host(certificate, host.data(), host.size(), kNeverSubject, nullptr) == 1;
}

/// The last common name, as others read it who know one only.
std::string CommonName(x509_st* certificate) {
  const X509_name_st* subject = X509_get_subject_name(certificate);
  int found = -1;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(subject, kCommonName, at)) >= 0;) found = at;
  if (found < 0) return {};
  unsigned char* text = nullptr;
  const int length =
      ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, found)));
  if (length < 0) return {};
  std::string name(reinterpret_cast<char*>(text), static_cast<size_t>(length));
  CRYPTO_free(text, "", 0);
  return name;
}

/// 0, or the reason why the certificate is refused.
int Judge(x509_store_ctx_st* store, const TlsPolicy& policy) {
  X509_STORE_CTX_set_verify_cb(store, Strict);
  if (X509_verify_cert(store) != 1) {
    const int error = X509_STORE_CTX_get_error(store);
    return error == 0 ? kUnspecified : error;
  }
  x509_st* certificate = X509_STORE_CTX_get0_cert(store);
  if (!policy.host.empty() && !IsFor(certificate, policy.host)) return kWrongHost;
  if (!policy.allowed_names.empty()) {
    const std::string name = CommonName(certificate);
    for (const std::string& allowed : policy.allowed_names) {
      if (name == allowed) return 0;
    }
    return kNotAllowed;
  }
  for (const std::string& allowed : policy.allowed_hosts) {
    if (IsFor(certificate, allowed)) return 0;
  }
  return policy.allowed_hosts.empty() ? 0 : kNotAllowed;
}

/// The error whose alert the other side gets: an authority is unknown, a certificate has expired,
/// or is bad for any other reason.
int AlertOf(int failure) {
  switch (failure) {
    case 2:   // X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT
    case 18:  // X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
    case 19:  // X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN
    case 20:  // X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
    case 21:  // X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE
      return failure;
    case 9:  // X509_V_ERR_CERT_NOT_YET_VALID
    case kExpired:
      return kExpired;
    default:
      return kCertificateRejected;
  }
}

int Verify(x509_store_ctx_st* store, void* argument) {
  const auto& policy = *static_cast<const TlsPolicy*>(argument);
  const int failure = Judge(store, policy);
  if (failure == 0) return 1;
  // Node prints the whole queue of errors; this one says more than OpenSSL's own, which follows.
  ERR_new();
  ERR_set_error(kSslLibrary, kVerifyFailed, "metastore refusal %d", failure);
  if (policy.is_client) {
    // Node lets every certificate pass here; what this one is worth is known already.
    auto* ssl = static_cast<ssl_st*>(
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    if (ssl != nullptr) SSL_set_verify(ssl, kVerifyPeer, nullptr);
  }
  X509_STORE_CTX_set_error(store, policy.is_client ? kCertificateRejected : AlertOf(failure));
  return 0;
}

void FreePolicy(void*, void* value, crypto_ex_data_st*, int, long, void*) {
  delete static_cast<TlsPolicy*>(value);
}

bool IsAvailable() {
  return SSL_CTX_set_cert_verify_callback != nullptr && SSL_CTX_set_ex_data != nullptr &&
         SSL_CTX_get_ex_data != nullptr && CRYPTO_get_ex_new_index != nullptr &&
         SSL_get_ex_data_X509_STORE_CTX_idx != nullptr && SSL_set_verify != nullptr &&
         X509_verify_cert != nullptr && X509_STORE_CTX_set_verify_cb != nullptr &&
         X509_STORE_CTX_get_error != nullptr && X509_STORE_CTX_set_error != nullptr &&
         X509_STORE_CTX_get0_cert != nullptr && X509_STORE_CTX_get_ex_data != nullptr &&
         X509_check_host != nullptr && X509_check_ip_asc != nullptr &&
         X509_get_subject_name != nullptr && X509_NAME_get_index_by_NID != nullptr &&
         X509_NAME_get_entry != nullptr && X509_NAME_ENTRY_get_data != nullptr &&
         ASN1_STRING_to_UTF8 != nullptr && CRYPTO_free != nullptr && ERR_new != nullptr &&
         ERR_set_error != nullptr;
}

}  // namespace

bool GuardTls(void* ssl_context, TlsPolicy policy) {
  if (ssl_context == nullptr || !IsAvailable()) return false;
  // Once for the process: where contexts keep their policy, which ends with them.
  static const int index =
      CRYPTO_get_ex_new_index(kExSslContext, 0, nullptr, nullptr, nullptr, FreePolicy);
  if (index < 0) return false;
  auto* context = static_cast<ssl_ctx_st*>(ssl_context);
  auto kept = std::make_unique<TlsPolicy>(std::move(policy));
  // A policy that is replaced is freed here, the last one with the context.
  const std::unique_ptr<TlsPolicy> before(
      static_cast<TlsPolicy*>(SSL_CTX_get_ex_data(context, index)));
  if (SSL_CTX_set_ex_data(context, index, kept.get()) != 1) return false;
  SSL_CTX_set_cert_verify_callback(context, Verify, kept.release());
  return true;
}

}  // namespace metastore::net
