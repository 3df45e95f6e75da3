// The Election service: who leads is who has the oldest key below the election's name; its value is
// what the leader proclaims. The same turns as in lock.ts.

import { bytesOf } from '../../../base/bytes.js';
import type { CallContext, ServerStream } from '../../../base/call.js';
import { type ErrorTable, MetaStoreError } from '../../../base/errors.js';
import * as messages from '../../../base/proto/concurrency-messages.js';
import type { ResponseHeader } from '../../../base/proto/messages.js';
import { type Service, stream, unary } from '../service.js';
import { observe } from './observe.js';
import {
  CompareCreate,
  leaseOf,
  oldestBelow,
  ownKey,
  placeOf,
  plain,
  tellingPlainly,
  waitForTurn,
  withoutCode,
} from './queue.js';
import { type Services, Store } from './store.js';

type Leadership = Pick<messages.LeaderKey, 'key' | 'rev'>;

/** What holds as long as the key is the one that was created then. */
function stillLeads({ key, rev }: Leadership) {
  return { ...CompareCreate, key: bytesOf(key), create_revision: rev };
}

/** @throws MetaStoreError when the key is not the leader's any more */
async function proclaim(
  store: Store,
  leadership: Leadership,
  lease: bigint,
  value: Buffer,
): Promise<ResponseHeader | null> {
  const { header, succeeded } = await store.txn({
    compare: [stillLeads(leadership)],
    success: [{ request_put: { key: bytesOf(leadership.key), value: bytesOf(value), lease } }],
  });
  if (!succeeded) {
    throw plain('election: not leader');
  }
  return header;
}

/** Gives the key back if it still is the one that was created then. */
async function resign(store: Store, leadership: Leadership): Promise<ResponseHeader | null> {
  const { header } = await store.txn({
    compare: [stillLeads(leadership)],
    success: [{ request_delete_range: { key: bytesOf(leadership.key) } }],
  });
  return header;
}

/** Resigns for a caller that may be gone. What goes wrong then is for the lease to put right. */
async function withdraw(store: Store, leadership: Leadership): Promise<void> {
  await resign(store.afterwards(), leadership).catch(() => undefined);
}

async function campaign(
  store: Store,
  { name, lease: asked, value }: messages.CampaignRequest,
): Promise<messages.CampaignResponse> {
  const lease = await leaseOf(store, asked);
  store.needCaller();
  const place = placeOf(name);
  const key = ownKey(place, lease);
  const { header, succeeded, responses } = await store.txn({
    compare: [{ ...CompareCreate, key: bytesOf(key), create_revision: 0n }],
    success: [{ request_put: { key: bytesOf(key), value: bytesOf(value), lease } }],
    failure: [{ request_range: { key: bytesOf(key) } }],
  });
  const known = responses[0]?.response_range?.kvs[0];
  const rev = known?.create_revision ?? header?.revision ?? 0n;
  const leadership = { key, rev };
  try {
    if (!succeeded && known !== undefined && !known.value.equals(bytesOf(value))) {
      await proclaim(store, leadership, lease, value);
    }
  } catch (error) {
    await withdraw(store, leadership);
    throw error;
  }
  try {
    await waitForTurn(store, place, rev - 1n);
    store.needCaller();
  } catch (error) {
    if (store.isOver) {
      await withdraw(store, leadership);
    }
    throw error;
  }
  return { header, leader: { name, key, rev, lease } };
}

async function leader(store: Store, name: Buffer): Promise<messages.LeaderResponse> {
  const { header, kvs } = await store.range(oldestBelow(placeOf(name)));
  const [kv] = kvs;
  if (kv === undefined) {
    throw plain('election: no leader');
  }
  return { header, kv };
}

function needLeader(key: messages.LeaderKey | null): messages.LeaderKey {
  if (key === null) {
    throw plain('"leader" field must be provided');
  }
  return key;
}

async function observing(store: Store, call: ServerStream): Promise<void> {
  const request = await call.receive();
  if (request === null) {
    throw MetaStoreError.of('MissingMessage');
  }
  const { name } = messages.leaderRequest.decode(bytesOf(request));
  await observe(store, placeOf(name), (response) => {
    const message = messages.leaderResponse.encode(response);
    return new Promise((resolve) => call.send(message, resolve));
  });
}

export function electionService(services: Services, errors: ErrorTable): Service {
  const told = (handle: (store: Store, bytes: Buffer) => Promise<Buffer>) =>
    unary(
      tellingPlainly(errors, (context: CallContext, bytes) =>
        handle(new Store(services, context), bytes),
      ),
    );
  return {
    Campaign: told(async (store, bytes) => {
      const request = messages.campaignRequest.decode(bytesOf(bytes));
      return messages.campaignResponse.encode(await campaign(store, request));
    }),
    Proclaim: told(async (store, bytes) => {
      const request = messages.proclaimRequest.decode(bytesOf(bytes));
      const key = needLeader(request.leader);
      const lease = await leaseOf(store, key.lease);
      const header = await proclaim(store, key, lease, request.value);
      return messages.proclaimResponse.encode({ header });
    }),
    Leader: told(async (store, bytes) => {
      const { name } = messages.leaderRequest.decode(bytesOf(bytes));
      return messages.leaderResponse.encode(await leader(store, name));
    }),
    Resign: told(async (store, bytes) => {
      const key = needLeader(messages.resignRequest.decode(bytesOf(bytes)).leader);
      await leaseOf(store, key.lease);
      return messages.resignResponse.encode({ header: await resign(store, key) });
    }),
    Observe: stream(async (context, call) => {
      try {
        await observing(new Store(services, context), call);
      } catch (error) {
        throw withoutCode(errors, error);
      }
    }),
  };
}
