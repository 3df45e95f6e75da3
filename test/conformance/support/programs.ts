// The programs that conformance and fault tests talk to: MetaStore from this build with either
// engine, or a real etcd. One Program is one start, so that a killed one and its successor on the
// same directory are told apart. Processes and ports are those of test/support.

import { type Exit, MemberProcess, type RunningProcess } from '../../support/process.js';
import { tempDir } from '../../support/temp-dir.js';
import { within } from '../../support/wait.js';

export type Engine = 'memory' | 'rocksdb';

export interface ProgramOptions {
  readonly kind: 'etcd' | 'metastore';
  /** MetaStore only. */
  readonly engine?: Engine;
  readonly dataDir: string;
  readonly flags?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** For messages. */
  readonly name: string;
  /** Another program than METASTORE_ETCD or the launcher. */
  readonly program?: string;
}

const readyText = 'ready to serve client requests';
const readyTimeoutMs = 60_000;

/** A fresh directory for one test; it goes with the test process, or earlier by `remove`. */
export function scratchDirectory(name: string): string {
  return tempDir(name);
}

/** One start of a program; a restart on the same directory is another one. */
export class Program {
  readonly options: ProgramOptions;
  readonly address: string;
  readonly #process: RunningProcess;

  constructor(options: ProgramOptions, address: string, started: RunningProcess) {
    this.options = options;
    this.address = address;
    this.#process = started;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get running(): boolean {
    return this.#process.alive;
  }

  /** What it has printed so far. */
  get log(): string {
    return this.#process.stdout + this.#process.stderr;
  }

  get ended(): Promise<Exit> {
    return this.#process.exited;
  }

  /** Waits for the readiness line. @throws Error with the log's end when it dies or takes long */
  async ready(): Promise<this> {
    try {
      await within('becoming ready', this.#process.waitForOutput(readyText), readyTimeoutMs);
      return this;
    } catch {
      await this.kill();
      throw new Error(`${this.options.name} did not start:\n${this.log.slice(-4000)}`);
    }
  }

  /** SIGKILL, and waits until the process is gone. */
  async kill(): Promise<Exit> {
    if (this.running) this.#process.signal('SIGKILL');
    return this.ended;
  }

  /** SIGTERM, then SIGKILL after ten seconds. */
  async stop(): Promise<Exit> {
    if (this.running) this.#process.signal('SIGTERM');
    const timer = setTimeout(() => this.#process.signal('SIGKILL'), 10_000);
    const ending = await this.ended;
    clearTimeout(timer);
    return ending;
  }
}

/** True when a real etcd is at hand to compare with. */
export function hasReference(): boolean {
  return Boolean(process.env.METASTORE_ETCD);
}

/** The program to start in place of the launcher, if any. */
function commandOf(options: ProgramOptions): { command?: string } {
  const given =
    options.program ?? (options.kind === 'etcd' ? process.env.METASTORE_ETCD : undefined);
  if (options.kind === 'etcd' && !given) throw new Error('METASTORE_ETCD names no etcd');
  return given ? { command: given } : {};
}

/** Starts a program and returns at once: `ready()` waits until it serves. */
export async function launch(options: ProgramOptions): Promise<Program> {
  const isEtcd = options.kind === 'etcd';
  const member = await MemberProcess.prepare({
    engine: isEtcd ? null : (options.engine ?? 'rocksdb'),
    dataDir: options.dataDir,
    flags: options.flags ?? [],
    env: options.environment ?? {},
    ...commandOf(options),
  });
  return new Program(options, member.endpoint, member.launch());
}

/** Starts a program and waits until it serves. */
export async function start(options: ProgramOptions): Promise<Program> {
  return (await launch(options)).ready();
}
