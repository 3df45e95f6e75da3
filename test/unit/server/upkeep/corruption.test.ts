// Tests of src/server/upkeep/corruption: who is found corrupt by which answers, and what is not
// enough to say so.

import t from 'tap';

import { bytesOf } from '../../../../src/base/bytes.js';
import { createLogger } from '../../../../src/base/log/logger.js';
import { alarmRequest, hashKvResponse } from '../../../../src/base/proto/messages.js';
import { CorruptionChecks } from '../../../../src/server/upkeep/corruption/checks.js';
import { Hashes } from '../../../../src/server/upkeep/corruption/hashes.js';

type Answer = readonly [hash: number, revision: number, compactRevision: number] | string;

/** A member with id 1 and others with ids from 2 on, by what they answer. */
function made(own: readonly Answer[], others: readonly Answer[], compactions: number[] = []) {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger(
    { level: 'info', format: 'json', outputs: [] },
    { write: (line) => lines.push(JSON.parse(String(line))), close() {} },
  );
  const answers = [...own];
  const raised: bigint[] = [];
  const state = { isLeader: true, asked: [] as number[] };
  const host = {
    id: 1n,
    clusterId: 9n,
    get isLeader() {
      return state.isLeader;
    },
    membership: {
      list: () =>
        ['own', ...others].map((_, i) => ({
          id: BigInt(i + 1),
          name: '',
          peerUrls: [`${i + 1}`],
          clientUrls: [],
          isLearner: false,
        })),
    },
    compactionHashes: Float64Array.from(compactions),
    linearizable: async () => undefined,
    execute: async (method: string, request: Buffer) => {
      if (method === 'Alarm') {
        raised.push(alarmRequest.decode(bytesOf(request)).memberID);
        return Buffer.alloc(0);
      }
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      const [hash = 0, revision = 0, compactRevision = 0] = answer as readonly number[];
      const header = { cluster_id: 9n, member_id: 1n, revision: BigInt(revision), raft_term: 1n };
      const hash_revision = BigInt(revision);
      return hashKvResponse.encode({
        // More was written since: what counts is the revision of the hash.
        header: { ...header, revision: hash_revision + 100n },
        hash,
        hash_revision,
        compact_revision: BigInt(compactRevision),
      });
    },
  };
  const http = {
    hashKv: async ([url = '']: readonly string[], asked: number) => {
      state.asked.push(asked);
      const answer = others[Number(url) - 2];
      if (answer === undefined || typeof answer === 'string') throw new Error(answer);
      const [hash, revision, compactRevision] = answer;
      return { hash, revision, compactRevision, hashRevision: asked };
    },
  };
  const checks = new CorruptionChecks(host, new Hashes(host, http, 1000), '7s', log);
  return { checks, raised, state, lines, texts: () => lines.map(({ msg }) => msg) };
}

t.test('before serving: only other data at the same compaction counts', async (t) => {
  const sound = made([[5, 10, 3]], [[5, 10, 3], 'mvcc: required revision is a future revision']);
  await sound.checks.initial();
  t.same(sound.texts(), [
    'starting initial corruption check',
    'cannot fetch hash from slow remote peer',
    'initial corruption checking passed; no corruption',
  ]);
  const behind = made(
    [[5, 10, 3]],
    [
      [6, 10, 4],
      'answered 400: mvcc: required revision has been compacted',
      'cluster ID mismatch',
      'no answer within 7000 ms',
    ],
  );
  await behind.checks.initial();
  t.same(behind.texts().slice(1, 5).sort(), [
    'cannot fetch hash from remote peer; local member is behind',
    'cluster ID mismatch',
    'failed hash kv request',
    'found different compact revision values from remote peer',
  ]);
  const corrupt = made(
    [[5, 10, 3]],
    [
      [5, 10, 3],
      [6, 12, 3],
    ],
  );
  await t.rejects(corrupt.checks.initial(), { message: '1 found data inconsistency with peers' });
  t.same(corrupt.texts().at(-1), 'found different hash values from remote peer');
  t.same(corrupt.raised, [], 'nobody else is stopped by it');
  await made([[5, 10, 3]], []).checks.initial();
});

t.test('current data: who differs, who is ahead, and the leader itself', async (t) => {
  const of = async (own: readonly Answer[], others: readonly Answer[]) => {
    const { checks, raised, texts } = made(own, others);
    await checks.periodic();
    return { raised, texts: texts() };
  };
  t.same(
    (
      await of(
        [[5, 10, 3]],
        [
          [5, 10, 3],
          [5, 9, 3],
        ],
      )
    ).raised,
    [],
  );
  t.same(
    (
      await of(
        [[5, 10, 3]],
        [
          [5, 10, 3],
          [6, 10, 3],
        ],
      )
    ).raised,
    [3n],
  );
  t.same((await of([[5, 10, 3]], [[6, 10, 2], 'silent'])).raised, [], 'another compaction');
  t.same(
    (
      await of(
        [[5, 10, 3]],
        [
          [5, 11, 3],
          [6, 10, 3],
        ],
      )
    ).raised,
    [2n],
    'one of them',
  );
  t.same((await of([[5, 10, 3]], [[5, 10, 4]])).raised, [2n], 'compacted further');
  const moved = await of(
    [
      [5, 10, 3],
      [7, 12, 3],
    ],
    [
      [5, 11, 3],
      [5, 12, 3],
    ],
  );
  t.same(moved.raised, [], 'the leader went on meanwhile');
  const unstable = await of(
    [
      [5, 10, 3],
      [6, 10, 3],
    ],
    [[5, 10, 3]],
  );
  t.same(unstable.raised, [1n]);
  t.ok(unstable.texts.includes('found hash mismatch'));
  t.ok(unstable.texts.includes('found data inconsistency with peers'));
});

t.test('only the leader looks', async (t) => {
  const { checks, state } = made([[5, 10, 3]], [[6, 10, 3]], [8, 3, 77]);
  state.isLeader = false;
  await checks.periodic();
  await checks.compactions();
  t.same(state.asked, []);
});

t.test('compactions: the minority is corrupt; without a majority nobody is named', async (t) => {
  const of = async (others: readonly Answer[]) => {
    const { checks, raised, texts, lines } = made([[0, 0, 0]], others, [8, 3, 77]);
    await checks.compactions();
    return { raised, texts: texts(), last: lines.at(-1) };
  };
  const equal = await of([
    [77, 9, 3],
    [77, 9, 3],
  ]);
  t.same(equal.raised, []);
  t.ok(equal.texts.includes('successfully checked hash on whole cluster'));
  t.match(equal.last, { msg: 'finished compaction hash check', 'number-of-hashes-checked': 1 });
  t.same(
    (
      await of([
        [77, 9, 3],
        [66, 9, 3],
      ])
    ).raised,
    [3n],
  );
  t.same(
    (
      await of([
        [66, 9, 3],
        [66, 9, 3],
      ])
    ).raised,
    [1n],
    'the leader itself',
  );
  t.same(
    (
      await of([
        [66, 9, 3],
        [55, 9, 3],
      ])
    ).raised,
    [0n],
    'all differ',
  );
  t.same((await of([[66, 9, 3]])).raised, [0n], 'two of two');
  t.same((await of([[66, 9, 3], 'silent'])).raised, [0n], 'two of three');
  t.same(
    (
      await of([
        [77, 9, 3],
        [77, 9, 3],
        [66, 9, 3],
        [66, 9, 3],
      ])
    ).raised.sort(),
    [4n, 5n],
  );
  t.same((await of([[66, 9, 2], 'silent'])).raised, [], 'nobody to compare with');
  t.same((await of([])).raised, []);
});

t.test('older compactions are looked at until one tells; none is compared twice', async (t) => {
  const { checks, state, texts } = made(
    [[0, 0, 0]],
    [[77, 9, 3]],
    [5, -1, 50, 8, 3, 77, 12, 8, 99],
  );
  await checks.compactions();
  t.same(state.asked, [12, 8], 'the newest is another one there');
  t.ok(texts().includes("Skipped peer's hash"));
  await checks.compactions();
  t.same(state.asked, [12, 8, 12], 'what was compared is not asked for again');
});
