// Puts one member's parts together over a core that has been opened: storage, Raft node, loop,
// requests, peers, leases, watches, and the addresses of completions. Called by Member, once; it
// decides nothing but who knows whom.

import { bytesOf } from '../base/bytes.js';
import type { Clock } from '../base/clock.js';
import { ErrorTable } from '../base/errors.js';
import type { Logger } from '../base/log/logger.js';
import type { ResponseHeader } from '../base/proto/messages.js';
import { restoreConfState } from '../cluster/conf-state.js';
import { Membership } from '../cluster/membership.js';
import type { PeersFactory, PeerTransport } from '../cluster/peers/types.js';
import { type NodeId, type RawNode, StateType } from '../raft/index.js';
import { Alarms } from '../state/alarms.js';
import { AuthState } from '../state/auth/auth-state.js';
import { AuthCommands } from '../state/auth/commands.js';
import { noKeeper } from '../state/auth/tokens/types.js';
import { Lessor } from '../state/lease/lessor.js';
import type {
  Addon,
  InstalledSnapshot,
  MemberCore,
  OpenedCore,
  Recovered,
} from '../storage/native.js';
import { beginLog, createRawNode, defaultRaftLimits } from './bootstrap/raft-node.js';
import { HeartbeatWatch } from './election/heartbeat-watch.js';
import { Leadership } from './election/leadership.js';
import { Prng } from './election/prng.js';

import type { MemberOptions } from './options.js';
import { drainInto, MemberCompletions } from './replica/completions.js';
import { ControlEntries } from './replica/control/control.js';
import { Checkpoints } from './replica/disk/checkpoints.js';
import { Grant } from './replica/disk/grant.js';
import { LogHold } from './replica/disk/log-hold.js';
import { LogStorage } from './replica/disk/log-storage.js';
import { QuietProgress } from './replica/disk/quiet-progress.js';
import { Writes } from './replica/disk/writes.js';
import { Outgoing } from './replica/outgoing.js';
import { PeerLink } from './replica/peer-link.js';
import { ReplicaLoop } from './replica/replica-loop.js';
import { defaultBatching, followEntryFormat } from './replica/requests/batching.js';
import { Proposals } from './replica/requests/proposals.js';
import { ReadIndexRounds } from './replica/requests/read-index.js';
import { Tickets } from './replica/requests/tickets.js';
import { ControlTimes } from './serving/control-times.js';
import { PlaneGate } from './serving/plane/gate.js';
import { RequestTimes } from './serving/request-times.js';
import { SlowRequests } from './serving/slow-requests.js';
import { Waits } from './serving/waits.js';
import { WatchStreams } from './serving/watch-streams.js';
import { Backups } from './upkeep/backups.js';

/** What the member itself wants to know, within a turn of the loop. */
export interface MemberEvents {
  leadershipChanged(lead: NodeId, isLeader: boolean): void;
  ticked(nowMs: number): void;
  applied(index: number, revision: number): void;
  quotaExceeded(): void;
  linearizable(): Promise<void>;
  removed(): void;
  /** The header of an answer that is given now. */
  header(): ResponseHeader;
}

export interface MemberParts {
  readonly errors: ErrorTable;
  readonly membership: Membership;
  readonly alarms: Alarms;
  readonly auth: AuthState;
  readonly lessor: Lessor;
  readonly storage: LogStorage;
  readonly raw: RawNode;
  readonly tickets: Tickets;
  readonly requestTimes: RequestTimes;
  readonly controlTimes: ControlTimes;
  readonly slow: SlowRequests;
  readonly heartbeats: HeartbeatWatch;
  readonly reads: ReadIndexRounds;
  readonly waits: Waits;
  readonly watches: WatchStreams;
  readonly backups: Backups;
  readonly checkpoints: Checkpoints;
  readonly writes: Writes;
  readonly proposals: Proposals;
  readonly control: ControlEntries;
  readonly leadership: Leadership;
  readonly peers: PeerTransport;
  readonly link: PeerLink;
  readonly loop: ReplicaLoop;
  readonly gate: PlaneGate;
}

/** All that a member is assembled from. */
export interface Given {
  readonly addon: Addon;
  readonly opened: OpenedCore;
  readonly options: MemberOptions;
  readonly clock: Clock;
  readonly log: Logger;
  readonly makePeers: PeersFactory;
  readonly events: MemberEvents;
}

/** Parts that know nothing of the loop and of peers. */
function makeState({ addon, opened, options, clock, log }: Given) {
  const { core, recovered } = opened;
  const errors = new ErrorTable(addon.errors);
  const storage = new LogStorage(core, recovered, restoreConfState(recovered.meta));
  const { electionTicks, preVote, raft = defaultRaftLimits } = options;
  const settings = { electionTicks, preVote, ...raft };
  const raw = createRawNode(recovered, storage, settings, new Prng(options.seed), log);
  const nowMs = () => clock.nowMs();
  const requestTimes = new RequestTimes();
  const slow = new SlowRequests(log, errors, options.core.slowApplyMs);
  const alarms = new Alarms();
  alarms.restore(recovered.alarms);
  const auth = new AuthState(addon.currentAuthRevision);
  auth.restore(recovered.meta);
  core.setAuth(bytesOf(auth.permissionTable()));
  options.tokens?.noteApplied(recovered.appliedIndex);
  const lessor = new Lessor(clock, {
    checkpointIntervalMs: options.leaseCheckpointIntervalMs,
    revokeRetryMs: options.requestTimeoutMs,
  });
  lessor.restore(recovered.leases);
  return {
    errors,
    storage,
    raw,
    alarms,
    auth,
    lessor,
    membership: Membership.restore(recovered.meta),
    requestTimes,
    slow,
    controlTimes: new ControlTimes(slow, nowMs),
    heartbeats: new HeartbeatWatch(log, nowMs, options.heartbeatMs),
    tickets: new Tickets(errors, requestTimes, nowMs),
    reads: new ReadIndexRounds(
      core,
      errors,
      options.requestTimeoutMs,
      core.nextId(),
      (context) => raw.readIndex(context),
      nowMs,
    ),
    waits: new Waits(clock, options.requestTimeoutMs),
    watches: new WatchStreams(core, errors),
    backups: new Backups(core, clock, log),
  };
}

type State = ReturnType<typeof makeState>;

function makeCheckpoints(given: Given, state: State, peers: () => PeerTransport): Checkpoints {
  const { opened, options, clock, log } = given;
  const { core, recovered } = opened;
  const store = {
    checkpoint: () => core.checkpoint(),
    status: () => core.status(),
    knownApplied: () => state.raw.raft.log.applied,
    truncateLog: (index: number) => {
      state.storage.truncate(index);
      core.truncateLog(index);
    },
  };
  const { raft } = state.raw;
  const hold = new LogHold(
    {
      activeTransfers: () => peers().activeTransfers(),
      progress: () => (raft.state === StateType.Leader ? raft.tracker.progress.values() : []),
    },
    clock,
  );
  return new Checkpoints(store, options.checkpoints, log, recovered, () => hold.isHeld());
}

/** Takes over what an installed snapshot holds. */
function takeOver(
  parts: MemberParts,
  state: InstalledSnapshot,
  { events, log, options, opened }: Pick<Given, 'events' | 'log' | 'options' | 'opened'>,
): void {
  const { auth } = parts;
  parts.membership.reload(state.meta);
  auth.restore(state.meta);
  opened.core.setAuth(bytesOf(auth.permissionTable()));
  options.tokens?.retain((userName) => auth.enabled && auth.users.has(userName));
  parts.alarms.restore(state.alarms);
  parts.lessor.restore(state.leases);
  parts.checkpoints.installed(state.appliedIndex);
  parts.loop.installed(state);
  events.applied(state.appliedIndex, state.revision);
  parts.gate.forgetTokens();
  parts.gate.update();
  log.info('applied snapshot', {
    'snapshot-index': state.appliedIndex,
    'snapshot-term': state.appliedTerm,
    revision: state.revision,
  });
}

function makePeersAndOutgoing(given: Given, state: State, parts: () => MemberParts) {
  const { opened, clock, log, makePeers } = given;
  const { core, recovered } = opened;
  const { tickets } = state;
  // The transport hands nothing on before it is told who the others are, when all parts exist.
  const events = {
    receive: (...args) => parts().link.receive(...args),
    forwarded: (...args) => parts().link.forwarded(...args),
    unreachable: (id) => parts().link.unreachable(id),
    snapshotDone: (...args) => parts().link.snapshotDone(...args),
    snapshotReceived: (...args) => parts().link.snapshotReceived(...args),
    removed: () => parts().link.removed(),
    isRemoved: (id) => parts().link.isRemoved(id),
  } satisfies Parameters<PeersFactory>[2];
  const peers = makePeers(recovered, core, events);
  const readEntries = (from: number, to: number) => {
    const ticket = tickets.next();
    const run = tickets.settleLater(ticket, 'local', clock.nowMs());
    core.readEntries(ticket, from, to);
    return run;
  };
  const outgoing = new Outgoing({
    self: recovered.memberId,
    core,
    peers,
    readEntries,
    log,
    term: () => parts().loop.term,
    heartbeats: state.heartbeats,
    lost: (to) => parts().link.unreachable(to),
    nowMs: () => given.clock.nowMs(),
  });
  return { peers, outgoing };
}

function makeLeadership(
  { opened, options, clock, log, events }: Given,
  membership: Membership,
  loop: ReplicaLoop,
  connections: PeerTransport,
): Leadership {
  const { heartbeatMs: tickMs, electionTicks, requestTimeoutMs } = options;
  return new Leadership({
    id: opened.recovered.memberId,
    loop,
    membership,
    connections,
    clock,
    log,
    tickMs,
    electionTicks,
    requestTimeoutMs,
    linearizable: () => events.linearizable(),
  });
}

function makeGate(
  { raw, membership, auth, lessor }: State,
  loop: Pick<ReplicaLoop, 'lead' | 'leadsApplied'>,
): PlaneGate {
  const { raft } = raw;
  return new PlaneGate(() => ({
    leader: loop.lead,
    leadsApplied: loop.leadsApplied,
    isAlone: raft.tracker.ids.length === 1 && raft.tracker.ids[0] === raft.id,
    isLearner: membership.get(raft.id)?.isLearner ?? false,
    version: membership.version,
    authEnabled: auth.enabled,
    isPrimaryLessor: lessor.isPrimary,
  }));
}

function makeCompletions({ options, clock, log, events }: Given, parts: MemberParts) {
  return new MemberCompletions({
    ...parts,
    log,
    nowMs: () => clock.nowMs(),
    applied: (index, revision) => events.applied(index, revision),
    quotaExceeded: () => events.quotaExceeded(),
    fatal: (message) => options.onFatal(message),
  });
}

/** Says what a directory was found to hold. */
export function reportOpened(recovered: Recovered, { core }: MemberOptions, log: Logger): void {
  log.info('opened backend db', {
    path: core.dataDir,
    engine: core.engine,
    took: `${recovered.openMs.toFixed(3)}ms`,
    'applied-index': recovered.appliedIndex,
    'last-index': recovered.lastIndex,
  });
  if (recovered.tornBytes > 0) {
    log.warn('cut a torn tail off the log', { 'torn-bytes': recovered.tornBytes });
  }
}

function makeGrant(
  core: MemberCore,
  { raw, storage }: State,
  writes: Writes,
  proposals: Proposals,
  quiet: QuietProgress,
): Grant {
  const { batchOperations, runOperations } = proposals;
  return new Grant({
    core,
    raw,
    storage,
    quiet,
    batchOperations,
    runOperations,
    installing: () => writes.installing,
    revoked: () => proposals.demanded(),
    barrier: () => writes.barrier(),
  });
}

/** Builds the parts of a member; nothing runs yet. */
export function assemble(given: Given): MemberParts {
  const { addon, opened, options, clock, log, events } = given;
  const { core, recovered } = opened;
  const { clusterId, memberId } = recovered;
  const state = makeState(given);
  const { raw, storage, reads, errors, membership } = state;
  const { peers, outgoing } = makePeersAndOutgoing(given, state, () => parts);
  const wake = () => loop.wake();
  const writes: Writes = new Writes({
    core,
    storage,
    applyIdle: () => loop.applyIdle,
    deliver: (responses) => loop.deliver(responses),
    installed: (_snapshot, installed) => takeOver(parts, installed, given),
    clock,
    wake,
    fatal: (message) => options.onFatal(message),
  });
  const { heartbeatMs: tickMs, batching = defaultBatching } = options;
  const isGranted = () => grant.holds;
  const handed = { core, raw, errors, peers, log, clock, batching, wake, isGranted };
  const proposals = new Proposals(handed);
  followEntryFormat(core, membership, batching);
  const quiet = new QuietProgress(clock, () => loop.wakeNow());
  const grant: Grant = makeGrant(core, state, writes, proposals, quiet);
  const loop: ReplicaLoop = new ReplicaLoop(
    { core, raw, storage, writes, grant, quiet, proposals, reads, clock, log, tickMs },
    {
      drainCompletions: drainInto(core, addon, grant, () => completions),
      termChanged: (term) => core.setHeader(clusterId, memberId, term),
      leadershipChanged: (lead, isLeader) => {
        state.heartbeats.reset();
        events.leadershipChanged(lead, isLeader);
      },
      send: (messages) => outgoing.send(messages),
      ticked: (nowMs) => events.ticked(nowMs),
      termApplied: (term) => {
        core.failHandedOver(term, errors.codeOf('TimeoutLeaderFailure'));
        parts.gate.update();
      },
    },
    recovered.appliedTerm,
  );
  const removedSelf = () => events.removed();
  const auth = new AuthCommands(state.auth, options.tokens ?? noKeeper, recovered.lastIndex);
  const header = () => events.header();
  const decided = { raw, storage, membership, errors, auth, header, log, removedSelf };
  const control = new ControlEntries({ core: state.controlTimes.around(core), ...decided });
  const parts: MemberParts = {
    ...state,
    peers,
    writes,
    proposals,
    loop,
    control,
    checkpoints: makeCheckpoints(given, state, () => peers),
    link: new PeerLink({ core, raw, loop, proposals, membership, errors, removed: removedSelf }),
    leadership: makeLeadership(given, membership, loop, peers),
    gate: makeGate(state, loop),
  };
  const completions = makeCompletions(given, parts);
  core.setHeader(clusterId, memberId, recovered.term);
  core.setCommitted(recovered.commit);
  beginLog(raw, recovered, options.bootstrap, log);
  return parts;
}
