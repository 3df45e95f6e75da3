// Checkpoints, cuts of the log, exports, imports and their installation in the simulator's core:
// all on its upkeep thread, each step of which a power cut may come before or after.

import { assert } from '../../../../../src/base/assert.js';
import type { HardStateRecord, InstalledSnapshot } from '../../../../../src/storage/native.js';
import type { Executor } from '../executor.js';
import type { LogDisk } from '../log/log-disk.js';
import type { LogWriter } from '../log/log-writer.js';
import type { Completions } from '../records.js';
import type { Applier } from './applier.js';
import type { StateMachine } from './state-machine.js';
import { nativeError, Transfers } from './transfers.js';

/** What of a member survives a power cut. */
export interface MemberDisk {
  readonly log: LogDisk;
  /** The newest state that is durable without the log. */
  state: StateMachine;
}

export interface SnapshotParts {
  readonly disk: MemberDisk;
  readonly log: LogWriter;
  readonly applier: Applier;
  readonly thread: Executor;
  readonly completions: Completions;
  /** A state has come from elsewhere. */
  readonly restored: (index: number, hash: number) => void;
}

/** Looks at the log until what was appended is written. */
const IDLE_TRIES_MAX = 10_000;

export class Snapshots {
  readonly transfers = new Transfers();
  readonly #parts: SnapshotParts;

  constructor(parts: SnapshotParts) {
    this.#parts = parts;
  }

  checkpoint(): void {
    const { disk, applier, thread, completions } = this.#parts;
    thread.push('upkeep', () => {
      const pinned = applier.state.clone();
      thread.push('upkeep', () => {
        if (pinned.index > disk.state.index) {
          disk.state = pinned;
        }
        completions.checkpoint(disk.state.index);
      });
    });
  }

  truncate(index: number): void {
    const { disk, log, thread, completions } = this.#parts;
    assert(index <= disk.state.index, 'the log is cut behind durable state only');
    thread.push('upkeep', () => {
      log.cut(index);
      completions.truncated(log.image.startIndex);
    });
  }

  async install(
    id: number,
    index: number,
    term: number,
    hardState: HardStateRecord,
  ): Promise<InstalledSnapshot> {
    const { disk, log, applier, restored } = this.#parts;
    assert(applier.idle, 'nothing is on its way through apply');
    for (let tries = 0; !log.idle; tries++) {
      assert(tries < IDLE_TRIES_MAX, 'the log comes to rest');
      await this.later(() => undefined);
    }
    return this.later(() => {
      const state = this.transfers.take(id, index, term);
      log.reset(index, term, hardState);
      disk.state = state;
      applier.replace(state.clone());
      restored(index, state.hash);
      return {
        appliedIndex: index,
        appliedTerm: term,
        revision: index,
        meta: state.meta,
        leases: [],
        alarms: [],
      };
    });
  }

  /** Does the work on the upkeep thread. */
  later<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#parts.thread.push('upkeep', () => {
        try {
          resolve(work());
        } catch (error) {
          reject(error instanceof Error ? error : nativeError('Io'));
        }
      });
    });
  }
}
