// Tests of src/server/bootstrap/force-new.ts over the real log: what a member of three knows of the
// cluster becomes a cluster of one, and a kill at any point leaves something that makes sense.

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

import { bytesOf } from '../../../src/base/bytes.js';
import { createLogger } from '../../../src/base/log/logger.js';
import { bootstrapMemberId, clusterId } from '../../../src/cluster/ids.js';
import {
  encodeChangeContext,
  encodeMemberContext,
} from '../../../src/cluster/members/member-json.js';
import {
  type ConfChange,
  ConfChangeType,
  decodeConfChange,
  EntryType,
  encodeConfChange,
} from '../../../src/raft/index.js';
import { FORCE_NOTE, forceNewCluster } from '../../../src/server/bootstrap/force-new.js';
import { loadAddon } from '../../../src/storage/loader.js';
import type { AppendRun, HardStateRecord, OpenOptions } from '../../../src/storage/native.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitFor } from '../../support/wait.js';
import { openOptions } from '../storage/voters/tiny-voter.js';

const addon = loadAddon();
const urls = ['http://127.0.0.1:1', 'http://127.0.0.1:2', 'http://127.0.0.1:3'];
const ids = urls.map((url) => bootstrapMemberId([url], 't'));
const [self = 0n, second = 0n, third = 0n] = ids;

function change(type: number, nodeId: bigint, context: Buffer | null = null): Uint8Array {
  const encoded: ConfChange = {
    id: 0n,
    type: type as ConfChange['type'],
    nodeId,
    context: context === null ? null : bytesOf(context),
  };
  return encodeConfChange(encoded);
}

type Content = Uint8Array | null;

const added = urls.map((url, i) => {
  const id = ids[i] ?? 0n;
  return change(ConfChangeType.AddNode, id, encodeMemberContext(id, `m${i + 1}`, [url]));
});

function optionsIn(dataDir: string): OpenOptions {
  return { ...openOptions(dataDir, 'memory'), memberId: self, clusterId: clusterId(ids) };
}

/** Writes entries (changes, or null for empty normal ones) to the log of a directory. */
async function writeLog(
  dataDir: string,
  from: number,
  contents: readonly Content[],
  hardState: HardStateRecord | null,
  term = 2,
): Promise<void> {
  const { core } = await addon.open(optionsIn(dataDir), () => undefined);
  const runs = contents.map(
    (data, i): AppendRun => ({
      kind: 'inline',
      index: from + i,
      term: data !== null && from + i <= 3 ? 1 : term,
      type: data === null ? EntryType.Normal : EntryType.ConfChange,
      data,
    }),
  );
  core.append(1, runs, hardState, true, false);
  await waitFor('the log to be written', async () => core.drain() ?? undefined, 10_000);
  await core.close();
}

interface State {
  readonly term: number;
  readonly commit: number;
  readonly last: number;
  /** What entries say: an id and its type of change, or null. */
  readonly entries: readonly ([number, bigint] | null)[];
}

async function readLog(dataDir: string): Promise<State> {
  const { core, recovered } = await addon.open(optionsIn(dataDir), () => undefined);
  const { term, commit, lastIndex } = recovered;
  const entries: State['entries'][number][] = [];
  for (let index = 1; index <= lastIndex; index++) {
    const data = core.entryData(index);
    const decoded = data === null ? null : decodeConfChange(bytesOf(data));
    entries.push(decoded === null ? null : [decoded.type, decoded.nodeId]);
  }
  await core.close();
  return { term, commit, last: lastIndex, entries };
}

async function force(dataDir: string, wanted = true): Promise<string[]> {
  const lines: string[] = [];
  const sink = { write: (line: string) => lines.push(line), close: () => undefined };
  const log = createLogger({ level: 'info', format: 'json', outputs: [] }, sink);
  await forceNewCluster(addon, optionsIn(dataDir), wanted, log);
  return lines.map((line) => (JSON.parse(line) as { msg: string }).msg);
}

const removeSecond = [ConfChangeType.RemoveNode, second];
const bothRemoved = [second, third]
  .sort((a, b) => (a < b ? -1 : 1))
  .map((id) => [ConfChangeType.RemoveNode, id]);

/** Three members, one entry of a leader, two that were never committed. */
async function threeMembers(): Promise<string> {
  const dataDir = tempDir('force');
  await writeLog(dataDir, 1, [...added, null, null, null], { term: 2, vote: second, commit: 4 });
  return dataDir;
}

function isForced(t: Test, state: State): void {
  t.equal(state.last, 6);
  t.equal(state.commit, 6);
  t.equal(state.term, 2);
  t.same(state.entries.slice(3), [null, ...bothRemoved]);
}

t.test('the others are removed, and what was not committed is gone', async (t) => {
  const dataDir = await threeMembers();
  t.same(await force(dataDir), ['discarding uncommitted WAL entries', 'forcing restart member']);
  isForced(t, await readLog(dataDir));
  t.notOk(existsSync(join(dataDir, FORCE_NOTE)));
});

t.test('asked for again there is nothing to do, and nothing is lost', async (t) => {
  const dataDir = await threeMembers();
  await force(dataDir);
  // What the only voter writes is committed as soon as it is durable, noted or not.
  await writeLog(dataDir, 7, [null, null], null, 3);
  t.same(await force(dataDir), ['this member is the whole cluster already']);
  t.match(await readLog(dataDir), { last: 8 });
});

t.test('without the flag nothing is touched', async (t) => {
  const dataDir = await threeMembers();
  t.same(await force(dataDir, false), []);
  t.match(await readLog(dataDir), { last: 6, commit: 4 });
});

t.test('killed before anything was written', async (t) => {
  const dataDir = await threeMembers();
  writeFileSync(join(dataDir, FORCE_NOTE), '{}');
  await force(dataDir, false);
  isForced(t, await readLog(dataDir));
  t.notOk(existsSync(join(dataDir, FORCE_NOTE)));
});

t.test('killed when a part of the entries was written', async (t) => {
  const dataDir = await threeMembers();
  await writeLog(dataDir, 5, [change(ConfChangeType.RemoveNode, second)], null);
  t.match(await readLog(dataDir), { last: 5, commit: 4 });
  writeFileSync(join(dataDir, FORCE_NOTE), '{}');
  await force(dataDir, false);
  isForced(t, await readLog(dataDir));
});

t.test('killed when all was written but the note', async (t) => {
  const dataDir = await threeMembers();
  await force(dataDir);
  writeFileSync(join(dataDir, FORCE_NOTE), '{}');
  t.same(await force(dataDir, false), ['this member is the whole cluster already']);
  isForced(t, await readLog(dataDir));
  t.notOk(existsSync(join(dataDir, FORCE_NOTE)));
});

t.test('changes that are committed and not applied yet count', async (t) => {
  const dataDir = tempDir('force');
  const fourth = 0x4444n;
  const context = encodeMemberContext(fourth, '', ['http://127.0.0.1:4']);
  const contents = [
    ...added,
    change(ConfChangeType.RemoveNode, second),
    change(ConfChangeType.AddLearnerNode, fourth, context),
    // Refused when it is applied: the URL is taken.
    change(ConfChangeType.AddNode, 0x55n, encodeMemberContext(0x55n, '', [urls[2] ?? ''])),
  ];
  await writeLog(dataDir, 1, contents, { term: 2, vote: 0n, commit: 6 });
  t.same(await force(dataDir), ['forcing restart member']);
  const { entries, commit } = await readLog(dataDir);
  t.equal(commit, 8);
  const removed = [fourth, third].sort((a, b) => (a < b ? -1 : 1));
  t.same(
    entries.slice(6),
    removed.map((id) => [ConfChangeType.RemoveNode, id]),
  );
});

t.test('a learner becomes the voter', async (t) => {
  const dataDir = tempDir('force');
  const context = encodeChangeContext(self, { peerUrls: ['http://127.0.0.1:9'], isLearner: true });
  const contents = [
    added[1] ?? null,
    added[2] ?? null,
    change(ConfChangeType.AddLearnerNode, self, context),
  ];
  await writeLog(dataDir, 1, contents, { term: 2, vote: 0n, commit: 3 });
  await force(dataDir);
  const { entries } = await readLog(dataDir);
  t.same(entries.slice(3), [[ConfChangeType.AddNode, self], ...bothRemoved]);
});

t.test('a sole voter that had just let somebody in', async (t) => {
  const dataDir = tempDir('force');
  const contents = [added[0] ?? null, null, added[1] ?? null, null];
  await writeLog(dataDir, 1, contents, { term: 2, vote: self, commit: 1 });
  t.same(await force(dataDir), ['discarding uncommitted WAL entries', 'forcing restart member']);
  const { entries, commit } = await readLog(dataDir);
  t.equal(commit, 4);
  t.same(entries, [
    [ConfChangeType.AddNode, self],
    null,
    [ConfChangeType.AddNode, second],
    removeSecond,
  ]);
});

t.test('a member without a part in the cluster is refused', async (t) => {
  const removedDir = tempDir('force');
  const contents = [...added, change(ConfChangeType.RemoveNode, self)];
  await writeLog(removedDir, 1, contents, { term: 2, vote: 0n, commit: 4 });
  await t.rejects(force(removedDir), { message: /has been removed from its cluster/ });
  t.match(await readLog(removedDir), { last: 4, commit: 4 });
  const strangerDir = tempDir('force');
  await writeLog(strangerDir, 1, added.slice(1), { term: 2, vote: 0n, commit: 2 });
  await t.rejects(force(strangerDir), { message: /has not received the data of its cluster yet/ });
  t.notOk(existsSync(join(strangerDir, FORCE_NOTE)), 'nothing was begun');
});

t.test('a log that was never begun is left alone', async (t) => {
  const dataDir = tempDir('force');
  const { core } = await addon.open(optionsIn(dataDir), () => undefined);
  await core.close();
  t.same(await force(dataDir), []);
  t.match(await readLog(dataDir), { last: 0, commit: 0 });
});
