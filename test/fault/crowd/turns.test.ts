// What load costs JavaScript when calls are served natively: turns of the event loop and growth of
// the heap a second. They are a matter of batches, so neither may grow with the rate of requests.
// Full runs compare 10,000 with 100,000 reads a second. Skipped where the generator is not built.

import t, { type Test } from 'tap';

import { findGenerator, runGenerator } from '../../../bench/load/measure/generator.js';
import { type JavaScriptCost, javaScriptCost } from '../../../bench/load/measure/javascript.js';
import { fill } from '../../../bench/load/measure/sample.js';
import type { Target } from '../../../bench/load/measure/targets.js';
import { startOver, transports } from '../../support/etcd/wire/subject.js';

const isFull = process.env.METASTORE_TEST_FULL === '1';
const SECONDS = isFull ? 10 : 2;
const RATES = isFull ? ([10_000, 100_000] as const) : ([2000, 10_000] as const);
const IN_FLIGHT = [100, 1000] as const;
/** A member has other things to do at times: pairs of runs until one shows what it can do. */
const ROUNDS = 3;
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
    clientUrls: [`http://${member.endpoint}`],
    stop: async () => undefined,
  };
}

async function turnsOf(target: Target): Promise<number> {
  const response = await fetch(`${target.url}/debug/vars`);
  const vars = (await response.json()) as { 'event.loop': { turns: number | null } };
  return vars['event.loop'].turns ?? Number.NaN;
}

type Cost = Omit<JavaScriptCost, 'round'>;

function isServed({ rate, perSecond }: Cost): boolean {
  return perSecond > rate * 0.9;
}

/** What stands against a pair of runs: nothing, or what there is more of at the higher rate. */
function growth(slow: Cost, fast: Cost): string[] {
  const out: string[] = [];
  for (const cost of [slow, fast]) {
    const { rate, perSecond, turnsPerSecond } = cost;
    if (!isServed(cost)) out.push(`${perSecond.toFixed(0)} of ${rate} reads/s were served`);
    if ((turnsPerSecond ?? TURNS_MAX) >= TURNS_MAX) out.push(`${turnsPerSecond} turns/s`);
  }
  const [slowTurns, fastTurns] = [slow.turnsPerSecond ?? 0, fast.turnsPerSecond ?? 0];
  if (fastTurns >= slowTurns * 1.1 + TURNS_SLACK) out.push('turns grow with the rate');
  const more = fast.heapBytesPerSecond - slow.heapBytesPerSecond;
  if (more >= Math.max(fast.heapBytesPerSecond * HEAP_DIFFERENCE_MAX, LOOKING_BYTES)) {
    out.push(`the heap grows faster by ${(more / 1024).toFixed(0)} KiB/s`);
  }
  return out;
}

/** Of two runs the one that cost less: what else a member has to do only adds to both. */
function cheaper(a: Cost | null, b: Cost): Cost {
  if (a === null || !isServed(a)) return b;
  return isServed(b) && b.heapBytesPerSecond < a.heapBytesPerSecond ? b : a;
}

async function reads(t: Test, target: Target): Promise<void> {
  await fill(target);
  await javaScriptCost(target, RATES[0], 1); // warms up what is compiled late
  let slow: Cost | null = null;
  let fast: Cost | null = null;
  let against: string[] = ['not measured'];
  for (let round = 0; round < ROUNDS && against.length > 0; round++) {
    slow = cheaper(slow, await javaScriptCost(target, RATES[0], SECONDS));
    fast = cheaper(fast, await javaScriptCost(target, RATES[1], SECONDS));
    for (const { rate, turnsPerSecond, heapBytesPerSecond } of [slow, fast]) {
      const kib = (heapBytesPerSecond / 1024).toFixed(0);
      t.comment(`${rate} reads/s: ${turnsPerSecond?.toFixed(0)} turns/s, ${kib} KiB/s of heap`);
    }
    against = growth(slow, fast);
  }
  t.same(against, [], 'JavaScript costs the same at both rates');
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
