// The grant of proposals: while this member is the whole cluster, the native log takes what is
// proposed by itself, and Raft takes the entries over afterwards (MemberCore.grantProposals). This
// decides when that is granted, and takes it back before Raft appends anything of its own or could
// stop to lead. Driven by the replica loop; docs/transport/data-plane.md has the whole course.

import { assert } from '../../../base/assert.js';
import type { Distribution } from '../../../base/metrics/family.js';
import type { RawNode } from '../../../raft/index.js';
import type { MemberCore } from '../../../storage/native.js';
import type { LogStorage } from './log-storage.js';
import type { QuietProgress } from './quiet-progress.js';

/** What the log takes at once. */
const RUN_BYTES_MAX = 16 << 20;
/**
 * Entries that may wait to be applied while more are taken: fewer than those above which requests
 * are refused.
 */
const AHEAD_ENTRIES_MAX = 4096;
/** Numbers in front of the runs that grantedEntries() tells of: what is durable, the first one. */
const HEAD_FIELDS = 2;

export interface GrantParts {
  readonly core: Pick<MemberCore, 'grantProposals' | 'grantedEntries' | 'revokeGrant'>;
  readonly raw: RawNode;
  readonly storage: Pick<LogStorage, 'adopt'>;
  readonly quiet: Pick<QuietProgress, 'expect' | 'news'>;
  /** Where proposals that went into the log together are counted. */
  readonly batchOperations: Pick<Distribution, 'observe'>;
  /** Operations that may be taken together; 0: proposals are put together in another way. */
  readonly runOperations: number;
  /** Whether a snapshot is being installed. */
  readonly installing: () => boolean;
  /** What has been left to native code is TypeScript's again. */
  readonly revoked: () => void;
  /** Makes all that Raft hands out from now on wait until what the log has is durable. */
  readonly barrier: () => void;
}

export class Grant {
  readonly #parts: GrantParts;
  #holds = false;
  // Of the grant that holds, or of the last one.
  #term = 0;
  // The last entry that was taken over, and the last that is known to be durable. Invariant: Raft
  // has been told of both.
  #last = 0;
  #durable = 0;

  constructor(parts: GrantParts) {
    this.#parts = parts;
  }

  /** Whether proposals are left to native code. */
  get holds(): boolean {
    return this.#holds;
  }

  /** Whether apply has yet to come to something that was appended so. */
  appliesBehind(applied: number): boolean {
    return this.#last > applied;
  }

  /** Raft takes over what has been appended so far. */
  takeOver(): void {
    if (this.#term !== 0) {
      this.#take(this.#parts.core.grantedEntries());
    }
  }

  /** Nothing is appended any more but by Raft, which knows of all that has been. */
  revoke(): void {
    if (this.#holds) {
      this.#holds = false;
      this.#take(this.#parts.core.revokeGrant());
      if (this.#durable < this.#last) {
        this.#parts.barrier();
      }
      this.#parts.revoked();
    }
  }

  /** Grants again what can be granted; where a turn of the loop ends. */
  renew(): void {
    const { core, raw, runOperations, installing } = this.#parts;
    const may = runOperations > 0 && raw.isAlone && raw.isHandedOut && !installing();
    if (this.#holds) {
      assert(may, 'a grant is taken back before anything changes');
      return;
    }
    if (!may) {
      return;
    }
    const { raft } = raw;
    const aheadBytes = Math.min(raft.config.maxUncommittedEntriesSize, Number.MAX_SAFE_INTEGER);
    const first = raw.lastIndex + 1;
    this.#holds = core.grantProposals(
      raft.term,
      first,
      Math.min(runOperations, AHEAD_ENTRIES_MAX),
      RUN_BYTES_MAX,
      AHEAD_ENTRIES_MAX,
      aheadBytes,
    );
    if (this.#holds) {
      this.#term = raft.term;
    }
  }

  #take(told: Float64Array): void {
    if (told.length === 0) {
      return;
    }
    const [durable = 0, first = 0] = told;
    const { raw, storage, quiet, batchOperations } = this.#parts;
    let count = 0;
    for (const entries of told.subarray(HEAD_FIELDS)) {
      batchOperations.observe(entries);
      count += entries;
    }
    if (count > 0) {
      storage.adopt(first, count);
      raw.adopt(this.#term, first, count);
      this.#last = first + count - 1;
      quiet.expect(this.#last);
    }
    if (durable > this.#durable) {
      this.#durable = durable;
      raw.adopted(this.#term, durable);
    }
    quiet.news();
  }
}
