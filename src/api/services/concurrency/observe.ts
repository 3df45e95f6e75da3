// Following an election: the leader as it is, then every value and every leader after it. Called by
// the Election service, once for each stream of Observe.

import { bytesOf } from '../../../base/bytes.js';
import { MetaStoreError } from '../../../base/errors.js';
import type { LeaderResponse } from '../../../base/proto/concurrency-messages.js';
import type { KeyValue } from '../../../base/proto/kv-messages.js';
import type { ResponseHeader } from '../../../base/proto/messages.js';
import { EventType, endOf, oldestBelow } from './queue.js';
import { prefixEnd, type Store } from './store.js';

interface Seen {
  readonly header: ResponseHeader | null;
  readonly kv: KeyValue;
}

/** The first key that is put there from a revision on; null when history has been cut meanwhile. */
async function firstPut(store: Store, place: Buffer, revision: bigint): Promise<Seen | null> {
  const watching = store.watch({
    key: bytesOf(place),
    range_end: bytesOf(prefixEnd(place)),
    start_revision: revision,
  });
  try {
    for (;;) {
      const response = await watching.next();
      const put = response.events.find(({ type }) => type === EventType.Put);
      if (put !== undefined && put.kv !== null && response.header !== null) {
        // The response may hold several revisions: this is about the one of the key.
        const header = { ...response.header, revision: put.kv.mod_revision };
        return { header, kv: put.kv };
      }
      const end = endOf(response);
      if (end === 'compacted') {
        return null;
      }
      if (end !== null) {
        throw end;
      }
    }
  } finally {
    watching.close();
  }
}

/** Sends what becomes of the leader's key until it is deleted, or history is cut. */
async function followKey(
  store: Store,
  { header, kv }: Seen,
  send: (response: LeaderResponse) => Promise<void>,
): Promise<void> {
  const start_revision = (header?.revision ?? 0n) + 1n;
  const watching = store.watch({ key: bytesOf(kv.key), start_revision });
  try {
    for (;;) {
      const response = await watching.next();
      for (const event of response.events) {
        if (event.type === EventType.Delete) {
          return;
        }
        await send({ header: response.header, kv: event.kv });
      }
      const end = endOf(response);
      if (end === 'compacted') {
        return;
      }
      if (end !== null) {
        throw end;
      }
    }
  } finally {
    watching.close();
  }
}

async function follow(
  store: Store,
  place: Buffer,
  send: (response: LeaderResponse) => Promise<void>,
): Promise<void> {
  for (;;) {
    store.needCaller();
    const { header, kvs } = await store.range(oldestBelow(place));
    const [kv] = kvs;
    const seen =
      kv === undefined ? await firstPut(store, place, header?.revision ?? 0n) : { header, kv };
    if (seen !== null) {
      await send(seen);
      await followKey(store, seen, send);
    }
  }
}

/**
 * Sends every leader and every value that is proclaimed, from now on and without end. One message
 * is under way at a time: a slow client holds up nothing but its own stream. Ends in order, as in
 * etcd, when the election cannot be followed, for whatever reason.
 *
 * @throws MetaStoreError ContextCanceled, Stopped
 */
export async function observe(
  store: Store,
  place: Buffer,
  send: (response: LeaderResponse) => Promise<void>,
): Promise<void> {
  try {
    await follow(store, place, send);
  } catch (error) {
    const isOwn = error instanceof MetaStoreError && error.code === 'Stopped';
    if (isOwn || store.isOver) {
      throw error;
    }
  }
}
