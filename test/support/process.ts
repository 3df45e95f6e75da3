// A server process under test: started through scripts/metastore on free ports, watched until it is
// ready, stopped or killed, and started again on the same directory. Integration, conformance and
// fault tests share it. Every process started here is killed when the test process ends.

import type { ChildProcessByStdio } from 'node:child_process';
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

import { packageRoot } from '../../src/base/package.js';
import { freePorts } from './ports.js';
import { tempDir } from './temp-dir.js';
import { within } from './wait.js';

/** The build folder that this test was compiled into: its server is the one under test. */
const distRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

export const launcher = join(packageRoot, 'scripts', 'metastore');

/** What carries gRPC of the servers under test, unless a test says so itself. */
export const clientTransport = process.env.METASTORE_TEST_TRANSPORT || 'native';

export interface MemberOptions {
  /** null leaves the flag away: for reference servers, which do not know it. */
  readonly engine: 'memory' | 'rocksdb' | null;
  readonly dataDir?: string;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Another program that takes the same flags, such as a reference server. */
  readonly command?: string;
  readonly readyTimeoutMs?: number;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

const running = new Set<Child>();

process.once('exit', () => {
  for (const child of running) {
    child.kill('SIGKILL');
  }
});

/** The environment that a server gets: what the contract allows, and where this build lies. */
export function serverEnvironment(
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const passed: Record<string, string> = { METASTORE_DIST: distRoot };
  for (const name of ['PATH', 'METASTORE_ADDON', 'METASTORE_NODE', 'LD_PRELOAD', 'ASAN_OPTIONS']) {
    const value = process.env[name];
    if (value !== undefined) {
      passed[name] = value;
    }
  }
  return { ...passed, ...extra };
}

/** For servers of this build: the transport under test, where it is not the default. */
function transportFor(
  command: string,
  args: readonly string[],
  env: Record<string, string>,
): Record<string, string> {
  const isSaid = args.some((arg) => arg.startsWith('--client-transport'));
  return command !== launcher || isSaid || clientTransport === 'native'
    ? env
    : { ETCD_CLIENT_TRANSPORT: clientTransport, ...env };
}

/** A process that runs or has run: its output, its end. */
export class RunningProcess {
  readonly exited: Promise<Exit>;
  readonly #child: Child;
  #stdout = '';
  #stderr = '';
  #onOutput: (() => void) | null = null;

  constructor(command: string, args: readonly string[], env: Record<string, string>, cwd?: string) {
    const place = cwd === undefined ? {} : { cwd };
    this.#child = spawn(command, args, {
      env: transportFor(command, args, env),
      stdio: ['ignore', 'pipe', 'pipe'],
      ...place,
    });
    running.add(this.#child);
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#onOutput?.();
    });
    this.exited = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code, signal) => {
        running.delete(this.#child);
        this.#onOutput?.();
        resolve({ code, signal });
      });
    });
    this.exited.catch(() => undefined);
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get alive(): boolean {
    return running.has(this.#child);
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Every whole log line that is JSON. */
  logLines(): LogLine[] {
    const lines: LogLine[] = [];
    for (const line of this.#stderr.split('\n')) {
      if (line.startsWith('{')) {
        try {
          lines.push(JSON.parse(line) as LogLine);
        } catch {
          // The last line may still be on its way.
        }
      }
    }
    return lines;
  }

  /** Resolves once stderr holds the text; rejects when the process ends before. */
  waitForOutput(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (this.#stderr.includes(text)) {
          this.#onOutput = null;
          resolve();
        } else if (!this.alive) {
          this.#onOutput = null;
          reject(new Error(`ended without "${text}":\n${this.#stdout}${this.#stderr}`));
        }
      };
      this.#onOutput = look;
      look();
    });
  }
}

/** Starts the launcher with exactly these arguments and does not wait for anything. */
export function runLauncher(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd?: string,
): RunningProcess {
  return new RunningProcess(launcher, args, serverEnvironment(env), cwd);
}

/** One member on 127.0.0.1 with its own ports and directory, which survive its restarts. */
export class MemberProcess {
  readonly dataDir: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly #options: MemberOptions;
  #process: RunningProcess | null = null;

  private constructor(options: MemberOptions, clientPort: number, peerPort: number) {
    this.#options = options;
    this.dataDir = options.dataDir ?? join(tempDir('member'), 'data');
    this.clientPort = clientPort;
    this.peerPort = peerPort;
  }

  /** Starts a member and waits until it is ready to serve. */
  static async start(options: MemberOptions): Promise<MemberProcess> {
    const member = await MemberProcess.prepare(options);
    await member.restart();
    return member;
  }

  /** A member that is not started yet. */
  static async prepare(options: MemberOptions): Promise<MemberProcess> {
    const [clientPort = 0, peerPort = 0] = await freePorts(2);
    return new MemberProcess(options, clientPort, peerPort);
  }

  /** `host:port` of the client side. */
  get endpoint(): string {
    return `127.0.0.1:${this.clientPort}`;
  }

  get process(): RunningProcess {
    if (this.#process === null) {
      throw new Error('the member has not been started');
    }
    return this.#process;
  }

  get pid(): number {
    return this.process.pid;
  }

  /** The command line, for tests that start the process themselves. */
  args(extra: readonly string[] = []): string[] {
    const client = `http://127.0.0.1:${this.clientPort}`;
    const peer = `http://127.0.0.1:${this.peerPort}`;
    const engine = this.#options.engine;
    return [
      '--name=m1',
      `--data-dir=${this.dataDir}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=m1=${peer}`,
      ...(engine === null ? [] : [`--storage-engine=${engine}`]),
      ...(this.#options.flags ?? []),
      ...extra,
    ];
  }

  /** Starts without waiting; `extra` flags come last and so win. */
  launch(
    extra: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): RunningProcess {
    if (this.#process?.alive) {
      throw new Error('the member is running already');
    }
    const all = { ...this.#options.env, ...env };
    const command = this.#options.command ?? launcher;
    this.#process = new RunningProcess(command, this.args(extra), serverEnvironment(all));
    return this.#process;
  }

  /** Starts (again) on the same directory and ports; resolves when ready. */
  async restart(
    extra: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const started = this.launch(extra, env);
    const timeoutMs = this.#options.readyTimeoutMs ?? 20_000;
    const ready = started.waitForOutput('ready to serve client requests');
    try {
      await within('becoming ready', ready, timeoutMs);
    } catch (error) {
      started.signal('SIGKILL');
      throw error;
    }
  }

  /** SIGTERM, and SIGKILL with an error when that does not end it in time. */
  async stop(timeoutMs = 15_000): Promise<Exit> {
    this.process.signal('SIGTERM');
    try {
      return await within('stopping', this.process.exited, timeoutMs);
    } catch (error) {
      this.process.signal('SIGKILL');
      throw error;
    }
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<Exit> {
    this.process.signal('SIGKILL');
    return within('dying', this.process.exited, 15_000);
  }
}
