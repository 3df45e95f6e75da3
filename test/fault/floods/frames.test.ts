// Floods of frames that cost a client little: a server that answers each, or keeps something of
// each, is brought down by them. It may send the client away (ENHANCE_YOUR_CALM is the word for it,
// RFC 9113 §10.5) or bear it; memory stays bounded and others are served.

import t, { type Test } from 'tap';

import { callHeaders, methods, watchRequest } from '../../support/etcd/wire/call.js';
import { errorName, type WireConnection } from '../../support/etcd/wire/connection.js';
import {
  concat,
  data,
  ErrorCode,
  Flag,
  FrameType,
  frame,
  grpcMessage,
  headers,
  ping,
  rstStream,
  settings,
  windowUpdate,
} from '../../support/etcd/wire/frames.js';
import { encodeHeaders } from '../../support/etcd/wire/hpack.js';
import { sleep } from '../../support/wait.js';
import { isFull, overEach, Subject } from './subject.js';

const FRAMES = isFull ? 1_000_000 : 100_000;
const BATCH = 500;
/** A server that has taken nothing for so long does not read any more. */
const STALL_MS = 2000;

t.setTimeout(10 * 60_000);

/** Frames by number, from 0. */
type Make = (i: number) => Buffer;

const block = encodeHeaders(callHeaders(methods.put));
const refusedBlock = encodeHeaders(callHeaders('/nopath'));
const streamOf = (i: number) => 2 * i + 3;

/** Sends until all are sent, or the server has had enough, or takes no more. */
async function flood(connection: WireConnection, make: Make, frames = FRAMES): Promise<number> {
  let sent = 0;
  while (sent < frames && connection.closed === null && connection.goaway === null) {
    const batch = Array.from({ length: BATCH }, (_, i) => make(sent + i));
    const isTaken = await Promise.race([
      connection.sendSlowly(...batch).then(() => true),
      sleep(STALL_MS).then(() => false),
    ]);
    sent += BATCH;
    if (!isTaken) break;
  }
  return sent;
}

interface Flood {
  readonly name: string;
  readonly make: Make;
  /** What is sent before. */
  readonly opening?: (connection: WireConnection) => void;
  /** True where others may be told that there are too many requests. */
  readonly mayCrowdOut?: boolean;
  /** True where a server has no reason to bear it. */
  readonly isRefused?: boolean;
  /** What the server may grow by, where it is not the 64 MiB of most. */
  readonly growthMiB?: number;
}

const floods: readonly Flood[] = [
  { name: 'pings', make: () => ping() },
  { name: 'acknowledged pings', make: () => ping(Buffer.alloc(8), true) },
  { name: 'empty SETTINGS', make: () => settings() },
  { name: 'SETTINGS that change windows', make: (i) => settings([[4, 65535 + (i % 1000)]]) },
  {
    name: 'acknowledged SETTINGS',
    make: () => frame(FrameType.settings, Flag.ack, 0),
  },
  {
    name: 'empty DATA',
    opening: (connection) => openWatch(connection),
    make: () => data(1, Buffer.alloc(0)),
  },
  {
    name: 'padded DATA of nothing',
    opening: (connection) => openWatch(connection),
    make: () => frame(FrameType.data, Flag.padded, 1, Buffer.from([0])),
  },
  { name: 'PRIORITY', make: (i) => frame(FrameType.priority, 0, streamOf(i), Buffer.alloc(5)) },
  { name: 'WINDOW_UPDATE', make: () => windowUpdate(0, 1) },
  { name: 'frames of unknown types', make: (i) => frame(0x20 + (i % 200), 0xff, i % 9) },
  {
    name: 'rapid resets',
    isRefused: true,
    make: (i) => concat([headers(streamOf(i), block), rstStream(streamOf(i), ErrorCode.cancel)]),
  },
  {
    name: 'resets of whole calls',
    // Each may have become a proposal already, and proposals of all clients share one bound.
    mayCrowdOut: true,
    make: (i) =>
      concat([
        headers(streamOf(i), block),
        data(streamOf(i), grpcMessage(Buffer.from('0a016b120176', 'hex')), true),
        rstStream(streamOf(i), ErrorCode.cancel),
      ]),
  },
  {
    name: 'streams that are refused',
    // Each is answered by its handler: 120 - 190 MiB wait for that while the machine is busy.
    growthMiB: 128,
    make: (i) => headers(streamOf(i), refusedBlock, true),
  },
  {
    name: 'streams with an error each',
    isRefused: true,
    make: (i) => concat([headers(streamOf(i), block), windowUpdate(streamOf(i), 0)]),
  },
  {
    name: 'empty CONTINUATION without an end',
    isRefused: true,
    opening: (connection) => connection.send(frame(FrameType.headers, 0, 1, block)),
    make: () => frame(FrameType.continuation, 0, 1),
  },
];

function openWatch(connection: WireConnection): void {
  const stream = connection.request(callHeaders(methods.watch));
  connection.send(data(stream, grpcMessage(watchRequest('none'))));
}

async function endure(t: Test, subject: Subject, one: Flood, reads: boolean): Promise<void> {
  await subject.endure(t, one.growthMiB ?? 64, async () => {
    const connection = await subject.open({ keepBodies: false });
    connection.keepsControl = false;
    one.opening?.(connection);
    if (!reads) connection.socket.pause();
    const sent = await flood(connection, one.make, reads ? FRAMES : FRAMES / 2);
    if (!reads) connection.socket.resume();
    // What it does about them shows once it has come to a ping behind them all.
    connection.keepsControl = true;
    await connection.settle(60_000);
    const code = connection.goaway?.code ?? null;
    const isSentAway = code !== null || connection.closed !== null;
    t.comment(`${sent} frames, then ${isSentAway ? `sent away: ${errorName(code)}` : 'borne'}`);
    if (one.isRefused === true) t.ok(isSentAway, 'the client is sent away');
    // Node leaves it to the client to close a connection that it has sent GOAWAY on.
    if (isSentAway && subject.transport === 'native') await connection.closing();
    subject.mayCrowdOut = one.mayCrowdOut === true;
  });
}

overEach(t, 'floods', async (t, transport) => {
  const subject = await Subject.start(t, transport);
  for (const one of floods) {
    await t.test(`${one.name}, by a client that reads`, (t) => endure(t, subject, one, true));
    await t.test(`${one.name}, by one that does not`, (t) => endure(t, subject, one, false));
  }
});
