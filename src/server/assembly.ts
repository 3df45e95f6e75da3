// Puts one member's parts together over a core that has been opened: storage, Raft node, loop,
// reads, tickets, leases, watches, and the addresses of completions. Called by Member, once; it
// decides nothing but who knows whom.

import { hexId } from '../base/bytes.js';
import type { Clock } from '../base/clock.js';
import { ErrorTable, type SharedErrorCode } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { Prng } from '../base/prng.js';
import { Membership } from '../cluster/membership.js';
import type { NodeId, RawNode } from '../raft/index.js';
import { Alarms } from '../state/alarms.js';
import { Lessor } from '../state/lease/lessor.js';
import { CompletionDecoder } from '../storage/completions.js';
import type { Addon, MemberCore, OpenedCore, Recovered } from '../storage/native.js';
import { bootstrapLog, createRawNode } from './bootstrap.js';
import type { MemberOptions } from './options.js';
import { Checkpoints } from './replica/checkpoints.js';
import { MemberCompletions } from './replica/completions.js';
import { ControlEntries, restoreConfState } from './replica/control.js';
import { LogStorage } from './replica/log-storage.js';
import { ReadIndexRounds } from './replica/read-index.js';
import { type LoopEvents, ReplicaLoop } from './replica/replica-loop.js';
import { Tickets } from './replica/tickets.js';
import { Waits } from './waits.js';
import { WatchStreams } from './watch-streams.js';

/** What the member itself wants to know, within a turn of the loop. */
export interface MemberEvents {
  leadershipChanged(lead: NodeId, isLeader: boolean): void;
  ticked(nowMs: number): void;
  applied(index: number, revision: number): void;
  quotaExceeded(): void;
  timeoutReason(startedMs: number): SharedErrorCode;
}

export interface MemberParts {
  readonly errors: ErrorTable;
  readonly membership: Membership;
  readonly alarms: Alarms;
  readonly lessor: Lessor;
  readonly storage: LogStorage;
  readonly raw: RawNode;
  readonly tickets: Tickets;
  readonly reads: ReadIndexRounds;
  readonly waits: Waits;
  readonly watches: WatchStreams;
  readonly checkpoints: Checkpoints;
  readonly loop: ReplicaLoop;
}

function drainInto(core: MemberCore, addon: Addon, completions: () => MemberCompletions) {
  const decoder = new CompletionDecoder(addon.completions);
  return () => {
    for (;;) {
      const records = core.drain();
      if (records === null) {
        return;
      }
      decoder.decode(records, completions());
    }
  };
}

/** Everything but the loop and the addresses of completions, which know the rest. */
function makeState(
  addon: Addon,
  { core, recovered }: OpenedCore,
  options: MemberOptions,
  clock: Clock,
  log: Logger,
): Omit<MemberParts, 'loop'> {
  const errors = new ErrorTable(addon.errors);
  const storage = new LogStorage(core, recovered, restoreConfState(recovered.meta));
  const settings = { electionTicks: options.electionTicks, preVote: options.preVote };
  const raw = createRawNode(recovered, storage, settings, new Prng(options.seed), log);
  const alarms = new Alarms();
  alarms.restore(recovered.alarms);
  const lessor = new Lessor(clock, {
    checkpointIntervalMs: options.leaseCheckpointIntervalMs,
    revokeRetryMs: options.requestTimeoutMs,
  });
  lessor.restore(recovered.leases);
  const { appliedIndex, startIndex } = recovered;
  return {
    errors,
    storage,
    raw,
    alarms,
    lessor,
    membership: Membership.restore(recovered.meta),
    tickets: new Tickets(errors),
    reads: new ReadIndexRounds(core, errors, options.requestTimeoutMs, (context) =>
      raw.readIndex(context),
    ),
    waits: new Waits(clock, options.requestTimeoutMs),
    watches: new WatchStreams(core, errors),
    checkpoints: new Checkpoints(
      {
        checkpoint: () => core.checkpoint(),
        status: () => core.status(),
        truncateLog: (index) => {
          storage.truncating(index);
          core.truncateLog(index);
        },
      },
      options.checkpoints,
      log,
      appliedIndex,
      startIndex,
    ),
  };
}

function joinOrRestart(raw: RawNode, recovered: Recovered, options: MemberOptions, log: Logger) {
  // A directory that was made by a start that ended before anything was logged is still fresh.
  if (recovered.lastIndex === 0) {
    bootstrapLog(raw, options.initialMembers, options.initialToken, log);
    return;
  }
  log.info('restarting local member', {
    'cluster-id': hexId(recovered.clusterId),
    'local-member-id': hexId(recovered.memberId),
    'commit-index': recovered.commit,
  });
}

/** Builds the parts of a member; nothing runs yet. */
export function assemble(
  addon: Addon,
  opened: OpenedCore,
  options: MemberOptions,
  clock: Clock,
  log: Logger,
  events: MemberEvents,
): MemberParts {
  const { core, recovered } = opened;
  const { clusterId, memberId } = recovered;
  const state = makeState(addon, opened, options, clock, log);
  const loopEvents: LoopEvents = {
    drainCompletions: drainInto(core, addon, () => completions),
    termChanged: (term) => core.setHeader(clusterId, memberId, term),
    leadershipChanged: (lead, isLeader) => events.leadershipChanged(lead, isLeader),
    // A single member has nobody to send to.
    send: () => undefined,
    ticked: (nowMs) => events.ticked(nowMs),
    timeoutReason: (startedMs) => events.timeoutReason(startedMs),
  };
  const { raw, storage, reads, tickets, errors, membership } = state;
  const { heartbeatMs: tickMs, requestTimeoutMs } = options;
  const loop = new ReplicaLoop(
    { core, raw, storage, reads, tickets, errors, clock, log, tickMs, requestTimeoutMs },
    loopEvents,
  );
  const completions = new MemberCompletions({
    ...state,
    loop,
    log,
    control: new ControlEntries({ core, raw, storage, membership, log }),
    nowMs: () => clock.nowMs(),
    applied: (index, revision) => events.applied(index, revision),
    truncated: (startIndex) => storage.truncated(startIndex),
    quotaExceeded: () => events.quotaExceeded(),
    fatal: (message) => options.onFatal(message),
  });
  core.setHeader(clusterId, memberId, recovered.term);
  core.setCommitted(recovered.commit);
  joinOrRestart(raw, recovered, options, log);
  return { ...state, loop };
}
