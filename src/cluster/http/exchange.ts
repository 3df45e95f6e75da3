// One HTTP request to another member and its answer, over connections that are kept. Bounded in
// time and in bytes; whatever the other side does ends in an answer or a PeerHttpError. Used by
// client.ts alone.

import {
  Agent,
  type ClientRequest,
  type ClientRequestArgs,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http';
import { Socket } from 'node:net';
import { connect } from 'node:tls';

import { type SecureDialler, socketHost } from './secure.js';

/** Another member could not be asked, or did not answer as a member does. */
export class PeerHttpError extends Error {
  override readonly name = 'PeerHttpError';
}

export interface Question {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface ExchangeLimits {
  readonly timeoutMs: number;
  readonly maxAnswerBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** Connections to one place that may be open at once; more requests wait for one. */
const MAX_SOCKETS = 64;

interface Place {
  readonly isSecure: boolean;
  readonly address:
    | { readonly host: string; readonly port: number }
    | { readonly socketPath: string };
}

/** Where a peer URL leads. @throws PeerHttpError when it leads nowhere */
function placeOf(url: string): Place {
  const socket = /^(unixs?):\/\/(.+)$/.exec(url);
  if (socket !== null) {
    return { isSecure: socket[1] === 'unixs', address: { socketPath: socket[2] ?? '' } };
  }
  const form = /^(https?):\/\/(?:\[([^\]]+)\]|([^:/?#@[\]]+)):(\d{1,5})\/?$/i;
  const address = form.exec(url);
  const port = Number(address?.[4]);
  if (address === null || port > 65535) {
    throw new PeerHttpError(`${url} is not a URL that members can be asked at`);
  }
  const isSecure = address[1]?.toLowerCase() === 'https';
  return { isSecure, address: { host: address[2] ?? address[3] ?? '', port } };
}

/** Connections under TLS, each made with what the files say then. */
class SecureAgent extends Agent {
  readonly #dialler: SecureDialler;

  constructor(dialler: SecureDialler) {
    super({ keepAlive: true, maxSockets: MAX_SOCKETS });
    this.#dialler = dialler;
  }

  override createConnection(to: ClientRequestArgs): Socket {
    const path = to.socketPath ?? '';
    const host = path === '' ? (to.host ?? '') : socketHost(path);
    try {
      const options = this.#dialler.options(host, ['http/1.1']);
      const { localAddress } = this.#dialler;
      const from = localAddress === null ? {} : { localAddress };
      return connect(
        path === '' ? { ...options, ...from, port: Number(to.port) } : { ...options, path },
      );
    } catch (error) {
      // This may be called in the middle of nowhere, where nobody catches anything.
      return new Socket().destroy(error as Error);
    }
  }
}

export class Exchanges {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS });
  readonly #dialler: SecureDialler | null;
  readonly #secureAgent: SecureAgent | null;

  /** @param dialler null where members are never asked over TLS */
  constructor(dialler: SecureDialler | null) {
    this.#dialler = dialler;
    this.#secureAgent = dialler === null ? null : new SecureAgent(dialler);
  }

  /**
   * Asks one member.
   *
   * @param url a peer URL of it
   * @throws PeerHttpError
   */
  async ask(url: string, question: Question, limits: ExchangeLimits): Promise<Answer> {
    const place = placeOf(url);
    try {
      return await this.#exchange(place, question, limits);
    } catch (error) {
      const text = this.#dialler?.failureText(error as Error) ?? (error as Error).message;
      throw new PeerHttpError(`${question.method} ${url}${question.path}: ${text}`);
    }
  }

  /** Ends every connection. */
  close(): void {
    this.#agent.destroy();
    this.#secureAgent?.destroy();
  }

  async #exchange(place: Place, question: Question, limits: ExchangeLimits): Promise<Answer> {
    try {
      return await this.#once(place, question, limits);
    } catch (error) {
      // A kept connection may have been closed by the other side as this was sent.
      if (!(error instanceof StaleConnection)) {
        throw error;
      }
      return this.#once(place, question, limits);
    }
  }

  #once(place: Place, question: Question, limits: ExchangeLimits): Promise<Answer> {
    const { method, path, headers, body } = question;
    const localAddress = this.#dialler?.localAddress ?? null;
    const agent = place.isSecure ? this.#secureAgent : this.#agent;
    if (agent === null) {
      return Promise.reject(new Error('there is no TLS towards other members'));
    }
    return new Promise((resolve, reject) => {
      const length = body === undefined ? {} : { 'content-length': String(body.length) };
      const outgoing: ClientRequest = httpRequest({
        ...place.address,
        ...(localAddress === null ? {} : { localAddress }),
        agent,
        method,
        path,
        headers: { ...headers, ...length },
      });
      const settle = (act: () => void) => {
        clearTimeout(timer);
        limits.signal?.removeEventListener('abort', onAbort);
        act();
      };
      const fail = (error: Error) => settle(() => reject(error));
      const stop = (message: string) => outgoing.destroy(new Error(message));
      const onAbort = () => stop('nobody waits for it any more');
      const timer = setTimeout(
        () => stop(`no answer within ${limits.timeoutMs} ms`),
        limits.timeoutMs,
      );
      outgoing.once('error', (error: NodeJS.ErrnoException) => {
        const isStale = outgoing.reusedSocket && error.code === 'ECONNRESET';
        fail(isStale ? new StaleConnection(error.message) : error);
      });
      outgoing.once('response', (response) => {
        readAnswer(response, limits.maxAnswerBytes).then(
          (answer) => settle(() => resolve(answer)),
          (error: Error) => {
            outgoing.destroy();
            fail(error);
          },
        );
      });
      limits.signal?.addEventListener('abort', onAbort, { once: true });
      if (limits.signal?.aborted === true) {
        onAbort();
      }
      outgoing.end(body);
    });
  }
}

class StaleConnection extends Error {}

function readAnswer(response: IncomingMessage, maxBytes: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        reject(new Error(`the answer is larger than ${maxBytes} bytes`));
        return;
      }
      chunks.push(chunk);
    });
    response.once('error', reject);
    response.once('close', () => reject(new Error('the answer was cut off')));
    response.once('end', () => {
      const body = Buffer.concat(chunks as unknown as Uint8Array[]);
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
    });
  });
}
