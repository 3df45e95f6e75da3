// One connection over TLS to a server under test and one request on it: what a client sees, in few
// words that are the same for servers of different make. Used by the tests of TLS.

import { readFileSync } from 'node:fs';
import { type ConnectionOptions, connect } from 'node:tls';

import type { CertificateFiles } from './certificates.js';

export interface Dial {
  readonly port: number;
  readonly caFile: string;
  readonly own?: CertificateFiles | null;
  readonly version?: 'TLSv1.2' | 'TLSv1.3';
  readonly ciphers?: string;
  /** By default `http/1.1`. */
  readonly protocols?: readonly string[];
  readonly path?: string;
}

export interface Seen {
  /** `200`, `alert 42`, `closed` and the like. */
  readonly outcome: string;
  readonly protocol: string | false | null;
  readonly serial: string;
  readonly cipher: string;
}

const TIMEOUT_MS = 5000;

function optionsOf(dial: Dial): ConnectionOptions {
  const { own, version, ciphers } = dial;
  return {
    host: '127.0.0.1',
    port: dial.port,
    ca: readFileSync(dial.caFile),
    ALPNProtocols: [...(dial.protocols ?? ['http/1.1'])],
    ...(own ? { cert: readFileSync(own.certFile), key: readFileSync(own.keyFile) } : {}),
    ...(version === undefined ? {} : { minVersion: version, maxVersion: version }),
    ...(ciphers === undefined ? {} : { ciphers }),
  };
}

/** Asks for a path by HTTP/1.1 and tells what came of it. */
export function dialTls(dial: Dial): Promise<Seen> {
  return new Promise((resolve) => {
    const socket = connect(optionsOf(dial));
    let answer = '';
    let alert = '';
    let seen = { protocol: null as string | false | null, serial: '', cipher: '' };
    const finish = (outcome: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ outcome, ...seen });
    };
    const timer = setTimeout(() => finish('silence'), TIMEOUT_MS);
    socket.once('secureConnect', () => {
      seen = {
        protocol: socket.alpnProtocol,
        serial: socket.getPeerCertificate().serialNumber ?? '',
        cipher: socket.getCipher().standardName,
      };
      const path = dial.path ?? '/version';
      socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
    });
    socket.on('data', (bytes: Buffer) => {
      answer += bytes.toString('latin1');
      const status = /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1];
      if (status !== undefined) {
        finish(status);
      }
    });
    socket.on('error', (error) => {
      const number = /SSL alert number (\d+)/.exec(error.message)?.[1];
      alert ||= number === undefined ? '' : `alert ${number}`;
    });
    socket.once('close', () => finish(alert === '' ? 'closed' : alert));
  });
}
