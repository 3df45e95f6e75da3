// One HTTP GET to another member's peer port, bounded in time and size. For questions that are asked
// before this member runs; what members say to each other later goes over their own connections.

import { request } from 'node:http';

/** More than any list of members or versions can be. */
const MAX_BODY_BYTES = 1 << 20;

export interface PeerAnswer {
  readonly status: number;
  /** One value of a header, by its name in lower case. */
  header(name: string): string | null;
  readonly body: string;
}

/** Asks for a path below a peer URL (`http://host:port` or `unix://file`). */
export type AskPeer = (peerUrl: string, path: string, timeoutMs: number) => Promise<PeerAnswer>;

function target(peerUrl: string, path: string) {
  const [, scheme = '', rest = ''] = /^([a-z]+):\/\/(.*)$/i.exec(peerUrl) ?? [];
  if (scheme.toLowerCase() === 'unix') {
    return { socketPath: rest, path, host: 'localhost' };
  }
  const { hostname, port } = new URL(peerUrl);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port === '' ? 80 : port), path };
}

/**
 * Resolves with whatever the server answers, of any status.
 *
 * @throws Error when there is no whole answer in time, or a larger one than 1 MiB
 */
export const askPeer: AskPeer = (peerUrl, path, timeoutMs) =>
  new Promise((resolve, reject) => {
    const asked = request({ ...target(peerUrl, path), method: 'GET', agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      let size = 0;
      answer.on('data', (chunk: Buffer) => {
        size += chunk.length;
        chunks.push(chunk);
        if (size > MAX_BODY_BYTES) {
          asked.destroy(new Error(`an answer of more than ${MAX_BODY_BYTES} bytes`));
        }
      });
      answer.once('error', fail);
      answer.once('end', () => {
        clearTimeout(timer);
        const header = (name: string) => {
          const value = answer.headers[name];
          return (Array.isArray(value) ? value[0] : value) ?? null;
        };
        const body = Buffer.concat(chunks).toString();
        resolve({ status: answer.statusCode ?? 0, header, body });
      });
    });
    const fail = (error: Error) => {
      clearTimeout(timer);
      reject(error);
    };
    const timer = setTimeout(() => {
      asked.destroy(new Error(`no answer within ${timeoutMs} ms`));
    }, timeoutMs);
    asked.once('error', fail);
    asked.end();
  });
