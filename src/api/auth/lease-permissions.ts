// What somebody must be permitted to ask about a lease or to prolong it: its attached keys decide.
// Called by the Lease service; revocations are held to the same where they are applied.

import { bytesOf } from '../../base/bytes.js';
import { type ErrorTable, MetaStoreError } from '../../base/errors.js';
import type { Caller } from '../../server/serving/caller.js';
import type { AuthState } from '../../state/auth/auth-state.js';
import type { MemberCore } from '../../storage/native.js';

/** What is needed of the member. */
export interface LeaseKeysHost {
  readonly auth: Pick<AuthState, 'enabled' | 'revision' | 'isRoot'>;
  readonly native: Pick<MemberCore, 'checkRange'>;
  readonly errors: Pick<ErrorTable, 'fromCode'>;
  leaseKeys(id: bigint): Promise<Buffer[]>;
}

/** In place of the end of a range: one key. */
const NO_END = new Uint8Array(0);

async function checkKeys(
  host: LeaseKeysHost,
  { userName, authRevision }: Caller,
  id: bigint,
  isWrite: boolean,
): Promise<void> {
  const { auth, native, errors } = host;
  // Whoever may do everything may do it by the rights of any time.
  if (!auth.enabled || auth.isRoot(userName)) {
    return;
  }
  for (const key of await host.leaseKeys(id)) {
    const code = native.checkRange(userName, authRevision, isWrite, bytesOf(key), NO_END);
    if (code !== 0) {
      throw errors.fromCode(code);
    }
  }
}

/** @throws MetaStoreError AuthOldRevision, PermissionDenied */
export function checkRenewal(host: LeaseKeysHost, caller: Caller, id: bigint): Promise<void> {
  return checkKeys(host, caller, id, true);
}

/** @throws MetaStoreError AuthOldRevision, PermissionDenied */
export async function checkListing(
  host: LeaseKeysHost,
  caller: Caller,
  ids: readonly bigint[],
): Promise<void> {
  for (const id of ids) {
    await checkKeys(host, caller, id, false);
  }
}

/**
 * Answers about keys that the caller may read, if what was permitted is permitted still.
 *
 * @throws MetaStoreError AuthOldRevision, PermissionDenied
 */
export async function withReadableKeys<T>(
  host: LeaseKeysHost,
  caller: Caller,
  id: bigint,
  answer: () => Promise<T>,
): Promise<T> {
  const { revision } = host.auth;
  await checkListing(host, caller, [id]);
  const result = await answer();
  if (host.auth.enabled && host.auth.revision !== revision) {
    throw MetaStoreError.of('AuthOldRevision');
  }
  return result;
}
