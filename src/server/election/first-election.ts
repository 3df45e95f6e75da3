// The first election after a start, which need not wait as long as others: a sole voter campaigns
// as soon as it has applied what is committed, and where a quorum is in sight the first timeout is
// cut short, since nobody can have led before this start. Called by Member with every tick and
// whenever entries have been applied.

import type { PeerConnections } from '../../cluster/peers/types.js';
import { NONE, type RawNode } from '../../raft/index.js';
import { isSoleVoter } from '../bootstrap/raft-node.js';
import type { LogStorage } from '../replica/disk/log-storage.js';
import type { ReplicaLoop } from '../replica/replica-loop.js';

/** A start is long enough ago then that its first election timeout is as good as any. */
const ADVANCE_WITHIN_MS = 5000;
/** Ticks left of the first election timeout when it is cut short. */
const ADVANCE_LEAVES_TICKS = 2;

export interface FirstElectionParts {
  readonly id: bigint;
  readonly raw: RawNode;
  readonly storage: LogStorage;
  readonly loop: ReplicaLoop;
  readonly connections: PeerConnections;
  readonly electionTicks: number;
}

export class FirstElection {
  readonly #parts: FirstElectionParts;
  #campaigned = false;
  // Until when the first wait for a leader may be cut short.
  #advanceUntilMs: number;

  /** @param startedMs when the member was started; null when no wait may be cut short */
  constructor(parts: FirstElectionParts, startedMs: number | null) {
    this.#parts = parts;
    this.#advanceUntilMs = startedMs === null ? 0 : startedMs + ADVANCE_WITHIN_MS;
  }

  /** Time has passed. Within a turn of the loop. */
  tick(nowMs: number): void {
    this.campaignAlone();
    if (nowMs >= this.#advanceUntilMs || this.#parts.loop.lead !== NONE) {
      return;
    }
    const { storage, connections, raw, electionTicks } = this.#parts;
    const { voters } = storage.initialState().confState;
    const seen = voters.filter((id) => connections.connectedSinceMs(id) !== null).length;
    if (voters.length > 1 && 2 * (seen + 1) > voters.length) {
      this.#advanceUntilMs = 0;
      for (let tick = ADVANCE_LEAVES_TICKS; tick < electionTicks; tick++) {
        raw.tick();
      }
    }
  }

  /** Nobody else can be the leader of a sole voter. */
  campaignAlone(): void {
    const { id, raw, storage, loop } = this.#parts;
    const caughtUp = loop.appliedIndex >= loop.committedIndex;
    if (!this.#campaigned && caughtUp && isSoleVoter(storage.initialState().confState, id)) {
      this.#campaigned = true;
      raw.campaign();
    }
  }
}
