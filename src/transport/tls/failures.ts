// What went wrong in a handshake, in the words that operators search logs for. Node and OpenSSL
// name it by codes; the texts are those of the reference server.

import type { TLSSocket } from 'node:tls';

/** Alerts by their number (RFC 8446 §6). */
const alerts: Readonly<Record<number, string>> = {
  10: 'unexpected message',
  20: 'bad record MAC',
  22: 'record overflow',
  40: 'handshake failure',
  42: 'bad certificate',
  43: 'unsupported certificate',
  44: 'revoked certificate',
  45: 'expired certificate',
  46: 'unknown certificate',
  47: 'illegal parameter',
  48: 'unknown certificate authority',
  49: 'access denied',
  50: 'error decoding message',
  51: 'error decrypting message',
  70: 'protocol version not supported',
  71: 'insufficient security level',
  80: 'internal error',
  90: 'user canceled',
  109: 'missing extension',
  112: 'unrecognized name',
  116: 'certificate required',
  120: 'no application protocol',
};

/** Why a certificate is refused: OpenSSL's number, or one below 0 of the native guard. */
const refusals: Readonly<Record<number, string>> = {
  [-1]: 'client certificate authentication failed',
  [-2]: 'tls: failed to verify certificate: x509: certificate is not valid for the host',
  9: 'tls: failed to verify certificate: x509: certificate has expired or is not yet valid',
  10: 'tls: failed to verify certificate: x509: certificate has expired or is not yet valid',
  26: 'tls: failed to verify certificate: x509: certificate specifies an incompatible key usage',
};

/** Everything else that speaks against a chain comes down to this. */
const UNKNOWN_AUTHORITY =
  'tls: failed to verify certificate: x509: certificate signed by unknown authority';

/** Node's names for some of them. */
const numbers: Readonly<Record<string, number>> = {
  CERT_NOT_YET_VALID: 9,
  CERT_HAS_EXPIRED: 10,
  INVALID_PURPOSE: 26,
};

/** Why Node refuses a certificate, by its name for the reason. */
export function verifyText(code: string): string {
  return refusals[numbers[code] ?? 0] ?? UNKNOWN_AUTHORITY;
}

/** OpenSSL's reasons for ending a handshake by itself. */
const reasons: Readonly<Record<string, string>> = {
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: "tls: client didn't provide a certificate",
  ERR_SSL_NO_SHARED_CIPHER: 'tls: no cipher suite supported by both client and server',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'tls: client offered only unsupported versions',
  ERR_SSL_VERSION_TOO_LOW: 'tls: client offered only unsupported versions',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'tls: client requested unsupported application protocols',
  ERR_SSL_WRONG_VERSION_NUMBER: 'tls: first record does not look like a TLS handshake',
  ERR_SSL_HTTP_REQUEST: 'tls: first record does not look like a TLS handshake',
  ERR_SSL_CERTIFICATE_VERIFY_FAILED: UNKNOWN_AUTHORITY,
};

/** The other side's alert that an error is about, in words; null when it is about none. */
export function alertText(error: Error): string | null {
  const number = Number(/SSL alert number (\d+)/.exec(error.message)?.[1]);
  if (Number.isNaN(number)) {
    return null;
  }
  return `remote error: tls: ${alerts[number] ?? `alert(${number})`}`;
}

/** What the native guard says of the certificate that it refused; null when it was not that. */
function refusalText(error: Error): string | null {
  const found = /metastore refusal (-?\d+)/.exec(error.message)?.[1];
  return found === undefined ? null : (refusals[Number(found)] ?? UNKNOWN_AUTHORITY);
}

/** Any failure of a connection under TLS, in one line. */
export function failureText(error: NodeJS.ErrnoException): string {
  const { code = '', message } = error;
  return refusalText(error) ?? alertText(error) ?? reasons[code] ?? message.split('\n')[0] ?? '';
}

/** What a failure of an accepted connection is called, whose ends are named. */
export function acceptFailureText(error: NodeJS.ErrnoException, ends: string): string {
  if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') {
    return `read tcp ${ends}: i/o timeout`;
  }
  if (error.code === 'ECONNRESET') {
    const isReset = error.syscall === 'read';
    return isReset ? `read tcp ${ends}: read: connection reset by peer` : 'EOF';
  }
  return failureText(error);
}

/** The name that a client asked for, as logs have it. */
export function serverNameOf(socket: TLSSocket): string {
  const { servername } = socket as { servername?: unknown };
  return typeof servername === 'string' ? servername : '';
}
