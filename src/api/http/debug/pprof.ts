// GET /debug/pprof/...: profiles of the running process by V8's inspector, under the paths where
// Go programs have theirs. The formats are those of Chrome's developer tools. Served only with
// --enable-pprof or at log level debug. Called by the router.

import { readdirSync, readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';

import type { HttpResponse } from '../../../base/call.js';
import { notFound, refusal } from '../replies.js';
import { withoutSecrets } from './vars.js';

const PREFIX = '/debug/pprof/';
const SECONDS_MAX = 600;
const HEAP_SAMPLING_BYTES = 64 * 1024;
const NS_PER_MS = 1_000_000;
/** Parts of a heap snapshot that wait for the client, at most, before the rest is dropped. */
const TRACE_CATEGORIES = ['node', 'v8', 'node.async_hooks', 'node.perf'];

const plain = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };

const descriptions: Readonly<Record<string, string>> = {
  allocs: 'samples of allocations (?seconds=30), for the memory panel of developer tools',
  block: 'delays of the event loop (?seconds=5)',
  cmdline: 'the command line, with zero bytes between its words',
  goroutine: 'what keeps the event loop alive',
  heap: 'a heap snapshot; the process stands still meanwhile',
  mutex: 'as block',
  profile: 'a CPU profile (?seconds=30), for the performance panel of developer tools',
  symbol: 'there are no addresses to look up',
  threadcreate: 'threads of the process',
  trace: 'events of Node and V8 (?seconds=1), for a trace viewer',
};

function text(body: string): HttpResponse {
  return { status: 200, headers: plain, body };
}

function file(name: string, body: HttpResponse['body']): HttpResponse {
  const headers = {
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename="${name}"`,
    'x-content-type-options': 'nosniff',
  };
  return { status: 200, headers, body };
}

/** Runs something in a session of the inspector, which ends with it. */
async function withSession<T>(run: (session: Session) => Promise<T>): Promise<T> {
  const session = new Session();
  session.connect();
  try {
    return await run(session);
  } finally {
    session.disconnect();
  }
}

/** Resolves after the time, or as soon as nobody waits any more. */
function pause(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

async function cpuProfile(seconds: number, signal: AbortSignal): Promise<HttpResponse> {
  const profile = await withSession(async (session) => {
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
    await pause(seconds, signal);
    return (await session.post('Profiler.stop')).profile;
  });
  return file('profile.cpuprofile', JSON.stringify(profile));
}

async function allocations(seconds: number, signal: AbortSignal): Promise<HttpResponse> {
  const profile = await withSession(async (session) => {
    await session.post('HeapProfiler.startSampling', { samplingInterval: HEAP_SAMPLING_BYTES });
    await pause(seconds, signal);
    return (await session.post('HeapProfiler.stopSampling')).profile;
  });
  return file('allocations.heapprofile', JSON.stringify(profile));
}

async function heapSnapshot(): Promise<HttpResponse> {
  const chunks: string[] = [];
  await withSession(async (session) => {
    session.on('HeapProfiler.addHeapSnapshotChunk', ({ params }) => chunks.push(params.chunk));
    await session.post('HeapProfiler.takeHeapSnapshot', { reportProgress: false });
  });
  return file('heap.heapsnapshot', asPieces(chunks));
}

async function* asPieces(chunks: readonly string[]): AsyncGenerator<string> {
  yield* chunks;
}

async function trace(seconds: number, signal: AbortSignal): Promise<HttpResponse> {
  const events: object[] = [];
  await withSession(async (session) => {
    const complete = new Promise<void>((resolve) => {
      session.once('NodeTracing.tracingComplete', () => resolve());
    });
    session.on('NodeTracing.dataCollected', ({ params }) => events.push(...params.value));
    const traceConfig = { includedCategories: TRACE_CATEGORIES };
    await session.post('NodeTracing.start', { traceConfig });
    await pause(seconds, signal);
    await session.post('NodeTracing.stop');
    await complete;
  });
  return file('trace.json', JSON.stringify({ traceEvents: events }));
}

async function loopDelays(seconds: number, signal: AbortSignal): Promise<HttpResponse> {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  delays.enable();
  await pause(seconds, signal);
  delays.disable();
  const at = (percentile: number) => (delays.percentile(percentile) / NS_PER_MS).toFixed(3);
  return text(
    [
      `delays of the event loop in ${seconds} s, milliseconds`,
      `p50 ${at(50)}`,
      `p90 ${at(90)}`,
      `p99 ${at(99)}`,
      `p99.9 ${at(99.9)}`,
      `max ${(delays.max / NS_PER_MS).toFixed(3)}`,
      '',
    ].join('\n'),
  );
}

/** Names of the process's threads with how often each is there. */
function threads(): HttpResponse {
  const counts = new Map<string, number>();
  try {
    for (const id of readdirSync('/proc/self/task')) {
      const name = readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim();
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  } catch {
    return text('threads are not listed on this system\n');
  }
  const lines = [...counts].map(([name, count]) => `${count} ${name}`);
  return text(`${lines.join('\n')}\n`);
}

function resources(): HttpResponse {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const lines = [...counts].map(([kind, count]) => `${count} ${kind}`);
  return text(`${lines.join('\n')}\n`);
}

function index(): HttpResponse {
  const rows = Object.entries(descriptions).map(
    ([name, what]) => `<li><a href="${name}">${name}</a>: ${what}</li>`,
  );
  const page = `<html><head><title>${PREFIX}</title></head><body><ul>${rows.join('')}</ul></body>`;
  return {
    status: 200,
    headers: { 'content-type': 'text/html; charset=utf-8', 'x-content-type-options': 'nosniff' },
    body: `${page}</html>\n`,
  };
}

/** Seconds of a query; null when they are none. */
function secondsOf(query: URLSearchParams, otherwise: number): number | null {
  const given = query.get('seconds');
  const seconds = given === null || given === '' ? otherwise : Number(given);
  return Number.isFinite(seconds) && seconds > 0 && seconds <= SECONDS_MAX ? seconds : null;
}

const timed: Readonly<
  Record<string, [number, (seconds: number, signal: AbortSignal) => Promise<HttpResponse>]>
> = {
  profile: [30, cpuProfile],
  allocs: [30, allocations],
  trace: [1, trace],
  block: [5, loopDelays],
  mutex: [5, loopDelays],
};

/** Profiles, one at a time. */
export class Profiles {
  #busy = false;

  /** Answers a GET of a path below /debug/pprof/. */
  async answer(path: string, query: URLSearchParams, signal: AbortSignal): Promise<HttpResponse> {
    const name = path.slice(PREFIX.length);
    switch (name) {
      case '':
        return index();
      case 'cmdline':
        return text(withoutSecrets(process.argv).join('\0'));
      case 'symbol':
        return text('num_symbols: 0\n');
      case 'goroutine':
        return resources();
      case 'threadcreate':
        return threads();
      case 'heap':
        return this.#alone(heapSnapshot);
      default:
        return this.#timed(name, query, signal);
    }
  }

  #timed(name: string, query: URLSearchParams, signal: AbortSignal): Promise<HttpResponse> {
    const found = timed[name];
    if (found === undefined) {
      return Promise.resolve(notFound);
    }
    const [otherwise, run] = found;
    const seconds = secondsOf(query, otherwise);
    if (seconds === null) {
      return Promise.resolve(refusal(400, `seconds must be above 0 and at most ${SECONDS_MAX}`));
    }
    return this.#alone(() => run(seconds, signal));
  }

  async #alone(run: () => Promise<HttpResponse>): Promise<HttpResponse> {
    if (this.#busy) {
      return refusal(500, 'a profile is being taken already');
    }
    this.#busy = true;
    try {
      return await run();
    } finally {
      this.#busy = false;
    }
  }
}
