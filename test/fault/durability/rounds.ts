// Rounds of the durability test: load from eight clients, kill -9 at a random moment, restart on
// the same directory, and everything that was acknowledged or shown must be there, whole, in an
// unbroken row of revisions. Called by durability.test.ts; a Violation ends the run.

import { Random } from '../../conformance/differential/values.js';
import { ask, calls, headerRevision, type Message, must } from '../../conformance/support/calls.js';
import { Client } from '../../conformance/support/client.js';
import {
  launch,
  type Program,
  type ProgramOptions,
  start,
} from '../../conformance/support/programs.js';
import { History, Violation } from './history.js';
import { type State, Writer } from './load.js';
import { StoreWatcher } from './watcher.js';

const clientCount = 8;
const writersPerClient = 3;
const catchUpTimeoutMs = 30_000;

export interface RoundsResult {
  acknowledged: number;
  killedWhileStarting: number;
  compactions: number;
  revision: number;
  startMsMax: number;
}

export class DurabilityRounds {
  readonly #options: ProgramOptions;
  readonly #random: Random;
  readonly #history = new History();
  readonly #writers: Writer[] = [];
  /** Everything up to here was seen by the watcher that is resumed. */
  #seen = 1;
  readonly result: RoundsResult = {
    acknowledged: 0,
    killedWhileStarting: 0,
    compactions: 0,
    revision: 1,
    startMsMax: 0,
  };

  constructor(options: ProgramOptions, seed: number) {
    this.#options = options;
    this.#random = new Random(seed);
    for (let index = 0; index < clientCount * writersPerClient; index += 1) {
      this.#writers.push(new Writer(`w${String(index).padStart(2, '0')}`, this.#random));
    }
  }

  /** One round: start, check what the rounds before left, load, kill. */
  async round(): Promise<void> {
    const program = await this.#start();
    try {
      await this.#check(program);
      await this.#loadAndKill(program);
    } finally {
      await program.kill();
    }
  }

  /** The last check, without further load. */
  async finish(): Promise<RoundsResult> {
    const program = await this.#start();
    try {
      await this.#check(program);
    } finally {
      await program.kill();
    }
    this.result.acknowledged = this.#writers.reduce((sum, one) => sum + one.acknowledgedCount, 0);
    return this.result;
  }

  /** Sometimes kills the program while it still recovers: the next start has to cope. */
  async #start(): Promise<Program> {
    if (this.#random.chance(15)) {
      const doomed = await launch(this.#options);
      await new Promise((resolve) => setTimeout(resolve, this.#random.below(400)));
      await doomed.kill();
      this.result.killedWhileStarting += 1;
    }
    const started = Date.now();
    try {
      const program = await start(this.#options);
      this.result.startMsMax = Math.max(this.result.startMsMax, Date.now() - started);
      return program;
    } catch (error) {
      throw new Violation(error instanceof Error ? error.message : String(error));
    }
  }

  async #check(program: Program): Promise<void> {
    const client = new Client(program.address);
    try {
      const reply = await must(client, calls.range, {
        key: Buffer.from([0]),
        range_end: Buffer.from([0]),
      });
      const current = Number(headerRevision(reply));
      this.result.revision = current;
      await this.#checkHistory(client, current);
      await this.#checkResumed(client, current);
      this.#checkState(reply.kvs as Message[]);
    } finally {
      client.close();
    }
  }

  /** Reads everything that is still there, from the oldest revision on. */
  async #checkHistory(client: Client, current: number): Promise<void> {
    let watcher = new StoreWatcher(client, Math.max(2, this.#history.floor));
    await watcher.seen(current, catchUpTimeoutMs);
    if (watcher.compactRevision > 0) {
      // A compaction that was asked for just before the kill took place after all.
      watcher.close();
      this.#history.floor = watcher.compactRevision;
      watcher = new StoreWatcher(client, this.#history.floor);
      await watcher.seen(current, catchUpTimeoutMs);
    }
    this.#history.check(this.#history.floor, current, watcher.changes);
    watcher.close();
  }

  /** The watcher of the load goes on where it was cut off, and sees each revision once. */
  async #checkResumed(client: Client, current: number): Promise<void> {
    const from = Math.max(this.#seen + 1, this.#history.floor);
    const watcher = new StoreWatcher(client, from);
    await watcher.seen(current, catchUpTimeoutMs);
    if (watcher.compactRevision > 0) throw new Violation('a resumed watcher was compacted away');
    for (const [revision, changes] of watcher.changes) {
      this.#history.promise(revision, changes, 'the resumed watcher');
    }
    this.#seen = Math.max(this.#seen, current);
    watcher.close();
  }

  #checkState(kvs: readonly Message[]): void {
    const states = new Map<string, State>(this.#writers.map((writer) => [writer.name, new Map()]));
    for (const kv of kvs) {
      const key = (kv.key as Buffer).toString('latin1');
      const state = states.get(key.split('/')[0] ?? '');
      if (state === undefined) throw new Violation(`a key that nobody wrote: ${key}`);
      state.set(key, (kv.value as Buffer).toString('latin1'));
    }
    for (const writer of this.#writers) writer.settle(states.get(writer.name) ?? new Map());
  }

  async #loadAndKill(program: Program): Promise<void> {
    const clients = Array.from({ length: clientCount }, () => new Client(program.address));
    const watching = new Client(program.address);
    const watcher = new StoreWatcher(watching, this.#seen + 1, (revision, changes) => {
      this.#history.promise(revision, changes, 'the watcher of the load');
      this.#seen = revision;
    });
    let killed = false;
    const load = this.#writers.map((writer, index) => {
      const client = clients[index % clientCount];
      if (client === undefined) throw new Error('no client');
      return writer.run(client, this.#history, () => killed);
    });
    const killing = (async () => {
      await new Promise((resolve) => setTimeout(resolve, 150 + this.#random.below(700)));
      if (this.#random.chance(40)) this.#compact(watching);
      await new Promise((resolve) => setTimeout(resolve, this.#random.below(60)));
      killed = true;
      await program.kill();
    })();
    try {
      await Promise.all([...load, killing]);
    } catch (error) {
      if (killed || error instanceof Violation) throw error;
      // Its end is noticed a little later than that of its connections.
      await new Promise((resolve) => setTimeout(resolve, 300));
      if (program.running) throw error;
      throw new Error(`${error}: the server ended by itself:\n${program.log.slice(-3000)}`);
    } finally {
      killed = true;
      await killing;
      watcher.close();
      for (const client of [...clients, watching]) client.close();
    }
    if (watcher.violation) throw watcher.violation;
  }

  /** Asks for a compaction and does not wait: the kill may come before, within or after it. */
  #compact(client: Client): void {
    const revision = this.#seen - this.#random.below(20);
    if (revision <= this.#history.floor) return;
    this.result.compactions += 1;
    const physical = this.#random.chance(50);
    void ask(client, calls.compact, { revision: BigInt(revision), physical }).then((reply) => {
      if (reply.message !== null) this.#history.floor = Math.max(this.#history.floor, revision);
    });
  }
}
