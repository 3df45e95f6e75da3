// Drives several servers through one seeded sequence of requests in lock step and reports the first
// difference with what is needed to see it again: seed, step, request, both answers. The first
// server is the one that the others are held against. Called by differential.test.ts.

import { type Call, calls, headerRevision, type Message, type Reply } from '../support/calls.js';
import { canonicalReply, show } from './canonical.js';
import { Generator, type Step, watchStreams } from './generator.js';
import { isKnownDifference, isOlder } from './known-differences.js';
import type { Server } from './server.js';
import { firstDifference } from './watches.js';

export interface RunOptions {
  readonly seed: number;
  readonly steps: number;
  /** Version of the reference, such as `3.7.1`. */
  readonly referenceVersion: string;
  readonly onProgress?: (step: number) => void;
}

export interface RunResult {
  /** Requests sent to each server. */
  readonly requests: number;
  readonly errors: number;
  readonly events: number;
  readonly watchers: number;
  readonly revision: bigint;
  readonly knownDifferences: ReadonlyMap<string, number>;
}

/** Servers answered differently, or one broke a promise of its own. */
export class Difference extends Error {}

const waitLimitMs = 20_000;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export class DifferentialRun {
  readonly #servers: readonly Server[];
  readonly #options: RunOptions;
  readonly #generator: Generator;
  readonly #known = new Map<string, number>();
  #step = 0;
  #errors = 0;
  #current: Step | null = null;
  /** Control answers that each stream has to have by now. */
  readonly #controls: number[] = Array.from({ length: watchStreams }, () => 0);

  constructor(servers: readonly Server[], options: RunOptions) {
    this.#servers = servers;
    this.#options = options;
    this.#generator = new Generator(options.seed, isOlder(options.referenceVersion, 5));
  }

  async run(): Promise<RunResult> {
    for (this.#step = 0; this.#step < this.#options.steps; this.#step += 1) {
      const step = this.#generator.next();
      this.#current = step;
      if (step.kind === 'watch') await this.#watch(step);
      else if (step.kind === 'keep-alive') await this.#keepAlive(step.id);
      else await this.#unary(step);
      if (this.#step % 500 === 499) await this.#settle();
      if (this.#step % 1000 === 999) this.#options.onProgress?.(this.#step + 1);
    }
    await this.#settle();
    await this.#compareHashes();
    const logs = this.#reference.logs;
    return {
      requests: this.#step,
      errors: this.#errors,
      events: logs.reduce((sum, log) => sum + log.eventCount, 0),
      watchers: logs.reduce((sum, log) => sum + log.events.length, 0),
      revision: this.#generator.revision,
      knownDifferences: this.#known,
    };
  }

  get #reference(): Server {
    const first = this.#servers[0];
    if (first === undefined) throw new Error('no servers');
    return first;
  }

  #fail(what: string): never {
    const request = this.#current === null ? '' : describe(this.#current);
    throw new Difference(
      `seed ${this.#options.seed}, step ${this.#step}: ${what}\nrequest: ${request}`,
    );
  }

  async #unary(step: Step & { kind: 'unary' }): Promise<void> {
    // Events of before a compaction may lose their prev_kv once it is in effect.
    if (step.call === calls.compact) await this.#settle();
    const replies = await this.#askAll(step.call, step.request);
    const [first] = replies;
    if (first === undefined) return;
    if (first.message === null) this.#errors += 1;
    else this.#generator.learn(step, headerRevision(first.message));
  }

  async #askAll(call: Call, request: Message): Promise<Reply[]> {
    const replies = await Promise.all(this.#servers.map((server) => server.ask(call, request)));
    const texts = replies.map((reply) => replyText(call, request, reply));
    texts.forEach((text, index) => {
      if (text === texts[0]) return;
      const version = this.#options.referenceVersion;
      const known = isKnownDifference(version, call, request, texts[0] ?? '', text);
      if (known !== null) {
        this.#known.set(known, (this.#known.get(known) ?? 0) + 1);
        return;
      }
      this.#fail(`different answers\n${this.#bothSides(texts, index)}`);
    });
    if (call === calls.leaseTimeToLive) this.#compareRemaining(replies);
    return replies;
  }

  #bothSides(texts: readonly string[], index: number): string {
    return [0, index].map((at) => `  ${this.#servers[at]?.name}: ${texts[at]}`).join('\n');
  }

  #compareRemaining(replies: readonly Reply[]): void {
    const remaining = replies.map((reply) => Number(reply.message?.TTL ?? -1n));
    const spread = Math.max(...remaining) - Math.min(...remaining);
    if (spread > 2) this.#fail(`remaining seconds ${remaining.join(', ')}`);
  }

  async #keepAlive(id: bigint): Promise<void> {
    const answers = await Promise.all(this.#servers.map((server) => server.keepAlive(id)));
    const texts = answers.map((answer) => {
      if (answer === null) return 'no answer';
      return canonicalReply(calls.keepAlive, {}, answer);
    });
    texts.forEach((text, index) => {
      if (text !== texts[0]) this.#fail(`keep-alive\n${this.#bothSides(texts, index)}`);
    });
  }

  async #watch(step: Step & { kind: 'watch' }): Promise<void> {
    const { stream } = step;
    // Events that are still on their way when a watcher is cancelled may be sent or not.
    if (step.request.cancel_request !== undefined) await this.#settle();
    const before = this.#controls[stream] ?? 0;
    for (const server of this.#servers) server.watch(stream, step.request);
    const create = step.request.create_request as Message | undefined;
    if (create !== undefined) {
      await this.#awaitControls(stream, before + 1);
      await this.#learnCreated(stream, create);
    } else {
      await this.#awaitCancel(step, before);
    }
  }

  async #learnCreated(stream: number, create: Message): Promise<void> {
    const created = this.#lastControl(stream);
    if (created.canceled === true) return;
    const id = BigInt(created.watch_id as string);
    this.#generator.learnWatcher(stream, id, true);
    const startRevision = (create.start_revision as bigint | undefined) ?? 0n;
    if (startRevision > 0n && startRevision < this.#generator.compactRevision) {
      await this.#awaitControls(stream, (this.#controls[stream] ?? 0) + 1);
    } else if (startRevision > 0n && startRevision <= this.#generator.revision) {
      await this.#settle(); // The history is sent in its own time.
    }
  }

  async #awaitCancel(step: Step & { kind: 'watch' }, before: number): Promise<void> {
    const id = (step.request.cancel_request as Message).watch_id as bigint;
    if (id === 99n || id === 12_345n) return; // Unknown: no answer at all.
    await this.#awaitControls(step.stream, before + 1);
    this.#generator.learnWatcher(step.stream, id, false);
  }

  /** The reference's newest control answer on a stream, read back from its text. */
  #lastControl(stream: number): { canceled?: unknown; watch_id?: unknown } {
    const text = this.#reference.logs[stream]?.controls.at(-1) ?? '{}';
    const parsed = JSON.parse(text) as { canceled?: unknown; watch_id?: string };
    return { ...parsed, watch_id: parsed.watch_id?.replace(/n$/, '') };
  }

  async #awaitControls(stream: number, count: number): Promise<void> {
    this.#controls[stream] = count;
    const deadline = Date.now() + waitLimitMs;
    const behind = (): Server[] =>
      this.#servers.filter((server) => (server.logs[stream]?.controls.length ?? 0) < count);
    while (behind().length > 0) {
      if (Date.now() > deadline) {
        const names = behind().map((server) => server.name);
        this.#fail(`no answer on watch stream ${stream} from ${names.join(', ')}`);
      }
      await pause(1);
    }
    this.#compareLogs();
  }

  /** Waits until all servers have sent equally many events and none sends more, then compares. */
  async #settle(): Promise<void> {
    const deadline = Date.now() + waitLimitMs;
    const counts = (): string =>
      this.#servers.map((server) => server.logs.map((log) => log.eventCount).join(' ')).join(' | ');
    const agree = (): boolean => new Set(counts().split(' | ')).size === 1;
    for (let quietMs = 0, last = counts(); quietMs < 150; ) {
      await pause(15);
      const now = counts();
      quietMs = now === last && agree() ? quietMs + 15 : 0;
      last = now;
      if (Date.now() > deadline) break; // The comparison says what is missing.
    }
    this.#compareLogs();
    this.#compareEvents();
  }

  /** Control answers, as far as each server has sent them. */
  #compareLogs(): void {
    for (const server of this.#servers) {
      for (const log of server.logs) {
        const [violation] = log.violations;
        if (violation !== undefined) this.#fail(`${server.name}: ${violation}`);
      }
    }
  }

  #compareEvents(): void {
    for (const server of this.#servers.slice(1)) {
      server.logs.forEach((log, stream) => {
        const reference = this.#reference.logs[stream];
        const difference = reference && firstDifference(reference, log);
        if (difference) this.#fail(`watch stream ${stream}, ${difference}`);
      });
    }
  }

  /** The whole store by its hash: now, at the compacted revision and in between. */
  async #compareHashes(): Promise<void> {
    this.#current = null;
    const { revision, compactRevision } = this.#generator;
    const oldest = compactRevision < 1n ? 1n : compactRevision;
    for (const at of [0n, oldest, (oldest + revision) / 2n, revision - 1n, revision]) {
      await this.#askAll(calls.hashKv, { revision: at });
    }
  }
}

function replyText(call: Call, request: Message, reply: Reply): string {
  if (reply.message === null) return `error ${reply.code}: ${reply.text}`;
  return canonicalReply(call, request, reply.message);
}

function describe(step: Step): string {
  if (step.kind === 'keep-alive') return `keep-alive ${step.id}`;
  if (step.kind === 'watch') return `watch stream ${step.stream} ${show(step.request)}`;
  return `${step.call.name} ${show(step.request)}`;
}
