// One snapshot on its way to one member: exported, offered, sent in chunks that the receiver
// confirms, continued where it broke off. It fails when nothing has moved for a while; the export
// is closed in every case. Made and ended by Outgoing.

import type grpc from '@grpc/grpc-js';

import { bytesOf, hexId } from '../../../base/bytes.js';
import type { Cancel, Clock } from '../../../base/clock.js';
import type { Logger } from '../../../base/log/logger.js';
import type { Message } from '../../../raft/index.js';
import type { SnapshotExport } from '../../../storage/native.js';
import { decodeConfState } from '../../conf-state.js';
import { PeerChannel, type Place } from '../channel.js';
import type { PeerLimits } from '../options.js';
import type { PeerCore, TransferEvents } from '../types.js';
import {
  type Greeting,
  greet,
  type Identity,
  type RefusalName,
  refusalNameOf,
} from '../wire/handshake.js';
import {
  type SnapshotAnswer,
  SnapshotKindNumber,
  safeNumber,
  snapshotAnswer,
  snapshotOffer,
} from '../wire/payloads.js';
import { ChunkStream } from './chunk-stream.js';
import { type Pace, ProgressLog } from './progress.js';

/** The receiver as far as a transfer needs it. */
export interface Receiver {
  readonly id: bigint;
  /** Where it answers now, or null. */
  readonly place: Place | null;
  readonly greeting: Greeting | null;
}

export interface TransferContext {
  readonly self: Identity;
  readonly core: Pick<PeerCore, 'exportSnapshot' | 'readExport' | 'closeExport'>;
  readonly limits: PeerLimits;
  readonly clock: Clock;
  readonly log: Logger;
  readonly pace: Pace;
  readonly transfers: Pick<TransferEvents, 'sending'>;
}

const OFFER_PATH = '/metastore.peer.v1.Peer/OfferSnapshot';
const CHUNKS_PATH = '/metastore.peer.v1.Peer/SendSnapshot';
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2000;
/** Parts of the time for a stall in which a single connection may be without progress. */
const TRIES_PER_STALL = 3;
/** How often a receiver may begin anew, as after its restart. */
const RESTARTS_MAX = 5;

const asIs = (bytes: Buffer): Buffer => bytes;

/** Refusals that another try would meet again. */
const lasting: ReadonlySet<RefusalName> = new Set([
  'invalid-message',
  'removed',
  'cluster-id',
  'wrong-receiver',
]);

/** The receiver does not want the snapshot: no use trying again. */
class Declined extends Error {}
class Stopped extends Error {}

export class Transfer {
  readonly message: Message;
  readonly #id: bigint;
  readonly #receiver: Receiver;
  readonly #context: TransferContext;
  #cancelWatch: Cancel = () => undefined;
  // Called when it is stopped; each ends something that is being waited for.
  readonly #onStop = new Set<() => void>();
  #stopReason: string | null = null;
  #movedMs: number;
  // Everything before it is stored by the receiver.
  #confirmed = 0;
  #restarts = 0;
  // Tries since something moved.
  #retries = 0;

  /** @param id the transfer's number: the receiver knows it by it */
  constructor(message: Message, id: bigint, receiver: Receiver, context: TransferContext) {
    this.message = message;
    this.#id = id;
    this.#receiver = receiver;
    this.#context = context;
    this.#movedMs = context.clock.nowMs();
  }

  /** Runs to the end; whether the receiver has all of it. Never rejects. */
  async run(): Promise<boolean> {
    const { core, log } = this.#context;
    let exported: SnapshotExport | null = null;
    this.#watch();
    try {
      await this.#reachable();
      exported = await core.exportSnapshot(this.#acceptsCheckpoint());
      this.#checkStopped();
      await this.#send(exported);
      return true;
    } catch (error) {
      if (exported === null) {
        const reason = error instanceof Error ? error.message : String(error);
        log.warn('failed to send database snapshot', { ...this.#fields(), error: reason });
      }
      return false;
    } finally {
      this.#cancelWatch();
      if (exported !== null) {
        core.closeExport(exported.id);
      }
    }
  }

  /** Ends it as failed, soon. */
  stop(reason: string): void {
    if (this.#stopReason === null) {
      this.#stopReason = reason;
      this.#cancelWatch();
      for (const end of [...this.#onStop]) {
        end();
      }
    }
  }

  /** Ends it once nothing has moved for too long. */
  #watch(): void {
    const { clock, limits } = this.#context;
    const stallMs = limits.transferStallMs;
    this.#moved();
    this.#cancelWatch = clock.every(Math.max(10, stallMs / 10), () => {
      if (clock.nowMs() - this.#movedMs > stallMs) {
        this.stop(`nothing has moved for ${stallMs} ms`);
      }
    });
  }

  async #send(exported: SnapshotExport): Promise<void> {
    const { clock, log } = this.#context;
    const fields = {
      ...this.#fields(),
      'snapshot-index': exported.index,
      'snapshot-term': exported.term,
      kind: exported.kind,
    };
    const text = 'sending database snapshot';
    const ended = this.#context.transfers.sending(this.message.to);
    const progress = new ProgressLog(log, clock, text, fields, exported.sizeBytes);
    this.#moved();
    try {
      for (;;) {
        try {
          await this.#attempt(exported, progress);
          progress.done('sent database snapshot');
          ended(true);
          return;
        } catch (error) {
          this.#checkStopped();
          if (error instanceof Declined) {
            throw error;
          }
          const reason = error instanceof Error ? error.message : String(error);
          log.info('continuing to send database snapshot', {
            ...fields,
            offset: this.#confirmed,
            error: reason,
          });
        }
        await this.#sleep(Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#retries++));
      }
    } catch (error) {
      const reason = this.#stopReason ?? (error instanceof Error ? error.message : String(error));
      progress.failed('failed to send database snapshot', reason);
      ended(false);
      throw error;
    }
  }

  /** One connection's worth: an offer and what the receiver still lacks. */
  async #attempt(exported: SnapshotExport, progress: ProgressLog): Promise<void> {
    const place = await this.#reachable();
    const channel = new PeerChannel(place);
    const close = () => channel.close();
    this.#onStop.add(close);
    try {
      const answer = await this.#offer(channel, exported);
      if (!answer.accepted) {
        throw new Declined(`the receiver declines: ${answer.reason}`);
      }
      const offset = safeNumber(answer.offset);
      if (offset === null || offset > exported.sizeBytes) {
        throw new Declined('the receiver asks for bytes that there are not');
      }
      if (offset < this.#confirmed && ++this.#restarts > RESTARTS_MAX) {
        throw new Declined('the receiver begins anew over and over');
      }
      this.#confirmed = offset;
      const { self, core, limits, clock, pace } = this.#context;
      const call = channel.client.makeBidiStreamRequest(
        CHUNKS_PATH,
        asIs,
        asIs,
        greet(self, this.#receiver.id),
      );
      const stream = new ChunkStream(call, {
        transferId: this.#id,
        sizeBytes: exported.sizeBytes,
        fromBytes: offset,
        chunkBytes: pace.chunkBytes(limits.chunkBytes),
        chunksInFlight: limits.chunksInFlight,
        silenceMs: limits.transferStallMs / TRIES_PER_STALL,
        clock,
        read: (at, bytes) => core.readExport(exported.id, at, bytes),
        granted: (bytes) => this.#granted(bytes),
        confirmed: (at) => {
          this.#confirmed = at;
          this.#retries = 0;
          this.#moved();
          progress.at(at);
        },
      });
      await stream.run();
    } finally {
      this.#onStop.delete(close);
      close();
    }
  }

  #offer(channel: PeerChannel, exported: SnapshotExport): Promise<SnapshotAnswer> {
    const { self, limits } = this.#context;
    if (exported.confState === null) {
      throw new Declined('the exported state has no membership');
    }
    const state = decodeConfState(exported.confState);
    const request = snapshotOffer.encode({
      transfer_id: this.#id,
      term: BigInt(this.message.term),
      snapshot_index: BigInt(exported.index),
      snapshot_term: BigInt(exported.term),
      conf_state: {
        voters: state.voters,
        learners: state.learners,
        voters_outgoing: state.votersOutgoing,
        learners_next: state.learnersNext,
        auto_leave: state.autoLeave,
      },
      kind: SnapshotKindNumber[exported.kind],
      size_bytes: BigInt(exported.sizeBytes),
    });
    const deadline = Date.now() + limits.transferStallMs / TRIES_PER_STALL;
    const metadata = greet(self, this.#receiver.id);
    return new Promise((resolve, reject) => {
      channel.client.makeUnaryRequest(
        OFFER_PATH,
        asIs,
        asIs,
        request,
        metadata,
        { deadline },
        (error: grpc.ServiceError | null, reply?: Buffer) => {
          const refusal = refusalNameOf(error?.metadata);
          if (refusal !== null && lasting.has(refusal)) {
            reject(new Declined(`the receiver refuses: ${error?.details}`));
          } else if (error !== null || reply === undefined) {
            reject(new Error(error?.details ?? 'no reply'));
          } else {
            // What does not decode is thrown, and rejects.
            resolve(Promise.resolve(reply).then((bytes) => snapshotAnswer.decode(bytesOf(bytes))));
          }
        },
      );
    });
  }

  /** Where the receiver answers; waits for it. */
  async #reachable(): Promise<Place> {
    for (;;) {
      this.#checkStopped();
      const { place } = this.#receiver;
      if (place !== null) {
        return place;
      }
      await this.#sleep(RETRY_MIN_MS);
    }
  }

  /** Waits until the bytes may be sent. */
  async #granted(bytes: number): Promise<void> {
    const waitMs = this.#context.pace.grant(bytes);
    if (waitMs > 0) {
      await this.#sleep(waitMs);
    }
  }

  #acceptsCheckpoint(): boolean {
    const { engine } = this.#context.self;
    return engine === 'rocksdb' && this.#receiver.greeting?.identity.engine === 'rocksdb';
  }

  #moved(): void {
    this.#movedMs = this.#context.clock.nowMs();
  }

  #checkStopped(): void {
    if (this.#stopReason !== null) {
      throw new Stopped(this.#stopReason);
    }
  }

  async #sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const end = () => {
        cancel();
        this.#onStop.delete(end);
        resolve();
      };
      const cancel = this.#context.clock.after(ms, end);
      this.#onStop.add(end);
    });
    this.#checkStopped();
  }

  #fields(): Record<string, string> {
    return {
      'local-member-id': hexId(this.#context.self.memberId),
      'remote-peer-id': hexId(this.#receiver.id),
      'transfer-id': hexId(this.#id),
    };
  }
}
