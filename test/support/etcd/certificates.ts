// Certificates for tests: an authority of one's own and what it issues, as PEM files in a folder.
// Used by every test that starts servers with TLS.

import { webcrypto } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;

/** A certificate and its key, as files. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** Lower-case hexadecimal. */
  readonly serial: string;
}

export interface CertificateOptions {
  /** By default the name of the files; '' for a certificate without one. */
  readonly commonName?: string;
  /** Host names and addresses that it is for. */
  readonly hosts?: readonly string[];
  /** By default both. */
  readonly usages?: readonly ('server' | 'client')[];
  readonly days?: number;
}

const usageIds = {
  server: x509.ExtendedKeyUsage.serverAuth,
  client: x509.ExtendedKeyUsage.clientAuth,
};

const isAddress = (host: string) => /^[\d.]+$/.test(host) || host.includes(':');

function newKeys(): Promise<CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, [
    'sign',
    'verify',
  ]) as Promise<CryptoKeyPair>;
}

type CryptoKeyPair = webcrypto.CryptoKeyPair;

async function keyPem(keys: CryptoKeyPair): Promise<string> {
  const bytes = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return x509.PemConverter.encode(bytes, 'PRIVATE KEY');
}

export class Authority {
  readonly caFile: string;
  readonly #folder: string;
  readonly #keys: CryptoKeyPair;
  readonly #certificate: x509.X509Certificate;
  #serial = 1;

  private constructor(
    folder: string,
    name: string,
    keys: CryptoKeyPair,
    certificate: x509.X509Certificate,
  ) {
    this.#folder = folder;
    this.#keys = keys;
    this.#certificate = certificate;
    this.caFile = join(folder, `${name}.pem`);
    writeFileSync(this.caFile, certificate.toString('pem'));
  }

  /** An authority whose certificate is `<folder>/<name>.pem`. */
  static async make(folder: string, name = 'ca'): Promise<Authority> {
    const keys = await newKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: '01',
      name: `CN=${name}`,
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + DAY_MS),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, undefined, true),
        new x509.KeyUsagesExtension(
          x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
          true,
        ),
      ],
    });
    return new Authority(folder, name, keys, certificate);
  }

  /** Issues `<name>.pem` and `<name>-key.pem`; an earlier one of that name is replaced. */
  async issue(name: string, options: CertificateOptions = {}): Promise<CertificateFiles> {
    const keys = await newKeys();
    const usages = options.usages ?? ['server', 'client'];
    const hosts = options.hosts ?? ['localhost', '127.0.0.1'];
    this.#serial += 1;
    const serial = this.#serial.toString(16).padStart(4, '0');
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial,
      subject: options.commonName === '' ? `O=${name}` : `CN=${options.commonName ?? name}`,
      issuer: this.#certificate.subject,
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + (options.days ?? 1) * DAY_MS),
      signingAlgorithm: algorithm,
      publicKey: keys.publicKey,
      signingKey: this.#keys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false),
        new x509.ExtendedKeyUsageExtension(usages.map((usage) => usageIds[usage])),
        ...(hosts.length === 0
          ? []
          : [
              new x509.SubjectAlternativeNameExtension(
                hosts.map((value) => ({ type: isAddress(value) ? 'ip' : 'dns', value })),
              ),
            ]),
      ],
    });
    const certFile = join(this.#folder, `${name}.pem`);
    const keyFile = join(this.#folder, `${name}-key.pem`);
    writeFileSync(certFile, certificate.toString('pem'));
    writeFileSync(keyFile, await keyPem(keys), { mode: 0o600 });
    return { certFile, keyFile, serial };
  }

  /** A list that revokes these serials, as `<name>.crl` in DER and `<name>.crl.pem`. */
  async revoke(serials: readonly string[], name = 'revoked'): Promise<string> {
    const list = await x509.X509CrlGenerator.create({
      issuer: this.#certificate.subject,
      thisUpdate: new Date(Date.now() - DAY_MS),
      nextUpdate: new Date(Date.now() + DAY_MS),
      entries: serials.map((serialNumber) => ({ serialNumber, revocationDate: new Date() })),
      signingAlgorithm: algorithm,
      signingKey: this.#keys.privateKey,
    });
    const path = join(this.#folder, `${name}.crl`);
    writeFileSync(path, new Uint8Array(list.rawData));
    writeFileSync(`${path}.pem`, list.toString('pem'));
    return path;
  }
}
