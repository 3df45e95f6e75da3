// How a member comes to be: identity from the flags for a fresh directory, the recovered state for
// an existing one, and the Raft node over either. Called by Member.open once.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOf, hexId } from '../base/bytes.js';
import type { Logger } from '../base/logger.js';
import type { Prng } from '../base/prng.js';
import { bootstrapMemberId, clusterId } from '../cluster/ids.js';
import { encodeMemberContext } from '../cluster/membership.js';
import { type ConfState, type Logger as RaftLogger, RawNode } from '../raft/index.js';
import type { Recovered } from '../storage/native.js';
import type { LogStorage } from './replica/disk/log-storage.js';

/** One member as `--initial-cluster` names it. */
export interface InitialMember {
  readonly name: string;
  readonly peerUrls: readonly string[];
}

export interface Identity {
  readonly memberId: bigint;
  readonly clusterId: bigint;
}

/** The ids that a new cluster of these members has, seen from the one with the name. */
export function newIdentity(
  members: readonly InitialMember[],
  name: string,
  token: string,
): Identity {
  const ids = members.map((member) => bootstrapMemberId(member.peerUrls, token));
  const own = ids[members.findIndex((member) => member.name === name)];
  if (own === undefined) {
    throw new Error(`couldn't find local name "${name}" in the initial cluster configuration`);
  }
  return { memberId: own, clusterId: clusterId(ids) };
}

/**
 * Whether a member has lived here: then the flags about the initial cluster mean nothing, and its
 * identity is the stored one.
 */
export function hasLog(dataDir: string, walDir: string | null): boolean {
  try {
    return readdirSync(walDir ?? join(dataDir, 'member', 'wal')).some((name) =>
      name.endsWith('.wal'),
    );
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      return false;
    }
    throw error;
  }
}

export interface RaftSettings {
  readonly electionTicks: number;
  readonly preVote: boolean;
}

/** Settings that have no flag; the limits are the protocol's usual ones. */
const MAX_MESSAGE_BYTES = 1 << 20;
const MAX_INFLIGHT_MESSAGES = 512;
/** Payloads that may be proposed and not yet applied; past them proposals are dropped. */
const MAX_UNCOMMITTED_BYTES = 256 << 20;
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
    maxSizePerMsg: MAX_MESSAGE_BYTES,
    maxCommittedSizePerReady: MAX_APPLYING_BYTES,
    maxInflightMsgs: MAX_INFLIGHT_MESSAGES,
    maxUncommittedEntriesSize: MAX_UNCOMMITTED_BYTES,
    checkQuorum: true,
    preVote: settings.preVote,
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
