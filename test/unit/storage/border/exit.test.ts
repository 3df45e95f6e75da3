// Environments that end while a member is open: the process exits, the script just ends, workers
// are terminated in the middle of opening. None may crash, and the directory must open afterwards.

import { spawnSync } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { loadAddon } from '../../../../src/storage/loader.js';
import { tempDir } from '../../../support/temp-dir.js';
import { openOptions } from '../voters/tiny-voter.js';

const here = (file: string): string => new URL(file, import.meta.url).href;

/** A script that keeps a member busy for a moment, and then does `last` without closing it. */
function busyScript(dataDir: string, engine: string, last: string): string {
  return `(async () => {
    const { loadAddon } = await import('${here('../../../../src/storage/loader.js')}');
    const { openOptions } = await import('${here('../voters/tiny-voter.js')}');
    const addon = loadAddon();
    const options = openOptions('${dataDir}', '${engine}');
    let core = null;
    ({ core } = await addon.open(options, () => core?.drain()));
    const put = Buffer.from([0x0a, 1, 97, 0x12, 1, 98]);
    let next = 1;
    for (let turn = 0; turn < 50; turn += 1) {
      for (let i = 0; i < 20; i += 1) core.submit(i, addon.methods.Put, put, '', 0, 0);
      const { length } = core.takeProposals(100, 1 << 20, 1);
      const run = { kind: 'queued', firstIndex: next, term: 1, count: length };
      core.append(turn, [run], null, true, false);
      next += length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    ${last}
  })();`;
}

function run(script: string): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, ['--eval', script], { encoding: 'utf8', timeout: 30_000 });
}

for (const engine of ['memory', 'rocksdb'] as const) {
  t.test(`${engine}: process.exit`, async (test) => {
    const { status, stderr } = run(busyScript(tempDir('exit'), engine, 'process.exit(7);'));
    test.equal(status, 7, stderr);
  });

  t.test(`${engine}: the script ends`, async (test) => {
    const dataDir = tempDir('end');
    const { status, stderr } = run(busyScript(dataDir, engine, ''));
    test.equal(status, 0, stderr);
    const { core, recovered } = await loadAddon().open(openOptions(dataDir, engine), () => {});
    test.equal(recovered.lastIndex, 1000, 'what was appended has been written');
    await core.close();
  });

  t.test(`${engine}: terminated workers`, async (test) => {
    const codes = await Promise.all(
      [0, 10, 20, 40, 80, null].map((delayMs) => {
        const worker = new Worker(busyScript(tempDir('worker'), engine, ''), { eval: true });
        const ended = new Promise<string>((resolve) => {
          worker.once('exit', (code) => resolve(`${delayMs === null ? code : 'ended'}`));
          worker.once('error', (error) => resolve(String(error)));
        });
        if (delayMs !== null) setTimeout(() => worker.terminate(), delayMs);
        return ended;
      }),
    );
    test.strictSame(codes, ['ended', 'ended', 'ended', 'ended', 'ended', '0']);
  });
}
