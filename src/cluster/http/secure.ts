// How connections to other members are encrypted, as far as this layer knows: options for Node's
// TLS, made anew for each connection, and the words for what went wrong. src/transport has the
// implementation; app hands it down.

import type { ConnectionOptions } from 'node:tls';

export interface SecureDialler {
  /** Address of this host that connections to members come from; null for the system's choice. */
  readonly localAddress: string | null;
  /**
   * How to connect to a host now, and to verify that it is the one.
   *
   * @throws Error when a certificate or key cannot be read
   */
  options(host: string, protocols: readonly string[]): ConnectionOptions;
  /** A failed connection in the words that operators know. */
  failureText(error: Error): string;
}

/** The host that a socket file's name begins with, which its server's certificate is for. */
export function socketHost(path: string): string {
  return path.split('/').at(-1)?.split(':')[0] || 'localhost';
}
