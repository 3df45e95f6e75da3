// A snapshot that another member sends to this one: at most one at a time, the newest. It is
// written chunk by chunk as it comes, continued by the same sender after a break, forgotten when
// nothing comes any more, and handed on once it is whole. Called by the peer server with senders
// whose handshake was accepted.

import { bytesOf, hexId } from '../../../base/bytes.js';
import type { Clock } from '../../../base/clock.js';
import type { Logger } from '../../../base/log/logger.js';
import {
  type ConfState,
  checkPeerMessage,
  type Message,
  MessageType,
  makeMessage,
} from '../../../raft/index.js';
import type { SnapshotKind } from '../../../storage/native.js';
import { isConfState } from '../../conf-state.js';
import type { InboundCall } from '../inbound/stream.js';
import type { PeerLimits } from '../options.js';
import type { PeerCore, TransferEvents } from '../types.js';
import { type Greeting, greet, type Identity, refusalStatus } from '../wire/handshake.js';
import {
  type ConfStateMessage,
  type SnapshotChunk,
  SnapshotKindNumber,
  type SnapshotOffer,
  safeNumber,
  snapshotAnswer,
  snapshotChunk,
  snapshotOffer,
  snapshotProgress,
} from '../wire/payloads.js';
import { ProgressLog } from './progress.js';

export interface IncomingContext {
  readonly self: Identity;
  readonly core: Pick<PeerCore, 'openImport' | 'writeImport' | 'closeImport'>;
  readonly limits: PeerLimits;
  readonly clock: Clock;
  readonly log: Logger;
  readonly transfers: Pick<TransferEvents, 'receiving'>;
  /** A whole snapshot; its import belongs to the receiver of this. */
  received(message: Message, importId: number): void;
}

/** What an offer says, checked. */
interface Offered {
  readonly transferId: bigint;
  readonly from: bigint;
  readonly message: Message;
  readonly kind: SnapshotKind;
  readonly sizeBytes: number;
}

interface Import extends Offered {
  readonly importId: number;
  readonly progress: ProgressLog;
  readonly ended: (ok: boolean) => void;
  // Everything before it is written.
  offset: number;
  // The stream that may write; a newer one takes its place.
  call: InboundCall | null;
  // Ends when what has come so far is written.
  writing: Promise<void>;
  waitingBytes: number;
  activeMs: number;
}

/** Idle imports are closed after so many times the time for a stall. */
const IDLE_STALLS = 2;
const CHECKSUM_BYTES = 4;

export class Incoming {
  readonly #context: IncomingContext;
  #current: Import | null = null;
  // The last one that was handed on: its sender may not have heard of it.
  #complete: Offered | null = null;
  // Offers are answered one after the other.
  #offers: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(context: IncomingContext) {
    this.#context = context;
  }

  /** Answers an offer; rejects when it is malformed. */
  async offer(greeting: Greeting, request: Buffer): Promise<Buffer> {
    const offered = this.#read(greeting.identity.memberId, snapshotOffer.decode(bytesOf(request)));
    const answer = this.#offers.then(() => this.#answer(offered));
    this.#offers = answer.catch(() => undefined);
    return answer;
  }

  /** Writes the chunks of a stream. */
  serve(call: InboundCall, greeting: Greeting): void {
    const from = greeting.identity.memberId;
    // A stream that has failed is not listened to any more.
    let failed = false;
    const fail = (reason: string): void => {
      if (!failed) {
        failed = true;
        this.#context.log.warn('failed to receive a chunk of a database snapshot', {
          'local-member-id': hexId(this.#context.self.memberId),
          'remote-peer-id': hexId(from),
          error: reason,
        });
        call.emit('error', refusalStatus(this.#context.self, from, 'invalid-message', reason));
      }
    };
    call.on('error', () => {
      failed = true;
    });
    call.on('end', () => call.end());
    call.on('data', (bytes: Buffer) => {
      if (failed) {
        return;
      }
      try {
        this.#chunk(call, from, snapshotChunk.decode(bytesOf(bytes)), fail);
      } catch (error) {
        fail(error instanceof Error ? error.message : String(error));
      }
    });
    call.sendMetadata(greet(this.#context.self, from));
  }

  /** To be called at a steady interval. */
  tick(): void {
    const { clock, limits } = this.#context;
    const current = this.#current;
    if (
      current !== null &&
      clock.nowMs() - current.activeMs > IDLE_STALLS * limits.transferStallMs
    ) {
      this.#abandon('nothing comes any more');
    }
  }

  /** Ends what a member sends that is one no more. */
  forget(from: bigint): void {
    if (this.#current?.from === from) {
      this.#abandon('the sender is not a member any more');
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#abandon('this member is stopping');
  }

  #read(from: bigint, offer: SnapshotOffer): Offered {
    const { self } = this.#context;
    const term = safeNumber(offer.term);
    const index = safeNumber(offer.snapshot_index);
    const snapshotTerm = safeNumber(offer.snapshot_term);
    const sizeBytes = safeNumber(offer.size_bytes);
    const confState = offer.conf_state === null ? null : confStateOf(offer.conf_state);
    if (term === null || index === null || snapshotTerm === null || sizeBytes === null) {
      throw new Error('a number is out of range');
    }
    if (index === 0 || snapshotTerm === 0 || snapshotTerm > term) {
      throw new Error('an impossible position in the log');
    }
    if (confState === null || !isConfState(confState)) {
      throw new Error('an impossible membership');
    }
    const kind = kindOf(offer.kind);
    if (kind === null) {
      throw new Error('an unknown kind of snapshot');
    }
    const metadata = { confState, index, term: snapshotTerm };
    const snapshot = { data: null, metadata };
    const message = makeMessage(MessageType.Snap, self.memberId, { from, term, snapshot });
    checkPeerMessage(message, self.memberId);
    return { transferId: offer.transfer_id, from, message, kind, sizeBytes };
  }

  async #answer(offered: Offered): Promise<Buffer> {
    if (isSame(this.#complete, offered)) {
      return accept(offered.sizeBytes);
    }
    if (isSame(this.#current, offered)) {
      const current = this.#current as Import;
      // Whoever wrote before has lost the connection; the write under way counts still.
      current.call = null;
      await current.writing;
      return isSame(this.#complete, offered) ? accept(offered.sizeBytes) : accept(current.offset);
    }
    const refusal = this.#refusal(offered);
    if (refusal !== null) {
      return decline(refusal);
    }
    if (this.#current !== null) {
      this.#abandon('a newer snapshot takes its place');
    }
    return this.#open(offered);
  }

  #refusal(offered: Offered): string | null {
    if (this.#stopped) {
      return 'the member is stopping';
    }
    if (offered.kind === 'checkpoint' && this.#context.self.engine !== 'rocksdb') {
      return 'checkpoints need the rocksdb engine';
    }
    const current = this.#current;
    if (current !== null && current.message.term > offered.message.term) {
      return 'a snapshot of a later term is being received';
    }
    return null;
  }

  async #open(offered: Offered): Promise<Buffer> {
    const { core, log, clock } = this.#context;
    let importId: number;
    try {
      importId = await core.openImport(offered.kind, offered.sizeBytes);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.warn('cannot receive a database snapshot', { ...this.#fields(offered), error: reason });
      return decline(reason);
    }
    if (this.#stopped) {
      core.closeImport(importId);
      return decline('the member is stopping');
    }
    const text = 'receiving database snapshot';
    const current: Import = {
      ...offered,
      importId,
      progress: new ProgressLog(log, clock, text, this.#fields(offered), offered.sizeBytes),
      ended: this.#context.transfers.receiving(offered.from),
      offset: 0,
      call: null,
      writing: Promise.resolve(),
      waitingBytes: 0,
      activeMs: clock.nowMs(),
    };
    this.#current = current;
    if (offered.sizeBytes === 0) {
      this.#whole(current);
    }
    return accept(0);
  }

  #chunk(call: InboundCall, from: bigint, chunk: SnapshotChunk, fail: (reason: string) => void) {
    const current = this.#current;
    if (current === null || current.from !== from || current.transferId !== chunk.transfer_id) {
      throw new Error('no such transfer');
    }
    current.call ??= call;
    if (current.call !== call) {
      throw new Error('another stream continues the transfer');
    }
    const { limits } = this.#context;
    current.waitingBytes += chunk.data.length;
    // The sender keeps to chunksInFlight; whoever does not is not one of us.
    const largest = Math.max(limits.chunkBytes, chunk.data.length);
    if (current.waitingBytes > 4 * limits.chunksInFlight * largest) {
      throw new Error('more than may be under way');
    }
    current.activeMs = this.#context.clock.nowMs();
    const write = () => this.#write(current, call, chunk);
    current.writing = current.writing.then(write).catch((error: unknown) => {
      // The next stream begins where the last good chunk ended.
      if (current.call === call) {
        current.call = null;
      }
      fail(error instanceof Error ? error.message : String(error));
    });
  }

  async #write(current: Import, call: InboundCall, chunk: SnapshotChunk): Promise<void> {
    const { data } = chunk;
    current.waitingBytes -= data.length;
    if (this.#current !== current || current.call !== call) {
      throw new Error('the transfer goes on elsewhere');
    }
    const length = data.length - CHECKSUM_BYTES;
    if (Number(chunk.offset) !== current.offset || length <= 0) {
      throw new Error(`bytes at ${chunk.offset} where those at ${current.offset} are due`);
    }
    if (length > current.sizeBytes - current.offset) {
      throw new Error('more bytes than were offered');
    }
    await this.#context.core.writeImport(current.importId, current.offset, bytesOf(data));
    current.offset += length;
    if (this.#current !== current) {
      throw new Error('the transfer has been given up');
    }
    current.activeMs = this.#context.clock.nowMs();
    current.progress.at(current.offset);
    if (current.offset === current.sizeBytes) {
      this.#whole(current);
    }
    call.write(snapshotProgress.encode({ offset: BigInt(current.offset) }));
  }

  #whole(current: Import): void {
    this.#current = null;
    this.#complete = current;
    current.progress.done('received and saved database snapshot');
    current.ended(true);
    this.#context.received(current.message, current.importId);
  }

  #abandon(reason: string): void {
    const current = this.#current;
    if (current === null) {
      return;
    }
    this.#current = null;
    current.progress.failed('gave up receiving a database snapshot', reason);
    current.ended(false);
    // A write that is under way ends first.
    void current.writing.then(() => this.#context.core.closeImport(current.importId));
  }

  #fields(offered: Offered): Record<string, unknown> {
    return {
      'local-member-id': hexId(this.#context.self.memberId),
      'remote-peer-id': hexId(offered.from),
      'transfer-id': hexId(offered.transferId),
      'snapshot-index': offered.message.snapshot?.metadata.index,
      'snapshot-term': offered.message.snapshot?.metadata.term,
      kind: offered.kind,
    };
  }
}

function isSame(one: Offered | null, other: Offered): boolean {
  return (
    one !== null &&
    one.from === other.from &&
    one.transferId === other.transferId &&
    one.sizeBytes === other.sizeBytes
  );
}

function accept(offset: number): Buffer {
  return snapshotAnswer.encode({ accepted: true, offset: BigInt(offset), reason: '' });
}

function decline(reason: string): Buffer {
  return snapshotAnswer.encode({ accepted: false, offset: 0n, reason });
}

function kindOf(number: number): SnapshotKind | null {
  for (const kind of ['image', 'checkpoint'] as const) {
    if (SnapshotKindNumber[kind] === number) {
      return kind;
    }
  }
  return null;
}

function confStateOf(message: ConfStateMessage): ConfState {
  return {
    voters: message.voters,
    learners: message.learners,
    votersOutgoing: message.voters_outgoing,
    learnersNext: message.learners_next,
    autoLeave: message.auto_leave,
  };
}
