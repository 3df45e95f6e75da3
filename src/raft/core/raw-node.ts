// The consensus core's interface: one replica's state machine, driven by its caller. Inputs are
// ticks, messages, proposals and reports; the output is Ready, the work that follows. It does no
// I/O, reads no clock and holds no timers; the same inputs give the same outputs. README.md
// states what the caller owes. Used by the replica loop, the simulator and the tests.

import { assert, panic } from '../base/assert.js';
import { RaftError } from '../base/errors.js';
import type {
  ConfChange,
  ConfChangeV2,
  ConfState,
  Entry,
  HardState,
  Message,
  NodeId,
  Payload,
  Ready,
  SoftState,
} from '../base/types.js';
import { ConfChangeType, EntryType, MessageType, NONE, StateType } from '../base/types.js';
import type { TrackerConfig } from '../tracker/config.js';
import type { Progress } from '../tracker/progress.js';
import { checkMessage } from '../wire/check.js';
import { asConfChangeV2, encodeConfChange, encodeConfChangeV2 } from '../wire/codec.js';
import {
  emptyHardState,
  entriesSize,
  isLocalMessage,
  isResponseMessage,
  isStorageThread,
  makeEntry,
  makeMessage,
} from '../wire/messages.js';
import type { Config } from './config.js';
import { resolveConfig } from './config.js';
import { applyConfChange } from './membership.js';
import { Raft } from './raft.js';
import type { Reported } from './ready.js';
import { appliesUnstable, composeReady, hasReady, stepsOnAdvance } from './ready.js';
import { adoptEntries, applyAdopted, handOutAdopted } from './replication.js';
import { step, tick } from './step.js';

/** A first member of a new cluster. */
export interface Peer {
  readonly id: NodeId;
  readonly context: Uint8Array | null;
}

export interface BasicStatus {
  readonly id: NodeId;
  readonly hardState: HardState;
  readonly softState: SoftState;
  readonly applied: number;
  readonly leadTransferee: NodeId;
}

export interface Status extends BasicStatus {
  readonly config: TrackerConfig;
  /** The leader's view of every replica, copied; empty on others. */
  readonly progress: ReadonlyMap<NodeId, Progress>;
}

export class RawNode {
  /** The state machine itself: for tests and diagnosis, not to be changed. */
  readonly raft: Raft;
  // What the last Ready told; the next one shows what is different.
  #reported: Reported;
  // Reports that fall due at advance(). Use: without asyncStorageWrites, between ready and
  // advance; else empty.
  #stepsOnAdvance: Message[] = [];

  /** @throws RaftPanicError if the configuration or the storage's state is impossible */
  constructor(config: Config) {
    this.raft = new Raft(resolveConfig(config));
    this.#reported = { softState: this.raft.softState(), hardState: this.raft.hardState() };
  }

  /** One tick of the logical clock. */
  tick(): void {
    tick(this.raft);
  }

  /** Starts an election, if this replica may. */
  campaign(): void {
    step(this.raft, makeMessage(MessageType.Hup, NONE));
  }

  /**
   * Proposes one normal entry per payload, all of them or none. On a follower they are
   * forwarded to the leader and may still get lost.
   *
   * @param payloads at least one
   * @throws RaftError 'proposal-dropped'
   */
  propose(payloads: readonly Payload[]): void {
    assert(payloads.length > 0, 'a proposal has at least one entry');
    const entries = new Array<Entry>(payloads.length);
    for (let i = 0; i < payloads.length; i++) {
      entries[i] = makeEntry(EntryType.Normal, 0, 0, payloads[i] as Payload);
    }
    this.#mustStep(makeMessage(MessageType.Prop, NONE, { from: this.raft.id, entries }));
  }

  /**
   * Proposes a membership change. A change that the rules do not allow now becomes an empty
   * entry, without an error.
   *
   * @throws RaftError 'proposal-dropped'
   */
  proposeConfChange(change: ConfChange | ConfChangeV2): void {
    const entry =
      'changes' in change
        ? makeEntry(EntryType.ConfChangeV2, 0, 0, encodeConfChangeV2(change))
        : makeEntry(EntryType.ConfChange, 0, 0, encodeConfChange(change));
    this.#mustStep(makeMessage(MessageType.Prop, NONE, { entries: [entry] }));
  }

  /**
   * Takes over normal entries that storage has appended, and applies when they are durable, in the
   * name of this leader of the term, which is the whole cluster (`isAlone`) and has handed out all
   * its own (`isHandedOut`). They lie directly behind those; storage tells of them already.
   * `adopted` commits them; they do not count for the limit of uncommitted bytes.
   */
  adopt(term: number, first: number, count: number): void {
    adoptEntries(this.raft, term, first, count);
  }

  /**
   * Tells that everything up to the index is durable, which storage has appended in the name of
   * this leader of the term. Without effect when the term is over.
   */
  adopted(term: number, index: number): void {
    const { raft } = this;
    const response = { from: raft.id, term, index };
    step(raft, makeMessage(MessageType.AppResp, raft.id, response));
    handOutAdopted(raft, index);
  }

  /** Tells that storage has applied what it has appended up to the index. */
  adoptedApplied(index: number): void {
    applyAdopted(this.raft, index);
  }

  /** Whether this leader is the whole cluster and nothing of it is about to change. */
  get isAlone(): boolean {
    const { raft } = this;
    return raft.decidesAlone && raft.tracker.ids.length === 1 && raft.leadTransferee === NONE;
  }

  /** Whether storage has been handed everything that was appended. */
  get isHandedOut(): boolean {
    const { unstable } = this.raft.log;
    return !unstable.hasNextEntries() && unstable.snapshot === null;
  }

  /** The index of the last entry of the log. */
  get lastIndex(): number {
    return this.raft.log.lastIndex();
  }

  /**
   * Feeds a message from a peer, or an answer from a storage thread.
   *
   * @throws RaftError 'step-local-message' or 'step-peer-not-found' for messages that must not
   *   come this way, 'invalid-message' or 'invalid-conf-change' for malformed ones,
   *   'proposal-dropped' for a forwarded proposal; the state is unchanged in all cases
   */
  step(message: Message): void {
    const fromThread = isStorageThread(message.from);
    if (isLocalMessage(message.type) && !fromThread) {
      throw new RaftError('step-local-message');
    }
    const { progress } = this.raft.tracker;
    if (isResponseMessage(message.type) && !fromThread && !progress.has(message.from)) {
      throw new RaftError('step-peer-not-found');
    }
    checkMessage(message);
    this.#mustStep(message);
  }

  /**
   * Asks for an index from which a linearizable read may be served. The answer comes as a
   * ReadState with the same bytes, or never: the caller asks again after a while.
   */
  readIndex(context: Uint8Array): void {
    const entries = [makeEntry(EntryType.Normal, 0, 0, context)];
    step(this.raft, makeMessage(MessageType.ReadIndex, NONE, { entries }));
  }

  /** Whether there is work for the caller. */
  hasReady(): boolean {
    return hasReady(this.raft, this.#reported);
  }

  /**
   * The work that has come up since the last call. It has to be done; with asyncStorageWrites by
   * delivering the messages' responses, otherwise before advance() is called.
   */
  ready(): Ready {
    const { raft } = this;
    const ready = composeReady(raft, this.#reported);
    this.#reported = {
      softState: ready.softState ?? this.#reported.softState,
      hardState: ready.hardState ?? this.#reported.hardState,
    };
    if (!raft.config.asyncStorageWrites) {
      if (this.#stepsOnAdvance.length > 0) {
        panic(raft.logger, 'two accepted Ready structs without call to Advance');
      }
      this.#stepsOnAdvance = stepsOnAdvance(raft, ready);
    }
    raft.readStates = [];
    raft.messages = [];
    raft.messagesAfterAppend = [];
    raft.log.unstable.acceptInProgress();
    const last = ready.committedEntries[ready.committedEntries.length - 1];
    if (last !== undefined) {
      const bytes = entriesSize(ready.committedEntries);
      raft.log.acceptApplying(last.index, bytes, appliesUnstable(raft));
    }
    return ready;
  }

  /** Tells that the last Ready's work is done. Not with asyncStorageWrites. */
  advance(): void {
    const { raft } = this;
    if (raft.config.asyncStorageWrites) {
      panic(raft.logger, 'Advance must not be called when using AsyncStorageWrites');
    }
    const steps = this.#stepsOnAdvance;
    this.#stepsOnAdvance = [];
    for (const message of steps) {
      step(raft, message);
    }
  }

  /**
   * Applies a committed membership change; to be called for each in log order, before the
   * entry is reported as applied.
   *
   * @param index the entry's index. With asyncStorageWrites it must be given: a snapshot can
   *   arrive while older entries are being applied, and the changes in those are then part of
   *   the configuration already and must not be made again.
   * @returns the membership from now on, to be stored with the next snapshot
   */
  applyConfChange(change: ConfChange | ConfChangeV2, index = Number.POSITIVE_INFINITY): ConfState {
    if (index <= this.raft.configIndex) {
      return this.raft.tracker.confState();
    }
    return applyConfChange(this.raft, asConfChangeV2(change));
  }

  /** Tells that the last message to a peer was not delivered. */
  reportUnreachable(id: NodeId): void {
    step(this.raft, makeMessage(MessageType.Unreachable, NONE, { from: id }));
  }

  /** Tells whether a snapshot reached the peer; without this a lost one stops replication. */
  reportSnapshot(id: NodeId, ok: boolean): void {
    step(this.raft, makeMessage(MessageType.SnapStatus, NONE, { from: id, reject: !ok }));
  }

  /** Hands leadership to a voter, if that works within an election timeout. */
  transferLeader(target: NodeId): void {
    step(this.raft, makeMessage(MessageType.TransferLeader, NONE, { from: target }));
  }

  /** Makes a follower forget its leader, so that it votes at once. */
  forgetLeader(): void {
    step(this.raft, makeMessage(MessageType.ForgetLeader, NONE));
  }

  /** Whether everything up to the index is known to be durable here. */
  isStable(index: number): boolean {
    return index < this.raft.log.unstable.offset;
  }

  basicStatus(): BasicStatus {
    const { raft } = this;
    return {
      id: raft.id,
      hardState: raft.hardState(),
      softState: raft.softState(),
      applied: raft.log.applied,
      leadTransferee: raft.leadTransferee,
    };
  }

  status(): Status {
    const { raft } = this;
    const progress = new Map<NodeId, Progress>();
    if (raft.state === StateType.Leader) {
      for (const id of raft.tracker.ids) {
        progress.set(id, (raft.tracker.progress.get(id) as Progress).clone());
      }
    }
    return { ...this.basicStatus(), config: raft.tracker.config, progress };
  }

  /**
   * Starts a new cluster: the log begins with one committed change per member. Every first
   * member does the same with the same list.
   *
   * @throws RaftError 'invalid-bootstrap' on an empty list or a storage that is not empty
   */
  bootstrap(peers: readonly Peer[]): void {
    if (peers.length === 0) {
      throw new RaftError('invalid-bootstrap', 'must provide at least one peer to Bootstrap');
    }
    const { raft } = this;
    if (raft.log.storage.lastIndex() !== 0) {
      throw new RaftError('invalid-bootstrap', "can't bootstrap a nonempty Storage");
    }
    // Nothing of the state that follows is stored yet, so all of it is news.
    this.#reported = { softState: this.#reported.softState, hardState: emptyHardState };
    raft.becomeFollower(1, NONE);
    const changes = peers.map(
      (peer): ConfChange => ({
        id: 0n,
        type: ConfChangeType.AddNode,
        nodeId: peer.id,
        context: peer.context,
      }),
    );
    raft.log.append(
      changes.map((change, i) =>
        makeEntry(EntryType.ConfChange, 1, i + 1, encodeConfChange(change)),
      ),
    );
    // Committed by agreement of those who bootstrap. Applied to the configuration now, so that
    // a campaign can start before the caller has applied them; that is done twice then.
    raft.log.committed = changes.length;
    for (const change of changes) {
      this.applyConfChange(change);
    }
  }

  #mustStep(message: Message): void {
    if (!step(this.raft, message)) {
      throw new RaftError('proposal-dropped');
    }
  }
}
