// Header bombs: header blocks that are small to send and large to keep, or have no end. A server
// bounds what it takes for one request, whatever the tables of HPACK make of it (RFC 7541 §7.3).

import t, { type Test } from 'tap';

import { callHeaders, methods, outcomeOf } from '../../support/etcd/wire/call.js';
import { errorName, type WireConnection } from '../../support/etcd/wire/connection.js';
import {
  concat,
  data,
  Flag,
  FrameType,
  frame,
  grpcMessage,
  headers,
} from '../../support/etcd/wire/frames.js';
import {
  encodeHeaders,
  indexed,
  indexedLiteral,
  literal,
  tableSizeUpdate,
} from '../../support/etcd/wire/hpack.js';
import { isFull, overEach, Subject } from './subject.js';

const STREAMS = isFull ? 2000 : 200;

t.setTimeout(5 * 60_000);

const usual = encodeHeaders(callHeaders(methods.put));
const put = grpcMessage(Buffer.from('0a016b120176', 'hex'));

/** A block in HEADERS and as many CONTINUATION frames as it takes. */
function inFrames(stream: number, block: Buffer): Buffer[] {
  const frames = [frame(FrameType.headers, 0, stream, block.subarray(0, 16384))];
  for (let at = 16384; at < block.length; at += 16384) {
    frames.push(frame(FrameType.continuation, 0, stream, block.subarray(at, at + 16384)));
  }
  frames.push(frame(FrameType.continuation, Flag.endHeaders, stream));
  return frames;
}

/** What became of a stream: an answer, a reset, the end of the connection, or nothing. */
async function fate(connection: WireConnection, stream: number): Promise<string> {
  const answer = connection.answerOf(stream);
  await connection.answer(stream, 3000).catch(() => undefined);
  if (connection.goaway !== null) return `goaway ${errorName(connection.goaway.code)}`;
  if (answer.reset !== null && !answer.ended) return `reset ${errorName(answer.reset)}`;
  const { http, status } = outcomeOf(answer);
  if (http !== undefined) return `${http} ${status ?? ''}`;
  return connection.closed === null ? 'nothing' : 'closed';
}

interface Bomb {
  readonly name: string;
  /** Blocks of requests that are sent one after the other on one connection. */
  readonly blocks: () => Buffer[];
  /** True where nothing is kept of it. */
  readonly isHarmless?: boolean;
}

const entry = 'v'.repeat(3900);

const bombs: readonly Bomb[] = [
  {
    name: 'one value of 1 MiB',
    blocks: () => [concat([usual, literal('x', 'v'.repeat(1 << 20))])],
  },
  {
    name: 'one name of 1 MiB',
    blocks: () => [concat([usual, literal('n'.repeat(1 << 20), 'v')])],
  },
  {
    name: '100,000 small headers',
    blocks: () => [concat([usual, ...new Array<Buffer>(100_000).fill(literal('x', 'v'))])],
  },
  {
    name: '100,000 empty headers of the tables',
    blocks: () => [concat([usual, ...new Array<Buffer>(100_000).fill(indexed(58))])],
  },
  {
    name: 'an entry of 4 KiB, 15,000 times by its index',
    blocks: () => [
      concat([usual, indexedLiteral('x', entry)]),
      concat([usual, ...new Array<Buffer>(15_000).fill(indexed(62))]),
    ],
  },
  {
    name: 'entries that push each other out',
    blocks: () => [
      concat([
        usual,
        ...Array.from({ length: 5000 }, (_, i) => indexedLiteral('x', `${i}${entry}`)),
      ]),
    ],
  },
  {
    name: 'tables that shrink and grow',
    isHarmless: true,
    blocks: () => [
      concat([
        ...Array.from({ length: 20_000 }, (_, i) => tableSizeUpdate(i % 2 === 0 ? 0 : 4096)),
        usual,
      ]),
    ],
  },
];

async function endure(t: Test, subject: Subject, { blocks, isHarmless }: Bomb): Promise<void> {
  await subject.endure(t, 64, async () => {
    const connection = await subject.open();
    let last = '';
    for (const block of blocks()) {
      const stream = connection.nextStream();
      connection.answerOf(stream);
      await connection.sendSlowly(...inFrames(stream, block), data(stream, put, true));
      last = await fate(connection, stream);
    }
    t.comment(`answered with: ${last}`);
    if (isHarmless) t.equal(last, '200 0', 'it is served');
    else t.notMatch(last, /^200 0/, 'it is not served');
    // Node forgets such a stream without a word; its memory is bounded all the same.
    if (subject.transport === 'native') t.not(last, 'nothing', 'and the client is told');
  });
}

overEach(t, 'header bombs', async (t, transport) => {
  const subject = await Subject.start(t, transport);
  for (const bomb of bombs) await t.test(bomb.name, (t) => endure(t, subject, bomb));

  await t.test('a block without an end', (t) =>
    subject.endure(t, 64, async () => {
      const connection = await subject.open();
      connection.send(frame(FrameType.headers, 0, 1, usual));
      const piece = frame(FrameType.continuation, 0, 1, literal('x', 'v'.repeat(8000)));
      let sent = 0;
      for (
        ;
        sent < 20_000 && connection.closed === null && connection.goaway === null;
        sent += 10
      ) {
        await connection.sendSlowly(...new Array<Buffer>(10).fill(piece));
      }
      t.ok(connection.closed !== null || connection.goaway !== null, `ended after ${sent} frames`);
    }),
  );

  await t.test('many requests with headers of 6 KiB that wait for their message', (t) =>
    subject.endure(t, 64, async () => {
      const connection = await subject.open();
      const block = concat([usual, literal('x-any', 'v'.repeat(6000))]);
      for (let i = 0; i < STREAMS; i++) {
        await connection.sendSlowly(headers(connection.nextStream(), block));
      }
      await connection.settle(30_000);
      t.equal(connection.closed, null, 'they wait');
    }),
  );
});
