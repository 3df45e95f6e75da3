// Loaded into a member's process before its own program (`node --import`), by the benchmark only:
// notes when Raft hands out and takes in heartbeats, and disturbs the process on request as checks
// of passwords would. Spoken to over a socket below METASTORE_PROBE_FOLDER.

import { pbkdf2 } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Message, MessageType, RawNode, type Ready } from '../../src/raft/index.js';

/** A heartbeat at a peer: its id, and the time in nanoseconds of the system's monotonic clock. */
export type Beat = readonly [peer: string, ns: string];

export interface Probed {
  readonly sent: readonly Beat[];
  readonly received: readonly Beat[];
  readonly hashed: number;
  /** The longest time that the event loop was late by. */
  readonly stallMs: number;
  /** The longest that it worked in one go, in time of its processor; 0 where that is not known. */
  readonly workMs: number;
}

export interface Order {
  readonly isHashing: boolean;
}

/** About what bcrypt with cost 10 takes: 60 ms of a core. */
const hashRounds = 360_000;
/** As many at once as a member hashes: one processor is left to everything else. */
const hashesAtOnce = Math.max(1, Math.min(2, availableParallelism() - 1));

let sent: Beat[] = [];
let received: Beat[] = [];
let hashed = 0;
let order: Order = { isHashing: false };

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

const delay = monitorEventLoopDelay({ resolution: 10 });

/** Processor time of this thread; the main thread of a process has its number. */
function workedMs(): number {
  try {
    const text = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8');
    return Number(text.split(' ')[0]) / 1e6;
  } catch {
    return 0;
  }
}

let workMs = 0;
let workedBefore = 0;

function watchWork(): void {
  const worked = workedMs();
  workMs = Math.max(workMs, worked - workedBefore);
  workedBefore = worked;
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
  if (next.isHashing && !before.isHashing) {
    for (let index = 0; index < hashesAtOnce; index += 1) hashOn();
  }
}

/** What was noted since the last order. */
function take(): Probed {
  const taken = { sent, received, hashed, stallMs: delay.max / 1e6, workMs };
  delay.reset();
  sent = [];
  received = [];
  hashed = 0;
  workMs = 0;
  workedBefore = workedMs();
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
  delay.enable();
  setInterval(watchWork, 1).unref();
  watchHeartbeats();
  listen(folder);
}
