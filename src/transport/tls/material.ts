// Certificates, keys and authorities from their files, with the words that operators know for what
// is wrong with them. Certificates are read again for every handshake, so that they can be renewed
// while the server runs; authorities are read once.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { bytesOf } from '../../base/bytes.js';
import { TlsError, type TlsFiles } from './options.js';

/** PEM as it stands in the files. */
export interface KeyPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EISDIR: 'is a directory',
};

/** @throws TlsError naming the file */
export function readTlsFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const call = code === 'EISDIR' ? 'read' : 'open';
    throw new TlsError(`${call} ${path}: ${reasons[code] ?? message}`);
  }
}

const CERTIFICATE = '-----BEGIN CERTIFICATE-----';
const KEY = /-----BEGIN (?:[A-Z0-9]+ )?PRIVATE KEY-----/;

function check({ cert, key }: KeyPair): void {
  const certText = cert.toString('latin1');
  const keyText = key.toString('latin1');
  if (!certText.includes(CERTIFICATE)) {
    const switched = KEY.test(certText);
    throw new TlsError(
      switched
        ? 'tls: failed to find certificate PEM data in certificate input, but did find a private ' +
            'key; PEM inputs may have been switched'
        : 'tls: failed to find any PEM data in certificate input',
    );
  }
  if (!KEY.test(keyText)) {
    const found = keyText.includes(CERTIFICATE);
    throw new TlsError(
      found
        ? 'tls: found a certificate rather than a key in the PEM for the private key'
        : 'tls: failed to find any PEM data in key input',
    );
  }
  let matches: boolean;
  try {
    const certificate = new X509Certificate(bytesOf(cert));
    matches = certificate.checkPrivateKey(createPrivateKey(key));
  } catch (error) {
    throw new TlsError(`tls: failed to parse certificate or key: ${(error as Error).message}`);
  }
  if (!matches) {
    throw new TlsError('tls: private key does not match public key');
  }
}

/**
 * A certificate with its key.
 *
 * @throws TlsError
 */
export function readKeyPair(certFile: string, keyFile: string): KeyPair {
  const pair = { cert: readTlsFile(certFile), key: readTlsFile(keyFile) };
  check(pair);
  return pair;
}

function same(a: KeyPair | null, b: KeyPair): boolean {
  return a?.cert.equals(bytesOf(b.cert)) === true && a.key.equals(bytesOf(b.key));
}

/** A pair of files that is looked at again and again. */
export class KeyPairFiles {
  readonly #certFile: string;
  readonly #keyFile: string;
  #last: KeyPair | null = null;

  constructor(certFile: string, keyFile: string) {
    this.#certFile = certFile;
    this.#keyFile = keyFile;
  }

  /** The pair as it is now; the very same object as before while the files say the same. */
  read(): KeyPair {
    const pair = { cert: readTlsFile(this.#certFile), key: readTlsFile(this.#keyFile) };
    const last = this.#last;
    if (last !== null && same(last, pair)) {
      return last;
    }
    check(pair);
    this.#last = pair;
    return pair;
  }
}

/** The trusted authorities, or undefined for the system's. @throws TlsError */
export function readAuthorities({ trustedCaFile }: TlsFiles): string[] | undefined {
  if (trustedCaFile === '') {
    return undefined;
  }
  const text = readTlsFile(trustedCaFile).toString('latin1');
  const found = text.match(/-----BEGIN ([^-]+)-----[^-]+-----END \1-----/g) ?? [];
  for (const block of found) {
    try {
      new X509Certificate(block);
    } catch {
      throw new TlsError('x509: malformed tbs certificate');
    }
  }
  return found;
}

/**
 * That the files which are named belong together.
 *
 * @throws TlsError
 */
export function checkPairing(files: TlsFiles): void {
  const { certFile, keyFile, clientCertFile, clientKeyFile } = files;
  if (certFile === '' || keyFile === '') {
    throw new TlsError(
      `KeyFile and CertFile must both be present[key: ${keyFile}, cert: ${certFile}]`,
    );
  }
  if ((clientCertFile === '') !== (clientKeyFile === '')) {
    throw new TlsError(
      'ClientKeyFile and ClientCertFile must both be present or both absent: ' +
        `key: ${clientKeyFile}, cert: ${clientCertFile}]`,
    );
  }
  if (files.allowedCns.length > 0 && files.allowedHostnames.length > 0) {
    const list = (names: readonly string[]) => names.map((name) => JSON.stringify(name)).join(' ');
    throw new TlsError(
      'AllowedCNs and AllowedHostnames are mutually exclusive ' +
        `(cns=[${list(files.allowedCns)}], hostnames=[${list(files.allowedHostnames)}])`,
    );
  }
}
