// How the registry of another cluster is talked to, in clear text or by TLS, from the flags about
// discovery and an endpoint's scheme. Used by the registry's client.

import { readFileSync } from 'node:fs';
import grpc from '@grpc/grpc-js';

/** Names of files are '' where there is none. */
export interface RegistryTls {
  /** Endpoints without a scheme are talked to in clear text, unless there are files below. */
  readonly insecureTransport: boolean;
  /** Take any certificate. */
  readonly insecureSkipVerify: boolean;
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

function contents(path: string): Buffer | null {
  if (path === '') {
    return null;
  }
  try {
    return readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(code === 'ENOENT' ? `open ${path}: no such file or directory` : message);
  }
}

/** Reads the files once, so that a wrong name ends the start instead of being tried again. */
export class RegistryCredentials {
  readonly #clear = grpc.credentials.createInsecure();
  readonly #secure: grpc.ChannelCredentials;
  readonly #isWanted: boolean;

  /** @throws Error when a file cannot be read or is not what it should be */
  constructor({ insecureTransport, insecureSkipVerify, certFile, keyFile, caFile }: RegistryTls) {
    const hasFiles = certFile !== '' || keyFile !== '' || caFile !== '';
    if ((certFile === '') !== (keyFile === '')) {
      throw new Error(
        `KeyFile and CertFile must both be present[key: ${keyFile}, cert: ${certFile}]`,
      );
    }
    this.#isWanted = hasFiles || !insecureTransport;
    this.#secure = grpc.credentials.createSsl(
      contents(caFile),
      contents(keyFile),
      contents(certFile),
      insecureSkipVerify ? { rejectUnauthorized: false } : {},
    );
  }

  /** @param endpoint `host:port`, or with the scheme that decides */
  of(endpoint: string): grpc.ChannelCredentials {
    const scheme = /^([a-z]+):\/\//i.exec(endpoint)?.[1]?.toLowerCase();
    const isSecure =
      scheme === undefined ? this.#isWanted : scheme === 'https' || scheme === 'unixs';
    return isSecure ? this.#secure : this.#clear;
  }
}
