// Cores that run nothing by themselves: the same seed does the same, nothing that was acknowledged
// is lost by a power cut between any two steps, and a directory can be opened again at once.

import t, { type Test } from 'tap';
import { Prng } from '../../../src/server/election/prng.js';
import { loadAddon } from '../../../src/storage/loader.js';
import type { OpenOptions, StepExecutor } from '../../../src/storage/native.js';
import { tempDir } from '../../support/temp-dir.js';
import { Promises, SteppedVoter } from './voters/stepped-voter.js';
import { openOptions } from './voters/tiny-voter.js';

const addon = loadAddon();
const CRASHES = 50;
const ACTIONS_MOST = 400;

function steppedOptions(dataDir: string, engine: 'memory' | 'rocksdb', seed: number): OpenOptions {
  return {
    ...openOptions(dataDir, engine),
    walSegmentBytes: 4096,
    compactionSleepMs: 50,
    compactionBatchLimit: 2,
    fileLayer: `lossy:${seed}`,
    stepped: true,
  };
}

/** One life: a start, random steps, a check of all that was promised; then a power cut. */
async function live(
  test: Test,
  options: OpenOptions,
  promises: Promises,
  random: Prng,
): Promise<string[]> {
  const voter = await SteppedVoter.open(addon, options, promises, random);
  test.ok(voter.lastIndex >= promises.durableIndex, 'what was durable is in the log');
  if (random.nextBelow(2) === 0) {
    test.ok(voter.settle(), 'it comes to rest');
    test.equal(voter.appliedIndex, voter.lastIndex, 'the log is applied again');
    test.strictSame(voter.broken(), [], 'what was acknowledged is there');
  }
  const actions = random.nextBelow(ACTIONS_MOST);
  for (let i = 0; i < actions; i += 1) voter.act();
  test.equal(voter.fatalMessage, '');
  voter.crash();
  return voter.trace;
}

for (const engine of ['memory', 'rocksdb'] as const) {
  t.test(`${engine}: power cuts at any step`, async (test) => {
    const seed = 20261121;
    const random = new Prng(seed);
    const promises = new Promises();
    const dataDir = tempDir('stepped');
    for (let crash = 0; crash < CRASHES; crash += 1) {
      await live(test, steppedOptions(dataDir, engine, seed + crash), promises, random);
    }
    const options = steppedOptions(dataDir, engine, seed);
    const last = await SteppedVoter.open(addon, options, promises, random);
    test.ok(last.settle());
    test.strictSame(last.broken(), [], `seed ${seed}`);
    test.ok(promises.stored.size > 5 && promises.durableIndex > 100, 'it did something');
    test.ok(promises.lostEntries > 5 && promises.lostState > 20, 'and lost what it may');
    last.put();
    await last.core.close();
    // Closed in order, it opens with the operating system's files.
    const plain = { ...options, fileLayer: '' };
    const voter = await SteppedVoter.open(addon, plain, promises, random);
    test.equal(voter.recovered.tornBytes, 0);
    test.ok(voter.settle());
    test.strictSame(voter.broken(), []);
    await voter.core.close();
  });
}

t.test('the same seed does the same', async (test) => {
  const traces: string[][] = [];
  for (const name of ['first', 'second']) {
    const random = new Prng(7);
    const promises = new Promises();
    const dataDir = tempDir(name);
    const lives: string[] = [];
    for (let crash = 0; crash < 8; crash += 1) {
      lives.push(...(await live(test, steppedOptions(dataDir, 'memory', crash), promises, random)));
    }
    traces.push(lives);
  }
  test.ok((traces[0]?.length ?? 0) > 100);
  test.strictSame(traces[0], traces[1]);
});

t.test('request ids are of one life', async (test) => {
  const dataDir = tempDir('ids');
  const ids: bigint[] = [];
  for (let i = 0; i < 3; i += 1) {
    const { core } = await addon.open(steppedOptions(dataDir, 'memory', i), () => {});
    ids.push(core.nextId());
    core.crash();
  }
  test.equal(new Set(ids).size, 3);
  const { core } = await addon.open(steppedOptions(tempDir('ids'), 'memory', 0), () => {});
  test.equal(core.nextId(), ids[0], 'of a new directory they are always the same');
  core.crash();
});

for (const engine of ['memory', 'rocksdb'] as const) {
  t.test(`${engine}: a core that crashed answers as a closed one`, async (test) => {
    const options = steppedOptions(tempDir('dead'), engine, 1);
    const { core } = await addon.open(options, () => {});
    await test.rejects(
      addon.open(options, () => {}),
      { code: 'Locked' },
    );
    core.crash();
    core.crash();
    test.equal(core.step('log'), false);
    test.equal(core.drain(), null);
    test.throws(() => core.status(), { code: 'Stopped' });
    test.throws(() => core.close(), { code: 'Stopped' });
    core.apply(1);
    const again = await addon.open(options, () => {});
    await again.core.close();
    again.core.crash();
    test.equal(again.core.step('apply'), false);
  });
}

t.test('misuse', async (test) => {
  const { core } = await addon.open(openOptions(tempDir('misuse'), 'memory'), () => {});
  test.equal(core.step('log'), false, 'its tasks run by themselves');
  test.throws(() => core.crash(), { code: 'Internal' });
  test.throws(() => core.step('wal' as StepExecutor), TypeError);
  await core.close();
});
