// The Raft node of a member over what was recovered, and how its log begins: with the members of a
// new cluster, empty for one that joins, as it is for one that has lived before. Called by the
// member's assembly once.

import { bytesOf, hexId } from '../../base/bytes.js';
import type { Logger } from '../../base/log/logger.js';
import { bootstrapMemberId } from '../../cluster/ids.js';
import { encodeMemberContext } from '../../cluster/membership.js';
import { type ConfState, type Logger as RaftLogger, RawNode } from '../../raft/index.js';
import type { Recovered } from '../../storage/native.js';
import type { Prng } from '../election/prng.js';
import type { LogStorage } from '../replica/disk/log-storage.js';
import type { BootstrapPlan, InitialMember } from './plan.js';

/** How much Raft has under way. */
export interface RaftLimits {
  /** Entries in one message to another member, in bytes; one entry goes alone if it is larger. */
  readonly maxMessageBytes: number;
  /** Messages with entries that one member has not answered yet. */
  readonly maxInflightMessages: number;
  /** Payloads that may be proposed and not yet applied; past them proposals are dropped. */
  readonly maxUncommittedBytes: number;
}

export interface RaftSettings extends RaftLimits {
  readonly electionTicks: number;
  readonly preVote: boolean;
}

/** The protocol's usual ones. */
export const defaultRaftLimits: RaftLimits = {
  maxMessageBytes: 1 << 20,
  maxInflightMessages: 512,
  maxUncommittedBytes: 256 << 20,
};

/** What may be on its way through apply at once; the next is handed out as it is applied. */
const MAX_APPLYING_BYTES = 64 << 20;

/** Raft's log lines in the process's log, under the name `raft`. */
function raftLogger(log: Logger): RaftLogger {
  return {
    debug: (text) => {
      if (log.enabled('debug')) {
        log.debug(text());
      }
    },
    info: (text) => log.info(text()),
    warning: (text) => log.warn(text()),
    error: (text) => log.error(text()),
    fatal: (text) => log.fatal(text()),
  };
}

/** The Raft node over recovered storage. */
export function createRawNode(
  recovered: Recovered,
  storage: LogStorage,
  settings: RaftSettings,
  random: Prng,
  log: Logger,
): RawNode {
  return new RawNode({
    id: recovered.memberId,
    electionTick: settings.electionTicks,
    heartbeatTick: 1,
    storage,
    applied: recovered.appliedIndex,
    asyncStorageWrites: true,
    maxSizePerMsg: settings.maxMessageBytes,
    maxCommittedSizePerReady: MAX_APPLYING_BYTES,
    maxInflightMsgs: settings.maxInflightMessages,
    maxUncommittedEntriesSize: settings.maxUncommittedBytes,
    checkQuorum: true,
    preVote: settings.preVote,
    // The others need not wait for a leader that is none of them any more.
    stepDownOnRemoval: true,
    logger: raftLogger(log.child('raft')),
    random: (bound) => random.nextBelow(bound),
  });
}

/** Puts the first members into a fresh log, as committed changes of the configuration. */
export function bootstrapLog(
  raw: RawNode,
  members: readonly InitialMember[],
  token: string,
  log: Logger,
): void {
  const peers = members.map(({ name, peerUrls }) => {
    const id = bootstrapMemberId(peerUrls, token);
    return { id, context: bytesOf(encodeMemberContext(id, name, peerUrls)) };
  });
  if (!peers.some((peer) => peer.id === raw.raft.id)) {
    throw new Error(
      `the data directory belongs to member ${hexId(raw.raft.id)}, which never joined, and the ` +
        'flags about the initial cluster name another one: use the flags it was made with',
    );
  }
  peers.sort((a, b) => (a.id < b.id ? -1 : 1));
  log.info('starting local member', { 'local-member-id': hexId(raw.raft.id) });
  raw.bootstrap(peers);
}

/** Whether this member is the only one whose vote counts: it need not wait to be elected. */
export function isSoleVoter(confState: ConfState, id: bigint): boolean {
  const { voters, votersOutgoing } = confState;
  return voters.length === 1 && voters[0] === id && votersOutgoing.length === 0;
}

/**
 * Begins the log as the plan says when nothing has been logged here yet, and says in the log how
 * the member starts. Must run before the node's first turn.
 *
 * @throws Error when the directory belongs to another member than the plan makes, or to nobody
 */
export function beginLog(
  raw: RawNode,
  recovered: Recovered,
  plan: BootstrapPlan,
  log: Logger,
): void {
  log.info('bootstrapping raft');
  const fields = {
    'cluster-id': hexId(recovered.clusterId),
    'local-member-id': hexId(recovered.memberId),
    'commit-index': recovered.commit,
  };
  const wanted = plan.kind === 'restart' ? plan.unfinished : plan;
  // A directory that was made by a start that ended before anything was logged is still fresh.
  if (recovered.lastIndex > 0) {
    log.info('restarting local member', fields);
  } else if (wanted === null) {
    throw new Error(
      'the data directory holds no entry and does not say what it was made for: remove it, and ' +
        'start with the flags of a new member',
    );
  } else if (wanted.kind === 'new') {
    bootstrapLog(raw, wanted.members, wanted.token, log);
  } else {
    log.info('starting local member', fields);
  }
}
