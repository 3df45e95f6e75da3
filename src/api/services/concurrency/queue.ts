// What locks and elections have in common: a key of one's own below a name, tied to a lease, and
// turns in the order in which the keys were created. Used by lock.ts and election.ts.

import { bytesOf } from '../../../base/bytes.js';
import type { UnaryHandler } from '../../../base/call.js';
import { type ErrorTable, MetaStoreError } from '../../../base/errors.js';
import type { KeyValue, WatchResponse } from '../../../base/proto/kv-messages.js';
import { prefixEnd, type Store } from './store.js';

/** Of a lease that the server grants itself; it is not kept alive. */
const OWN_LEASE_TTL_SECONDS = 60n;

/** Numbers of the API that stand in requests here. */
export const Sort = { Ascend: 1, Descend: 2, ByCreateRevision: 2 } as const;
export const CompareCreate = { result: 0, target: 1 } as const;
export const EventType = { Put: 0, Delete: 1 } as const;

/** An error with a text of its own and no code. */
export function plain(text: string): MetaStoreError {
  return MetaStoreError.of('Unknown', text);
}

/** The lease of a caller: the one named, or a new one when none is. */
export function leaseOf(store: Store, lease: bigint): Promise<bigint> {
  return lease === 0n ? store.grant(OWN_LEASE_TTL_SECONDS) : Promise.resolve(lease);
}

/** Where the keys of a name lie. */
export function placeOf(name: Buffer): Buffer {
  return Buffer.concat([bytesOf(name), bytesOf(Buffer.from('/'))]);
}

/** The key of a lease there; a negative id has its sign before the digits. */
export function ownKey(place: Buffer, lease: bigint): Buffer {
  return Buffer.concat([bytesOf(place), bytesOf(Buffer.from(lease.toString(16)))]);
}

/** A request for the oldest key there. */
export function oldestBelow(place: Buffer) {
  return {
    key: bytesOf(place),
    range_end: bytesOf(prefixEnd(place)),
    limit: 1n,
    sort_order: Sort.Ascend,
    sort_target: Sort.ByCreateRevision,
  };
}

/** What ended a watcher, if anything did: `compacted` is for the caller to get over. */
export function endOf(response: WatchResponse): 'compacted' | MetaStoreError | null {
  if (!response.canceled) {
    return null;
  }
  return response.compact_revision > 0n
    ? 'compacted'
    : plain(response.cancel_reason || 'lost watcher waiting for delete');
}

/** Waits until the key is deleted, or history is cut so that nobody can tell any more. */
async function deleted(store: Store, key: Buffer, sinceRevision: bigint): Promise<void> {
  const watching = store.watch({ key: bytesOf(key), start_revision: sinceRevision });
  try {
    for (;;) {
      const response = await watching.next();
      const end = endOf(response);
      if (end === 'compacted' || response.events.some(({ type }) => type === EventType.Delete)) {
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

/**
 * Waits until every key there that was created up to a revision is gone.
 *
 * @throws MetaStoreError of reading and watching; ContextCanceled when the call is over
 */
export async function waitForTurn(
  store: Store,
  place: Buffer,
  maxCreateRevision: bigint,
): Promise<void> {
  for (;;) {
    store.needCaller();
    const { kvs, header } = await store.range({
      ...oldestBelow(place),
      sort_order: Sort.Descend,
      max_create_revision: maxCreateRevision,
    });
    const last: KeyValue | undefined = kvs[0];
    if (last === undefined) {
      return;
    }
    await deleted(store, last.key, header?.revision ?? 0n);
  }
}

/** What is still told with its own code: the caller's own end, and that of this server. */
const ownCodes: ReadonlySet<string> = new Set([
  'Canceled',
  'ContextCanceled',
  'DeadlineExceeded',
  'Unmarshal',
  'Stopped',
]);

/** An error as these services tell it: with its text, and without its code. */
export function withoutCode(errors: ErrorTable, error: unknown): unknown {
  if (error instanceof MetaStoreError && ownCodes.has(error.code)) {
    return error;
  }
  return plain(errors.status(error).text);
}

/** The handler with its errors told so. */
export function tellingPlainly(errors: ErrorTable, handle: UnaryHandler): UnaryHandler {
  return async (context, request) => {
    try {
      return await handle(context, request);
    } catch (error) {
      throw withoutCode(errors, error);
    }
  };
}
