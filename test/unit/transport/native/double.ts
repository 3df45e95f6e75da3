// A plane for tests: it notes the commands that it is given, and tells what a test has it tell.
// It stands for the decoder of events as well, which has tests of its own.

import type { Handler } from '../../../../src/base/call.js';
import { ErrorTable } from '../../../../src/base/errors.js';
import { createLogger } from '../../../../src/base/log/logger.js';
import type { PlaneHandler } from '../../../../src/storage/plane-events.js';
import type { Plane } from '../../../../src/transport/native/call.js';
import { NativeServer, type NativeServerParts } from '../../../../src/transport/native/server.js';
import { nativeErrorRows } from '../../../support/fakes/native-errors.js';

export const log = createLogger(
  { level: 'fatal', format: 'json', outputs: [] },
  { write: () => undefined, close: () => undefined },
);

type Event = (to: PlaneHandler) => void;

const textOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

export class FakePlane implements Plane {
  /** Commands in the order in which they came: name, what it is about, arguments. */
  readonly said: unknown[][] = [];
  /** What adopt() and attach() answer with next; negative for a refusal. */
  nextConnection = 1;
  onWake: () => void = () => undefined;
  #events: Event[] = [];

  /** Tells something, as in one wake-up. */
  tell(...events: Event[]): void {
    this.#events.push(...events);
    this.onWake();
  }

  /** Commands of one name. */
  of(name: string): unknown[][] {
    return this.said.filter(([said]) => said === name).map((command) => command.slice(1));
  }

  drain(): Buffer | null {
    return this.#events.length === 0 ? null : Buffer.alloc(1);
  }

  /** Takes the part of the decoder: what is drained stands for the events that wait. */
  decode(_records: Buffer, to: PlaneHandler): void {
    const events = this.#events;
    this.#events = [];
    for (const event of events) {
      event(to);
    }
  }

  adopt(fd: number, first: Uint8Array, peer: string, shared: boolean): number {
    this.said.push(['adopt', fd, textOf(first), peer, shared]);
    return this.nextConnection < 0 ? this.nextConnection : this.nextConnection++;
  }

  attach(peer: string, commonName: string, shared: boolean): number {
    this.said.push(['attach', peer, commonName, shared]);
    return this.nextConnection < 0 ? this.nextConnection : this.nextConnection++;
  }

  feed(connection: number, bytes: Uint8Array): void {
    this.said.push(['feed', connection, textOf(bytes)]);
  }

  ended(connection: number): void {
    this.said.push(['ended', connection]);
  }

  outputTaken(connection: number, bytes: number): void {
    this.said.push(['outputTaken', connection, bytes]);
  }

  reply(call: number, message: Uint8Array): void {
    this.said.push(['reply', call, textOf(message)]);
  }

  send(call: number, message: Uint8Array): void {
    this.said.push(['send', call, textOf(message)]);
  }

  finish(call: number, code: number, text: string): void {
    this.said.push(['finish', call, code, text]);
  }

  ask(call: number): void {
    this.said.push(['ask', call]);
  }

  httpRespond(call: number, status: number, headers: readonly string[]): void {
    this.said.push(['httpRespond', call, status, headers]);
  }

  httpSend(call: number, bytes: Uint8Array): void {
    this.said.push(['httpSend', call, textOf(bytes)]);
  }

  httpEnd(call: number): void {
    this.said.push(['httpEnd', call]);
  }

  httpReset(call: number): void {
    this.said.push(['httpReset', call]);
  }

  drainConnections(): void {
    this.said.push(['drainConnections']);
  }

  async stop(): Promise<void> {
    this.said.push(['stop']);
  }
}

/** A call as the plane tells of it. `message` null: messages follow. */
export function call(
  id: number,
  path: string,
  message: string | null,
  metadata: readonly string[] = [],
): Event {
  const bytes = message === null ? null : Buffer.from(message);
  return (to) => to.call(id, 1, { path, timeoutNs: -1, metadata }, bytes);
}

/** A server over a plane of one's own. */
export function openServer(
  handlers: Readonly<Record<string, Handler>>,
  parts: Partial<NativeServerParts> = {},
) {
  const plane = new FakePlane();
  const server = new NativeServer({
    open: (onWake) => {
      plane.onWake = onWake;
      return plane;
    },
    decoder: plane,
    handlers: new Map(Object.entries(handlers)),
    errors: new ErrorTable(nativeErrorRows()),
    http: async () => ({ status: 404, headers: {}, body: '' }),
    extras: { keepAlives: () => undefined, caller: () => undefined, slow: () => undefined },
    log,
    ...parts,
  });
  return { plane, server };
}
