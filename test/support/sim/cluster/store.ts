// What a simulated member keeps its log and state in: the double here, the real native core in
// native-store.ts. One per member, for all its lives.

import type { Addon } from '../../../../src/storage/native.js';
import type { Model } from '../checks/model.js';
import type { LogView, Safety } from '../checks/safety.js';
import type { Pace } from '../double/executor.js';
import { SimAddon } from '../double/sim-addon.js';
import { emptyDisk } from '../double/sim-core.js';
import type { MemberDisk } from '../double/state/snapshots.js';
import type { Random } from '../world/random.js';
import type { Owner, Scheduler } from '../world/scheduler.js';

/** One life of a member: what its addon is made for. */
export interface Life {
  readonly owner: Owner;
  /** Where request numbers begin in this life. */
  readonly firstRequest: number;
}

export interface Store {
  /** The addon to open the next life with. */
  addon(life: Life): Addon;
  /** The log of the life that was opened last. */
  readonly log: LogView | null;
  /** As a power cut: ends the life. */
  crash(): void;
  /** The disk reports an error; false when this one never does. */
  fail(): boolean;
  readonly pace: Pace;
}

export interface StoreParts {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly safety: Safety;
  readonly model: Model;
  readonly normalPace: Pace;
}

export class DoubleStore implements Store {
  readonly pace: Pace;
  readonly #parts: StoreParts;
  readonly #disk: MemberDisk = emptyDisk();
  readonly #cachedEntries: number;
  readonly #flushes: number;
  #addon: SimAddon | null = null;

  constructor(parts: StoreParts) {
    const { random, normalPace } = parts;
    this.#parts = parts;
    this.pace = { ...normalPace };
    this.#cachedEntries = random.pick([1, 8, 64, 1000]);
    this.#flushes = random.pick([0, 0, 0.05, 0.5]);
  }

  addon({ owner, firstRequest }: Life): Addon {
    const { name, scheduler, random, safety, model } = this.#parts;
    this.#addon = new SimAddon({
      disk: this.#disk,
      scheduler,
      owner,
      random,
      pace: this.pace,
      firstRequest,
      cachedEntries: this.#cachedEntries,
      maxQueuedOperations: 1000,
      flushes: this.#flushes,
      observer: {
        wrote: (entry, previousTerm) => safety.wrote(name, entry, previousTerm),
        promised: (state) => safety.promised(name, state),
        applied: (entry, hash) => {
          if (safety.applied(name, entry.index, hash)) {
            model.apply(entry);
          }
        },
        restored: (index, hash) => {
          if (index > 0) {
            safety.applied(name, index, hash);
          }
        },
      },
    });
    safety.promised(name, this.#disk.log.synced.state);
    return this.#addon;
  }

  get log(): LogView | null {
    return this.#addon?.core ?? null;
  }

  crash(): void {
    this.#disk.log.crash(this.#parts.random);
    this.#addon = null;
  }

  fail(): boolean {
    this.#addon?.core?.fail('the simulated disk is full');
    return true;
  }
}
