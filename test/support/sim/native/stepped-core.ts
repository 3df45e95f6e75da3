// A native core that is stepped by the simulation: its executors' tasks are events, its completions
// are heard by an event, and what goes into its log is noted for the checks. Wraps the addon's
// object, so that the member sees nothing but a MemberCore.

import type {
  HardStateRecord,
  MemberCore,
  OpenedCore,
  StepExecutor,
} from '../../../../src/storage/native.js';
import type { LogView } from '../checks/safety.js';
import type { Pace } from '../double/executor.js';
import { LogImage } from '../double/log/log-disk.js';
import type { LogObserver } from '../double/log/log-writer.js';
import type { Random } from '../world/random.js';
import type { Owner, Scheduler } from '../world/scheduler.js';

export interface SteppedParts {
  readonly scheduler: Scheduler;
  readonly owner: Owner;
  readonly random: Random;
  readonly pace: Pace;
  readonly observer: LogObserver;
  readonly onWake: () => void;
  /** The addon's number of the completion that reports a durable write. */
  readonly durableKind: number;
}

const executors: readonly (readonly [StepExecutor, keyof Pace])[] = [
  ['log', 'sync'],
  ['apply', 'apply'],
  ['watch', 'read'],
  ['upkeep', 'upkeep'],
  ['read', 'read'],
];

/** Calls after which nothing new is to be done. */
const idleCalls: ReadonlySet<string> = new Set([
  'setHeader',
  'setCommitted',
  'takeProposals',
  'takeForwards',
  'grantedEntries',
  'revokeGrant',
  'freezeReads',
  'entryInfos',
  'cachedEntries',
  'inspectEntries',
  'entryData',
  'nextId',
  'drain',
  'status',
  'step',
  'crash',
]);

/** Until native threads are heard on the JavaScript thread. */
const WAKE_MAX_MS = 0.1;
/** Numbers an entry of entryInfos. */
const INFO_FIELDS = 3;

export class SteppedCore implements LogView {
  readonly #core: MemberCore;
  readonly #parts: SteppedParts;
  // What was handed to the log: index, term and type of each entry.
  readonly #image = new LogImage();
  readonly #busy = new Set<StepExecutor>();
  // Hard states on their way, by the number of their write, and whether that is synced.
  readonly #states = new Map<number, HardStateRecord>();
  #wakes = false;
  // Whether the core appends what is proposed by itself, and ever has.
  #granted = false;
  #decides = false;
  // Whether a snapshot is taking the place of state and log, one after the other.
  #installs = false;
  applyTarget: number;

  constructor({ core, recovered }: OpenedCore, parts: SteppedParts) {
    this.#core = core;
    this.#parts = parts;
    this.applyTarget = recovered.appliedIndex;
    const { startIndex, startTerm, lastIndex, term, vote, commit } = recovered;
    this.#image.reset(startIndex, startTerm, { term, vote, commit });
    if (lastIndex > startIndex) {
      const infos = core.entryInfos(startIndex + 1, lastIndex);
      for (let at = 0; at < infos.length; at += INFO_FIELDS) {
        const index = startIndex + 1 + at / INFO_FIELDS;
        const entry = { index, term: infos[at] ?? 0, type: infos[at + 1] ?? 0, data: null };
        this.#image.apply({ kind: 'entry', entry });
      }
    }
    parts.observer.promised({ term, vote, commit });
    this.#kick();
  }

  get startIndex(): number {
    return this.#image.startIndex;
  }

  termAt(index: number): number | null {
    return this.#image.termAt(index);
  }

  /** The core as the member gets it. */
  wrapped(): MemberCore {
    const calls = new Map<string, unknown>();
    return new Proxy(this.#core, {
      get: (core, name: string) => {
        let call = calls.get(name);
        if (call === undefined) {
          call = this.#wrap(core, name);
          calls.set(name, call);
        }
        return call;
      },
    });
  }

  #wrap(core: MemberCore, name: string): unknown {
    const method = core[name as keyof MemberCore];
    if (typeof method !== 'function') {
      return method;
    }
    const call = method as (...args: unknown[]) => unknown;
    return (...args: unknown[]) => {
      const result = call.apply(core, args);
      this.#note(name, args, result);
      if (!idleCalls.has(name)) {
        this.#kick();
        this.#wake();
      }
      return result;
    };
  }

  #note(name: string, args: readonly unknown[], result: unknown): void {
    if (name === 'append') {
      this.#appended(...(args as Parameters<MemberCore['append']>));
    } else if (name === 'grantProposals') {
      this.#granted = result === true;
      this.#decides ||= this.#granted;
    } else if (name === 'revokeGrant') {
      this.#granted = false;
    } else if (name === 'apply') {
      this.applyTarget = Math.max(this.applyTarget, args[0] as number);
    } else if (name === 'truncateLog') {
      this.#image.cut(args[0] as number);
    } else if (name === 'drain') {
      this.#drained(result as Buffer | null);
    } else if (name === 'installSnapshot') {
      const [, index, term, state] = args as Parameters<MemberCore['installSnapshot']>;
      this.#installs = true;
      (result as ReturnType<MemberCore['installSnapshot']>).then(
        () => {
          this.#installs = false;
          this.#image.reset(index, term, state);
          this.applyTarget = index;
          this.#parts.observer.promised(state);
        },
        () => {
          this.#installs = false;
        },
      );
    }
  }

  #appended(...[sequence, runs, state, sync]: Parameters<MemberCore['append']>): void {
    for (const run of runs) {
      const [first, count] = run.kind === 'inline' ? [run.index, 1] : [run.firstIndex, run.count];
      this.#wrote(first, count);
    }
    if (state !== null) {
      this.#image.state = state;
    }
    if (sync) {
      this.#states.set(sequence, this.#image.state);
    }
  }

  #wrote(first: number, count: number): void {
    const infos = this.#core.entryInfos(first, first + count - 1);
    for (let i = 0; i < count; i++) {
      const index = first + i;
      const [term = 0, type = 0] = infos.subarray(i * INFO_FIELDS, (i + 1) * INFO_FIELDS);
      const entry = { index, term, type, data: this.#core.entryData(index) };
      this.#parts.observer.wrote(entry, this.#image.termAt(index - 1) ?? 0);
      this.#image.apply({ kind: 'entry', entry: { ...entry, data: null } });
    }
  }

  /** What native code has appended and applied by itself. */
  #noteDecided(): void {
    if (this.#installs) {
      return;
    }
    const { lastIndex } = this.#image;
    const { logLastIndex, appliedIndex } = this.#core.status();
    if (this.#granted && logLastIndex > lastIndex) {
      this.#wrote(lastIndex + 1, logLastIndex - lastIndex);
    }
    this.applyTarget = Math.max(this.applyTarget, appliedIndex);
  }

  /** Notes what has become durable. */
  #drained(records: Buffer | null): void {
    for (let at = 0; records !== null && at < records.length; ) {
      if (records.readUInt8(at + 4) === this.#parts.durableKind) {
        const sequence = records.readDoubleLE(at + 5);
        const state = this.#states.get(sequence);
        this.#states.delete(sequence);
        if (state !== undefined) {
          this.#parts.observer.promised(state);
        }
      }
      at += 4 + records.readUInt32LE(at);
    }
  }

  /** Every executor does what it has, each at its pace, and JavaScript hears of it. */
  #kick(): void {
    for (const [executor, span] of executors) {
      if (!this.#busy.has(executor)) {
        this.#busy.add(executor);
        this.#later(executor, span);
      }
    }
  }

  #later(executor: StepExecutor, span: keyof Pace): void {
    const { scheduler, owner, random, pace } = this.#parts;
    scheduler.after(random.range(...pace[span]), owner, () => {
      this.#busy.delete(executor);
      if (this.#core.step(executor)) {
        if (executor === 'apply' || (executor === 'log' && this.#decides)) {
          this.#noteDecided();
        }
        this.#kick();
        this.#wake();
      }
    });
  }

  #wake(): void {
    const { scheduler, owner, random, onWake } = this.#parts;
    if (!this.#wakes) {
      this.#wakes = true;
      scheduler.after(random.range(0, WAKE_MAX_MS), owner, () => {
        this.#wakes = false;
        onWake();
      });
    }
  }
}
