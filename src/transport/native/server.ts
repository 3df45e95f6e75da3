// The native transport: calls come from the data plane, which serves most of them by itself; what
// it leaves is served here by the handlers of the API, and so is HTTP that shares a connection.
// Made by compose; woken by the plane, at most once for all that happened meanwhile.

import type { Socket } from 'node:net';

import { assert } from '../../base/assert.js';
import type { HandlerTable, HttpHandler } from '../../base/call.js';
import { type ErrorTable, MetaStoreError } from '../../base/errors.js';
import type { Logger } from '../../base/log/logger.js';
import type {
  PlaneCallHead,
  PlaneDecoder,
  PlaneHandler,
  PlaneHttpHead,
} from '../../storage/plane-events.js';
import { answerHttp2 } from '../http2.js';
import type { Place } from '../limits.js';
import { type CallHost, openCall, type Plane, type PlaneCall } from './call.js';
import { Connections } from './connections.js';
import { type HttpHost, HttpStream, headersOf } from './http.js';
import { EventTurns } from './turns.js';

/** Events that are not about what this transport does. */
export type PlaneExtras = Pick<PlaneHandler, 'keepAlives' | 'caller' | 'slow'>;

export interface NativeServerParts {
  /** Makes the plane; `onWake` is to be called when there is something to drain. */
  readonly open: (onWake: () => void) => Plane;
  readonly decoder: Pick<PlaneDecoder, 'decode'>;
  readonly handlers: HandlerTable;
  readonly errors: ErrorTable;
  /** Answers requests that are not gRPC, on connections taken by acceptShared. */
  readonly http: HttpHandler;
  readonly extras: PlaneExtras;
  readonly log: Logger;
}

const levels = ['info', 'warn', 'error'] as const;

/** Why there is no such method. */
function unknownMethod(path: string, services: ReadonlySet<string>): MetaStoreError {
  const slash = path.lastIndexOf('/');
  const service = path.slice(1, slash);
  if (slash <= 0 || !path.startsWith('/')) {
    return MetaStoreError.of('MalformedMethodName', `malformed method name: "${path}"`);
  }
  if (!services.has(service)) {
    return MetaStoreError.of('UnknownService', `unknown service ${service}`);
  }
  const method = path.slice(slash + 1);
  const text = `unknown method ${method} for service ${service}`;
  return MetaStoreError.of('UnknownServiceMethod', text);
}

export class NativeServer implements CallHost, HttpHost {
  readonly plane: Plane;
  readonly errors: ErrorTable;
  readonly #parts: NativeServerParts;
  readonly #services: ReadonlySet<string>;
  readonly #events: PlaneHandler;
  readonly #connections: Connections;
  readonly #turns: EventTurns;
  readonly #calls = new Map<number, PlaneCall>();
  #stopping: Promise<void> | null = null;

  constructor(parts: NativeServerParts) {
    const { handlers, errors } = parts;
    this.#parts = parts;
    this.errors = errors;
    this.#services = new Set([...handlers.keys()].map((path) => path.split('/')[1] ?? ''));
    this.#events = this.#handler();
    this.#turns = new EventTurns((records) => parts.decoder.decode(records, this.#events));
    this.plane = parts.open(() => this.#onWake());
    this.#connections = new Connections(this.plane);
  }

  /** Takes over a connection that speaks HTTP/2, for gRPC alone. */
  accept(socket: Socket, place: Place): void {
    this.#take(socket, place, false);
  }

  /** Takes over a connection that speaks HTTP/2, for gRPC and other requests. */
  acceptShared(socket: Socket, place: Place): void {
    this.#take(socket, place, true);
  }

  /**
   * Tells every client to go away, lets calls under way finish for `graceMs`, then cuts what
   * remains. Resolves when no connection is left and the plane has ended.
   */
  stop(graceMs: number): Promise<void> {
    this.#stopping ??= this.#stop(graceMs);
    return this.#stopping;
  }

  forget(call: number): void {
    this.#calls.delete(call);
  }

  #take(socket: Socket, place: Place, shared: boolean): void {
    if (this.#stopping !== null) {
      socket.destroy();
      return;
    }
    this.#connections.take(socket, place, shared);
  }

  async #stop(graceMs: number): Promise<void> {
    this.plane.drainConnections();
    let cut: NodeJS.Timeout | undefined;
    const grace = new Promise<void>((resolve) => {
      cut = setTimeout(resolve, graceMs);
    });
    await Promise.race([this.#connections.empty(), grace]);
    clearTimeout(cut);
    await this.plane.stop();
    this.#onWake();
    this.#turns.flush();
    for (const call of [...this.#calls.values()]) {
      call.onEnded();
    }
    this.#calls.clear();
    this.#connections.cut();
  }

  #onWake(): void {
    const records = this.plane.drain();
    if (records !== null) this.#turns.push(records);
  }

  #handler(): PlaneHandler {
    const { extras, log } = this.#parts;
    const calls = this.#calls;
    return {
      call: (call, connection, head, message) => this.#open(call, connection, head, message),
      http: (call, connection, head) => this.#openHttp(call, connection, head),
      message: (call, bytes) => calls.get(call)?.onMessage(bytes),
      halfClose: (call) => calls.get(call)?.onHalfClose(),
      taken: (call, messages) => calls.get(call)?.onTaken(messages),
      ended: (call) => {
        const known = calls.get(call);
        calls.delete(call);
        known?.onEnded();
      },
      output: (connection, bytes) => this.#connections.output(connection, bytes),
      closed: (connection) => this.#connections.closed(connection),
      keepAlives: (record) => extras.keepAlives(record),
      caller: (record) => extras.caller(record),
      slow: (record) => extras.slow(record),
      log: (level, text) => {
        const name = levels[level];
        assert(name !== undefined, 'a line of the plane has a known level');
        log[name](text);
      },
    };
  }

  #open(id: number, connection: number, head: PlaneCallHead, message: Buffer | null): void {
    const handler = this.#parts.handlers.get(head.path);
    if (handler === undefined) {
      const { code, text } = this.errors.status(unknownMethod(head.path, this.#services));
      this.plane.finish(id, code, text);
      return;
    }
    const from = this.#connections.who(connection);
    const call = openCall(this, { id, from, metadata: head.metadata }, handler);
    this.#calls.set(id, call);
    if (message !== null) {
      call.onMessage(message);
      call.onHalfClose();
    }
  }

  #openHttp(id: number, connection: number, head: PlaneHttpHead): void {
    const stream = new HttpStream(this, id);
    this.#calls.set(id, stream);
    const { method, path } = head;
    const { peer, commonName } = this.#connections.who(connection);
    const request = { method, path, headers: headersOf(head), peer, commonName };
    void answerHttp2(stream, request, this.#parts.http, this.#parts.log);
  }
}
