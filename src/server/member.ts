// One member at run time: owns the native core, the Raft node and everything between, and is the
// narrow asynchronous interface through which the services of src/api reach them. Composed by
// src/app. Life: open (recover), start (join, lead, publish; resolves when ready to serve), stop.

import { assert } from '../base/assert.js';
import { bytesOf } from '../base/bytes.js';
import type { ServerStream } from '../base/call.js';
import type { Clock } from '../base/clock.js';
import { type ErrorTable, MetaStoreError } from '../base/errors.js';
import type { Logger } from '../base/log/logger.js';
import type * as rpc from '../base/proto/messages.js';
import type { MemberInfo, Membership } from '../cluster/membership.js';
import type { PeerConnections, PeerEvents, PeersFactory } from '../cluster/peers/types.js';
import { type ConfChange, NONE, type NodeId } from '../raft/index.js';
import type { Alarms } from '../state/alarms.js';
import type { AuthState } from '../state/auth/auth-state.js';
import { LeaseExpiry } from '../state/lease/expiry.js';
import type { Checkpoint, Lessor } from '../state/lease/lessor.js';
import { unpackKeys } from '../storage/completions.js';
import type { Addon, CoreStatus, MemberCore, Methods, OpenedCore } from '../storage/native.js';
import { assemble, type MemberParts, reportOpened } from './assembly.js';
import { plannedMembers } from './bootstrap/plan.js';
import { FirstElection } from './election/first-election.js';
import { Announcements } from './membership/announcements.js';
import { VersionMonitor } from './membership/version-monitor.js';
import type { MemberOptions } from './options.js';
import type { ReplicaLoop } from './replica/replica-loop.js';
import type { TicketKind } from './replica/requests/tickets.js';
import { type Caller, nobody } from './serving/caller.js';
import { MemberCounts } from './serving/counts.js';
import { checkpointLeases, leaseProposals } from './serving/lease-proposals.js';
import { expireRequests } from './serving/plane/expiry.js';
import type { PlaneGate } from './serving/plane/gate.js';
import { typeOfInternal } from './serving/request-times.js';
import type { ResolveCaller } from './serving/watch-streams.js';
import type { Backups } from './upkeep/backups.js';

export class Member {
  readonly lessor: Lessor;
  readonly backups: Backups;
  /** What its parts count, for metrics. */
  readonly counts: MemberCounts;
  readonly alarms: Alarms;
  readonly auth: AuthState;
  readonly membership: Membership;
  readonly errors: ErrorTable;
  readonly id: bigint;
  readonly clusterId: bigint;
  readonly options: MemberOptions;
  readonly #addon: Addon;
  readonly #core: MemberCore;
  readonly #clock: Clock;
  readonly #parts: MemberParts;
  readonly #loop: ReplicaLoop;
  readonly #expiry: LeaseExpiry;
  readonly #announcements: Announcements;
  readonly #versions: VersionMonitor;
  readonly #firstElection: FirstElection;
  #revision: number;
  #stopping = false;

  private constructor(
    addon: Addon,
    opened: OpenedCore,
    options: MemberOptions,
    clock: Clock,
    log: Logger,
    makePeers: PeersFactory,
  ) {
    const { core, recovered } = opened;
    this.options = options;
    this.id = recovered.memberId;
    this.clusterId = recovered.clusterId;
    this.#addon = addon;
    this.#core = core;
    this.#clock = clock;
    this.#revision = recovered.revision;
    const events = {
      leadershipChanged: (lead: NodeId, isLeader: boolean) =>
        this.#leadershipChanged(lead, isLeader),
      ticked: (nowMs: number) => this.#ticked(nowMs),
      applied: (index: number, revision: number) => this.#applied(index, revision),
      quotaExceeded: () => this.#announcements.noSpace(),
      linearizable: () => this.linearizable(),
      removed: () => options.onRemoved(),
      header: () => this.header(),
    };
    this.#parts = assemble({ addon, opened, options, clock, log, makePeers, events });
    this.errors = this.#parts.errors;
    this.membership = this.#parts.membership;
    this.alarms = this.#parts.alarms;
    this.auth = this.#parts.auth;
    this.lessor = this.#parts.lessor;
    this.backups = this.#parts.backups;
    this.#loop = this.#parts.loop;
    this.#firstElection = new FirstElection(
      {
        ...this.#parts,
        id: this.id,
        connections: this.#parts.peers,
        electionTicks: options.electionTicks,
      },
      options.initialElectionTickAdvance ? clock.nowMs() : null,
    );
    this.#announcements = new Announcements(this, clock, log);
    this.#versions = new VersionMonitor(this, log);
    this.#expiry = new LeaseExpiry(this.lessor, leaseProposals(this), log);
    this.counts = new MemberCounts(this.#parts, this.#expiry, addon, core);
  }

  /**
   * Opens the data directory and recovers what it holds. Nothing runs until `start`.
   *
   * @throws Error whose `code` names the refusal (Locked, Damaged, WrongFormat, Io) and whose
   *   message names the file
   */
  static async open(
    addon: Addon,
    options: MemberOptions,
    clock: Clock,
    log: Logger,
    makePeers: PeersFactory,
  ): Promise<Member> {
    let member: Member | null = null;
    // Before the member exists there is nothing to complete that would not come again.
    const opened = await addon.open(options.core, () => member?.onWake());
    const { recovered } = opened;
    reportOpened(recovered, options, log);
    assert(recovered.memberId !== 0n, 'a member that has been opened has an id');
    member = new Member(addon, opened, options, clock, log, makePeers);
    return member;
  }

  /** Resolves once a leader is known and this member has published itself. */
  async start(): Promise<void> {
    this.#loop.start();
    this.membership.onChange(() => this.#updatePeers());
    this.membership.expect(plannedMembers(this.options.bootstrap));
    await this.#announcements.attributes();
    await this.#versions.decided(this.#clock);
  }

  /** Ends streams and all that waits, and closes. The data directory is free afterwards. */
  async stop(): Promise<void> {
    if (this.#stopping) {
      return;
    }
    this.#stopping = true;
    this.gate.close();
    this.#announcements.stop();
    this.#parts.watches.close();
    this.lessor.demote();
    const disconnected = this.#parts.peers.stop();
    this.#parts.reads.failAll('Stopped');
    this.#core.failAll(this.errors.codeOf('Stopped'));
    this.#loop.stop();
    this.#parts.waits.fail();
    this.#parts.control.changes.stop();
    this.#parts.tickets.failAll(MetaStoreError.of('Stopped'));
    await disconnected;
    await this.#core.close();
  }

  /** What the data plane may serve by itself. */
  get gate(): PlaneGate {
    return this.#parts.gate;
  }
  get leader(): NodeId {
    return this.#loop.lead;
  }
  get isLeader(): boolean {
    return this.#loop.isLeader;
  }
  get isLearner(): boolean {
    return this.membership.get(this.id)?.isLearner ?? false;
  }
  get stopping(): boolean {
    return this.#stopping;
  }
  get raftTerm(): number {
    return this.#loop.term;
  }
  get committedIndex(): number {
    return this.#loop.committedIndex;
  }
  get appliedIndex(): number {
    return this.#loop.appliedIndex;
  }
  get compactionHashes(): Float64Array {
    return this.#core.compactionHashes();
  }
  get nowMs(): number {
    return this.#clock.nowMs();
  }

  coreStatus(): CoreStatus {
    return this.#core.status();
  }

  /** The header of an answer that is given now. */
  header(): rpc.ResponseHeader {
    return {
      cluster_id: this.clusterId,
      member_id: this.id,
      revision: BigInt(Math.max(this.#revision, this.#core.revision())),
      raft_term: BigInt(this.#loop.term),
    };
  }

  /** Runs a request that native code understands; its reply as bytes. Rejects with its error. */
  execute(method: keyof Methods, request: Buffer, caller: Caller = nobody): Promise<Buffer> {
    if (this.#stopping) {
      return Promise.reject(MetaStoreError.of('Stopped'));
    }
    const ticket = this.#parts.tickets.next();
    const { userName, authRevision } = caller;
    const refusal = this.errors.refusalCode(caller.refusal);
    const [number, bytes] = [this.#addon.methods[method], bytesOf(request)];
    const route = this.#core.submit(ticket, number, bytes, userName, authRevision, refusal);
    return this.#routed(ticket, route, method);
  }

  /** Proposes a request that TypeScript decides; by default this member's own. */
  propose(request: Buffer, caller: Caller = nobody): Promise<Buffer> {
    if (this.#stopping) {
      return Promise.reject(MetaStoreError.of('Stopped'));
    }
    const ticket = this.#parts.tickets.next();
    const { userName, authRevision } = caller;
    const bytes = bytesOf(request);
    const route = this.#core.submitInternal(ticket, bytes, userName, authRevision);
    return this.#routed(ticket, route, typeOfInternal(request));
  }

  /** What native code does besides requests: it knows permissions, and serves clients. */
  get native(): Pick<MemberCore, 'checkRange' | 'openPlane'> {
    return this.#core;
  }

  /** The keys attached to a lease, as of some moment after the call. */
  async leaseKeys(id: bigint): Promise<Buffer[]> {
    const ticket = this.#parts.tickets.next();
    this.#core.leaseKeys(ticket, id);
    return unpackKeys(await this.#parts.tickets.settleLater(ticket, 'local', this.nowMs));
  }

  /**
   * Resolves once local state reflects everything that was acknowledged anywhere before the call.
   *
   * @throws MetaStoreError Timeout, LeaderChanged, Stopped
   */
  async linearizable(): Promise<void> {
    if (this.#stopping) {
      throw MetaStoreError.of('Stopped');
    }
    const confirmed = this.#parts.reads.confirm();
    this.#loop.wake();
    await this.appliedUpTo(await confirmed);
  }

  /** Resolves once entries up to the index are applied here. */
  appliedUpTo(index: number): Promise<void> {
    return this.#parts.waits.applied(index, this.#loop.appliedIndex);
  }

  /** Resolves if this member leads beyond doubt. @throws MetaStoreError NotPrimaryLessor */
  confirmLeadership(): Promise<void> {
    return this.#parts.leadership.confirm();
  }

  /** @throws MetaStoreError NotLeader, BadLeaderTransferee, LeaderTransferTimeout */
  transferLeadership(to: bigint): Promise<void> {
    return this.#parts.leadership.transfer(to);
  }

  /** Before a stop: another member leads when it resolves, if there is one that can. */
  handOver(): Promise<void> {
    return this.#parts.leadership.handOver();
  }

  /** Where the words of other members go. */
  get peerEvents(): PeerEvents {
    return this.#parts.link;
  }
  get connections(): PeerConnections {
    return this.#parts.peers;
  }
  /** Turns of the replica loop so far. */
  get turns(): number {
    return this.#loop.turns;
  }

  /** How far a member's log agrees with this one's, seen by the leader; null elsewhere. */
  raftProgress(id: bigint): { readonly match: number } | null {
    const progress = this.#parts.raw.raft.tracker.progress.get(id);
    return this.isLeader && progress !== undefined ? { match: progress.match } : null;
  }

  /** The next number of the id generator. */
  nextId(): bigint {
    return this.#core.nextId();
  }

  /** Proposes a change of the membership; resolves once it is applied here (ChangeWaits). */
  proposeConfChange(change: ConfChange, signal?: AbortSignal): Promise<readonly MemberInfo[]> {
    const propose = () => this.#loop.proposeConfChange(change);
    const gate = { leaderKnown: () => this.leaderKnown(), propose };
    return this.#parts.control.changes.propose(change, gate, this.#clock, signal);
  }

  /** Resolves once a leader is known. @throws MetaStoreError NoLeader after the request timeout */
  leaderKnown(): Promise<void> {
    return this.leader === NONE ? this.#parts.waits.leader() : Promise.resolve();
  }

  /** Notes remaining times of leases in the log. */
  checkpointLeases(checkpoints: readonly Checkpoint[]): Promise<Buffer> {
    return checkpointLeases(this, checkpoints);
  }

  /** Serves one watch stream until it ends. */
  watch(stream: ServerStream, signal: AbortSignal, caller: ResolveCaller): Promise<void> {
    return this.#parts.watches.serve(stream, signal, caller);
  }

  /**
   * Native code has completed something. What is thrown here would only be warned of, since native
   * code is the caller, and the completions behind it would be lost: so it ends the process.
   */
  onWake(): void {
    try {
      this.#loop.wakeNow();
    } catch (error) {
      this.#loop.stop();
      this.options.onFatal(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
  }

  #routed(ticket: number, route: number, type: string): Promise<Buffer> {
    if (route < 0) {
      return Promise.reject(this.errors.fromCode(-route));
    }
    const { routes } = this.#addon;
    let kind: TicketKind = 'local';
    if (route === routes.Proposed) {
      kind = 'proposal';
      this.#parts.proposals.queued();
    } else if (route === routes.ReadWaits) {
      kind = 'read';
      this.#parts.reads.nativeReadsWait();
      this.#loop.wake();
    }
    const time = this.#parts.requestTimes.of(type, kind === 'proposal');
    return this.#parts.tickets.settleLater(ticket, kind, this.nowMs, time);
  }

  #applied(index: number, revision: number): void {
    this.#revision = revision;
    this.#parts.waits.noteApplied(index);
    this.options.tokens?.noteApplied(index);
    this.#firstElection.campaignAlone();
  }

  #ticked(nowMs: number): void {
    expireRequests(this.#parts, this.#core, this.options.requestTimeoutMs, nowMs);
    this.gate.update();
    // A state that is being replaced is neither read nor written out.
    if (!this.#parts.writes.installing) {
      this.#parts.checkpoints.tick(this.#loop.appliedIndex, nowMs);
    }
    this.#expiry.tick(nowMs);
    this.#firstElection.tick(nowMs);
    this.#versions.tick(nowMs);
  }

  /** Tells the transport who the others are. */
  #updatePeers(): void {
    this.#parts.peers.update(this.membership.contacts().filter(({ id }) => id !== this.id));
  }

  #leadershipChanged(lead: NodeId, isLeader: boolean): void {
    this.#parts.leadership.changed(lead);
    if (lead !== NONE) {
      this.#parts.waits.noteLeader();
    }
    if (isLeader && !this.lessor.isPrimary) {
      this.lessor.promote(this.options.electionTicks * this.options.heartbeatMs);
    } else if (!isLeader && this.lessor.isPrimary) {
      this.lessor.demote();
    }
    if (isLeader) {
      this.#versions.leads(this.nowMs);
    }
    this.gate.update();
  }
}
