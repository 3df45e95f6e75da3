// Clients that put, delete, compare-and-swap and read under faults, through all members, and take
// down what they were told. A client whose member fails it goes on with the next member; a call
// that is given up is an unknown outcome. Used by the scenarios of the cluster tests.

import type { KeyValue, RangeRequest } from '../../../src/base/proto/kv-messages.js';
import { Random } from '../../conformance/differential/values.js';
import { bytes, CallError, type EtcdClient } from '../etcd/client.js';
import { sleep } from '../wait.js';
import type { Cluster } from './cluster.js';
import { History, type Result } from './linearizability/history.js';
import type { Operation, Seen } from './linearizability/register.js';
import type { ClusterMember } from './member.js';

export interface LoadOptions {
  readonly seed: number;
  /** Keys start with it. */
  readonly prefix: string;
  readonly clients?: number;
  /** Keys in use at one time. */
  readonly keys?: number;
  /** Bytes that every value is padded with. */
  readonly valueBytes?: number;
  /** After which a client gives up on a call. */
  readonly callTimeoutMs?: number;
  /** Reads answer from the asked member's own state: they may be stale, and must be found out. */
  readonly isStale?: boolean;
  /** Between two calls of a client, at most. */
  readonly pauseMsMax?: number;
}

const operationsPerKey = 150;

/** Errors that say for certain that nothing happened. */
const harmless = [
  /^No connection established/,
  /^Name resolution failed/,
  /etcdserver: too many requests/,
  /raft proposal dropped/,
];

function resultOf(error: unknown): { result: Result; error: string } {
  if (!(error instanceof CallError)) throw error;
  const { message, details } = error;
  const isHarmless = harmless.some((pattern) => pattern.test(details));
  return { result: isHarmless ? 'failed' : 'unknown', error: message };
}

function seen(kv: KeyValue | null | undefined): Seen | null {
  if (kv === null || kv === undefined) return null;
  return {
    value: kv.value.toString('latin1').split(' ', 1)[0] ?? '',
    version: Number(kv.version),
    modRevision: Number(kv.mod_revision),
    createRevision: Number(kv.create_revision),
  };
}

const revisionOf = (response: { readonly header: { readonly revision: bigint } | null }): number =>
  Number(response.header?.revision ?? 0n);

const comparesValue = { result: 0, target: 3 };
const comparesVersion = { result: 0, target: 0 };

/** Asks, and fills in the outcome. @throws CallError */
async function perform(
  client: EtcdClient,
  key: string,
  asked: Operation,
  padding: string,
  settings: LoadOptions,
): Promise<Operation> {
  const options = { timeoutMs: settings.callTimeoutMs ?? 1000 };
  const range: Partial<RangeRequest> = { key: bytes(key) };
  switch (asked.kind) {
    case 'get': {
      const serializable = settings.isStale === true;
      const answer = await client.range({ ...range, serializable }, options);
      return { ...asked, outcome: { revision: revisionOf(answer), before: seen(answer.kvs[0]) } };
    }
    case 'put': {
      const answer = await client.put(key, asked.value + padding, { prev_kv: true }, options);
      return { ...asked, outcome: { revision: revisionOf(answer), before: seen(answer.prev_kv) } };
    }
    case 'delete': {
      const answer = await client.deleteRange({ key: bytes(key), prev_kv: true }, options);
      const before = seen(answer.prev_kvs[0]);
      const wasThere = answer.deleted > 0n;
      return { ...asked, outcome: { revision: revisionOf(answer), before, wasThere } };
    }
    case 'cas': {
      const { expected } = asked;
      const compare =
        expected === null
          ? { ...comparesVersion, key: bytes(key), version: 0n }
          : { ...comparesValue, key: bytes(key), value: bytes(expected + padding) };
      const put = { key: bytes(key), value: bytes(asked.value + padding), prev_kv: true };
      const request = {
        compare: [compare],
        success: [{ request_put: put }],
        failure: [{ request_range: range }],
      };
      const answer = await client.txn(request, options);
      const [response] = answer.responses;
      const before = answer.succeeded
        ? seen(response?.response_put?.prev_kv)
        : seen(response?.response_range?.kvs[0]);
      const { succeeded } = answer;
      return { ...asked, outcome: { revision: revisionOf(answer), before, succeeded } };
    }
  }
}

export class Load {
  readonly history = new History();
  readonly #cluster: Cluster;
  readonly #options: LoadOptions;
  readonly #random: Random;
  readonly #padding: string;
  /** Operations begun on each slot of keys; a slot takes a fresh key every so many. */
  readonly #begun: number[] = [];
  /** The latest value known of a key, for compare-and-swap to have a chance. */
  readonly #latest = new Map<string, string | null>();
  #values = 0;
  #isStopping = false;
  #clients: Promise<void>[] = [];
  #failure: unknown = null;

  private constructor(cluster: Cluster, options: LoadOptions) {
    this.#cluster = cluster;
    this.#options = options;
    this.#random = new Random(options.seed);
    const size = options.valueBytes ?? 0;
    this.#padding = size === 0 ? '' : ` ${'x'.repeat(size)}`;
  }

  /** Starts the clients, spread over the members. */
  static start(cluster: Cluster, options: LoadOptions): Load {
    const load = new Load(cluster, options);
    const count = options.clients ?? 8;
    for (let i = 0; i < count; i += 1) {
      load.#clients.push(
        load.#run(`c${i + 1}`, i).catch((error: unknown) => {
          load.#failure ??= error;
        }),
      );
    }
    return load;
  }

  /** Lets every client finish its call. @throws what no client should meet */
  async stop(): Promise<History> {
    this.#isStopping = true;
    await Promise.all(this.#clients);
    if (this.#failure !== null) throw this.#failure;
    return this.history;
  }

  /** Waits until another so many writes were acknowledged. */
  async writes(count: number, timeoutMs = 30_000): Promise<void> {
    const until = performance.now() + timeoutMs;
    const target = this.history.acknowledgedWrites().length + count;
    while (this.history.acknowledgedWrites().length < target) {
      if (performance.now() > until) throw new Error(`not ${count} writes in ${timeoutMs} ms`);
      if (this.#failure !== null) throw this.#failure;
      await sleep(20);
    }
  }

  /** Reads every key in use at one member, besides what the clients do; into the same history. */
  async readsAt(member: ClusterMember): Promise<void> {
    const client = member.newClient();
    try {
      for (const slot of this.#begun.keys()) {
        const key = this.#keyOf(slot);
        const asked: Operation = { kind: 'get', outcome: { revision: 0, before: null } };
        await this.#perform(`reads-at-${member.name}`, member, client, key, asked);
      }
    } finally {
      client.close();
    }
  }

  async #run(name: string, index: number): Promise<void> {
    const clients = new Map<ClusterMember, EtcdClient>();
    let at = index;
    try {
      while (!this.#isStopping) {
        const { members } = this.#cluster;
        const member = members[at % members.length];
        if (member === undefined) throw new Error('a cluster without members');
        const client = clients.get(member) ?? member.newClient();
        clients.set(member, client);
        const isAnswered = await this.#operation(name, member, client);
        if (!isAnswered) at += 1;
        await sleep(isAnswered ? this.#random.below(this.#options.pauseMsMax ?? 20) : 5);
      }
    } finally {
      for (const client of clients.values()) client.close();
    }
  }

  async #operation(name: string, member: ClusterMember, client: EtcdClient): Promise<boolean> {
    const key = this.#key();
    return this.#perform(name, member, client, key, this.#next(key));
  }

  async #perform(
    name: string,
    member: ClusterMember,
    client: EtcdClient,
    key: string,
    asked: Operation,
  ): Promise<boolean> {
    const call = this.history.call();
    const base = { client: name, member: member.name, key };
    try {
      const operation = await perform(client, key, asked, this.#padding, this.#options);
      this.history.finish(call, { ...base, operation, result: 'ok', error: '' });
      this.#remember(key, operation);
      return true;
    } catch (error) {
      this.history.finish(call, { ...base, operation: asked, ...resultOf(error) });
      return false;
    }
  }

  #key(): string {
    const slot = this.#random.below(this.#options.keys ?? 8);
    const key = this.#keyOf(slot);
    this.#begun[slot] = (this.#begun[slot] ?? 0) + 1;
    return key;
  }

  #keyOf(slot: number): string {
    const generation = Math.floor((this.#begun[slot] ?? 0) / operationsPerKey);
    return `${this.#options.prefix}${slot}/${generation}`;
  }

  #next(key: string): Operation {
    const form = this.#random.below(100);
    if (form < 35) return { kind: 'get', outcome: { revision: 0, before: null } };
    if (form < 42) return { kind: 'delete', outcome: null };
    this.#values += 1;
    const value = `v${this.#values}`;
    if (form < 70) return { kind: 'put', value, outcome: null };
    return { kind: 'cas', expected: this.#latest.get(key) ?? null, value, outcome: null };
  }

  #remember(key: string, operation: Operation): void {
    const { outcome } = operation;
    if (outcome === null) return;
    if (operation.kind === 'put') this.#latest.set(key, operation.value);
    else if (operation.kind === 'delete') this.#latest.set(key, null);
    else if (operation.kind === 'cas' && operation.outcome?.succeeded === true) {
      this.#latest.set(key, operation.value);
    } else this.#latest.set(key, outcome.before?.value ?? null);
  }
}
