// Tests of src/server/upkeep/backups.ts over a core that is played: messages and their digest, a
// client that reads slowly or goes away, and what is logged and closed in each case.

import { createHash } from 'node:crypto';
import t from 'tap';

import { bytesOf } from '../../../../src/base/bytes.js';
import { createLogger } from '../../../../src/base/log/logger.js';
import { snapshotResponse } from '../../../../src/base/proto/messages.js';
import { Backups, encodeBackupRows, humanBytes } from '../../../../src/server/upkeep/backups.js';
import { ManualClock } from '../../../support/fakes/manual-clock.js';

/** Enough turns for everything that is ready to happen. */
async function settle(): Promise<void> {
  for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
}

function made(file: Buffer, declared = file.length) {
  const clock = new ManualClock();
  const lines: { level: string; msg: string; error?: string }[] = [];
  const log = createLogger(
    { level: 'info', format: 'json', outputs: [] },
    { write: (line) => lines.push(JSON.parse(String(line))), close() {} },
  );
  let at = 0;
  const core = {
    opened: [] as Uint8Array[],
    closed: [] as number[],
    reads: 0,
    refusal: null as Error | null,
    failure: null as Error | null,
    async openBackup(extra: Uint8Array) {
      if (core.refusal !== null) throw core.refusal;
      core.opened.push(extra);
      return { id: 7, sizeBytes: declared };
    },
    async readBackup(_id: number, maxBytes: number) {
      core.reads++;
      if (core.failure !== null && at > 0) throw core.failure;
      const piece = file.subarray(at, at + maxBytes);
      at += piece.length;
      return piece.length === 0 ? null : piece;
    },
    closeBackup(id: number) {
      core.closed.push(id);
    },
  };
  const sent: Buffer[] = [];
  const untaken: (() => void)[] = [];
  const stream = {
    receive: async () => null,
    send(message: Buffer, taken?: () => void) {
      sent.push(message);
      if (taken !== undefined) untaken.push(taken);
    },
  };
  const take = () => {
    for (const taken of untaken.splice(0)) taken();
  };
  const backups = new Backups(core, clock, log);
  const texts = () => lines.map(({ msg }) => msg);
  return { clock, core, stream, sent, untaken, take, backups, lines, texts };
}

const contents = (length: number) => Buffer.alloc(length, 'a database ');
const decoded = (sent: readonly Buffer[]) => sent.map((m) => snapshotResponse.decode(bytesOf(m)));

t.test('blobs, what remains, and the digest behind them', async (t) => {
  const file = contents(20 * 32_768 + 4096);
  const { core, stream, sent, take, backups, texts, clock } = made(file);
  const serving = backups.serve(stream, new AbortController().signal, '3.7.0');
  for (let i = 0; i < 10; i++) {
    await settle();
    take();
  }
  clock.advance(1500);
  await serving;
  const messages = decoded(sent);
  t.equal(messages.length, 22);
  t.same(
    messages.map(({ remaining_bytes }) => Number(remaining_bytes)),
    [...Array.from({ length: 20 }, (_, i) => file.length - (i + 1) * 32_768), 0, 0],
  );
  t.ok(messages.slice(0, 20).every(({ blob }) => blob.length === 32_768));
  t.ok(messages.every(({ version, header }) => version === '3.7.0' && header === null));
  const blobs = messages.slice(0, -1).map(({ blob }) => bytesOf(Buffer.from(blob)));
  t.ok(Buffer.concat(blobs).equals(bytesOf(file)));
  const digest = createHash('sha256').update(bytesOf(file)).digest('hex');
  t.equal(Buffer.from(messages.at(-1)?.blob ?? '').toString('hex'), digest);
  t.same(core.opened, [encodeBackupRows([['meta', 'storageVersion', '3.7.0']])]);
  t.same(core.closed, [7]);
  t.same(texts(), [
    'sending database snapshot to client',
    'successfully sent database snapshot to client',
  ]);
});

t.test('a client that does not read', async (t) => {
  const { clock, core, stream, sent, take, backups, texts } = made(contents(200 * 32_768));
  const serving = backups.serve(stream, new AbortController().signal, '3.7.0');
  await settle();
  t.equal(sent.length, 16, 'no more than that is on its way');
  t.equal(core.reads, 2, 'nor is more read than the next piece');
  t.same(texts().length, 1);
  clock.advance(29_000);
  t.same(texts().length, 1, 'it has some time');
  clock.advance(2000);
  clock.advance(30_000);
  t.same(texts().slice(1), Array(2).fill('snapshotting taking too long to transfer'));
  for (let i = 0; i < 30; i++) {
    await settle();
    take();
  }
  await serving;
  t.equal(sent.length, 201);
  clock.advance(100_000);
  t.equal(texts().length, 4, 'no warning once it is done');
});

t.test('a client that goes away', async (t) => {
  const { core, stream, backups, sent, lines } = made(contents(100 * 32_768));
  const client = new AbortController();
  const serving = backups.serve(stream, client.signal, '3.7.0');
  await settle();
  client.abort();
  await t.rejects(serving, { code: 'ContextCanceled' });
  t.equal(sent.length, 16);
  t.same(core.closed, [7]);
  t.match(lines.at(-1), { level: 'info', msg: 'database snapshot was not sent to its end' });
});

t.test('a client that has gone before anything was sent', async (t) => {
  const { core, stream, backups, sent } = made(contents(4096));
  await t.rejects(backups.serve(stream, AbortSignal.abort(), ''), { code: 'ContextCanceled' });
  t.same(core.closed, [7]);
  t.equal(sent.length, 0);
});

t.test('failures of native code', async (t) => {
  const refused = made(contents(4096));
  const signal = new AbortController().signal;
  refused.core.refusal = Object.assign(new Error('too many'), { code: 'TooManyRequests' });
  await t.rejects(refused.backups.serve(refused.stream, signal, ''), { code: 'TooManyRequests' });
  t.same(refused.core.closed, [], 'what was not opened');
  refused.core.refusal = Object.assign(new Error('disk'), { code: 'Io' });
  await t.rejects(refused.backups.serve(refused.stream, signal, ''), { message: 'disk' });

  const broken = made(contents(40 * 32_768));
  broken.core.failure = new Error('disk failed');
  const serving = broken.backups.serve(broken.stream, signal, '');
  serving.catch(() => undefined);
  await settle();
  broken.take();
  await t.rejects(serving, { message: 'disk failed' });
  t.same(broken.core.closed, [7]);

  const short = made(contents(4096), 8192);
  await t.rejects(short.backups.serve(short.stream, signal, ''), { code: 'Internal' });
  t.equal(short.sent.length, 1, 'no digest of a part');
});

t.test('sizes for people', async (t) => {
  const sizes = [0, 999, 1000, 9949, 9951, 20_480, 24_576, 1_500_000, 123_456_789, 5e12, 5e15];
  t.same(sizes.map(humanBytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '9.9 kB',
    '10 kB',
    '20 kB',
    '25 kB',
    '1.5 MB',
    '124 MB',
    '5.0 TB',
    '5000 TB',
  ]);
});
