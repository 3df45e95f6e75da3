// The replica loop: one turn per wake-up drives Raft for everything that waits. It takes what
// native code has completed, then peers' messages, then a tick, then proposals and reads, and hands
// out the work that Raft asks for. Storage writes are asynchronous: while one batch is being
// written the next one forms. Native code, peers and handlers only leave word here and wake it;
// nothing blocks.

import { assert } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import { type ErrorTable, MetaStoreError, type SharedErrorCode } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import {
  type Entry,
  type HardState,
  LOCAL_APPEND_THREAD,
  LOCAL_APPLY_THREAD,
  type Message,
  MessageType,
  NONE,
  type NodeId,
  RaftError,
  type RawNode,
  type Ready,
  StateType,
} from '../../raft/index.js';
import { NativePayload } from '../../storage/entry-run.js';
import type { AppendRun, HardStateRecord, MemberCore } from '../../storage/native.js';
import type { LogStorage } from './log-storage.js';
import type { ReadIndexRounds } from './read-index.js';
import type { TicketKind, Tickets } from './tickets.js';

/** What one turn takes from the proposal queue at most; more waits for the next turn. */
const TURN_OPERATIONS_MAX = 8192;
const TURN_BYTES_MAX = 16 << 20;
/** Bookkeeping of entries kept at hand behind the applied index. */
const RECENT_ENTRIES = 10_000;

export interface LoopParts {
  readonly core: MemberCore;
  readonly raw: RawNode;
  readonly storage: LogStorage;
  readonly reads: ReadIndexRounds;
  readonly tickets: Tickets;
  readonly errors: ErrorTable;
  readonly clock: Clock;
  readonly log: Logger;
  readonly tickMs: number;
  /** Time that a proposal or linearizable read may take. */
  readonly requestTimeoutMs: number;
}

/** What the rest of the member wants to know, called within a turn. */
export interface LoopEvents {
  /** Hands completions to their receivers; called at the start of each turn. */
  drainCompletions(): void;
  termChanged(term: number): void;
  leadershipChanged(lead: NodeId, isLeader: boolean): void;
  /** Sends messages to other members. */
  send(messages: readonly Message[]): void;
  ticked(nowMs: number): void;
  /** Text for a handed-over proposal whose time is up. */
  timeoutReason(startedMs: number): SharedErrorCode;
}

interface PendingApply {
  readonly index: number;
  readonly responses: readonly Message[];
}

export class ReplicaLoop {
  readonly #parts: LoopParts;
  readonly #events: LoopEvents;
  // Answers that Raft gets when the log write of that sequence number is durable.
  readonly #appends = new Map<number, readonly Message[]>();
  #applies: PendingApply[] = [];
  #inbox: Message[] = [];
  #sequence = 0;
  // Proposals that have left the native queue, in the order of tickets' proposal numbers.
  #handedOver = 0;
  #tickDue = false;
  #scheduled = false;
  #running = false;
  #lead: NodeId = NONE;
  #isLeader = false;
  #term = 0;
  #committed: number;
  #applied: number;
  #lastTurnMs = 0;
  #stopTicks: (() => void) | null = null;

  constructor(parts: LoopParts, events: LoopEvents) {
    this.#parts = parts;
    this.#events = events;
    const { hardState, applied } = parts.raw.basicStatus();
    this.#term = hardState.term;
    this.#committed = hardState.commit;
    this.#applied = applied;
  }

  get lead(): NodeId {
    return this.#lead;
  }
  get isLeader(): boolean {
    return this.#isLeader;
  }
  get term(): number {
    return this.#term;
  }
  get committedIndex(): number {
    return this.#committed;
  }
  get appliedIndex(): number {
    return this.#applied;
  }
  /** When the loop last ran: a paused process sees that it has been away. */
  get lastTurnMs(): number {
    return this.#lastTurnMs;
  }

  /** Begins to tick. */
  start(): void {
    assert(!this.#running, 'the loop is started once');
    this.#running = true;
    this.#lastTurnMs = this.#parts.clock.nowMs();
    this.#stopTicks = this.#parts.clock.every(this.#parts.tickMs, () => {
      this.#tickDue = true;
      this.wake();
    });
    this.wake();
  }

  /** No turn runs after this returns. */
  stop(): void {
    this.#running = false;
    this.#stopTicks?.();
    this.#stopTicks = null;
  }

  /** Runs a turn soon, together with everything else that comes until then. */
  wake(): void {
    if (!this.#scheduled && this.#running) {
      this.#scheduled = true;
      this.#parts.clock.soon(() => this.#scheduledTurn());
    }
  }

  /** Runs a turn now: native code has completed something. Not to be called within a turn. */
  wakeNow(): void {
    if (this.#running) {
      this.#turn();
    }
  }

  /** A message of another member, validated by the peer transport. */
  receive(message: Message): void {
    this.#inbox.push(message);
    this.wake();
  }

  /** Completion: log writes up to this sequence number are durable. */
  durable(sequence: number): void {
    const responses = this.#appends.get(sequence);
    assert(responses !== undefined, 'only writes that were asked for become durable');
    this.#appends.delete(sequence);
    this.#deliver(responses);
  }

  /** Completion: state holds everything up to the index. */
  applied(index: number): void {
    assert(index >= this.#applied, 'the applied index never goes back');
    this.#applied = index;
    let done = 0;
    for (const apply of this.#applies) {
      if (apply.index > index) {
        break;
      }
      this.#deliver(apply.responses);
      done++;
    }
    this.#applies.splice(0, done);
    this.#parts.storage.keepRecent(index - RECENT_ENTRIES);
  }

  #scheduledTurn(): void {
    // A turn that ran meanwhile has done the work already.
    if (this.#scheduled && this.#running) {
      this.#turn();
    }
  }

  #turn(): void {
    const { reads, clock } = this.#parts;
    this.#scheduled = false;
    this.#events.drainCompletions();
    const nowMs = clock.nowMs();
    this.#lastTurnMs = nowMs;
    for (const message of this.#inbox.splice(0)) {
      this.#step(message);
    }
    if (this.#tickDue) {
      this.#tickDue = false;
      this.#parts.raw.tick();
      this.#expire(nowMs);
      this.#events.ticked(nowMs);
    }
    this.#handReady();
    this.#propose();
    reads.turn(nowMs);
    this.#handReady();
    if (reads.waiting) {
      this.wake();
    }
  }

  #handReady(): void {
    const { raw } = this.#parts;
    while (raw.hasReady()) {
      this.#handle(raw.ready());
    }
  }

  #propose(): void {
    const { core, raw, tickets, errors } = this.#parts;
    if (!this.#isLeader || tickets.proposals === this.#handedOver) {
      return;
    }
    const sizes = core.takeProposals(TURN_OPERATIONS_MAX, TURN_BYTES_MAX, this.#term);
    if (sizes.length === 0) {
      return;
    }
    this.#handedOver += sizes.length;
    const payloads: NativePayload[] = [];
    for (const size of sizes) {
      payloads.push(new NativePayload(size));
    }
    try {
      raw.propose(payloads);
    } catch (error) {
      if (!(error instanceof RaftError)) {
        throw error;
      }
      core.dropProposals(sizes.length, errors.codeOf('ProposalDropped'));
    }
    if (tickets.proposals > this.#handedOver) {
      this.wake();
    }
  }

  #step(message: Message): void {
    try {
      this.#parts.raw.step(message);
    } catch (error) {
      if (!(error instanceof RaftError)) {
        throw error;
      }
      this.#parts.log.debug('dropped a raft message', { reason: error.message });
    }
  }

  #deliver(responses: readonly Message[]): void {
    const self = this.#parts.raw.raft.id;
    const remote: Message[] = [];
    for (const response of responses) {
      if (this.#isOldNews(response)) {
        continue;
      }
      if (response.to === self) {
        this.#step(response);
      } else {
        remote.push(response);
      }
    }
    if (remote.length > 0) {
      this.#events.send(remote);
    }
  }

  /** Each write reports the newest entry; of several done together all but one say it again. */
  #isOldNews({ type, index, snapshot }: Message): boolean {
    const { raw } = this.#parts;
    return (
      type === MessageType.StorageAppendResp &&
      index !== 0 &&
      snapshot === null &&
      raw.isStable(index)
    );
  }

  #handle(ready: Ready): void {
    const { storage, core, reads } = this.#parts;
    assert(ready.snapshot === null, 'nobody sends snapshots yet');
    if (ready.hardState !== null) {
      if (ready.hardState.term !== this.#term) {
        this.#term = ready.hardState.term;
        this.#events.termChanged(this.#term);
      }
      this.#committed = ready.hardState.commit;
      storage.setHardState(ready.hardState);
      core.setCommitted(ready.hardState.commit);
    }
    if (ready.softState !== null) {
      this.#noteLeadership(ready.softState.lead, ready.softState.raftState === StateType.Leader);
    }
    const remote: Message[] = [];
    for (const message of ready.messages) {
      if (message.to === LOCAL_APPEND_THREAD) {
        this.#append(message, ready.hardState, ready.mustSync);
      } else if (message.to === LOCAL_APPLY_THREAD) {
        this.#apply(message);
      } else {
        remote.push(message);
      }
    }
    if (remote.length > 0) {
      this.#events.send(remote);
    }
    for (const state of ready.readStates) {
      reads.answered(state);
    }
  }

  #noteLeadership(lead: NodeId, isLeader: boolean): void {
    const changed = lead !== NONE && lead !== this.#lead;
    this.#lead = lead;
    this.#isLeader = isLeader;
    if (changed) {
      this.#parts.reads.fail('LeaderChanged');
    }
    this.#events.leadershipChanged(lead, isLeader);
  }

  #append(message: Message, hardState: HardState | null, sync: boolean): void {
    const sequence = ++this.#sequence;
    this.#appends.set(sequence, message.responses);
    this.#parts.storage.append(message.entries);
    const record: HardStateRecord | null =
      hardState === null
        ? null
        : { term: hardState.term, vote: hardState.vote, commit: hardState.commit };
    this.#parts.core.append(sequence, appendRuns(message.entries), record, sync);
  }

  #apply(message: Message): void {
    const last = message.entries.at(-1);
    assert(last !== undefined, 'there is something to apply');
    this.#applies.push({ index: last.index, responses: message.responses });
    this.#parts.core.apply(last.index);
  }

  /** Ends what has waited too long. Proposals that never left the queue are dropped from it. */
  #expire(nowMs: number): void {
    const { core, errors, tickets, requestTimeoutMs } = this.#parts;
    const reason = (kind: TicketKind, startedMs: number) =>
      MetaStoreError.of(kind === 'read' ? 'Timeout' : this.#events.timeoutReason(startedMs));
    const left = tickets.expire(nowMs - requestTimeoutMs, this.#handedOver, reason);
    if (left > 0) {
      const taken = core.takeProposals(left, Number.MAX_SAFE_INTEGER, this.#term).length;
      this.#handedOver += taken;
      core.dropProposals(taken, errors.codeOf('DeadlineExceeded'));
    }
  }
}

/**
 * Entries as the native log takes them: runs out of the proposal queue, others with their bytes.
 */
export function appendRuns(entries: readonly Entry[]): AppendRun[] {
  const runs: AppendRun[] = [];
  for (let at = 0; at < entries.length; at++) {
    const entry = entries[at] as Entry;
    if (!(entry.data instanceof NativePayload)) {
      const { index, term, type } = entry;
      runs.push({ kind: 'inline', index, term, type, data: entry.data as Uint8Array | null });
      continue;
    }
    let count = 1;
    while (continuesRun(entries[at + count], entry.term)) {
      count++;
    }
    runs.push({ kind: 'queued', firstIndex: entry.index, term: entry.term, count });
    at += count - 1;
  }
  return runs;
}

function continuesRun(entry: Entry | undefined, term: number): boolean {
  return entry !== undefined && entry.data instanceof NativePayload && entry.term === term;
}
