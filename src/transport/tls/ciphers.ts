// Cipher suites and versions of TLS by the names that flags use (IANA's and `TLS1.2`), as Node
// wants them. A suite of IANA's registry that Node's OpenSSL cannot do is taken and never chosen.

import { getCiphers } from 'node:tls';

import { TlsError, type TlsFiles } from './options.js';

/** Suites of TLS 1.2 and before: IANA's name without `TLS_`, OpenSSL's name. */
const suites: Readonly<Record<string, string>> = {
  RSA_WITH_RC4_128_SHA: 'RC4-SHA',
  RSA_WITH_3DES_EDE_CBC_SHA: 'DES-CBC3-SHA',
  RSA_WITH_AES_128_CBC_SHA: 'AES128-SHA',
  RSA_WITH_AES_256_CBC_SHA: 'AES256-SHA',
  RSA_WITH_AES_128_CBC_SHA256: 'AES128-SHA256',
  RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  ECDHE_ECDSA_WITH_RC4_128_SHA: 'ECDHE-ECDSA-RC4-SHA',
  ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  ECDHE_RSA_WITH_RC4_128_SHA: 'ECDHE-RSA-RC4-SHA',
  ECDHE_RSA_WITH_3DES_EDE_CBC_SHA: 'ECDHE-RSA-DES-CBC3-SHA',
  ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: 'ECDHE-ECDSA-AES128-SHA256',
  ECDHE_RSA_WITH_AES_128_CBC_SHA256: 'ECDHE-RSA-AES128-SHA256',
  ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  ECDHE_RSA_WITH_CHACHA20_POLY1305: 'ECDHE-RSA-CHACHA20-POLY1305',
  ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  ECDHE_ECDSA_WITH_CHACHA20_POLY1305: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
};

/** All of TLS 1.3, which nobody configures. */
const modernSuites = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
];

/** With forward secrecy, authenticated encryption first. */
const defaultSuites = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
];

/** One of these must be there for HTTP/2 (RFC 9113 §9.2.2). */
const http2Suites = ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256'];

/** @throws TlsError for a name that is none */
export function checkCipherSuites(names: readonly string[]): void {
  for (const name of names) {
    if (!modernSuites.includes(name) && opensslName(name) === undefined) {
      throw new TlsError(`unexpected TLS cipher suite "${name}"`);
    }
  }
}

function opensslName(name: string): string | undefined {
  const short = name.startsWith('TLS_') ? name.slice('TLS_'.length) : '';
  return Object.hasOwn(suites, short) ? suites[short] : undefined;
}

/**
 * Node's `ciphers`: the suites of TLS 1.2 that are allowed, and all of TLS 1.3.
 *
 * @throws TlsError for suites that HTTP/2 cannot do with
 */
export function ciphersOf({ cipherSuites, minVersion }: TlsFiles): string {
  checkCipherSuites(cipherSuites);
  const given = cipherSuites.flatMap((name) => opensslName(name) ?? []);
  const needed = cipherSuites.length > 0 && minVersion !== 'TLS1.3';
  if (needed && !http2Suites.some((suite) => given.includes(suite))) {
    throw new TlsError(
      'http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher ' +
        '(need at least one of TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 or ' +
        'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)',
    );
  }
  const known = new Set(getCiphers());
  const chosen = given.length > 0 ? given : defaultSuites;
  const possible = chosen.filter((suite) => known.has(suite.toLowerCase()));
  return [...modernSuites, ...possible].join(':');
}

/** Node's names of the versions that are allowed. */
export function versionsOf({ minVersion, maxVersion }: TlsFiles) {
  const name = (version: string) => (version === 'TLS1.3' ? 'TLSv1.3' : 'TLSv1.2');
  return { minVersion: name(minVersion), maxVersion: name(maxVersion) } as const;
}
