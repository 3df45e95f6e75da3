// What a load of reads costs the JavaScript side: turns of its event loop and growth of its heap a
// second, at two fixed rates. Neither may grow with the rate when requests are served natively.
// The numbers are those of /debug/vars, looked at equally often at both rates, since looking costs
// JavaScript more than the reads do. For the same reason it has to be looked at for a while before
// anything counts: the code that answers allocates up to twice as much until it is compiled.

import { failuresText, runGenerator } from './generator.js';
import type { Target } from './targets.js';

export interface JavaScriptCost {
  readonly server: string;
  readonly round: number;
  /** Reads a second, asked for and answered. */
  readonly rate: number;
  readonly perSecond: number;
  readonly turnsPerSecond: number | null;
  readonly heapBytesPerSecond: number;
}

interface Vars {
  readonly memstats: { readonly HeapAlloc: number };
  readonly 'event.loop'?: { readonly turns: number | null };
}

const everyMs = 250;

async function varsOf(url: string): Promise<Vars> {
  const response = await fetch(`${url}/debug/vars`);
  return (await response.json()) as Vars;
}

/** Looks that are not counted. */
const warmUpMs = 4000;
const warmUpEveryMs = 25;

interface Watched {
  readonly seconds: number;
  readonly turns: number | null;
  readonly heapBytesPerSecond: number;
}

/**
 * How the heap rises between two looks. What lies around a collection says nothing of it: neither
 * its bytes nor its time count.
 */
async function watchVars(url: string, forMs: number): Promise<Watched> {
  const started = performance.now();
  const first = await varsOf(url);
  let last = first;
  let lastMs = performance.now();
  let heapBytes = 0;
  let heapMs = 0;
  const looks = Math.max(1, Math.round(forMs / everyMs));
  for (let look = 1; look <= looks; look += 1) {
    const waitMs = started + look * (forMs / looks) - performance.now();
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, waitMs)));
    const now = await varsOf(url);
    const nowMs = performance.now();
    const rise = now.memstats.HeapAlloc - last.memstats.HeapAlloc;
    if (rise > 0) {
      heapBytes += rise;
      heapMs += nowMs - lastMs;
    }
    last = now;
    lastMs = nowMs;
  }
  const from = first['event.loop']?.turns ?? null;
  const to = last['event.loop']?.turns ?? null;
  return {
    seconds: (performance.now() - started) / 1000,
    turns: from === null || to === null ? null : to - from,
    heapBytesPerSecond: heapMs === 0 ? 0 : (heapBytes / heapMs) * 1000,
  };
}

/** Has what answers the looks compiled. To be called once for a server, before any cost of it. */
export async function warmUpLooks(target: Target): Promise<void> {
  if (target.url === null) throw new Error('only in clear text');
  for (let spentMs = 0; spentMs < warmUpMs; spentMs += warmUpEveryMs) {
    await varsOf(target.url);
    await new Promise((resolve) => setTimeout(resolve, warmUpEveryMs));
  }
}

/** Reads at this rate for so many seconds while the server is asked what it costs. */
export async function javaScriptCost(
  target: Target,
  rate: number,
  seconds: number,
): Promise<Omit<JavaScriptCost, 'round'>> {
  if (target.url === null) throw new Error('only in clear text');
  const args = ['--mix=get', '--preloaded', `--rate=${rate}`, '--connections=10', '--warm-up=0.5'];
  const load = runGenerator([...target.args, ...args, `--duration=${seconds + 0.5}`], seconds + 1);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const watching = watchVars(target.url, seconds * 1000);
  const [result, { seconds: took, turns, heapBytesPerSecond }] = await Promise.all([
    load,
    watching,
  ]);
  if (result.failed > 0) throw new Error(`${target.server}: ${failuresText(result)}`);
  return {
    server: target.server,
    rate,
    perSecond: result.requests.per_second,
    turnsPerSecond: turns === null ? null : turns / took,
    heapBytesPerSecond,
  };
}
