// The seeded sequence of requests of the differential test: KV, transactions, compactions, leases,
// hashes and watches, valid and invalid. What it draws depends only on the seed and on the
// revisions that answers reported, so a seed reproduces a run. Called by run.ts.

import { type Call, calls, type Message } from '../support/calls.js';
import { randomTxn } from './transactions.js';
import {
  int64Max,
  int64Min,
  Random,
  randomKey,
  randomLimit,
  randomRange,
  randomValue,
} from './values.js';

export type Step =
  | { readonly kind: 'unary'; readonly call: Call; readonly request: Message }
  | { readonly kind: 'keep-alive'; readonly id: bigint }
  | { readonly kind: 'watch'; readonly stream: number; readonly request: Message };

/** Leases whose id the server picks get stand-ins from here on; run.ts maps them per server. */
export const aliasBase = 0x7a00_0000_0000_0000n;
const aliasLimit = 64n;

/** Streams of watches that every server has open. */
export const watchStreams = 4;

const givenLeaseIds: readonly bigint[] = [
  ...Array.from({ length: 10 }, (_, index) => BigInt(index + 1)),
  -5n,
  int64Max,
  int64Min,
  0x1234_5678_9abcn,
];

/** A lease must not expire during a run, however slow the machine is. */
const leaseTtlMinSeconds = 100_000;

export class Generator {
  readonly random: Random;
  /** The newest revision that an answer reported. */
  revision = 1n;
  /** The newest compaction that succeeded. */
  compactRevision = -1n;
  readonly #forOlder: boolean;
  #aliases = 0n;
  readonly #leases = new Set<bigint>();
  readonly #watchIds: Set<bigint>[];

  /**
   * @param forOlder leaves out what releases before 3.5 answer in another way with consequences:
   *   sort options outside of their enums and negative start revisions, which they accept, and
   *   watch ids in use, which they refuse with another revision
   */
  constructor(seed: number, forOlder = false) {
    this.#forOlder = forOlder;
    this.random = new Random(seed);
    this.#watchIds = Array.from({ length: watchStreams }, () => new Set());
  }

  next(): Step {
    const make = this.random.weighted<() => Step>([
      [30, () => this.#put()],
      [20, () => unary(calls.range, this.rangeRequest())],
      [9, () => this.#deleteRange()],
      [22, () => unary(calls.txn, randomTxn(this))],
      [0.7, () => this.#compact()],
      [4, () => this.#leaseGrant()],
      [2, () => unary(calls.leaseRevoke, { ID: this.#anyLeaseId() })],
      [2, () => this.#timeToLive()],
      [1, () => ({ kind: 'keep-alive', id: this.#anyLeaseId() })],
      [0.7, () => unary(calls.leaseLeases, {})],
      [0.6, () => unary(calls.hashKv, { revision: this.anyRevision() })],
      [1.2, () => this.#watchCreate()],
      [0.8, () => this.#watchCancel()],
    ]);
    return make();
  }

  /** Tells what a successful request did, so that later requests can refer to it. */
  learn(step: Step, revision: bigint): void {
    if (revision > this.revision) this.revision = revision;
    if (step.kind !== 'unary') return;
    if (step.call === calls.compact) this.compactRevision = step.request.revision as bigint;
    if (step.call === calls.leaseGrant) this.#leases.add(step.request.ID as bigint);
    if (step.call === calls.leaseRevoke) this.#leases.delete(step.request.ID as bigint);
  }

  /** Tells of a watcher that now exists on a stream, or no longer does. */
  learnWatcher(stream: number, id: bigint, exists: boolean): void {
    if (exists) this.#watchIds[stream]?.add(id);
    else this.#watchIds[stream]?.delete(id);
  }

  /** Zero, negative, compacted, historic, current and future revisions. */
  anyRevision(): bigint {
    const { random, revision, compactRevision } = this;
    const oldest = compactRevision < 1n ? 1n : compactRevision;
    return random.weighted<() => bigint>([
      [20, () => 0n],
      [30, () => oldest + BigInt(random.below(Number(revision - oldest) + 1))],
      [10, () => revision],
      [4, () => revision + 1n],
      [4, () => oldest],
      [4, () => oldest - 1n],
      [2, () => 1n],
      [2, () => -1n],
      [1, () => revision + 1000n],
      [1, () => int64Max],
      [1, () => int64Min],
    ])();
  }

  rangeRequest(): Message {
    const { random } = this;
    const request: Message = { ...randomRange(random) };
    if (random.chance(40)) request.limit = randomLimit(random);
    if (random.chance(30)) request.revision = this.anyRevision();
    if (random.chance(40)) request.sort_order = random.below(3);
    if (random.chance(40)) request.sort_target = random.below(5);
    if (!this.#forOlder && random.chance(1)) request.sort_order = random.pick([3, -1, 1 << 30]);
    if (!this.#forOlder && random.chance(1)) request.sort_target = random.pick([5, -1, 1 << 30]);
    if (random.chance(20)) request.serializable = true;
    if (random.chance(15)) request.keys_only = true;
    if (random.chance(10)) request.count_only = true;
    const filters = [
      'min_mod_revision',
      'max_mod_revision',
      'min_create_revision',
      'max_create_revision',
    ];
    for (const filter of filters) if (random.chance(5)) request[filter] = this.anyRevision();
    return request;
  }

  putRequest(key: Buffer): Message {
    const { random } = this;
    const request: Message = { key, value: randomValue(random) };
    if (random.chance(25)) request.lease = this.leaseId();
    if (random.chance(30)) request.prev_kv = true;
    if (random.chance(6)) {
      request.ignore_value = true;
      if (random.chance(85)) delete request.value;
    }
    if (random.chance(6)) {
      request.ignore_lease = true;
      if (random.chance(85)) delete request.lease;
    }
    return request;
  }

  deleteRequest(): Message {
    const request: Message = { ...randomRange(this.random) };
    if (this.random.chance(40)) request.prev_kv = true;
    return request;
  }

  /**
   * Mostly a lease that exists. Never one that the server named: its id would be part of the hash
   * over the store, which is to be equal everywhere.
   */
  leaseId(): bigint {
    const known = [...this.#leases].filter((id) => id < aliasBase || id >= aliasBase + aliasLimit);
    if (known.length > 0 && this.random.chance(85)) return this.random.pick(known);
    return this.random.pick([...givenLeaseIds, 0n, 424_242n]);
  }

  #anyLeaseId(): bigint {
    const known = [...this.#leases];
    return known.length > 0 && this.random.chance(50) ? this.random.pick(known) : this.leaseId();
  }

  #put(): Step {
    return unary(calls.put, this.putRequest(randomKey(this.random)));
  }

  /** Wide deletions are rare: they would leave nothing to work on. */
  #deleteRange(): Step {
    const request = this.deleteRequest();
    const isWide = (request.range_end as Buffer).length > 0 && this.random.chance(80);
    return unary(calls.deleteRange, isWide ? { key: request.key } : request);
  }

  #compact(): Step {
    const { random, revision, compactRevision } = this;
    const target = random.chance(75)
      ? revision - BigInt(random.below(60))
      : random.pick([
          compactRevision,
          compactRevision + 1n,
          0n,
          -1n,
          revision + 1n,
          int64Max,
          revision,
        ]);
    return unary(calls.compact, { revision: target, physical: random.chance(50) });
  }

  #leaseGrant(): Step {
    const { random } = this;
    let id = random.pick(givenLeaseIds);
    if (random.chance(30) && this.#aliases < aliasLimit) {
      id = aliasBase + this.#aliases;
      this.#aliases += 1n;
    }
    const ttl = random.chance(90)
      ? BigInt(leaseTtlMinSeconds + random.below(1_000_000))
      : random.pick([9_000_000_000n, 9_000_000_001n, int64Max]);
    return unary(calls.leaseGrant, { ID: id, TTL: ttl });
  }

  #timeToLive(): Step {
    const request = { ID: this.#anyLeaseId(), keys: this.random.chance(70) };
    return unary(calls.leaseTimeToLive, request);
  }

  #watchCreate(): Step {
    const { random } = this;
    const stream = random.below(watchStreams);
    const request: Message = { ...randomRange(random) };
    const start = random.below(100);
    if (start < 30) request.start_revision = this.anyRevision();
    if (random.chance(30))
      request.watch_id = random.pick([1n, 2n, 3n, 50n, 51n, -1n, -7n, int64Max]);
    if (this.#forOlder) this.#avoidOlder(request, stream);
    if (random.chance(40)) request.prev_kv = true;
    if (random.chance(20)) request.fragment = true;
    if (random.chance(15)) request.filters = random.pick([[0], [1], [0, 1], [0, 0]]);
    return { kind: 'watch', stream, request: { create_request: request } };
  }

  #avoidOlder(request: Message, stream: number): void {
    if (((request.start_revision as bigint | undefined) ?? 0n) < 0n) delete request.start_revision;
    const id = request.watch_id as bigint | undefined;
    if (id !== undefined && this.#watchIds[stream]?.has(id)) delete request.watch_id;
  }

  #watchCancel(): Step {
    const { random } = this;
    const stream = random.below(watchStreams);
    const ids = [...(this.#watchIds[stream] ?? [])];
    const id = ids.length > 0 && random.chance(90) ? random.pick(ids) : random.pick([99n, 12_345n]);
    return { kind: 'watch', stream, request: { cancel_request: { watch_id: id } } };
  }
}

function unary(call: Call, request: Message): Step {
  return { kind: 'unary', call, request };
}
