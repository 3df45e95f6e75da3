// The other side of TLS: connections that this process makes to other members. What it shows of
// itself and what it wants to see are read anew for each connection, but for the authorities. The
// members' channels and HTTP requests are made with what this gives them.

import { isIP } from 'node:net';
import {
  type ConnectionOptions,
  checkServerIdentity,
  createSecureContext,
  type SecureContext,
} from 'node:tls';

import { isAllowed, NOT_ALLOWED } from './certificates.js';
import { ciphersOf, versionsOf } from './ciphers.js';
import { failureText } from './failures.js';
import { checkPairing, KeyPairFiles, readAuthorities } from './material.js';
import { type GuardTls, TlsError, type TlsFiles } from './options.js';

export class TlsDialler {
  readonly #files: TlsFiles;
  readonly #guard: GuardTls;
  readonly #pair: KeyPairFiles | null;
  readonly #authorities: string[] | undefined;

  /** Where connections come from; null for the system's choice. */
  readonly localAddress: string | null;

  /** @throws TlsError when files are missing, wrong, or half of a pair */
  constructor(files: TlsFiles, guard: GuardTls, localAddress: string | null = null) {
    this.localAddress = localAddress;
    this.#files = files;
    this.#guard = guard;
    const certFile = files.clientCertFile || files.certFile;
    const keyFile = files.clientKeyFile || files.keyFile;
    this.#pair = certFile === '' || keyFile === '' ? null : new KeyPairFiles(certFile, keyFile);
    if (files.certFile !== '' || files.keyFile !== '') {
      checkPairing(files);
      this.#pair?.read();
    }
    this.#authorities = readAuthorities(files);
  }

  /**
   * How to connect to a host now. Members with certificates of their own making are not verified,
   * since nobody could.
   *
   * @throws TlsError when a file is missing or wrong
   */
  options(host: string, protocols: readonly string[]): ConnectionOptions {
    const isVerified = !this.#files.autoTls;
    const secureContext = this.#context(host, isVerified);
    return {
      secureContext,
      ALPNProtocols: [...protocols],
      rejectUnauthorized: isVerified,
      // What the certificate must be for; the connection itself may lead to a socket file.
      host,
      // An address must not be sent as a name (RFC 6066 §3).
      ...(isIP(host) === 0 ? { servername: host } : {}),
      checkServerIdentity: (name, certificate) =>
        checkServerIdentity(name, certificate) ??
        (isAllowed(certificate, this.#files) ? undefined : new TlsError(NOT_ALLOWED)),
    };
  }

  /** What a failed connection says to operators. */
  failureText(error: Error): string {
    return failureText(error);
  }

  #context(host: string, isVerified: boolean): SecureContext {
    const ca = this.#authorities;
    const { allowedCns, allowedHostnames } = this.#files;
    let context: SecureContext;
    try {
      context = createSecureContext({
        ...(this.#pair?.read() ?? {}),
        ...(ca === undefined ? {} : { ca }),
        ciphers: ciphersOf(this.#files),
        ...versionsOf(this.#files),
      });
    } catch (error) {
      throw error instanceof TlsError ? error : new TlsError((error as Error).message);
    }
    const { _external: external } = context.context as { _external?: unknown };
    if (isVerified && external !== undefined) {
      this.#guard(external, allowedCns, allowedHostnames, host, true);
    }
    return context;
  }
}
