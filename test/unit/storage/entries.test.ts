// What travels between members, across the border: a leader's entries into a follower's log as
// decodeRun and 'received' runs have it, and proposals handed over to the leader and back.

import t from 'tap';
import { EntryType } from '../../../src/raft/index.js';
import { decodeRun, ReceivedPayload } from '../../../src/storage/entry-run.js';
import { loadAddon } from '../../../src/storage/loader.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitFor } from '../../support/wait.js';
import { openOptions, TinyVoter } from './voters/tiny-voter.js';

const addon = loadAddon();
const { Put, HashKv } = addon.methods;
const put = (key: string, value: string): Uint8Array =>
  Buffer.concat([
    Buffer.from([0x0a, key.length]),
    Buffer.from(key),
    Buffer.from([0x12, value.length]),
    Buffer.from(value),
  ]);
const errorCode = (name: string): number => addon.errors.findIndex((row) => row.name === name);

t.test('entries of one log in another', async (test) => {
  const leader = await TinyVoter.open(addon, openOptions(tempDir('leader'), 'memory'));
  const follower = await TinyVoter.open(addon, openOptions(tempDir('follower'), 'memory'));
  for (let i = 0; i < 5; i += 1) await leader.call(Put, put(`key${i % 3}`, `value${i}`));
  const run = leader.core.cachedEntries(1, 5);
  if (run === null) throw new Error('the entries are in memory');
  const entries = decodeRun(follower.core, 1, run) ?? [];
  test.strictSame(
    entries.map(({ index, type }) => [index, type]),
    [1, 2, 3, 4, 5].map((index) => [index, EntryType.Normal]),
  );
  const payload = entries[2]?.data;
  if (!(payload instanceof ReceivedPayload)) throw new Error('normal entries stay in the run');
  const whole = { kind: 'received', firstIndex: 1, count: 2, run, offset: 4 } as const;
  const rest = { ...whole, firstIndex: 3, count: 3, offset: payload.offset };
  follower.core.append(7, [whole, rest], { term: 9, vote: 0n, commit: 5 }, true, false);
  await waitFor('the log to be written', () => {
    follower.drain();
    follower.core.apply(5);
    return follower.appliedIndex === 5;
  });
  test.strictSame(follower.core.cachedEntries(1, 5), run);
  const hash = async (voter: TinyVoter): Promise<Buffer> =>
    (await voter.call(HashKv, new Uint8Array())).subarray(-16);
  test.strictSame(await hash(follower), await hash(leader));

  leader.core.readEntries(9001, 2, 4);
  test.strictSame(await leader.await(9001, 0), leader.core.cachedEntries(2, 4));
  leader.core.readEntries(9002, 2, 6);
  await test.rejects(leader.await(9002, 0), { code: 'Internal' });
  test.equal(leader.core.cachedEntries(2, 6), null);

  const damaged = Buffer.from(run);
  damaged[20] = (damaged[20] ?? 0) ^ 1;
  test.equal(decodeRun(follower.core, 1, damaged), null);
  test.equal(decodeRun(follower.core, 1, run.subarray(0, 40)), null);
  await Promise.all([leader.core.close(), follower.core.close()]);
});

t.test('proposals for the leader', async (test) => {
  const leader = await TinyVoter.open(addon, openOptions(tempDir('leader'), 'memory'));
  const { core } = await addon.open(openOptions(tempDir('follower'), 'memory'), () => {});
  test.equal(core.takeForwards(10, 1 << 20, 1), null);
  for (const ticket of [1, 2, 3, 4]) core.submit(ticket, Put, put('key', 'value'), '', 0, 0);
  const first = core.takeForwards(2, 1 << 20, 1);
  const second = core.takeForwards(1, 1 << 20, 1);
  if (first === null || second === null) throw new Error('there were four');
  test.equal(leader.core.enqueueForwarded(first), 2);
  test.equal(leader.core.enqueueForwarded(first.subarray(1)), -errorCode('Unmarshal'));
  test.equal(leader.core.takeProposals(10, 1 << 20, 1).length, 2);
  leader.core.dropProposals(2, errorCode('ProposalDropped'));
  test.equal(leader.core.drain(), null, 'nobody waits for them there');

  core.returnForwards(second, 0);
  test.equal(core.takeProposals(1, 1 << 20, 2).length, 1, 'ticket 3, before ticket 4');
  test.strictSame([...core.expireQueued(10)], [4]);
  core.failHandedOver(2, errorCode('TimeoutLeaderFailure'));
  test.equal(core.drain()?.length, 2 * (4 + 1 + 8 + 2), 'tickets 1 and 2 are answered');
  core.dropProposals(1, errorCode('ProposalDropped'));
  test.equal(core.status().queuedOperations, 0);
  await Promise.all([leader.core.close(), core.close()]);
});
