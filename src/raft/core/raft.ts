// The state of one replica's consensus state machine, and the few operations on it that every
// role needs: reset, become a follower, count votes' basis. The roles' message handling is in
// roles/, the term rules and dispatch in step.ts, sending to peers in replication.ts. All of
// them take a Raft as their first argument; only RawNode makes one. Raft paper §5.

import { assert, panic } from '../base/assert.js';
import type { HardState, Logger, Message, NodeId, ReadState, SoftState } from '../base/types.js';
import { NONE, StateType } from '../base/types.js';
import { restoreConfig } from '../confchange/restore.js';
import { RaftLog } from '../log/raft-log.js';
import { configText } from '../tracker/config.js';
import { ProgressTracker } from '../tracker/tracker.js';
import { isEmptyHardState } from '../wire/messages.js';
import { hex } from '../wire/text.js';
import type { ResolvedConfig } from './config.js';
import { ReadOnlyQueue } from './roles/read-only.js';

export class Raft {
  readonly id: NodeId;
  readonly config: ResolvedConfig;
  readonly logger: Logger;

  // The latest term seen. Only grows. Invariant: at least the term of every log entry.
  term = 0;
  // Who got this replica's vote in `term`; changes at most once per term, from NONE.
  vote: NodeId = NONE;
  readonly log: RaftLog;

  state: StateType = StateType.Follower;
  // The leader of `term` as far as known; own id exactly when the state is Leader.
  lead: NodeId = NONE;
  tracker: ProgressTracker;
  // The index of the last restored snapshot: the configuration contains every change up to it,
  // although entries below that were handed out before may still be on their way to be applied.
  configIndex = 0;
  // Whether this replica is in the configuration as a learner.
  isLearner = false;

  // Messages that may be sent at once. Invariant: none to this replica itself.
  messages: Message[] = [];
  // Messages that promise something about durable state: to be sent once everything that was
  // unstable when they were queued is durable. May contain messages to this replica itself.
  messagesAfterAppend: Message[] = [];
  readStates: ReadState[] = [];
  readonly readOnly = new ReadOnlyQueue();
  // Reads that came before this leader had committed an entry of its own term.
  pendingReadIndexMessages: Message[] = [];

  // The peer that leadership is being handed to. Use: as leader, else NONE.
  leadTransferee: NodeId = NONE;
  // At or below this index may lie a configuration change that is not applied. Only when it is
  // applied may another one be proposed. Use: as leader.
  pendingConfIndex = 0;
  // The last run of entries without a gap that storage has appended in this replica's name.
  // Invariant: normal entries, of terms in which it led and was the whole cluster.
  adopted: { readonly first: number; readonly last: number } | null = null;
  // Payload bytes of the leader's entries that are not known to be applied; an estimate that
  // never goes below 0.
  uncommittedBytes = 0;

  // Ticks since the last contact with a leader, or, for a leader, since the last quorum check.
  electionElapsed = 0;
  // Ticks since the last heartbeat. Use: as leader.
  heartbeatElapsed = 0;
  // Invariant: in [electionTick, 2 * electionTick), unless set by a test.
  randomizedElectionTimeout = 0;

  /**
   * Whether this leader is the only voter and no change of the membership is under way: what it
   * has appended is then committed as soon as it is durable here.
   */
  get decidesAlone(): boolean {
    return (
      this.state === StateType.Leader &&
      this.tracker.isSingleton &&
      this.tracker.config.voters.has(this.id) &&
      this.pendingConfIndex <= this.log.applied
    );
  }

  constructor(config: ResolvedConfig) {
    this.id = config.id;
    this.config = config;
    this.logger = config.logger;
    const { hardState, confState } = config.storage.initialState();
    this.log = new RaftLog(config.storage, config.logger, config.maxCommittedSizePerReady);
    this.tracker = this.newTracker();
    const base = {
      lastIndex: this.log.lastIndex(),
      newInflights: () => this.tracker.newInflights(),
    };
    const restored = restoreConfig(base, confState);
    this.tracker.replace(restored.config, restored.progress);
    this.noteSwitch();
    if (!isEmptyHardState(hardState)) {
      this.#loadHardState(hardState);
    }
    if (config.applied > 0) {
      this.log.appliedTo(config.applied, 0);
    }
    this.becomeFollower(this.term, NONE);
    this.#logStart();
  }

  newTracker(): ProgressTracker {
    return new ProgressTracker(this.config.maxInflightMsgs, this.config.maxInflightBytes);
  }

  hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.committed };
  }

  softState(): SoftState {
    return { lead: this.lead, raftState: this.state };
  }

  /** Whether this replica may start elections. */
  promotable(): boolean {
    const own = this.tracker.progress.get(this.id);
    return own !== undefined && !own.isLearner && this.log.unstable.snapshot === null;
  }

  /** Takes note of a configuration that was just switched to. */
  noteSwitch(): void {
    this.logger.info(
      () => `${hex(this.id)} switched to configuration ${configText(this.tracker.config)}`,
    );
    this.isLearner = this.tracker.progress.get(this.id)?.isLearner ?? false;
  }

  /** Clears what belongs to one term or one role. */
  reset(term: number): void {
    // 0: a message of no term, which peers never send (see checkPeerMessage).
    assert(term >= this.term || term === 0, 'terms never go back');
    if (this.term !== term) {
      this.term = term;
      this.vote = NONE;
    }
    this.lead = NONE;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    this.#randomizeElectionTimeout();
    this.abortLeaderTransfer();
    this.tracker.resetVotes();
    this.tracker.resetProgress(this.id, this.log.lastIndex());
    this.pendingConfIndex = 0;
    this.uncommittedBytes = 0;
    this.readOnly.reset();
  }

  becomeFollower(term: number, lead: NodeId): void {
    this.reset(term);
    this.lead = lead;
    this.state = StateType.Follower;
    this.logger.info(() => `${hex(this.id)} became follower at term ${this.term}`);
  }

  abortLeaderTransfer(): void {
    this.leadTransferee = NONE;
  }

  /** `[logterm: …, index: …, vote: …]`: how log lines about votes describe this replica. */
  voteText(): string {
    const { log } = this;
    return `[logterm: ${log.lastTerm()}, index: ${log.lastIndex()}, vote: ${hex(this.vote)}]`;
  }

  #randomizeElectionTimeout(): void {
    const { electionTick, random } = this.config;
    const extra = random(electionTick);
    assert(Number.isInteger(extra) && extra >= 0 && extra < electionTick, 'random is in range');
    this.randomizedElectionTimeout = electionTick + extra;
  }

  #loadHardState(state: HardState): void {
    const last = this.log.lastIndex();
    if (state.commit < this.log.committed || state.commit > last) {
      const range = `[${this.log.committed}, ${last}]`;
      const text = `state.commit ${state.commit} is out of range ${range}`;
      panic(this.logger, `${hex(this.id)} ${text}`);
    }
    this.log.committed = state.commit;
    this.term = state.term;
    this.vote = state.vote;
  }

  #logStart(): void {
    const { log, term } = this;
    const peers = this.tracker.voterIds.map(hex).join(',');
    this.logger.info(
      () =>
        `newRaft ${hex(this.id)} [peers: [${peers}], term: ${term}, commit: ${log.committed}, ` +
        `applied: ${log.applied}, lastindex: ${log.lastIndex()}, lastterm: ${log.lastTerm()}]`,
    );
  }
}
