// Everything that a member does besides serving, in one place: compactions that nobody asks for,
// comparing data with the other members, ending downgrades that are done. Composed by src/app
// around a member; runs on timers of its own between `start` and `stop`.

import { hexId } from '../../base/bytes.js';
import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/log/logger.js';
import { compactionRequest } from '../../base/proto/kv-messages.js';
import type { PeerHttp } from '../../cluster/http/client.js';
import type { AuthState } from '../../state/auth/auth-state.js';
import type { CoreStatus } from '../../storage/native.js';
import { ownCaller } from '../serving/caller.js';
import {
  autoCompaction,
  autoCompactionTickMs,
  type Compactable,
  durationText,
} from './auto-compaction.js';
import { CorruptionChecks } from './corruption/checks.js';
import { Hashes, type HashHost } from './corruption/hashes.js';
import { type DowngradeHost, Downgrades } from './downgrades.js';
import type { UpkeepOptions } from './options.js';
import { ServingStatus } from './serving-status.js';
import { sizeText } from './sizes.js';

/** The longest time that timers know: a longer one would be none at all. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** What is needed of the member. */
export type UpkeepHost = DowngradeHost &
  HashHost & {
    readonly auth: Pick<AuthState, 'enabled' | 'currentRevision'>;
    /** Has the newest revision of its own state. */
    header(): { readonly revision: bigint };
    coreStatus(): Pick<CoreStatus, 'dbSizeBytes' | 'dbSizeInUseBytes'>;
  };

export class Upkeep {
  readonly serving: ServingStatus;
  readonly downgrades: Downgrades;
  readonly corruption: CorruptionChecks;
  readonly options: UpkeepOptions;
  readonly #host: UpkeepHost;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #stops: (() => void)[] = [];

  constructor(
    host: UpkeepHost,
    http: Pick<PeerHttp, 'hashKv'>,
    options: UpkeepOptions,
    clock: Clock,
    log: Logger,
  ) {
    this.options = options;
    this.serving = new ServingStatus(log);
    this.downgrades = new Downgrades(host, log);
    const { requestTimeoutMs } = options;
    const hashes = new Hashes(host, http, requestTimeoutMs);
    const timeoutText = durationText(requestTimeoutMs);
    this.corruption = new CorruptionChecks(host, hashes, timeoutText, log);
    this.#host = host;
    this.#clock = clock;
    this.#log = log;
  }

  /** The member takes part in its cluster from now on. */
  start(): void {
    this.#startCompactions();
    const { downgradeCheckMs, corruptCheckMs, compactHashCheckMs } = this.options;
    this.#every(downgradeCheckMs, () => this.downgrades.check());
    this.#every(corruptCheckMs, () => this.corruption.periodic());
    this.#every(compactHashCheckMs, () => this.corruption.compactions());
    if (corruptCheckMs > 0) {
      this.#log.info('enabled corruption checking', {
        'local-member-id': hexId(this.#host.id),
        interval: durationText(corruptCheckMs),
      });
    }
  }

  /**
   * The member serves clients when this resolves.
   *
   * @throws Error when its data differs from the others', where that is to be checked
   */
  async serves(): Promise<void> {
    await this.#defragmentAtStart();
    if (this.options.checksAtStart) {
      await this.corruption.initial().catch((error: unknown) => {
        this.#log.error('checkInitialHashKV failed', { error });
        throw error;
      });
    }
    this.serving.begin();
  }

  /** Runs a defragmentation, and says so in the log. */
  async defragment(work: () => Promise<Buffer>): Promise<Buffer> {
    this.#log.info('starting defragment');
    try {
      const reply = await work();
      this.#log.info('finished defragment');
      return reply;
    } catch (error) {
      this.#log.warn('failed to defragment', { error });
      throw error;
    }
  }

  async #defragmentAtStart(): Promise<void> {
    const { defragAtStartBytes: threshold } = this.options;
    if (threshold === 0) {
      return;
    }
    const { dbSizeBytes, dbSizeInUseBytes } = this.#host.coreStatus();
    if (dbSizeBytes - dbSizeInUseBytes < threshold) {
      this.#log.info('Skipping defragmentation', {
        'current-db-size-bytes': dbSizeBytes,
        'current-db-size': sizeText(dbSizeBytes),
        'current-db-size-in-use-bytes': dbSizeInUseBytes,
        'current-db-size-in-use': sizeText(dbSizeInUseBytes),
        'bootstrap-defrag-threshold-bytes': threshold,
        'bootstrap-defrag-threshold': sizeText(threshold),
      });
      return;
    }
    await this.defragment(() => this.#host.execute('Defragment', Buffer.alloc(0)));
  }

  /** No timer calls after this. What is under way ends with the member. */
  stop(): void {
    for (const stop of this.#stops.splice(0)) {
      stop();
    }
  }

  /** Calls so often; 0 is never. */
  #every(intervalMs: number, work: () => Promise<void>): void {
    if (intervalMs > 0) {
      const everyMs = Math.min(intervalMs, TIMER_MAX_MS);
      this.#stops.push(this.#clock.every(everyMs, () => void work()));
    }
  }

  #startCompactions(): void {
    const { autoCompaction: wanted } = this.options;
    if (wanted === null) {
      return;
    }
    const host = this.#host;
    const target: Compactable = {
      get isLeader() {
        return host.isLeader;
      },
      get revision() {
        return Number(host.header().revision);
      },
      compact: async (revision) => {
        const request = compactionRequest.encode({ revision: BigInt(revision) });
        await host.execute('Compact', request, ownCaller(host.auth));
      },
    };
    const mode = autoCompaction(wanted, target, this.#clock, this.#log);
    this.#stops.push(this.#clock.every(autoCompactionTickMs(wanted), () => mode.tick()));
  }
}
