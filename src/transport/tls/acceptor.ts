// The server's side of TLS on a port that others accept connections on: handshakes, who is let in,
// and the log of who is not. Decryption is Node's own, so that no byte of an open connection passes
// through here. One for each port, made by src/app/listen.

import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';

import type { LogFields, Logger } from '../../base/log/logger.js';
import {
  alternativeNames,
  checkAddress,
  isAllowed,
  NOT_ALLOWED,
  rememberCertificate,
  shownChain,
} from './certificates.js';
import { ciphersOf, versionsOf } from './ciphers.js';
import { acceptFailureText, serverNameOf, verifyText } from './failures.js';
import { checkPairing, type KeyPair, KeyPairFiles, readAuthorities } from './material.js';
import { type GuardTls, needsClientCertificate, TlsError, type TlsFiles } from './options.js';
import { RevocationList } from './revocation.js';

export interface AcceptorOptions {
  readonly files: TlsFiles;
  /** Who connects, for the log. */
  readonly side: 'client' | 'peer';
  /** Names of the application's protocols, the preferred one first. */
  readonly protocols: readonly string[];
  /** The certificate's names must include the address that it comes from. */
  readonly checkAddresses: boolean;
  readonly guard: GuardTls;
}

const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Where a raw connection comes from, kept while its socket may be gone already. */
interface Origin {
  readonly remote: string;
  readonly ends: string;
}

function originOf(socket: Socket): Origin {
  const remote = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? ''}`;
  const local = `${socket.localAddress ?? ''}:${socket.localPort ?? ''}`;
  return { remote, ends: `${local}->${remote}` };
}

export class TlsAcceptor {
  readonly #options: AcceptorOptions;
  readonly #log: Logger;
  readonly #pair: KeyPairFiles;
  readonly #settings: TlsOptions;
  readonly #revoked: RevocationList | null;
  readonly #server: Server;
  readonly #take: (socket: TLSSocket) => void;
  #served: KeyPair;

  /**
   * @param take gets connections whose other end may use them
   * @throws TlsError when a file is missing or wrong
   */
  constructor(options: AcceptorOptions, take: (socket: TLSSocket) => void, log: Logger) {
    const { files } = options;
    checkPairing(files);
    this.#options = options;
    this.#take = take;
    this.#log = log;
    this.#pair = new KeyPairFiles(files.certFile, files.keyFile);
    this.#revoked = files.crlFile === '' ? null : new RevocationList(files.crlFile);
    this.#served = this.#pair.read();
    const isAsked = needsClientCertificate(files);
    const ca = readAuthorities(files);
    this.#settings = {
      ciphers: ciphersOf(files),
      honorCipherOrder: true,
      ...versionsOf(files),
      ...(ca === undefined ? {} : { ca }),
    };
    this.#server = createServer({
      ...this.#settings,
      ...this.#served,
      ALPNProtocols: [...options.protocols],
      requestCert: isAsked,
      rejectUnauthorized: isAsked,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      noDelay: true,
    });
    this.#guard();
    this.#server.on('secureConnection', (socket) => void this.#admit(socket));
    this.#server.on('tlsClientError', (error, socket) => this.#failed(error, socket));
  }

  /** Begins the handshake on a connection; its first bytes may have been put back. */
  accept(raw: Socket): void {
    try {
      this.#renew();
    } catch (error) {
      this.#reject(originOf(raw), '', (error as Error).message);
      raw.destroy();
      return;
    }
    // Asked now, the addresses are still known when the connection is gone.
    originOf(raw);
    this.#server.emit('connection', raw);
  }

  /** Connections in their handshake end with their sockets; this only stops further ones. */
  close(): void {
    this.#server.removeAllListeners('secureConnection');
    this.#server.on('secureConnection', (socket) => socket.destroy());
  }

  /** Takes a certificate into use that has been renewed since the last handshake. */
  #renew(): void {
    const pair = this.#pair.read();
    if (pair !== this.#served) {
      this.#server.setSecureContext({ ...this.#settings, ...pair });
      this.#served = pair;
      this.#guard();
    }
  }

  /** Without the guard Node looks at certificates after the handshake, and sends no alert. */
  #guard(): void {
    const { files, guard } = this.#options;
    if (needsClientCertificate(files)) {
      const { _sharedCreds: credentials } = this.#server as unknown as SharedCredentials;
      const external = credentials?.context?._external;
      if (external !== undefined) {
        guard(external, files.allowedCns, files.allowedHostnames, '', false);
      }
    }
  }

  async #admit(socket: TLSSocket): Promise<void> {
    socket.on('error', () => socket.destroy());
    const { files, checkAddresses } = this.#options;
    const chain = needsClientCertificate(files) ? shownChain(socket) : [];
    const [own] = chain;
    if (own !== undefined) {
      try {
        if (!isAllowed(own, files)) {
          throw new TlsError(NOT_ALLOWED);
        }
        this.#revoked?.check(chain.map((certificate) => certificate.serialNumber));
        // Who comes through a socket file has no address; the file says who may.
        if (checkAddresses && socket.remoteAddress !== undefined) {
          const names = alternativeNames(own.subjectaltname);
          await checkAddress(socket.remoteAddress, names, own.raw);
        }
      } catch (error) {
        const { dnsNames, addresses } = alternativeNames(own.subjectaltname);
        this.#reject(originOf(socket), serverNameOf(socket), (error as Error).message, {
          'ip-addresses': addresses,
          'dns-names': dnsNames,
        });
        // The end of the handshake is still to be sent, to whoever reads it in time.
        socket.destroySoon();
        setTimeout(() => socket.destroy(), HANDSHAKE_TIMEOUT_MS).unref();
        return;
      }
    }
    if (!socket.destroyed) {
      rememberCertificate(socket, files.clientCertAuth);
      this.#take(socket);
    }
  }

  #failed(error: NodeJS.ErrnoException, socket: TLSSocket): void {
    const { _parent: raw = socket } = socket as unknown as { _parent?: Socket };
    const origin = originOf(raw);
    // Set where Node itself has refused the certificate, which it does without a word.
    const { authorizationError: refusal } = socket as { authorizationError?: unknown };
    const text =
      typeof refusal === 'string' ? verifyText(refusal) : acceptFailureText(error, origin.ends);
    this.#reject(origin, serverNameOf(socket), text);
    socket.destroy();
  }

  #reject(origin: Origin, serverName: string, error: string, more: LogFields = {}): void {
    this.#log.warn(`rejected connection on ${this.#options.side} endpoint`, {
      'remote-addr': origin.remote,
      'server-name': serverName,
      ...more,
      error,
    });
  }
}

/** Where Node keeps a server's TLS context; a later version that does not sends no alerts. */
interface SharedCredentials {
  readonly _sharedCreds?: { readonly context?: { readonly _external?: unknown } };
}
