// Certificates that the server makes for itself (`--auto-tls`): encryption without an authority
// that could vouch for anybody. Kept in the data directory and used again. Called before ports are
// opened.

import { webcrypto } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';

import type { Logger } from '../../base/log/logger.js';
import { TlsError } from './options.js';

const YEAR_MS = 365 * 24 * 3_600_000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-521', hash: 'SHA-512' } as const;

/** Files of a certificate and its key. */
export interface SelfSigned {
  readonly certFile: string;
  readonly keyFile: string;
}

function pem(label: string, bytes: ArrayBuffer): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function randomSerial(): string {
  const bytes = webcrypto.getRandomValues(Buffer.alloc(16));
  // Positive, and of full length.
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

async function make(hosts: readonly string[], notAfter: Date): Promise<[string, string]> {
  // Loaded here alone: hardly any server needs it, and it takes its time to load.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomSerial(),
    name: 'O=etcd',
    notBefore: new Date(),
    notAfter,
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.digitalSignature |
          x509.KeyUsageFlags.keyEncipherment |
          x509.KeyUsageFlags.cRLSign,
        true,
      ),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      new x509.SubjectAlternativeNameExtension(
        hosts.map((host) => ({ type: isIP(host) === 0 ? 'dns' : 'ip', value: host })),
      ),
    ],
  });
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return [pem('CERTIFICATE', certificate.rawData), pem('PRIVATE KEY', key)];
}

/**
 * The certificate in `folder`, made when there is none: for these hosts, valid from now on for so
 * many years of 365 days.
 *
 * @throws TlsError
 */
export async function selfSigned(
  folder: string,
  hosts: readonly string[],
  years: number,
  log: Logger,
): Promise<SelfSigned> {
  if (years <= 0) {
    const error = 'selfSignedCertValidity is invalid,it should be greater than 0';
    log.warn('cannot generate cert', { error });
    throw new TlsError(error);
  }
  const files = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
  if (existsSync(files.certFile) && existsSync(files.keyFile)) {
    return files;
  }
  const notAfter = new Date(Date.now() + years * YEAR_MS);
  log.warn('automatically generate certificates', {
    'certificate-validity-bound-not-after': notAfter.toISOString(),
  });
  const named = [...new Set(hosts.filter((host) => host !== ''))];
  const [cert, key] = await make(named, notAfter);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(files.keyFile, key, { mode: 0o600 });
    writeFileSync(files.certFile, cert, { mode: 0o644 });
    chmodSync(files.certFile, 0o644);
  } catch (error) {
    throw new TlsError((error as Error).message);
  }
  log.info('created cert file', { path: files.certFile });
  log.info('created key file', { path: files.keyFile });
  return files;
}
