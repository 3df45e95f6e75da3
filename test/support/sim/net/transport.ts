// The peer transport of one simulated process: messages, forwarded proposals and snapshots over the
// simulated network. Every failure is reported as the real transport does.

import { assert } from '../../../../src/base/assert.js';
import type { SharedErrorCode } from '../../../../src/base/errors.js';
import { restoreConfState } from '../../../../src/cluster/conf-state.js';
import type { PeerAddress, PeerTransport } from '../../../../src/cluster/peers/types.js';
import type { Message } from '../../../../src/raft/index.js';
import type { SnapshotExport } from '../../../../src/storage/native.js';
import type { SimClock } from '../world/clock.js';
import type { Random } from '../world/random.js';
import type { Scheduler } from '../world/scheduler.js';
import type { Endpoint, Network } from './network.js';
import { pack, unpack } from './wire.js';

/** Part of the losses that the transport notices. */
const NOTICED = 0.3;
const CHUNK_BYTES = 600;
/** Attempts at one chunk before the transfer is given up. */
const CHUNK_TRIES = 4;

export interface TransportParts {
  readonly network: Network;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly clock: SimClock;
  /** A member sent something that no member may send. */
  readonly violation: (error: unknown) => void;
}

export class SimTransport implements PeerTransport {
  readonly #parts: TransportParts;
  readonly #self: Endpoint;
  #known: ReadonlySet<bigint> = new Set();
  // Members that this one has not heard of in the log yet, but that write to it.
  readonly #strangers = new Set<bigint>();
  #transfers = 0;
  #stopped = false;

  constructor(parts: TransportParts, self: Omit<Endpoint, 'heardOf'>) {
    this.#parts = parts;
    this.#self = { ...self, heardOf: (id) => this.#strangers.add(id) };
  }

  /** How the others reach this process. */
  get endpoint(): Endpoint {
    return this.#self;
  }

  update(members: readonly PeerAddress[]): void {
    this.#known = new Set(members.map(({ id }) => id));
    assert(!this.#known.has(this.#self.id), 'a member is not its own peer');
  }

  send(message: Message, run: Uint8Array | null): void {
    const { network, random } = this.#parts;
    const { to } = message;
    if (this.#stopped || !(this.#known.has(to) || this.#strangers.has(to))) {
      return;
    }
    const packet = pack(message, run, this.#self.id);
    const sent = network.send(this.#self.id, to, (endpoint) => {
      if (endpoint.events.isRemoved(this.#self.id)) {
        this.#tellRemoved(to);
      } else {
        endpoint.heardOf(this.#self.id);
        this.#guarded(() => endpoint.events.receive(unpack(packet, endpoint)));
      }
    });
    if (!sent && random.chance(NOTICED)) {
      this.#soon(() => this.#self.events.unreachable(to));
    }
  }

  forward(to: bigint, term: number, forwards: Uint8Array): Promise<SharedErrorCode | null> {
    if (this.#stopped) {
      return Promise.reject(new Error('stopped'));
    }
    const copy = Uint8Array.from(forwards);
    return this.#parts.network.call(this.#self, to, async (endpoint) =>
      endpoint.events.forwarded(term, copy),
    );
  }

  sendSnapshot(message: Message): void {
    if (this.#stopped) {
      return;
    }
    this.#transfers++;
    this.#transfer(message)
      .then(
        () => true,
        () => false,
      )
      .then((ok) => {
        this.#transfers--;
        if (!this.#stopped) {
          this.#self.events.snapshotDone(message.to, ok);
        }
      });
  }

  activeTransfers(): number {
    return this.#transfers;
  }

  connectedSinceMs(id: bigint): number | null {
    const since = this.#parts.network.connectedSinceMs(this.#self.id, id);
    return since === null ? null : this.#parts.clock.at(since);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#parts.network.detach(this.#self);
  }

  async #transfer(message: Message): Promise<void> {
    const { core } = this.#self;
    const exported = await core.exportSnapshot(false);
    try {
      await this.#sendExport(message, exported);
    } finally {
      core.closeExport(exported.id);
    }
  }

  async #sendExport(message: Message, exported: SnapshotExport): Promise<void> {
    const { network } = this.#parts;
    const { to } = message;
    const { id, index, term, kind, sizeBytes, confState: stored } = exported;
    assert(stored !== null, 'an exported state knows its members');
    const confState = restoreConfState(new Map([['conf_state', stored]]));
    const snapshot = { data: null, metadata: { index, term, confState } };
    const packet = pack({ ...message, snapshot }, null, this.#self.id);
    // The process that takes the offer must get all of it.
    const [receiver, importId] = await network.call(
      this.#self,
      to,
      async (endpoint) => [endpoint, await endpoint.core.openImport(kind, sizeBytes)] as const,
    );
    try {
      for (let offset = 0; offset < sizeBytes; offset += CHUNK_BYTES) {
        const chunk = await this.#self.core.readExport(id, offset, CHUNK_BYTES);
        await this.#sendChunk(receiver, importId, offset, chunk);
      }
    } catch (error) {
      receiver.core.closeImport(importId);
      throw error;
    }
    await network.call(this.#self, to, async (endpoint) => {
      assert(endpoint === receiver, 'the receiver is the same process');
      this.#guarded(() => receiver.events.snapshotReceived(unpack(packet, receiver), importId));
    });
  }

  /** Repeats a chunk until it is there; the receiver knows how far it is. */
  async #sendChunk(
    receiver: Endpoint,
    importId: number,
    offset: number,
    chunk: Buffer,
  ): Promise<void> {
    let written = false;
    for (let tries = 1; ; tries++) {
      try {
        await this.#parts.network.call(this.#self, receiver.id, async (endpoint) => {
          assert(endpoint === receiver, 'the receiver is the same process');
          if (!written) {
            written = true;
            await receiver.core.writeImport(importId, offset, Uint8Array.from(chunk));
          }
        });
        return;
      } catch (error) {
        if (tries === CHUNK_TRIES || !receiver.owner.alive) {
          throw error;
        }
      }
    }
  }

  #tellRemoved(by: bigint): void {
    const { network } = this.#parts;
    network.send(by, this.#self.id, (endpoint) => {
      if (endpoint === this.#self) {
        endpoint.events.removed();
      }
    });
  }

  #soon(run: () => void): void {
    const { scheduler, random } = this.#parts;
    scheduler.after(random.range(0, 20), this.#self.owner, run);
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#parts.violation(error);
    }
  }
}
