// Tests of src/server/upkeep/auto-compaction.ts on a clock that is moved by hand: which revision is
// compacted when, by whom, and what a failure changes.

import t from 'tap';

import { MetaStoreError } from '../../../../src/base/errors.js';
import { createLogger } from '../../../../src/base/log/logger.js';
import {
  autoCompaction,
  autoCompactionTickMs,
  durationText,
} from '../../../../src/server/upkeep/auto-compaction.js';
import type { AutoCompaction } from '../../../../src/server/upkeep/options.js';
import { ManualClock } from '../../../support/fakes/manual-clock.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

function made(options: AutoCompaction) {
  const clock = new ManualClock();
  const lines: { msg: string; revision?: number }[] = [];
  const log = createLogger(
    { level: 'info', format: 'json', outputs: [] },
    { write: (line) => lines.push(JSON.parse(String(line))), close() {} },
  );
  const target = {
    isLeader: true,
    revision: 1,
    failure: null as Error | null,
    compacted: [] as number[],
    compact: async (revision: number) => {
      if (target.failure !== null) throw target.failure;
      target.compacted.push(revision);
    },
  };
  const mode = autoCompaction(options, target, clock, log);
  const stop = clock.every(autoCompactionTickMs(options), () => mode.tick());
  /** Moves on in small steps, so that what is begun in one is done before the next. */
  const advance = async (ms: number, stepMs: number, onStep = () => {}) => {
    for (let passed = 0; passed < ms; passed += stepMs) {
      onStep();
      clock.advance(stepMs);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  /** Moves on without any tick on the way. */
  const jump = (ms: number) => {
    stop();
    clock.advance(ms);
  };
  return { target, mode, jump, advance, texts: () => lines.map(({ msg }) => msg) };
}

t.test('a short period: the first compaction after it, then one each period', async (t) => {
  const { target, advance, texts } = made({ mode: 'periodic', periodMs: 4000 });
  await advance(3500, 100);
  target.revision = 8;
  await advance(400, 100);
  t.same(target.compacted, [], 'not before a whole period');
  await advance(100, 100);
  t.same(target.compacted, [1], 'to what it was when the period began');
  t.same(texts(), ['starting auto periodic compaction', 'completed auto periodic compaction']);
  target.revision = 18;
  await advance(3900, 100);
  t.same(target.compacted, [1], 'not before another period');
  await advance(100, 100);
  t.same(target.compacted, [1, 8]);
});

t.test('an hour and more: sampled every six minutes, compacted every hour', async (t) => {
  const { target, advance } = made({ mode: 'periodic', periodMs: 3 * HOUR_MS });
  // The revision is the number of minutes that have passed.
  const grow = () => {
    target.revision += 1;
  };
  await advance(3 * HOUR_MS - MINUTE_MS, MINUTE_MS, grow);
  t.same(target.compacted, []);
  await advance(MINUTE_MS, MINUTE_MS, grow);
  t.equal(target.compacted.length, 1);
  await advance(4 * HOUR_MS, MINUTE_MS, grow);
  t.equal(target.compacted.length, 5, 'every hour after that');
  const behind = 7 * 60 - (target.compacted[4] ?? 0);
  t.ok(behind >= 180 && behind <= 187, `what was three hours ago (${behind} minutes)`);
});

t.test('the same revision is not compacted twice', async (t) => {
  const { target, advance } = made({ mode: 'periodic', periodMs: 1000 });
  await advance(10_000, 100);
  t.same(target.compacted, [1]);
  target.revision = 5;
  await advance(1500, 100);
  t.same(target.compacted, [1, 5]);
});

t.test('only a leader compacts; a new one knows what was when', async (t) => {
  const { target, advance } = made({ mode: 'periodic', periodMs: 1000 });
  target.isLeader = false;
  await advance(5000, 100);
  target.revision = 9;
  await advance(5000, 100);
  t.same(target.compacted, []);
  target.isLeader = true;
  await advance(100, 100);
  t.same(target.compacted, [9], 'at once, since a period has passed from the start');
});

t.test('one that fails is tried again with the next sample', async (t) => {
  const { target, advance, texts } = made({ mode: 'periodic', periodMs: 1000 });
  target.failure = new Error('no leader');
  await advance(1000, 100);
  t.same(texts(), ['starting auto periodic compaction', 'failed auto periodic compaction']);
  target.failure = null;
  await advance(100, 100);
  t.same(target.compacted, [1]);
});

t.test('what somebody else has compacted is done', async (t) => {
  const { target, advance, texts } = made({ mode: 'periodic', periodMs: 1000 });
  target.failure = MetaStoreError.named('Compacted');
  await advance(3000, 100);
  t.same(texts(), ['starting auto periodic compaction', 'completed auto periodic compaction']);
});

t.test('a process that stood still compacts once for all that it missed', async (t) => {
  const { target, texts, mode, jump } = made({ mode: 'periodic', periodMs: 10_000 });
  target.revision = 7;
  jump(60_000);
  for (let i = 0; i < 5; i++) {
    mode.tick();
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.same(target.compacted, [1]);
  t.equal(texts().length, 2);
});

t.test('by revisions: every five minutes, when there are more than are kept', async (t) => {
  const { target, advance, texts } = made({ mode: 'revision', revisions: 10 });
  target.revision = 10;
  await advance(5 * MINUTE_MS, 1000);
  t.same(target.compacted, [], 'there are no more than are kept');
  target.revision = 25;
  await advance(5 * MINUTE_MS - 1000, 1000);
  t.same(target.compacted, []);
  await advance(1000, 1000);
  t.same(target.compacted, [15]);
  t.same(texts(), ['starting auto revision compaction', 'completed auto revision compaction']);
  await advance(5 * MINUTE_MS, 1000);
  t.same(target.compacted, [15], 'nothing has changed');
  target.isLeader = false;
  target.revision = 40;
  await advance(5 * MINUTE_MS, 1000);
  t.same(target.compacted, [15], 'a follower does nothing');
  target.isLeader = true;
  target.failure = new Error('x');
  await advance(5 * MINUTE_MS, 1000);
  target.failure = null;
  await advance(5 * MINUTE_MS, 1000);
  t.same(target.compacted, [15, 30], 'after a failure at the next look');
});

t.test('durations as the log shows them', async (t) => {
  t.equal(durationText(250), '250ms');
  t.equal(durationText(4000), '4s');
  t.equal(durationText(1500), '1.5s');
  t.equal(durationText(90_000), '1m30s');
  t.equal(durationText(HOUR_MS), '1h0m0s');
  t.equal(durationText(24 * HOUR_MS), '24h0m0s');
});
