// The Lock service: a lock is the oldest key below its name. Who asks for one gets a key tied to a
// lease and waits until all older ones are gone; giving it back deletes the key.

import { bytesOf } from '../../../base/bytes.js';
import type { CallContext } from '../../../base/call.js';
import type { ErrorTable } from '../../../base/errors.js';
import {
  type LockResponse,
  lockRequest,
  lockResponse,
  unlockRequest,
  unlockResponse,
} from '../../../base/proto/concurrency-messages.js';
import type { ResponseHeader } from '../../../base/proto/messages.js';
import { type Service, unary } from '../service.js';
import {
  CompareCreate,
  leaseOf,
  oldestBelow,
  ownKey,
  placeOf,
  plain,
  tellingPlainly,
  waitForTurn,
} from './queue.js';
import { type Services, Store } from './store.js';

interface Acquired {
  readonly header: ResponseHeader | null;
  /** The key is there since this call. */
  readonly isNew: boolean;
  /** Create revision of the own key. */
  readonly revision: bigint;
  readonly isOwner: boolean;
}

/** Puts the own key unless it is there, and looks who is first. */
async function acquire(store: Store, place: Buffer, key: Buffer, lease: bigint): Promise<Acquired> {
  const own = bytesOf(key);
  const oldest = { request_range: oldestBelow(place) };
  const { header, succeeded, responses } = await store.txn({
    compare: [{ ...CompareCreate, key: own, create_revision: 0n }],
    success: [{ request_put: { key: own, lease } }, oldest],
    failure: [{ request_range: { key: own } }, oldest],
  });
  const known = responses[0]?.response_range?.kvs[0]?.create_revision;
  const revision = known ?? header?.revision ?? 0n;
  const owner = responses[1]?.response_range?.kvs[0];
  const isOwner = owner === undefined || owner.create_revision === revision;
  return { header, isNew: succeeded, revision, isOwner };
}

/** Gives up the own key, whoever waits. What goes wrong then is for the lease to put right. */
async function giveUp(store: Store, key: Buffer): Promise<void> {
  await store
    .afterwards()
    .deleteKey(key)
    .catch(() => undefined);
}

async function lock(store: Store, name: Buffer, asked: bigint): Promise<LockResponse> {
  const lease = await leaseOf(store, asked);
  store.needCaller();
  const place = placeOf(name);
  const key = ownKey(place, lease);
  const { header, isNew, revision, isOwner } = await acquire(store, place, key, lease);
  if (isOwner) {
    if (store.isOver && isNew) {
      // Nobody hears of the lock: it must not be held until its lease ends.
      await giveUp(store, key);
      store.needCaller();
    }
    return { header, key };
  }
  try {
    await waitForTurn(store, place, revision - 1n);
    const found = await store.range({ key: bytesOf(key) });
    store.needCaller();
    if (found.kvs.length === 0) {
      throw plain('mutex: session is expired');
    }
    return { header: found.header, key };
  } catch (error) {
    await giveUp(store, key);
    throw error;
  }
}

export function lockService(services: Services, errors: ErrorTable): Service {
  const lockHandler = async (context: CallContext, bytes: Buffer) => {
    const { name, lease } = lockRequest.decode(bytesOf(bytes));
    return lockResponse.encode(await lock(new Store(services, context), name, lease));
  };
  const unlockHandler = async (context: CallContext, bytes: Buffer) => {
    const { key } = unlockRequest.decode(bytesOf(bytes));
    const { header } = await new Store(services, context).deleteKey(key);
    return unlockResponse.encode({ header });
  };
  return {
    Lock: unary(tellingPlainly(errors, lockHandler)),
    Unlock: unary(tellingPlainly(errors, unlockHandler)),
  };
}
