// Who leads, and what follows from it: whether this member may act as the leader, what a request
// is told whose time is up, and handing leadership over. One per member, told by the replica loop
// of every change.

import { hexId } from '../../base/bytes.js';
import type { Clock } from '../../base/clock.js';
import { MetaStoreError, type SharedErrorCode } from '../../base/errors.js';
import type { Logger } from '../../base/log/logger.js';
import type { Membership } from '../../cluster/membership.js';
import { longestConnected, type PeerConnections } from '../../cluster/peers/types.js';
import { NONE, type NodeId } from '../../raft/index.js';
import type { ReplicaLoop } from '../replica/replica-loop.js';
import type { ExpiryAges } from '../serving/plane/gate.js';

/** A leader that has not run for this many ticks asks the others before it trusts itself. */
const ACTIVE_TICKS = 3;
/** How often it is looked whether leadership has gone over. */
const POLL_MS = 5;

export interface LeadershipParts {
  readonly id: bigint;
  readonly loop: ReplicaLoop;
  readonly membership: Membership;
  readonly connections: PeerConnections;
  readonly clock: Clock;
  readonly log: Logger;
  readonly tickMs: number;
  readonly electionTicks: number;
  readonly requestTimeoutMs: number;
  readonly linearizable: () => Promise<void>;
}

export class Leadership {
  readonly #parts: LeadershipParts;
  #electedMs = 0;
  #lead: NodeId = NONE;
  /** Times that another leader became known, for metrics. */
  changes = 0;

  constructor(parts: LeadershipParts) {
    this.#parts = parts;
  }

  /** The loop knows another leader. */
  changed(lead: NodeId): void {
    if (lead !== this.#lead) {
      this.#tell(lead);
    }
    if (lead !== NONE && lead !== this.#lead) {
      this.changes++;
    }
    this.#lead = lead;
    if (lead !== NONE) {
      this.#electedMs = this.#parts.clock.nowMs();
    }
  }

  /** Says in Raft's log who leads now; operators follow elections by these lines. */
  #tell(lead: NodeId): void {
    const { id, loop, log } = this.#parts;
    const [self, was, now] = [id, this.#lead, lead].map(hexId);
    const at = `at term ${loop.term}`;
    let text = `changed leader from ${was} to ${now}`;
    if (this.#lead === NONE) {
      text = `elected leader ${now}`;
    } else if (lead === NONE) {
      text = `lost leader ${was}`;
    }
    log.child('raft').info(`raft.node: ${self} ${text} ${at}`);
  }

  /** Resolves if this member leads beyond doubt. @throws MetaStoreError NotPrimaryLessor */
  async confirm(): Promise<void> {
    const { loop, clock, tickMs, linearizable } = this.#parts;
    if (loop.isLeader && clock.nowMs() - loop.lastTurnMs < ACTIVE_TICKS * tickMs) {
      return;
    }
    const { term } = loop;
    await linearizable().catch(() => undefined);
    if (!loop.isLeader || loop.term !== term) {
      throw MetaStoreError.of('NotPrimaryLessor');
    }
  }

  /** What a proposal is told whose time is up after it was handed to consensus. */
  timeoutReason(startedMs: number): SharedErrorCode {
    const { loop, id, tickMs, electionTicks } = this.#parts;
    const windowMs = 2 * electionTicks * tickMs;
    if (startedMs > this.#electedMs - windowMs && startedMs < this.#electedMs) {
      return 'TimeoutLeaderFailure';
    }
    if (loop.lead === NONE) {
      return 'Timeout';
    }
    const connected =
      loop.lead === id ? this.#quorumSince(startedMs) : this.#connectedSince(loop.lead, startedMs);
    return connected ? 'Timeout' : 'TimeoutConnectionLost';
  }

  /** The same as `timeoutReason`, for whoever knows ages alone. */
  expiryAges(): ExpiryAges {
    const { clock, tickMs, electionTicks } = this.#parts;
    const failureToMs = clock.nowMs() - this.#electedMs;
    const failureFromMs = failureToMs + 2 * electionTicks * tickMs;
    return { failureFromMs, failureToMs, connectedMs: clock.nowMs() - this.#connectedMs() };
  }

  /**
   * Hands leadership to a voter.
   *
   * @throws MetaStoreError NotLeader, BadLeaderTransferee, LeaderTransferTimeout
   */
  async transfer(to: NodeId): Promise<void> {
    const { loop, id, membership, clock, log, requestTimeoutMs } = this.#parts;
    if (!loop.isLeader) {
      throw MetaStoreError.of('NotLeader');
    }
    const target = membership.get(to);
    if (target === undefined || target.isLearner) {
      throw MetaStoreError.of('BadLeaderTransferee');
    }
    const names = { 'local-member-id': hexId(id), 'transferee-member-id': hexId(to) };
    log.info('leadership transfer starting', { 'current-leader-member-id': hexId(id), ...names });
    loop.tell((raw) => raw.transferLeader(to));
    const startedMs = clock.nowMs();
    while (loop.lead !== to) {
      if (clock.nowMs() - startedMs >= requestTimeoutMs) {
        throw MetaStoreError.named('LeaderTransferTimeout');
      }
      await new Promise<void>((resolve) => clock.after(POLL_MS, resolve));
    }
    const took = `${(clock.nowMs() - startedMs).toFixed(3)}ms`;
    log.info('leadership transfer finished', { ...names, took });
  }

  /** Before a stop: lets the voter lead that has been connected for longest, if there is one. */
  async handOver(): Promise<void> {
    const { loop, id, membership, connections, log } = this.#parts;
    const fields = { 'local-member-id': hexId(id) };
    const voters = membership.list().filter((member) => !member.isLearner);
    if (!loop.isLeader) {
      return;
    }
    if (voters.length === 1) {
      log.info('skipped leadership transfer for single voting member cluster', fields);
      return;
    }
    const others = voters.map((member) => member.id).filter((voter) => voter !== id);
    const to = longestConnected(connections, others);
    if (to === null) {
      log.warn('skipped leadership transfer; there is no connected voter', fields);
      return;
    }
    await this.transfer(to).catch((error: unknown) => {
      log.warn('leadership transfer failed', { ...fields, error });
    });
  }

  /** Since when those are connected that this member needs; in the future while they are not. */
  #connectedMs(): number {
    const { loop, id, membership, connections } = this.#parts;
    if (loop.lead === NONE) {
      return Number.NEGATIVE_INFINITY;
    }
    const since = (other: bigint) =>
      connections.connectedSinceMs(other) ?? Number.POSITIVE_INFINITY;
    if (loop.lead !== id) {
      return since(loop.lead);
    }
    const voters = membership.list().filter((member) => !member.isLearner);
    const times = voters.map((voter) =>
      voter.id === id ? Number.NEGATIVE_INFINITY : since(voter.id),
    );
    times.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    // The last one that a majority needs.
    return times[Math.floor(voters.length / 2)] ?? Number.POSITIVE_INFINITY;
  }

  #connectedSince(id: bigint, startedMs: number): boolean {
    const sinceMs = this.#parts.connections.connectedSinceMs(id);
    return sinceMs !== null && sinceMs <= startedMs;
  }

  #quorumSince(startedMs: number): boolean {
    const { id, membership } = this.#parts;
    const voters = membership.list().filter((member) => !member.isLearner);
    const connected = voters.filter(
      (member) => member.id === id || this.#connectedSince(member.id, startedMs),
    );
    return connected.length > voters.length / 2;
  }
}
