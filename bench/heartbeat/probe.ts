// Loaded into a member's process before its own program (`node --import`), by the benchmark only:
// notes when Raft hands out and takes in heartbeats, and disturbs the process on request as a
// gateway and password checks would. Spoken to over a socket below METASTORE_PROBE_FOLDER.

import { pbkdf2 } from 'node:crypto';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Message, MessageType, RawNode, type Ready } from '../../src/raft/index.js';

/** A heartbeat at a peer: its id, and the time in nanoseconds of the system's monotonic clock. */
export type Beat = readonly [peer: string, ns: string];

export interface Probed {
  readonly sent: readonly Beat[];
  readonly received: readonly Beat[];
  readonly parsed: number;
  readonly hashed: number;
  /** The longest time that the event loop was late by. */
  readonly stallMs: number;
}

export interface Order {
  readonly isParsing: boolean;
  readonly isHashing: boolean;
}

const documentBytes = 5 * 2 ** 20;
/** About what bcrypt with cost 10 takes: 60 ms of a core. */
const hashRounds = 360_000;
/** As many as libuv has threads by default, so that its pool is always full. */
const hashesAtOnce = 4;

let sent: Beat[] = [];
let received: Beat[] = [];
let parsed = 0;
let hashed = 0;
let order: Order = { isParsing: false, isHashing: false };

function watchHeartbeats(): void {
  const { ready, step } = RawNode.prototype;
  RawNode.prototype.ready = function readyWatched(this: RawNode): Ready {
    const result = ready.call(this);
    for (const message of result.messages) {
      if (message.type === MessageType.Heartbeat) {
        sent.push([String(message.to), String(process.hrtime.bigint())]);
      }
    }
    return result;
  };
  RawNode.prototype.step = function stepWatched(this: RawNode, message: Message): void {
    if (message.type === MessageType.Heartbeat) {
      received.push([String(message.from), String(process.hrtime.bigint())]);
    }
    step.call(this, message);
  };
}

/** A transaction of many small puts in JSON, as the gateway takes it. */
function makeDocument(): string {
  const operations: unknown[] = [];
  const value = Buffer.alloc(64, 'v').toString('base64');
  let bytes = 0;
  for (let index = 0; bytes < documentBytes; index += 1) {
    const key = Buffer.from(`key/${String(index).padStart(8, '0')}`).toString('base64');
    const operation = { requestPut: { key, value, lease: String(index) } };
    operations.push(operation);
    bytes += JSON.stringify(operation).length + 1;
  }
  return JSON.stringify({ compare: [], success: operations, failure: [] });
}

let document = '';
const delay = monitorEventLoopDelay({ resolution: 10 });

/** One document after the other, with a turn of the event loop between them. */
function parseOn(): void {
  if (!order.isParsing) return;
  JSON.parse(document);
  parsed += 1;
  setImmediate(parseOn);
}

function hashOn(): void {
  if (!order.isHashing) return;
  pbkdf2('password', 'sixteen bytes at', hashRounds, 24, 'sha256', () => {
    hashed += 1;
    hashOn();
  });
}

function obey(next: Order): void {
  const before = order;
  order = next;
  if (next.isParsing && !before.isParsing) setImmediate(parseOn);
  if (next.isHashing && !before.isHashing) {
    for (let index = 0; index < hashesAtOnce; index += 1) hashOn();
  }
}

/** What was noted since the last order. */
function take(): Probed {
  const taken = { sent, received, parsed, hashed, stallMs: delay.max / 1e6 };
  delay.reset();
  sent = [];
  received = [];
  parsed = 0;
  hashed = 0;
  return taken;
}

function listen(folder: string): void {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let text = '';
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    socket.on('end', () => {
      const taken = take();
      obey(JSON.parse(text) as Order);
      socket.end(JSON.stringify(taken));
    });
    socket.on('error', () => {});
  });
  server.listen(join(folder, `${process.pid}.sock`));
  server.unref();
}

const folder = process.env.METASTORE_PROBE_FOLDER;
if (folder !== undefined) {
  // Before the member serves: making it takes a while.
  document = makeDocument();
  delay.enable();
  watchHeartbeats();
  listen(folder);
}
