// The replica loop: one turn per wake-up drives Raft for everything that waits. It takes what
// native code has completed, then peers' messages, then a tick, then proposals and reads, and hands
// out the work that Raft asks for. Storage writes are asynchronous: while one batch is being
// written the next one forms. Native code, peers and handlers only leave word here and wake it;
// nothing blocks.

import { assert } from '../../base/assert.js';
import { STAGE_SECONDS } from '../../base/metrics/definition.js';
import { Distribution } from '../../base/metrics/family.js';
import {
  type ConfChange,
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
import type { InstalledSnapshot } from '../../storage/native.js';
import { Inbox } from './inbox.js';
import {
  canRest,
  isLeadershipNews,
  isOldNews,
  type LoopEvents,
  type LoopParts,
  type PendingApply,
} from './loop-parts.js';

/** Bookkeeping of entries kept at hand behind the applied index. */
const RECENT_ENTRIES = 10_000;

export class ReplicaLoop {
  readonly #parts: LoopParts;
  readonly #events: LoopEvents;
  readonly #inbox: Inbox;
  #applies: PendingApply[] = [];
  #reports: ((raw: RawNode) => void)[] = [];
  #tickDue = false;
  #scheduled = false;
  #running = false;
  // The turn has not come to what others leave word of: it needs no other turn for that.
  #draining = false;
  #lead: NodeId = NONE;
  #isLeader = false;
  #term = 0;
  #committed: number;
  #applied: number;
  #appliedTerm: number;
  #lastTurnMs = 0;
  #turns = 0;
  #stopTicks: (() => void) | null = null;

  constructor(parts: LoopParts, events: LoopEvents, appliedTerm: number) {
    this.#parts = parts;
    this.#events = events;
    this.#inbox = new Inbox(parts.raw.raft);
    const { hardState, applied } = parts.raw.basicStatus();
    this.#term = hardState.term;
    this.#committed = hardState.commit;
    this.#applied = applied;
    this.#appliedTerm = appliedTerm;
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
  /** Leads, and has applied an entry of its term: it knows all that was ever committed. */
  get leadsApplied(): boolean {
    return this.#isLeader && this.#appliedTerm === this.#term;
  }
  /** When the loop last ran: a paused process sees that it has been away. */
  get lastTurnMs(): number {
    return this.#lastTurnMs;
  }
  /** Time that turns take, seconds. */
  readonly turnSeconds = new Distribution(STAGE_SECONDS);

  /** Turns taken so far: what JavaScript costs is told by how few there are. */
  get turns(): number {
    return this.#turns;
  }
  /** Whether apply has done everything that it was given. */
  get applyIdle(): boolean {
    return this.#applies.length === 0 && !this.#parts.grant.appliesBehind(this.#applied);
  }

  /** Begins to tick. */
  start(): void {
    assert(!this.#running, 'the loop is started once');
    this.#running = true;
    this.#lastTurnMs = this.#parts.clock.nowMs();
    this.#stopTicks = this.#parts.clock.every(this.#parts.tickMs, () => this.#tick());
    this.wake();
  }

  /**
   * A leader's heartbeats leave at once, before whatever else waits for its turn in this process.
   * Not after a stall: the answers that came meanwhile have to be read first, or Raft would judge
   * by old ones who can still be heard of.
   */
  #tick(): void {
    const { clock, tickMs } = this.#parts;
    this.#tickDue = true;
    if (this.#isLeader && clock.nowMs() - this.#lastTurnMs < 2 * tickMs) {
      this.wakeNow();
    } else {
      this.wake();
    }
  }

  /** No turn runs after this returns. */
  stop(): void {
    this.#running = false;
    this.#stopTicks?.();
    this.#stopTicks = null;
    this.#parts.writes.flush();
  }

  /** Runs a turn soon, together with everything else that comes until then. */
  wake(): void {
    if (!this.#scheduled && this.#running && !this.#draining) {
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

  /**
   * A message of another member, validated by the peer transport; `importId` names the received
   * state that belongs to a snapshot message.
   */
  receive(message: Message, importId = 0): void {
    this.#inbox.push({ message, importId });
    if (!canRest(this.#parts.raw, message)) {
      this.wake();
    }
  }

  /** Tells Raft something outside of any call of its own, in the next turn. */
  tell(report: (raw: RawNode) => void): void {
    this.#reports.push(report);
    this.wake();
  }

  /** Proposes a change of the membership. @throws RaftError 'proposal-dropped': try again */
  proposeConfChange(change: ConfChange): void {
    if (this.#inbox.isChanging) {
      throw new RaftError('proposal-dropped');
    }
    this.#parts.grant.revoke();
    this.#parts.raw.proposeConfChange(change);
    this.wake();
  }

  /** Answers of Raft's that have fallen due. */
  deliver(responses: readonly Message[]): void {
    const self = this.#parts.raw.raft.id;
    const remote: Message[] = [];
    for (const response of responses) {
      if (isOldNews(this.#parts.raw, response)) {
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

  /** Completion: state holds everything up to the index. */
  applied(index: number): void {
    assert(index >= this.#applied, 'the applied index never goes back');
    const { storage, raw } = this.#parts;
    this.#applied = index;
    storage.setApplied(index);
    this.#noteAppliedTerm(storage.term(index));
    let done = 0;
    for (const apply of this.#applies) {
      if (apply.index > index) {
        break;
      }
      this.deliver(apply.responses);
      done++;
    }
    this.#applies.splice(0, done);
    raw.adoptedApplied(index);
    storage.keepRecent(index - RECENT_ENTRIES);
  }

  /** A snapshot has replaced the state. */
  installed(state: InstalledSnapshot): void {
    this.#applied = state.appliedIndex;
    // With another one behind it that is told when that one is there: the log ends before it.
    if (!this.#parts.writes.awaitsSnapshot) {
      this.#parts.core.setCommitted(this.#committed);
    }
    this.#noteAppliedTerm(state.appliedTerm);
  }

  #noteAppliedTerm(term: number): void {
    if (term > this.#appliedTerm) {
      this.#appliedTerm = term;
      this.#events.termApplied(term);
    }
  }

  #scheduledTurn(): void {
    // A turn that ran meanwhile has done the work already.
    if (this.#scheduled && this.#running) {
      this.#turn();
    }
  }

  #turn(): void {
    const { raw, writes, proposals, reads, clock, grant, quiet } = this.#parts;
    this.#scheduled = false;
    this.#turns++;
    const beginMs = clock.nowMs();
    this.#draining = true;
    this.#events.drainCompletions();
    this.#draining = false;
    const nowMs = clock.nowMs();
    this.#lastTurnMs = nowMs;
    writes.turn();
    if (this.#inbox.hasReceived || this.#reports.length > 0) {
      // Whatever it is, Raft is to answer as the only one that appends.
      grant.revoke();
    }
    this.#takeInbox();
    for (const report of this.#reports.splice(0)) {
      report(raw);
    }
    if (this.#tickDue) {
      this.#tickDue = false;
      raw.tick();
      proposals.retry();
      this.#events.ticked(nowMs);
    }
    // Commits and new proposals make one Ready, and so one write, unless it first has to be known
    // who leads.
    if (isLeadershipNews(raw, this)) {
      this.#handReady();
    }
    proposals.turn(this);
    reads.turn(nowMs);
    this.#handReady();
    writes.turn();
    if (reads.waiting) {
      this.wake();
    }
    grant.renew();
    quiet.turned(this.#applied);
    this.turnSeconds.observe((clock.nowMs() - beginMs) / 1000);
  }

  #takeInbox(): void {
    const { writes } = this.#parts;
    for (const { message, importId } of this.#inbox.take()) {
      if (importId !== 0) {
        writes.received(message.snapshot?.metadata.index ?? 0, importId);
      }
      this.#step(message);
      if (importId !== 0) {
        this.#handReady();
        writes.dropUnwanted();
      }
    }
  }

  #handReady(): void {
    const { raw } = this.#parts;
    while (raw.hasReady()) {
      this.#handle(raw.ready());
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

  #handle(ready: Ready): void {
    const { storage, core, reads, writes } = this.#parts;
    if (ready.hardState !== null) {
      if (ready.hardState.term !== this.#term) {
        this.#term = ready.hardState.term;
        this.#events.termChanged(this.#term);
      }
      this.#committed = ready.hardState.commit;
      storage.setHardState(ready.hardState);
      // What is committed behind a snapshot is told when the snapshot is there.
      if (!writes.installing) {
        core.setCommitted(ready.hardState.commit);
      }
    }
    if (ready.softState !== null) {
      this.#noteLeadership(ready.softState.lead, ready.softState.raftState === StateType.Leader);
    }
    // A candidate that forgot its vote in a crash could ask twice in one term.
    const votes = ready.messages.filter(({ type }) => type === MessageType.Vote);
    const remote: Message[] = [];
    let held = false;
    for (const message of ready.messages) {
      if (message.to === LOCAL_APPEND_THREAD) {
        this.#append(message, ready.hardState, ready.mustSync, votes);
        held = true;
      } else if (message.to === LOCAL_APPLY_THREAD) {
        this.#apply(message);
      } else if (message.type !== MessageType.Vote) {
        remote.push(message);
      }
    }
    if (!held) {
      remote.push(...votes);
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
      this.#parts.proposals.retry();
    }
    this.#events.leadershipChanged(lead, isLeader);
  }

  #append(
    { entries, snapshot, responses }: Message,
    hardState: HardState | null,
    mustSync: boolean,
    votes: readonly Message[],
  ): void {
    const sync = mustSync || votes.length > 0;
    const due = votes.length > 0 ? [...votes, ...responses] : responses;
    const last = entries.at(-1);
    // Decided for the whole write: a change of the membership that is proposed later stands behind.
    const alone = votes.length === 0 && this.#parts.raw.raft.decidesAlone;
    if (alone && last !== undefined) {
      this.#parts.quiet.expect(last.index);
    }
    this.#parts.writes.write({ entries, hardState, snapshot, sync, alone, responses: due });
  }

  #apply(message: Message): void {
    const last = message.entries.at(-1);
    assert(last !== undefined, 'there is something to apply');
    if (last.index <= this.#applied) {
      // What was decided alone is applied before Raft is told that it is committed.
      this.deliver(message.responses);
      return;
    }
    this.#applies.push({ index: last.index, responses: message.responses });
    // Nothing here waits for it: reads do, and results leave, without this thread.
    this.#parts.quiet.expect(last.index);
    this.#parts.core.apply(last.index, true);
  }
}
