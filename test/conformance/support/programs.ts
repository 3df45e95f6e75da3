// Starts and ends the programs that conformance and fault tests talk to: MetaStore from this build,
// or a real etcd. Each runs on free ports of 127.0.0.1 with a data directory of its own and is ended
// with the test. Readiness is the log line that etcd's tooling waits for.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export type Kind = 'etcd' | 'metastore';
export type Engine = 'memory' | 'rocksdb';

export interface ProgramOptions {
  readonly kind: Kind;
  /** MetaStore only. */
  readonly engine?: Engine;
  readonly dataDir: string;
  readonly flags?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** For messages. */
  readonly name: string;
  /** Another etcd than METASTORE_ETCD. */
  readonly program?: string;
}

const readyText = 'ready to serve client requests';
const readyTimeoutMs = 60_000;
const mainProgram = join(
  dirname(fileURLToPath(import.meta.url)),
  ...['..', '..', '..', 'src', 'app', 'main.js'],
);

/** A port that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** A fresh directory for one test; `remove` deletes it with everything in it. */
export function scratchDirectory(name: string): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), `metastore-${name}-`));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 3 }) };
}

/** How a program that was started has ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** One start of a program; a restart on the same directory is another one. */
export class Program {
  readonly options: ProgramOptions;
  readonly address: string;
  readonly ended: Promise<Ending>;
  /** What it printed so far, standard output and error together; the last megabyte. */
  log = '';
  #child: ChildProcess;
  #hasEnded = false;

  constructor(options: ProgramOptions, address: string, child: ChildProcess) {
    this.options = options;
    this.address = address;
    this.#child = child;
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#hasEnded = true;
        resolve({ code, signal });
      });
    });
    const keep = (text: string): void => {
      this.log = (this.log + text).slice(-(1 << 20));
    };
    child.stdout?.setEncoding('utf8').on('data', keep);
    child.stderr?.setEncoding('utf8').on('data', keep);
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get running(): boolean {
    return !this.#hasEnded;
  }

  /** Waits for the readiness line. @throws Error with the log's end when it dies or takes long */
  async ready(): Promise<this> {
    const deadline = Date.now() + readyTimeoutMs;
    while (!this.log.includes(readyText)) {
      if (this.#hasEnded || Date.now() > deadline) {
        await this.kill();
        throw new Error(`${this.options.name} did not start:\n${this.log.slice(-4000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return this;
  }

  /** SIGKILL, and waits until the process is gone. */
  async kill(): Promise<Ending> {
    if (!this.#hasEnded) this.#child.kill('SIGKILL');
    return this.ended;
  }

  /** SIGTERM, then SIGKILL after ten seconds. */
  async stop(): Promise<Ending> {
    if (!this.#hasEnded) this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    const ending = await this.ended;
    clearTimeout(timer);
    return ending;
  }
}

function etcdCommand(): string {
  const program = process.env.METASTORE_ETCD;
  if (!program) throw new Error('METASTORE_ETCD names no etcd');
  return program;
}

/** True when a real etcd is at hand to compare with. */
export function hasReference(): boolean {
  return Boolean(process.env.METASTORE_ETCD);
}

/** Starts a program and returns at once: `ready()` waits until it serves. */
export async function launch(options: ProgramOptions): Promise<Program> {
  const [client, peer] = [await freePort(), await freePort()];
  const clientUrl = `http://127.0.0.1:${client}`;
  const peerUrl = `http://127.0.0.1:${peer}`;
  const flags = [
    `--name=${options.name}`,
    `--data-dir=${options.dataDir}`,
    `--listen-client-urls=${clientUrl}`,
    `--advertise-client-urls=${clientUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=${options.name}=${peerUrl}`,
    ...(options.flags ?? []),
  ];
  const environment = { PATH: process.env.PATH ?? '', ...options.environment };
  const isEtcd = options.kind === 'etcd';
  const engine = isEtcd ? [] : [`--storage-engine=${options.engine ?? 'rocksdb'}`];
  const program = isEtcd ? (options.program ?? etcdCommand()) : process.execPath;
  const args = isEtcd ? flags : [mainProgram, ...flags, ...engine];
  const child = spawn(program, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  const started = new Program(options, `127.0.0.1:${client}`, child);
  child.once('error', (error) => {
    started.log += `${error.message}\n`;
  });
  keepLog(started, child);
  return started;
}

/** With METASTORE_TEST_LOGS=<directory> every program's output is kept there. */
function keepLog(started: Program, child: ChildProcess): void {
  const folder = process.env.METASTORE_TEST_LOGS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  const file = createWriteStream(join(folder, `${started.options.name}-${started.pid}.log`));
  child.stdout?.pipe(file, { end: false });
  child.stderr?.pipe(file, { end: false });
}

/** Starts a program and waits until it serves. */
export async function start(options: ProgramOptions): Promise<Program> {
  return (await launch(options)).ready();
}
