// Compactions that nobody has to ask for: to the revision of some time ago, or so many revisions
// behind the newest. Pure but for what it is given: a clock, the revision, and a way to compact.
// Ticks come from Upkeep. Only the leader compacts, but all members take samples of the revision,
// so that a new leader knows what was when.

import type { Clock } from '../../base/clock.js';
import { MetaStoreError } from '../../base/errors.js';
import type { Logger } from '../../base/log/logger.js';
import type { AutoCompaction } from './options.js';

/** What is compacted, and by whom. */
export interface Compactable {
  readonly isLeader: boolean;
  readonly revision: number;
  /** @throws MetaStoreError as Compact answers */
  compact(revision: number): Promise<void>;
}

const HOUR_MS = 3_600_000;
/** A period is sampled so many times. */
const SAMPLES = 10;
const REVISION_CHECK_MS = 5 * 60_000;

/** What both modes share: one compaction at a time, each revision once, and what the log says. */
class Compactions {
  readonly #target: Compactable;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #mode: AutoCompaction['mode'];
  readonly #fields: Readonly<Record<string, unknown>>;
  #isBusy = false;

  constructor(
    mode: AutoCompaction['mode'],
    fields: Readonly<Record<string, unknown>>,
    target: Compactable,
    clock: Clock,
    log: Logger,
  ) {
    this.#mode = mode;
    this.#fields = fields;
    this.#target = target;
    this.#clock = clock;
    this.#log = log;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Whether the revision is compacted afterwards; where somebody else did it, it is too. */
  async run(revision: number): Promise<boolean> {
    this.#isBusy = true;
    const fields = { revision, ...this.#fields };
    const startedMs = this.#clock.nowMs();
    this.#log.info(`starting auto ${this.#mode} compaction`, fields);
    try {
      await this.#target.compact(revision);
    } catch (error) {
      if (!(error instanceof MetaStoreError && error.code === 'Compacted')) {
        this.#log.warn(`failed auto ${this.#mode} compaction`, { ...fields, error });
        return false;
      }
    } finally {
      this.#isBusy = false;
    }
    const took = `${(this.#clock.nowMs() - startedMs).toFixed(3)}ms`;
    this.#log.info(`completed auto ${this.#mode} compaction`, { ...fields, took });
    return true;
  }
}

/** One way of compacting, driven by ticks. */
interface Mode {
  tick(): void;
}

/**
 * Keeps the history of a period. The revision is sampled ten times a period, or ten times an hour
 * where that is shorter; the first compaction comes after one whole period, further ones each
 * period or hour, to the oldest sample. One that fails, and one that would say the same revision
 * again, is looked at again with the next sample.
 */
class Periodic implements Mode {
  readonly #target: Compactable;
  readonly #clock: Clock;
  readonly #compactions: Compactions;
  readonly #intervalMs: number;
  readonly #sampleMs: number;
  readonly #samplesMax: number;
  /** Oldest first. Invariant: no more than a period holds, and one. */
  readonly #samples: number[];
  #nextSampleMs: number;
  #dueMs: number;
  #last: number | null = null;

  constructor(periodMs: number, target: Compactable, clock: Clock, log: Logger) {
    this.#target = target;
    this.#clock = clock;
    this.#intervalMs = Math.min(periodMs, HOUR_MS);
    this.#sampleMs = this.#intervalMs / SAMPLES;
    this.#samplesMax = Math.floor(periodMs / this.#sampleMs) + 1;
    const fields = { 'compact-period': durationText(periodMs) };
    this.#compactions = new Compactions('periodic', fields, target, clock, log);
    this.#samples = [target.revision];
    this.#nextSampleMs = clock.nowMs() + this.#sampleMs;
    this.#dueMs = clock.nowMs() + periodMs;
  }

  tick(): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs < this.#nextSampleMs) {
      return;
    }
    // Samples that were missed altogether, by a process that stood still, are not made up for.
    const missed = Math.floor((nowMs - this.#nextSampleMs) / this.#sampleMs);
    this.#nextSampleMs += (missed + 1) * this.#sampleMs;
    const revision = this.#samples[0] ?? 0;
    const isDue = nowMs >= this.#dueMs && revision !== this.#last;
    if (isDue && this.#target.isLeader && !this.#compactions.isBusy) {
      void this.#compact(revision);
    }
    this.#samples.push(this.#target.revision);
    if (this.#samples.length > this.#samplesMax) {
      this.#samples.shift();
    }
  }

  async #compact(revision: number): Promise<void> {
    if (await this.#compactions.run(revision)) {
      this.#last = revision;
      this.#dueMs = this.#clock.nowMs() + this.#intervalMs;
    }
  }
}

/** Keeps so many revisions; looked at every five minutes. */
class ByRevision implements Mode {
  readonly #target: Compactable;
  readonly #clock: Clock;
  readonly #compactions: Compactions;
  readonly #kept: number;
  #dueMs: number;
  #last = 0;

  constructor(kept: number, target: Compactable, clock: Clock, log: Logger) {
    this.#target = target;
    this.#clock = clock;
    this.#kept = kept;
    const fields = { 'revision-compaction-retention': kept };
    this.#compactions = new Compactions('revision', fields, target, clock, log);
    this.#dueMs = clock.nowMs() + REVISION_CHECK_MS;
  }

  tick(): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs < this.#dueMs) {
      return;
    }
    this.#dueMs = nowMs + REVISION_CHECK_MS;
    const revision = this.#target.revision - this.#kept;
    const isNew = revision > 0 && revision !== this.#last;
    if (isNew && this.#target.isLeader && !this.#compactions.isBusy) {
      void this.#compact(revision);
    }
  }

  async #compact(revision: number): Promise<void> {
    if (await this.#compactions.run(revision)) {
      this.#last = revision;
    }
  }
}

/** A duration in the form that flags have: `1h0m0s`, `4s`, `250ms`. */
export function durationText(ms: number): string {
  if (ms < 1000) {
    return `${ms}ms`;
  }
  const seconds = ms / 1000;
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  const rest = `${Number((seconds % 60).toFixed(3))}s`;
  return hours > 0 ? `${hours}h${minutes}m${rest}` : minutes > 0 ? `${minutes}m${rest}` : rest;
}

/**
 * The compactor that the options ask for; its ticks are to come at least every
 * `autoCompactionTickMs`.
 */
export function autoCompaction(
  options: AutoCompaction,
  target: Compactable,
  clock: Clock,
  log: Logger,
): Mode {
  return options.mode === 'periodic'
    ? new Periodic(options.periodMs, target, clock, log)
    : new ByRevision(options.revisions, target, clock, log);
}

/** How often ticks have to come so that samples are taken when they are due. */
export function autoCompactionTickMs(options: AutoCompaction): number {
  const samplingMs =
    options.mode === 'periodic' ? Math.min(options.periodMs, HOUR_MS) / SAMPLES : 1000;
  return Math.max(1, Math.min(1000, samplingMs));
}
