// A server under attack, what the attack costs it, and another client that is to be served all the
// while. The tests of this folder run over every transport; bounds are for the worst of them.

import type { Test } from 'tap';

import { EtcdClient } from '../../support/etcd/client.js';
import { WireConnection, type WireOptions } from '../../support/etcd/wire/connection.js';
import {
  residentMiB,
  startOver,
  type Transport,
  transports,
} from '../../support/etcd/wire/subject.js';
import type { MemberProcess } from '../../support/process.js';
import { sleep, waitFor } from '../../support/wait.js';

export const isFull = process.env.METASTORE_TEST_FULL === '1';

/** For tests that ask by pings whether the server has come to something. */
export const anyPings = ['--grpc-keepalive-min-time=0s'];

/** How long the other client may have to wait for a put, in ms: the attack shares its processor. */
const WAIT_MS_MAX = 5000;
const PAUSE_MS = 20;
/** Garbage that a collector has not come to yet, in MiB. */
const SLACK_MIB = 160;

const tooMany = /too many requests/;

/** Puts all the time and remembers the longest wait. */
export class Bystander {
  longestMs = 0;
  /** How long this process itself was late at the worst moment: it makes the attack as well. */
  lateMs = 0;
  served = 0;
  readonly failures: string[] = [];
  readonly #client: EtcdClient;
  readonly #done: Promise<void>;
  #isStopped = false;

  constructor(endpoint: string) {
    this.#client = new EtcdClient(endpoint);
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
    this.#client.close();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const startedMs = performance.now();
      try {
        await this.#client.put('bystander', 'x', {}, { timeoutMs: 60_000 });
        this.served += 1;
      } catch (error) {
        this.failures.push((error as Error).message);
      }
      this.longestMs = Math.max(this.longestMs, performance.now() - startedMs);
      const pausedMs = performance.now();
      await sleep(PAUSE_MS);
      this.lateMs = Math.max(this.lateMs, performance.now() - pausedMs - PAUSE_MS);
    }
  }
}

/** One server with the tools of an attack. */
export class Subject {
  readonly transport: Transport;
  readonly member: MemberProcess;
  /** True while others may be told that there are too many requests. */
  mayCrowdOut = false;
  readonly #connections: WireConnection[] = [];

  private constructor(transport: Transport, member: MemberProcess) {
    this.transport = transport;
    this.member = member;
  }

  static async start(
    t: Test,
    transport: Transport,
    flags: readonly string[] = [],
  ): Promise<Subject> {
    const member = await startOver(transport, { flags });
    const subject = new Subject(transport, member);
    t.teardown(async () => {
      subject.closeAll();
      if (member.process.alive) await member.stop();
    });
    return subject;
  }

  async open(options: Omit<WireOptions, 'port'> = {}): Promise<WireConnection> {
    const connection = await WireConnection.open({ port: this.member.clientPort, ...options });
    this.#connections.push(connection);
    return connection;
  }

  closeAll(): void {
    for (const connection of this.#connections.splice(0)) connection.close();
  }

  /**
   * Runs an attack beside another client. Its connections are closed afterwards.
   * @param growthMiB what the server may have grown by at the worst moment
   */
  async endure(t: Test, growthMiB: number, attack: () => Promise<void>): Promise<void> {
    const before = residentMiB(this.member.pid);
    let peak = before;
    const looking = setInterval(() => {
      peak = Math.max(peak, residentMiB(this.member.pid));
    }, 20);
    const bystander = new Bystander(this.member.endpoint);
    try {
      await attack();
      await sleep(100);
    } finally {
      clearInterval(looking);
      await bystander.stop();
      this.closeAll();
    }
    const grown = peak - before;
    t.comment(
      `${this.transport}, ${t.name}: ${grown.toFixed(0)} MiB more at the worst moment, ` +
        `${bystander.longestMs.toFixed(0)} ms the longest wait of ${bystander.served} puts`,
    );
    t.ok(grown < growthMiB + SLACK_MIB, `memory stays bounded: ${grown.toFixed(0)} MiB more`);
    const failures = bystander.failures.filter((text) => !this.mayCrowdOut || !tooMany.test(text));
    t.same(failures, [], 'the other client is always served');
    const mostMs = WAIT_MS_MAX + 4 * bystander.lateMs;
    t.ok(bystander.longestMs < mostMs, `and within ${mostMs.toFixed(0)} ms`);
    t.equal(this.member.process.alive, true, 'the server is alive');
  }

  /** A number under /metrics, summed over all label values; 0 when it is not there. */
  async metric(name: string): Promise<number> {
    const response = await fetch(`http://${this.member.endpoint}/metrics`);
    const lines = (await response.text()).split('\n');
    return lines
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  /** Waits until a metric is what it should be. */
  async settles(name: string, value: number): Promise<void> {
    await waitFor(`${name} ${value}`, async () => (await this.metric(name)) === value, 20_000, 100);
  }
}

/** The same test over each transport. */
export function overEach(
  t: Test,
  name: string,
  test: (t: Test, transport: Transport) => Promise<void>,
): void {
  for (const transport of transports) {
    t.test(`${name}, ${transport}`, (t) => test(t, transport));
  }
}
