// All ports of a server together: those of clients, of clients that speak HTTP alone, of metrics
// and of other members, with their TLS and their common limits. Opened and closed by compose,
// which says what is served there.

import type { Logger } from '../../base/log/logger.js';
import type { NativeNetwork } from '../../storage/native-network.js';
import { ConnectionLimit, RESERVED_FILES } from '../../transport/limits.js';
import { TlsDialler } from '../../transport/tls/dialler.js';
import { hasCertificate, TlsError, type TlsFiles } from '../../transport/tls/options.js';
import type { ServiceUrl } from '../flags/values/urls.js';
import { isSecure, ListenError, type Listener, Ports, placeText, type Services } from './ports.js';
import { memberLocalAddress, prepareTls } from './tls.js';

/** Where and how a server listens. */
export interface ListenConfig {
  readonly clientUrls: readonly ServiceUrl[];
  /** Where HTTP alone is served; the client URLs then have gRPC alone. */
  readonly clientHttpUrls: readonly ServiceUrl[];
  readonly metricsUrls: readonly ServiceUrl[];
  readonly peerUrls: readonly ServiceUrl[];
  readonly clientTls: TlsFiles;
  readonly peerTls: TlsFiles;
  readonly reusePort: boolean;
  /** Peer URLs one of whose addresses connections to other members come from; null: any. */
  readonly localAddressOf: readonly string[] | null;
  /** Connections of clients that may be open at once; 0 for what the system allows. */
  readonly maxConnections: number;
}

function clientListeners(config: ListenConfig): Listener[] {
  const isSplit = config.clientHttpUrls.length > 0;
  const traffic = isSplit ? 'grpc' : 'grpc+http';
  return [
    ...config.clientHttpUrls.map((url) => ({ url, traffic: 'http' }) as const),
    ...config.clientUrls.map((url) => ({ url, traffic }) as const),
  ];
}

/** How many connections clients may have: what is configured, or what the files allow. */
function connectionLimit(config: ListenConfig, network: NativeNetwork): ConnectionLimit {
  const files = network.openFilesLimit();
  if (files !== 0 && files <= RESERVED_FILES) {
    const text = 'file descriptor limit of etcd process is too low; please set higher';
    throw new ListenError('client', text, text);
  }
  const possible = files === 0 ? Number.MAX_SAFE_INTEGER : files - RESERVED_FILES;
  const wanted = config.maxConnections === 0 ? possible : config.maxConnections;
  return new ConnectionLimit(Math.min(possible, wanted));
}

export class Listening {
  readonly #config: ListenConfig;
  readonly #log: Logger;
  readonly #client: Ports;
  readonly #metrics: Ports;
  readonly #peer: Ports;
  /** How connections to other members are encrypted. */
  readonly dialler: TlsDialler;

  private constructor(config: ListenConfig, network: NativeNetwork, log: Logger) {
    this.#config = config;
    this.#log = log;
    const { reusePort, clientTls, peerTls } = config;
    const common = {
      guard: network.guardTls,
      bindReusable: reusePort ? network.bindReusable : null,
    };
    const limit = connectionLimit(config, network);
    const client = { ...common, tls: clientTls, limit };
    this.#client = new Ports('client', { ...client, checkAddresses: false });
    this.#metrics = new Ports('client', { ...client, checkAddresses: true });
    const checkAddresses = !peerTls.skipClientSanVerification;
    this.#peer = new Ports('peer', { ...common, tls: peerTls, limit: null, checkAddresses });
    const localAddress =
      config.localAddressOf === null ? null : memberLocalAddress(config.localAddressOf, log);
    this.dialler = new TlsDialler(peerTls, network.guardTls, localAddress);
  }

  /**
   * Opens every port. That of other members answers at once that nothing is there yet; clients
   * wait until they are served. What was opened is closed again when one cannot be.
   *
   * @throws ListenError
   */
  static async open(
    config: ListenConfig,
    dataDir: string,
    network: NativeNetwork,
    log: Logger,
  ): Promise<Listening> {
    let made: Listening | null = null;
    try {
      const { peerUrls, clientUrls, clientHttpUrls, metricsUrls } = config;
      const peerTls = await asListenError('peer', () =>
        prepareTls(config.peerTls, 'peer', peerUrls, dataDir, log),
      );
      const secured = [...clientUrls, ...clientHttpUrls, ...metricsUrls];
      const clientTls = await asListenError('client', () =>
        prepareTls(config.clientTls, 'client', secured, dataDir, log),
      );
      const prepared = { ...config, clientTls, peerTls };
      const opened = await asListenError('peer', async () => {
        made = new Listening(prepared, network, log);
        return made;
      });
      await opened.#open();
      return opened;
    } catch (error) {
      await (made as Listening | null)?.close();
      throw error;
    }
  }

  async #open(): Promise<void> {
    const { peerUrls, metricsUrls, clientTls } = this.#config;
    const peers = peerUrls.map((url) => ({ url, traffic: 'grpc+http' }) as const);
    await asListenError('peer', () => this.#peer.open(peers, this.#log));
    this.#peer.announce();
    this.#warnIgnored();
    await asListenError('client', () =>
      this.#client.open(clientListeners(this.#config), this.#log),
    );
    if (metricsUrls.some(isSecure) && !hasCertificate(clientTls)) {
      throw new ListenError(
        'client',
        'client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url',
      );
    }
    const metrics = metricsUrls.map((url) => ({ url, traffic: 'http' }) as const);
    await asListenError('client', () => this.#metrics.open(metrics, this.#log));
  }

  /** Says which URLs do without the TLS that is configured. */
  #warnIgnored(): void {
    const { clientTls } = this.#config;
    for (const { url } of clientListeners(this.#config)) {
      const clear = !isSecure(url);
      if (clear && (clientTls.certFile !== '' || clientTls.keyFile !== '')) {
        this.#log.warn(
          'scheme is http or unix while key and cert files are present; ' +
            'ignoring key and cert files',
          { 'client-url': url.text },
        );
      }
      if (clear && clientTls.clientCertAuth) {
        this.#log.warn(
          'scheme is http or unix while --client-cert-auth is enabled; ' +
            'ignoring client cert auth for this URL',
          { 'client-url': url.text },
        );
      }
    }
  }

  servePeers(services: Services): void {
    this.#peer.serve(services);
    for (const url of this.#config.peerUrls) {
      this.#log.info('serving peer traffic', { address: placeText(url) });
    }
  }

  /** Serves metrics and health where nothing else is served. */
  serveMetrics(services: Services): void {
    this.#metrics.serve(services);
    for (const { text } of this.#config.metricsUrls) {
      this.#log.info('serving metrics', { address: text });
    }
  }

  serveClients(services: Services): void {
    this.#client.serve(services);
    for (const { url, traffic } of clientListeners(this.#config)) {
      const how = isSecure(url)
        ? 'serving client traffic securely'
        : 'serving client traffic insecurely; this is strongly discouraged!';
      this.#log.info(how, { traffic, address: placeText(url) });
    }
  }

  /** Takes no more connections of clients; those of HTTP/1 end. */
  async closeClients(): Promise<void> {
    await Promise.all([this.#client.close(), this.#metrics.close()]);
  }

  async closePeers(): Promise<void> {
    await this.#peer.close();
  }

  async close(): Promise<void> {
    await Promise.all([this.closeClients(), this.closePeers()]);
  }
}

/** Names the side whose TLS could not be set up. */
async function asListenError<T>(side: 'client' | 'peer', open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof TlsError) {
      const title = side === 'client' ? 'listener failed' : 'discovery failed';
      throw new ListenError(side, error.message, title);
    }
    throw error;
  }
}
