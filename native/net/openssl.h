// The few functions of OpenSSL that the guard below uses, as Node's own binary exports them; the
// headers need not be installed. All are weak: a Node without them loads the addon all the same,
// and the guard says that it is not available. Numbers are OpenSSL's public constants.
#ifndef METASTORE_NET_OPENSSL_H_
#define METASTORE_NET_OPENSSL_H_

#include <cstddef>

extern "C" {

struct ssl_ctx_st;
struct ssl_st;
struct x509_store_ctx_st;
struct x509_st;
struct X509_name_st;
struct X509_name_entry_st;
struct asn1_string_st;
struct crypto_ex_data_st;

#define METASTORE_WEAK __attribute__((weak))

using ExFree = void(void* parent, void* value, crypto_ex_data_st* data, int index, long argl,
                    void* argp);

METASTORE_WEAK void SSL_CTX_set_cert_verify_callback(ssl_ctx_st* context,
                                                     int (*verify)(x509_store_ctx_st*, void*),
                                                     void* argument);
METASTORE_WEAK int SSL_CTX_set_ex_data(ssl_ctx_st* context, int index, void* value);
METASTORE_WEAK void* SSL_CTX_get_ex_data(const ssl_ctx_st* context, int index);
METASTORE_WEAK int CRYPTO_get_ex_new_index(int kind, long argl, void* argp, void* make, void* copy,
                                           ExFree* free);
METASTORE_WEAK int SSL_get_ex_data_X509_STORE_CTX_idx(void);
METASTORE_WEAK void SSL_set_verify(ssl_st* ssl, int mode, int (*verify)(int, x509_store_ctx_st*));
METASTORE_WEAK int X509_verify_cert(x509_store_ctx_st* store);
METASTORE_WEAK void X509_STORE_CTX_set_verify_cb(x509_store_ctx_st* store,
                                                 int (*verify)(int, x509_store_ctx_st*));
METASTORE_WEAK int X509_STORE_CTX_get_error(const x509_store_ctx_st* store);
METASTORE_WEAK void X509_STORE_CTX_set_error(x509_store_ctx_st* store, int error);
METASTORE_WEAK x509_st* X509_STORE_CTX_get0_cert(const x509_store_ctx_st* store);
METASTORE_WEAK void* X509_STORE_CTX_get_ex_data(const x509_store_ctx_st* store, int index);
METASTORE_WEAK int X509_check_host(x509_st* certificate, const char* name, size_t length,
                                   unsigned int flags, char** peer_name);
METASTORE_WEAK int X509_check_ip_asc(x509_st* certificate, const char* address, unsigned int flags);
METASTORE_WEAK X509_name_st* X509_get_subject_name(const x509_st* certificate);
METASTORE_WEAK int X509_NAME_get_index_by_NID(const X509_name_st* name, int nid, int last);
METASTORE_WEAK X509_name_entry_st* X509_NAME_get_entry(const X509_name_st* name, int index);
METASTORE_WEAK asn1_string_st* X509_NAME_ENTRY_get_data(const X509_name_entry_st* entry);
METASTORE_WEAK int ASN1_STRING_to_UTF8(unsigned char** out, const asn1_string_st* text);
METASTORE_WEAK void ERR_new(void);
METASTORE_WEAK void ERR_set_error(int library, int reason, const char* format, ...);
METASTORE_WEAK void CRYPTO_free(void* memory, const char* file, int line);

}  // extern "C"

#endif  // METASTORE_NET_OPENSSL_H_
