// What load costs JavaScript when calls are served natively: turns of the event loop and growth of
// the heap a second. They are a matter of batches, so neither may grow with the rate of requests.
// Full runs compare 10,000 with 100,000 reads a second. Skipped where the generator is not built.

import t, { type Test } from 'tap';

import { findGenerator, runGenerator } from '../../../bench/load/measure/generator.js';
import { javaScriptCost } from '../../../bench/load/measure/javascript.js';
import { fill } from '../../../bench/load/measure/sample.js';
import type { Target } from '../../../bench/load/measure/targets.js';
import { startOver, transports } from '../../support/etcd/wire/subject.js';

const isFull = process.env.METASTORE_TEST_FULL === '1';
const SECONDS = isFull ? 10 : 2;
const RATES = isFull ? ([10_000, 100_000] as const) : ([2000, 10_000] as const);
const IN_FLIGHT = [100, 1000] as const;
const TURNS_MAX = 5000;
/** Turns that may come or not, such as those of timers. */
const TURNS_SLACK = 300;
/** Part of the larger growth by which the two may differ. */
const HEAP_DIFFERENCE_MAX = 0.05;
/** What looking ten times a second allocates varies by this much between runs, bytes a second. */
const LOOKING_BYTES = 150_000;

t.setTimeout(5 * 60_000);

async function start(t: Test): Promise<Target> {
  const member = await startOver('native');
  t.teardown(() => member.stop());
  return {
    server: 'native',
    pids: [member.pid],
    args: [`--endpoints=${member.endpoint}`],
    url: `http://${member.endpoint}`,
    stop: async () => undefined,
  };
}

async function turnsOf(target: Target): Promise<number> {
  const response = await fetch(`${target.url}/debug/vars`);
  const vars = (await response.json()) as { 'event.loop': { turns: number | null } };
  return vars['event.loop'].turns ?? Number.NaN;
}

async function reads(t: Test, target: Target): Promise<void> {
  await fill(target);
  await javaScriptCost(target, RATES[0], 1); // warms up what is compiled late
  const [slow, fast] = [
    await javaScriptCost(target, RATES[0], SECONDS),
    await javaScriptCost(target, RATES[1], SECONDS),
  ];
  for (const { rate, perSecond, turnsPerSecond, heapBytesPerSecond } of [slow, fast]) {
    const kib = (heapBytesPerSecond / 1024).toFixed(0);
    t.comment(`${rate} reads/s: ${turnsPerSecond?.toFixed(0)} turns/s, ${kib} KiB/s of heap`);
    t.ok(perSecond > rate * 0.9, `${perSecond.toFixed(0)} of ${rate} reads/s were served`);
    t.ok((turnsPerSecond ?? 0) < TURNS_MAX, `${turnsPerSecond?.toFixed(0)} turns/s`);
  }
  const [slowTurns, fastTurns] = [slow.turnsPerSecond ?? 0, fast.turnsPerSecond ?? 0];
  t.ok(fastTurns < slowTurns * 1.1 + TURNS_SLACK, 'turns do not grow with the rate');
  const difference = Math.abs(fast.heapBytesPerSecond - slow.heapBytesPerSecond);
  const larger = Math.max(fast.heapBytesPerSecond, slow.heapBytesPerSecond);
  const isEqual = difference < larger * HEAP_DIFFERENCE_MAX || difference < LOOKING_BYTES;
  t.ok(isEqual, `growth of the heap differs by ${((100 * difference) / larger).toFixed(1)} %`);
}

async function writes(t: Test, target: Target): Promise<void> {
  const turns: number[] = [];
  for (const inFlight of IN_FLIGHT) {
    const before = await turnsOf(target);
    const started = performance.now();
    const args = [...target.args, '--mix=put', `--in-flight=${inFlight}`, '--warm-up=0'];
    const result = await runGenerator([...args, `--duration=${SECONDS}`], SECONDS);
    const seconds = (performance.now() - started) / 1000;
    const perSecond = ((await turnsOf(target)) - before) / seconds;
    turns.push(perSecond);
    const rate = result.requests.per_second.toFixed(0);
    t.comment(`${inFlight} puts in flight, ${rate}/s: ${perSecond.toFixed(0)} turns/s`);
    t.equal(result.failed, 0);
    t.ok(perSecond < TURNS_MAX, `${perSecond.toFixed(0)} turns/s`);
  }
  const [few = 0, many = 0] = turns;
  t.ok(many < few * 1.1 + TURNS_SLACK, 'turns do not grow with what is in flight');
}

const skip =
  (findGenerator() === null && 'the generator of bench/load is not built') ||
  (!transports.includes('native') && 'there is no native transport');

t.test('what load costs JavaScript', { skip }, async (t) => {
  const target = await start(t);
  await t.test('reads', (t) => reads(t, target));
  await t.test('writes', (t) => writes(t, target));
});
