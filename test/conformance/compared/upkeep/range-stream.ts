// KV.RangeStream: the same chunks from every server, in number, size and order, and the same
// refusals. Called by upkeep.test.ts.

import { createHash } from 'node:crypto';

import { canonicalReply } from '../../differential/canonical.js';
import { ask, calls, type Message, must } from '../../support/calls.js';
import type { Scenario, Transcript } from './transcript.js';

const bytes = (text: string): Buffer => Buffer.from(text);
const all = { key: bytes('k'), range_end: bytes('l') };

/** A chunk in short: how many pairs, which, and what else it holds. */
function shown(message: Message): unknown {
  const response = (message.range_response ?? {}) as Message;
  const kvs = (response.kvs ?? []) as Message[];
  const hash = createHash('sha256');
  for (const { key, value, lease, version } of kvs) {
    hash.update(`${(key as Buffer).toString()} ${lease} ${version} `);
    hash.update(value as Buffer);
  }
  const rest = { ...response, kvs: undefined };
  const digest = hash.digest('hex').slice(0, 12);
  return [kvs.length, digest, canonicalReply(calls.put, {}, rest)];
}

async function stream(transcript: Transcript, label: string, request: Message): Promise<void> {
  const chunks: unknown[] = [];
  const call = transcript.client.stream(calls.rangeStream.path, (message) => {
    chunks.push(shown(calls.rangeStream.reply.decode(message as unknown as Uint8Array)));
  });
  call.send(calls.rangeStream.encode(request));
  call.end();
  const end = await call.ended;
  await call.drained;
  transcript.note(label, { chunks, code: end.code, details: end.code === 0 ? '' : end.details });
}

async function fill(transcript: Transcript, count: number, valueBytes: number): Promise<void> {
  await ask(transcript.client, calls.deleteRange, all);
  for (let i = 0; i < count; i++) {
    const value = Buffer.alloc(valueBytes, 97 + (i % 26));
    const key = bytes(`k${String(i).padStart(4, '0')}`);
    await must(transcript.client, calls.put, { key, value });
  }
}

async function options(transcript: Transcript): Promise<void> {
  await must(transcript.client, calls.leaseGrant, { TTL: 600n, ID: 0x99n });
  await fill(transcript, 45, 10);
  for (const i of [3, 30, 12]) {
    const key = bytes(`k${String(i).padStart(4, '0')}`);
    await must(transcript.client, calls.put, { key, value: bytes('again'), lease: 0x99n });
  }
  await stream(transcript, 'everything', all);
  for (const limit of [-1n, 1n, 9n, 10n, 11n, 30n, 31n, 44n, 45n, 46n, 1000n]) {
    await stream(transcript, `limit ${limit}`, { ...all, limit });
  }
  await stream(transcript, 'one key', { key: bytes('k0003') });
  await stream(transcript, 'no key there', { key: bytes('nothing') });
  await stream(transcript, 'an inverted range', { key: bytes('l'), range_end: bytes('k') });
  await stream(transcript, 'from a key on', { key: bytes('k0040'), range_end: bytes('\0') });
  await stream(transcript, 'count only', { ...all, count_only: true });
  await stream(transcript, 'keys only', { ...all, keys_only: true });
  await stream(transcript, 'serializable', { ...all, serializable: true });
  await stream(transcript, 'an old revision', { ...all, revision: 20n });
  await stream(transcript, 'a future revision', { ...all, revision: 2000n });
  await stream(transcript, 'no key given', {});
  for (const filter of ['min_mod', 'max_mod', 'min_create', 'max_create']) {
    await stream(transcript, filter, { ...all, [`${filter}_revision`]: 5n });
  }
  await stream(transcript, 'both wrong', { ...all, sort_order: 2, min_mod_revision: 1n });
  await must(transcript.client, calls.compact, { revision: 30n });
  await stream(transcript, 'compacted', { ...all, revision: 20n });
  await stream(transcript, 'at the compaction', { ...all, revision: 30n });
}

/**
 * Sorted inside each chunk. Only where that order is the one of the keys: elsewhere etcd goes on
 * behind the pair that it sent last, and so leaves out pairs and sends others twice.
 */
async function targets(transcript: Transcript): Promise<void> {
  await must(transcript.client, calls.leaseGrant, { TTL: 600n, ID: 0x99n });
  for (let i = 0; i < 45; i++) {
    const name = bytes(`k${String(i).padStart(4, '0')}`);
    await must(transcript.client, calls.put, { key: name, value: name, lease: 0x99n });
  }
  for (let target = 0; target <= 5; target++) {
    for (let order = 0; order <= 3; order++) {
      // All versions are alike, and their order is not defined then.
      if (target === 1 && order === 0) continue;
      const request = { ...all, sort_order: order, sort_target: target };
      await stream(transcript, `order ${order} target ${target}`, request);
      const cut = { ...request, limit: 12n, keys_only: true };
      await stream(transcript, `keys only, order ${order} target ${target}`, cut);
    }
  }
}

async function sizes(transcript: Transcript): Promise<void> {
  await fill(transcript, 130, 20_000);
  await stream(transcript, 'values of 20 kB', all);
  await fill(transcript, 30, 300_000);
  await stream(transcript, 'values of 300 kB', all);
  await fill(transcript, 25, 900_000);
  await stream(transcript, 'values of 900 kB', all);
  // About half of what a request may have: the message decides to the byte.
  for (const valueBytes of [78_616, 78_617, 78_618, 78_619, 78_620]) {
    await fill(transcript, 25, valueBytes);
    await stream(transcript, `values of ${valueBytes}`, all);
  }
}

export const rangeStreams: readonly Scenario[] = [
  { name: 'streamed ranges', run: options },
  { name: 'sorted streams', run: targets },
  { name: 'sizes of streamed chunks', run: sizes },
];
