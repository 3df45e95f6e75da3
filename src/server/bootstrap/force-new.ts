// Makes a cluster of one out of a member's data, when the others are lost for good: what was never
// committed is dropped from the log, and changes that take every other member out follow, committed
// by decree. Called by prepareStart, before the member is opened for its life.
//
// It opens the directory for itself, so that nothing else sees the log while it is rewritten. A
// note there says that it is under way: a start that finds it carries on, whatever the flags say.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { bytesOf, hexId } from '../../base/bytes.js';
import type { Logger } from '../../base/log/logger.js';
import { applyChange, memberChangeOf, objectionTo } from '../../cluster/members/change-rules.js';
import { encodeChangeContext } from '../../cluster/members/member-json.js';
import { Membership } from '../../cluster/membership.js';
import {
  type ConfChange,
  ConfChangeType,
  decodeConfChange,
  EntryType,
  encodeConfChange,
} from '../../raft/index.js';
import { CompletionDecoder, type CompletionHandler } from '../../storage/completions.js';
import type {
  Addon,
  AppendRun,
  MemberCore,
  OpenedCore,
  OpenOptions,
  Recovered,
} from '../../storage/native.js';
import { hasFile, syncDirectory, writeDurably } from './directory.js';

/** The note in the data directory; not a file that a stranger left there. */
export const FORCE_NOTE = 'force-new-cluster.json';

const POLL_MS = 100;
const PAGE_ENTRIES = 1024;
/** Numbers per entry that entryInfos() gives. */
const INFO_FIELDS = 3;

/** Indexes of the configuration changes in [from, to]. */
function changesIn(core: MemberCore, from: number, to: number): number[] {
  const found: number[] = [];
  for (let page = from; page <= to; page += PAGE_ENTRIES) {
    const infos = core.entryInfos(page, Math.min(to, page + PAGE_ENTRIES - 1));
    for (let at = 0; at < infos.length; at += INFO_FIELDS) {
      if (infos[at + 1] === EntryType.ConfChange) {
        found.push(page + at / INFO_FIELDS);
      }
    }
  }
  return found;
}

/** As the entry is applied when its turn comes: what must not happen changes nothing. */
function applyEntry(core: MemberCore, membership: Membership, index: number): void {
  const data = core.entryData(index);
  if (data === null) {
    return;
  }
  let change: ConfChange;
  try {
    change = decodeConfChange(bytesOf(data));
  } catch {
    return;
  }
  const meant = memberChangeOf(change);
  if (meant !== null && objectionTo(membership, meant) === null) {
    applyChange(membership, meant);
  }
}

function votesAlone(membership: Membership, id: bigint): boolean {
  const voters = membership.voters();
  return voters.length === 1 && voters[0]?.id === id;
}

/** The end of what is committed, and who belongs to the cluster there. */
function committedState(core: MemberCore, recovered: Recovered) {
  const { memberId, appliedIndex, lastIndex } = recovered;
  const membership = Membership.restore(recovered.meta);
  let committed = Math.max(recovered.commit, appliedIndex);
  for (const index of changesIn(core, appliedIndex + 1, committed)) {
    applyEntry(core, membership, index);
  }
  // What the only voter has logged is committed, though it may have had no time to note it.
  const later = changesIn(core, committed + 1, lastIndex);
  while (committed < lastIndex && votesAlone(membership, memberId)) {
    const change = later.shift();
    committed = change ?? lastIndex;
    if (change !== undefined) {
      applyEntry(core, membership, change);
    }
  }
  return { membership, committed };
}

/** The changes after which this member is the whole cluster. */
function changesToAlone(membership: Membership, self: bigint): ConfChange[] {
  const own = membership.get(self);
  if (membership.isRemoved(self)) {
    throw new Error(
      `member ${hexId(self)} has been removed from its cluster: --force-new-cluster cannot make ` +
        'it a member again',
    );
  }
  if (own === undefined) {
    throw new Error(
      `member ${hexId(self)} has not received the data of its cluster yet: there is nothing to ` +
        'make a new cluster of',
    );
  }
  const promote = own.isLearner
    ? [
        {
          id: 0n,
          type: ConfChangeType.AddNode,
          nodeId: self,
          context: bytesOf(encodeChangeContext(self, { isPromote: true })),
        },
      ]
    : [];
  const others = membership.list().filter(({ id }) => id !== self);
  const remove = others.map(({ id }) => ({
    id: 0n,
    type: ConfChangeType.RemoveNode,
    nodeId: id,
    context: null,
  }));
  return [...promote, ...remove];
}

/** Resolves once the write is durable: nothing else happens while the log is rewritten. */
function writtenBy(addon: Addon, opened: OpenedCore, sequence: number, wakes: { on: () => void }) {
  const { core } = opened;
  const decoder = new CompletionDecoder(addon.completions);
  const ignore = () => undefined;
  // Native code does not keep the process alive, and may be all there is to wait for.
  const keepAlive = setInterval(() => wakes.on(), POLL_MS);
  const written = new Promise<void>((resolve, reject) => {
    const handler: CompletionHandler = {
      demand: ignore,
      durable: (written) => {
        if (written >= sequence) {
          resolve();
        }
      },
      fatal: (message) => reject(new Error(message)),
      applied: ignore,
      result: ignore,
      control: ignore,
      lease: ignore,
      leaseCheckpoint: ignore,
      watch: ignore,
      checkpoint: ignore,
      truncated: ignore,
      log: ignore,
      alarm: ignore,
      quotaExceeded: ignore,
      held: ignore,
      slow: ignore,
    };
    wakes.on = () => {
      for (let records = core.drain(); records !== null; records = core.drain()) {
        decoder.decode(records, handler);
      }
    };
    wakes.on();
  });
  return written.finally(() => clearInterval(keepAlive));
}

async function rewrite(
  addon: Addon,
  opened: OpenedCore,
  dataDir: string,
  wakes: { on: () => void },
  log: Logger,
): Promise<void> {
  const { core, recovered } = opened;
  const { memberId, clusterId, lastIndex, term, vote } = recovered;
  const { membership, committed } = committedState(core, recovered);
  const changes = changesToAlone(membership, memberId);
  const fields = { 'cluster-id': hexId(clusterId), 'local-member-id': hexId(memberId) };
  if (changes.length === 0) {
    log.info('this member is the whole cluster already', { ...fields, 'commit-index': committed });
    return;
  }
  if (lastIndex > committed) {
    log.info('discarding uncommitted WAL entries', {
      'entry-index': lastIndex,
      'commit-index-from-wal': committed,
      'number-of-discarded-entries': lastIndex - committed,
    });
  }
  const runs = changes.map(
    (change, i): AppendRun => ({
      kind: 'inline',
      index: committed + 1 + i,
      term,
      type: EntryType.ConfChange,
      data: encodeConfChange(change),
    }),
  );
  const commit = committed + changes.length;
  writeDurably(dataDir, FORCE_NOTE, `${JSON.stringify({ committed, changes: changes.length })}\n`);
  const written = writtenBy(addon, opened, 1, wakes);
  core.append(1, runs, { term, vote, commit }, true, false);
  await written;
  log.info('forcing restart member', { ...fields, 'commit-index': commit });
}

/**
 * Makes the member of a directory the only one of its cluster. Its data, its id and the cluster's
 * id stay. Done when it resolves, durably; a kill at any point before leaves a directory whose next
 * start completes it, or the old one.
 *
 * @param wanted whether the flag asks for it; if not, only what was begun is completed
 * @throws Error when the member has no part in the cluster, or what opening a directory throws
 */
export async function forceNewCluster(
  addon: Addon,
  core: OpenOptions,
  wanted: boolean,
  log: Logger,
): Promise<void> {
  const { dataDir } = core;
  const isUnderWay = hasFile(dataDir, FORCE_NOTE);
  if (!wanted && !isUnderWay) {
    return;
  }
  const wakes = { on: (): void => undefined };
  const opened = await addon.open(core, () => wakes.on());
  try {
    if (opened.recovered.lastIndex > 0) {
      await rewrite(addon, opened, dataDir, wakes, log);
    }
  } finally {
    await opened.core.close();
  }
  rmSync(join(dataDir, FORCE_NOTE), { force: true });
  syncDirectory(dataDir);
}
