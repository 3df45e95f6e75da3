// A single voter over a stepped core: nothing happens but what a seeded generator chooses, and it
// can lose power between any two steps. It keeps what a client was told, and what must be true of
// the directory after the next start. Used by stepped.test.ts.

import type { Prng } from '../../../../src/server/election/prng.js';
import type { CompletionHandler } from '../../../../src/storage/completions.js';
import { CompletionDecoder } from '../../../../src/storage/completions.js';
import type {
  Addon,
  MemberCore,
  OpenOptions,
  Recovered,
  StepExecutor,
} from '../../../../src/storage/native.js';

const EXECUTORS: readonly StepExecutor[] = ['log', 'apply', 'watch', 'upkeep', 'read'];
/** More tasks than any of these tests has waiting. */
const STEPS_MOST = 100_000;

function field(number: number, bytes: string): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), Buffer.from(bytes)]);
}

/** What outlives the process: facts that were reported, and so must still hold. */
export class Promises {
  /** Puts that a client was told are done: ticket and value by key. */
  readonly stored = new Map<string, [number, string]>();
  /** Values of puts that have been submitted, by ticket; `stored` takes them when answered. */
  readonly asked = new Map<number, [string, string]>();
  durableIndex = 0;
  /** Starts that found less than the process before had written and applied. */
  lostEntries = 0;
  lostState = 0;
  lastIndex = 0;
  appliedIndex = 0;
  nextTicket = 1;
}

export class SteppedVoter implements CompletionHandler {
  readonly core: MemberCore;
  readonly recovered: Recovered;
  readonly results = new Map<number, [number, Buffer]>();
  readonly trace: string[] = [];
  readonly controls: number[] = [];
  appliedIndex: number;
  lastIndex: number;
  fatalMessage = '';
  #checkpointed = 0;
  #committed: number;
  readonly #term: number;
  readonly #addon: Addon;
  readonly #decoder: CompletionDecoder;
  readonly #promises: Promises;
  readonly #random: Prng;
  readonly #lastOfSequence = new Map<number, number>();

  private constructor(
    addon: Addon,
    core: MemberCore,
    recovered: Recovered,
    promises: Promises,
    random: Prng,
  ) {
    this.#addon = addon;
    this.core = core;
    this.recovered = recovered;
    this.#promises = promises;
    this.#random = random;
    this.#decoder = new CompletionDecoder(addon.completions);
    this.#term = recovered.term + 1;
    this.lastIndex = recovered.lastIndex;
    this.appliedIndex = recovered.appliedIndex;
    this.#committed = recovered.lastIndex;
  }

  static async open(
    addon: Addon,
    options: OpenOptions,
    promises: Promises,
    random: Prng,
  ): Promise<SteppedVoter> {
    const { core, recovered } = await addon.open(options, () => {});
    if (recovered.lastIndex < promises.lastIndex) promises.lostEntries += 1;
    if (recovered.appliedIndex < promises.appliedIndex) promises.lostState += 1;
    const voter = new SteppedVoter(addon, core, recovered, promises, random);
    core.setHeader(recovered.clusterId, recovered.memberId, voter.#term);
    core.setCommitted(voter.#committed);
    core.apply(voter.#committed);
    return voter;
  }

  /** One thing that may happen. */
  act(): void {
    const choice = this.#random.nextBelow(20);
    if (choice < 4) this.put();
    else if (choice < 7) this.propose();
    else if (choice < 9) this.drain();
    else if (choice === 9 && this.#random.nextBelow(4) === 0) this.core.checkpoint();
    else if (choice === 10 && this.#random.nextBelow(4) === 0) this.#truncate();
    else if (choice === 11 && this.#random.nextBelow(8) === 0) this.#compact();
    else this.core.step(EXECUTORS[this.#random.nextBelow(EXECUTORS.length)] ?? 'log');
  }

  crash(): void {
    this.#promises.lastIndex = this.lastIndex;
    this.#promises.appliedIndex = this.appliedIndex;
    this.core.crash();
  }

  put(): void {
    const promises = this.#promises;
    const ticket = promises.nextTicket++;
    const key = `key${this.#random.nextBelow(12)}`;
    const value = `value${ticket}.`.padEnd(8 + this.#random.nextBelow(100), 'x');
    promises.asked.set(ticket, [key, value]);
    this.#submit(ticket, this.#addon.methods.Put, Buffer.concat([field(1, key), field(2, value)]));
  }

  propose(): void {
    const count = this.core.takeProposals(
      1 + this.#random.nextBelow(8),
      1 << 20,
      this.#term,
    ).length;
    if (count === 0) return;
    const firstIndex = this.lastIndex + 1;
    this.lastIndex += count;
    this.#lastOfSequence.set(firstIndex, this.lastIndex);
    const run = { kind: 'queued', firstIndex, term: this.#term, count } as const;
    const hardState = { term: this.#term, vote: 1n, commit: this.#committed };
    this.core.append(firstIndex, [run], hardState, true, false);
  }

  drain(): void {
    const records = this.core.drain();
    if (records !== null) this.#decoder.decode(records, this);
  }

  /** Until nothing is left to do; false when there always is. */
  settle(): boolean {
    for (let steps = 0; steps < STEPS_MOST; steps += 1) {
      const stepped = EXECUTORS.some((executor) => this.core.step(executor));
      const before = this.trace.length;
      this.propose();
      this.drain();
      if (!stepped && before === this.trace.length) return true;
    }
    return false;
  }

  /** The reply to a read of the local state. */
  read(method: number, request: Uint8Array): Buffer {
    const ticket = this.#promises.nextTicket++;
    this.#submit(ticket, method, request);
    this.settle();
    return this.results.get(ticket)?.[1] ?? Buffer.alloc(0);
  }

  /** Values that are not as promised; a later put may have been carried out unheard. */
  broken(): string[] {
    const wrong: string[] = [];
    for (const [key, [ticket, value]] of this.#promises.stored) {
      const request = Buffer.concat([field(1, key), Buffer.from([7 << 3, 1])]);
      const reply = this.read(this.#addon.methods.Range, request).toString('latin1');
      const unheard = [...this.#promises.asked].some(
        ([later, asked]) => later > ticket && asked[0] === key && reply.includes(asked[1]),
      );
      if (!reply.includes(value) && !unheard) wrong.push(`${key}=${value} but ${reply}`);
    }
    return wrong;
  }

  durable(sequence: number): void {
    this.trace.push(`durable ${sequence}`);
    this.#committed = this.#lastOfSequence.get(sequence) ?? this.#committed;
    this.#promises.durableIndex = this.#committed;
    this.core.setCommitted(this.#committed);
    this.core.apply(this.#committed);
  }

  applied(index: number, revision: number): void {
    this.trace.push(`applied ${index} ${revision}`);
    this.appliedIndex = index;
  }

  result(ticket: number, code: number, reply: Buffer): void {
    this.trace.push(`result ${ticket} ${code} ${reply.toString('hex')}`);
    this.results.set(ticket, [code, Buffer.from(reply)]);
    const asked = this.#promises.asked.get(ticket);
    if (asked === undefined || code !== 0) return;
    this.#promises.asked.delete(ticket);
    this.#promises.stored.set(asked[0], [ticket, asked[1]]);
  }

  control(index: number): void {
    this.controls.push(index);
    this.core.controlDone(index, [], 0, null, null);
  }

  checkpoint(durableAppliedIndex: number): void {
    this.trace.push(`checkpoint ${durableAppliedIndex}`);
    this.#checkpointed = durableAppliedIndex;
  }

  truncated(startIndex: number): void {
    this.trace.push(`truncated ${startIndex}`);
  }

  fatal(message: string): void {
    this.fatalMessage = message;
  }

  lease(): void {}
  leaseCheckpoint(): void {}
  watch(_stream: number, message: Buffer): void {
    this.trace.push(`watch ${message.toString('hex')}`);
  }
  log(): void {}
  alarm(): void {}
  quotaExceeded(): void {}
  held(): void {}
  demand(): void {}
  slow(): void {}

  #submit(ticket: number, method: number, request: Uint8Array): void {
    const route = this.core.submit(ticket, method, request, '', 0, 0);
    if (route < 0) throw new Error(`refused: ${this.#addon.errors[-route]?.name}`);
  }

  #truncate(): void {
    const { logStartIndex } = this.core.status();
    if (this.#checkpointed > logStartIndex) this.core.truncateLog(this.#checkpointed);
  }

  #compact(): void {
    const { revision, compactRevision } = this.core.status();
    if (revision <= Math.max(compactRevision, 1)) return;
    const ticket = this.#promises.nextTicket++;
    const request = Buffer.from([1 << 3, (revision & 0x7f) | 0x80, (revision >> 7) & 0x7f]);
    this.#submit(ticket, this.#addon.methods.Compact, request);
  }
}
