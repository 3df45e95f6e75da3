// The apply thread of the simulator's core: takes committed entries from the log into the state, a
// few at a time, and stands at those that TypeScript decides.

import { assert } from '../../../../../src/base/assert.js';
import { EntryType } from '../../../../../src/raft/index.js';
import type { MetaRow } from '../../../../../src/storage/native.js';
import type { Random } from '../../world/random.js';
import type { Executor } from '../executor.js';
import type { LogImage } from '../log/log-disk.js';
import type { LogEntry } from '../log/runs.js';
import type { Completions } from '../records.js';
import { decodePayload, PayloadKind, type ProposalQueue } from '../requests/proposal-queue.js';
import { decodeCommand, encodeReply, type StateMachine } from './state-machine.js';

/** Entries of one step. */
const STEP_MAX = 16;

export interface ApplierParts {
  readonly log: LogImage;
  readonly thread: Executor;
  readonly random: Random;
  readonly completions: Completions;
  readonly queue: ProposalQueue;
  /** Told of each entry and the hash of the state after it. */
  readonly applied: (entry: LogEntry, hash: number) => void;
  /** A step has ended: reads may be served, the state may become durable. */
  readonly stepped: () => void;
}

export class Applier {
  readonly #parts: ApplierParts;
  #state: StateMachine;
  #target: number;
  #underWay = false;
  // The entry that TypeScript decides; 0 for none.
  #haltedAt = 0;

  constructor(parts: ApplierParts, state: StateMachine) {
    this.#parts = parts;
    this.#state = state;
    this.#target = state.index;
  }

  get state(): StateMachine {
    return this.#state;
  }
  /** How far apply may go. */
  get target(): number {
    return this.#target;
  }
  get idle(): boolean {
    return !this.#underWay && this.#haltedAt === 0;
  }

  /** Lets apply go on up to the index. */
  apply(index: number): void {
    assert(index <= this.#parts.log.lastIndex, 'only entries of the log are applied');
    this.#target = Math.max(this.#target, index);
    this.#soon();
  }

  /** TypeScript has decided the entry. */
  controlDone(
    index: number,
    meta: readonly MetaRow[],
    code: number,
    reply: Uint8Array | null,
  ): void {
    assert(index === this.#haltedAt, 'apply stands at this entry');
    const { log, queue, completions, stepped } = this.#parts;
    const entry = log.at(index) as LogEntry;
    this.#state.storeMeta(meta);
    this.#haltedAt = 0;
    if (entry.type === EntryType.Normal && entry.data !== null) {
      const ticket = queue.applied(decodePayload(entry.data).request);
      if (ticket !== null) {
        completions.result(ticket, code, Buffer.from(reply ?? []));
      }
    }
    this.#advance(entry);
    completions.applied(index, index);
    stepped();
    this.#soon();
  }

  /** A snapshot has replaced the state. */
  replace(state: StateMachine): void {
    assert(this.idle, 'nothing is on its way when the state is replaced');
    this.#state = state;
    this.#target = state.index;
  }

  #soon(): void {
    if (this.idle && this.#state.index < this.#target) {
      this.#underWay = true;
      this.#parts.thread.push('apply', () => this.#step());
    }
  }

  #step(): void {
    const { log, random, completions, stepped } = this.#parts;
    this.#underWay = false;
    const before = this.#state.index;
    const end = Math.min(this.#target, before + random.between(1, STEP_MAX));
    while (this.#state.index < end && this.#haltedAt === 0) {
      this.#one(log.at(this.#state.index + 1) as LogEntry);
    }
    const { index } = this.#state;
    if (index > before) {
      completions.applied(index, index);
      stepped();
    }
    if (this.#haltedAt !== 0) {
      const { term, type, data } = log.at(this.#haltedAt) as LogEntry;
      const request = data ?? Buffer.alloc(0);
      const body = type === EntryType.Normal ? decodePayload(request).body : request;
      completions.control(this.#haltedAt, term, type, body);
    }
    this.#soon();
  }

  #one(entry: LogEntry): void {
    const { index, type, data } = entry;
    if (type !== EntryType.Normal) {
      this.#haltedAt = index;
      return;
    }
    if (data !== null) {
      const { kind, request, body } = decodePayload(data);
      const command = kind === PayloadKind.Command ? decodeCommand(body) : null;
      if (command === null) {
        this.#haltedAt = index;
        return;
      }
      const reply = this.#state.execute(index, command);
      const ticket = this.#parts.queue.applied(request);
      if (ticket !== null) {
        this.#parts.completions.result(ticket, 0, encodeReply(reply));
      }
    }
    this.#advance(entry);
  }

  #advance(entry: LogEntry): void {
    this.#state.advance(entry.index, entry.term, entry.data);
    this.#parts.applied(entry, this.#state.hash);
  }
}
