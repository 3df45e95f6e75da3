// One member of a cluster under test: a process on ports of its own, perhaps behind a proxy, which
// can be killed, paused, stopped and started again on the same directory. Made by Cluster.
// METASTORE_CLUSTER_LOGS names a folder that every run's log is written to.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { EtcdClient } from '../etcd/client.js';
import { type Exit, launcher, RunningProcess, serverEnvironment } from '../process.js';
import { within } from '../wait.js';
import type { PeerProxy } from './proxy/peer-proxy.js';

export type Engine = 'memory' | 'rocksdb';

/** What is started: our server, or a reference that takes the same flags. */
export type Program = 'metastore' | 'etcd';

/** METASTORE_CLUSTER_PROGRAM=etcd holds the tests themselves against a real etcd. */
export const program: Program =
  process.env.METASTORE_CLUSTER_PROGRAM === 'etcd' ? 'etcd' : 'metastore';

export function commandOf(which: Program): string {
  if (which === 'metastore') return launcher;
  const path = process.env.METASTORE_ETCD;
  if (path === undefined) throw new Error('METASTORE_ETCD does not name a program');
  return path;
}

export interface MemberSettings {
  readonly name: string;
  readonly program: Program;
  readonly engine: Engine;
  readonly dataDir: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly proxy: PeerProxy | null;
  readonly flags: readonly string[];
}

const readyText = 'ready to serve client requests';

/** Tries again soon when a member comes back, which the default of a second to minutes does not. */
const reconnectOptions = {
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 200,
  'grpc.min_reconnect_backoff_ms': 50,
};

export class ClusterMember {
  readonly settings: MemberSettings;
  /** The member's id, once it has answered. */
  id = 0n;
  isPaused = false;
  readonly client: EtcdClient;
  #process: RunningProcess | null = null;
  #runs = 0;
  /** `--initial-cluster` of the latest start. */
  #initialCluster = '';
  #initialState = 'new';

  constructor(settings: MemberSettings) {
    this.settings = settings;
    this.client = new EtcdClient(this.endpoint, reconnectOptions);
  }

  get name(): string {
    return this.settings.name;
  }

  /** `host:port` of the client side. */
  get endpoint(): string {
    return `127.0.0.1:${this.settings.clientPort}`;
  }

  /** A client of one's own, to be closed by whoever asked. */
  newClient(): EtcdClient {
    return new EtcdClient(this.endpoint, reconnectOptions);
  }

  get peerUrl(): string {
    const { proxy, peerPort } = this.settings;
    return `http://127.0.0.1:${proxy?.port ?? peerPort}`;
  }

  get process(): RunningProcess {
    if (this.#process === null) throw new Error(`${this.name} has not been started`);
    return this.#process;
  }

  get isRunning(): boolean {
    return this.#process?.alive === true;
  }

  /** Sets what the next start is told about the cluster. */
  joins(initialCluster: string, state: 'new' | 'existing'): void {
    this.#initialCluster = initialCluster;
    this.#initialState = state;
  }

  args(): string[] {
    const { name, dataDir, clientPort, peerPort, engine, flags } = this.settings;
    const clientUrl = `http://127.0.0.1:${clientPort}`;
    return [
      `--name=${name}`,
      `--data-dir=${dataDir}`,
      `--listen-client-urls=${clientUrl}`,
      `--advertise-client-urls=${clientUrl}`,
      `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
      `--initial-advertise-peer-urls=${this.peerUrl}`,
      `--initial-cluster=${this.#initialCluster}`,
      `--initial-cluster-state=${this.#initialState}`,
      ...(this.settings.program === 'metastore' ? [`--storage-engine=${engine}`] : []),
      ...flags,
    ];
  }

  /** Starts the process without waiting for anything; `extra` flags come last and so win. */
  launch(extra: readonly string[] = []): RunningProcess {
    if (this.isRunning) throw new Error(`${this.name} is running already`);
    const started = new RunningProcess(
      commandOf(this.settings.program),
      [...this.args(), ...extra],
      serverEnvironment(),
    );
    this.#process = started;
    this.#runs += 1;
    this.isPaused = false;
    const run = this.#runs;
    void started.exited.then(() => this.#keepLog(started, run)).catch(() => undefined);
    return started;
  }

  /** Waits until the process that was launched last is ready to serve. */
  async ready(timeoutMs = 30_000): Promise<void> {
    const what = `${this.name} becoming ready`;
    try {
      await within(what, this.process.waitForOutput(readyText), timeoutMs);
    } catch (error) {
      throw new Error(`${what}:\n${this.lastLines()}`, { cause: error });
    }
  }

  async start(timeoutMs = 30_000): Promise<void> {
    this.launch();
    await this.ready(timeoutMs);
  }

  /** SIGSTOP: the process and its sockets stay, nothing moves. */
  pause(): void {
    this.isPaused = true;
    this.process.signal('SIGSTOP');
  }

  resume(): void {
    this.isPaused = false;
    this.process.signal('SIGCONT');
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<Exit> {
    this.isPaused = false;
    this.process.signal('SIGKILL');
    return within(`${this.name} dying`, this.process.exited, 15_000);
  }

  /** SIGTERM; rejects when that does not end it in time. */
  async stop(timeoutMs = 15_000): Promise<Exit> {
    this.process.signal('SIGTERM');
    return within(`${this.name} stopping`, this.process.exited, timeoutMs);
  }

  /** The end of the log, for messages of failures. */
  lastLines(count = 12): string {
    const lines = (this.#process?.stderr ?? '').trimEnd().split('\n').slice(-count);
    return lines.map((line) => `    ${this.name}| ${line.slice(0, 400)}`).join('\n');
  }

  /** Writes the log so far to METASTORE_CLUSTER_LOGS, if that is set. */
  keepLog(): void {
    if (this.#process !== null) this.#keepLog(this.#process, this.#runs);
  }

  #keepLog(of: RunningProcess, run: number): void {
    const folder = process.env.METASTORE_CLUSTER_LOGS;
    if (folder === undefined) return;
    mkdirSync(folder, { recursive: true });
    const name = `${this.name}-${this.settings.clientPort}-${run}.log`;
    writeFileSync(join(folder, name), of.stdout + of.stderr);
  }
}
