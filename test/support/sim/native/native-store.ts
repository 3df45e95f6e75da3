// A simulated member's log and state in the real native core, on a disk that keeps only what was
// synced. Every life opens the same directory again.

import { loadAddon } from '../../../../src/storage/loader.js';
import type { Addon, MemberCore, OpenedCore, OpenOptions } from '../../../../src/storage/native.js';
import type { LogView } from '../checks/safety.js';
import type { Life, Store, StoreParts } from '../cluster/store.js';
import type { Pace } from '../double/executor.js';
import type { LogObserver } from '../double/log/log-writer.js';
import { SteppedCore } from './stepped-core.js';

export type Engine = OpenOptions['engine'];

export class NativeStore implements Store {
  readonly pace: Pace;
  readonly #parts: StoreParts;
  readonly #dataDir: string;
  readonly #engine: Engine;
  #core: MemberCore | null = null;
  #log: SteppedCore | null = null;

  constructor(parts: StoreParts, engine: Engine, dataDir: string) {
    this.#parts = parts;
    this.pace = { ...parts.normalPace };
    this.#engine = engine;
    this.#dataDir = dataDir;
  }

  addon({ owner }: Life): Addon {
    const { name, scheduler, random, safety } = this.#parts;
    const addon = loadAddon();
    const options = this.#options(random.fork());
    const observer: LogObserver = {
      wrote: (entry, previousTerm) => safety.wrote(name, entry, previousTerm),
      promised: (state) => safety.promised(name, state),
    };
    const open = async (given: OpenOptions, onWake: () => void): Promise<OpenedCore> => {
      // Whatever it has to say is asked for in events of the simulation.
      const opened = await addon.open({ ...given, ...options }, () => undefined);
      this.#core = opened.core;
      this.#log = new SteppedCore(opened, {
        scheduler,
        owner,
        random,
        pace: this.pace,
        observer,
        onWake,
        durableKind: addon.completions.durable,
      });
      return { ...opened, core: this.#log.wrapped() };
    };
    return { ...addon, open };
  }

  get log(): LogView | null {
    return this.#log;
  }

  crash(): void {
    this.#core?.crash();
    this.#core = null;
    this.#log = null;
  }

  /** Errors of disks are for the double, and for the tests of the file layer. */
  fail(): boolean {
    return false;
  }

  #options(seed: number): Omit<OpenOptions, 'clusterId' | 'memberId'> {
    return {
      dataDir: this.#dataDir,
      walDir: null,
      engine: this.#engine,
      unsafeNoFsync: false,
      quotaBytes: 2 ** 31,
      maxRequestBytes: 1_572_864,
      maxTxnOps: 128,
      minLeaseTtlSeconds: 2,
      walSegmentBytes: 4096,
      compactionBatchLimit: 100,
      compactionSleepMs: 0,
      compactionHashLimitBytes: 256 * 2 ** 20,
      // Real time, which must not be seen in a run from a seed.
      slowApplyMs: 1e9,
      watchProgressNotifyMs: 600_000,
      maxQueuedOperations: 1000,
      maxQueuedBytes: 64 << 20,
      maxApplyBacklog: 5000,
      extraRevokeBacklog: 0,
      rocks: {
        blockCacheBytes: 1 << 20,
        writeBufferBytes: 1 << 20,
        metadataCacheBytes: 1 << 20,
        backgroundJobs: 1,
        bloomBitsPerKey: 10,
      },
      fileLayer: `lossy:${seed}`,
      stepped: true,
    };
  }
}
