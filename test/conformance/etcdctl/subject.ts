// One server as etcdctl sees it: runs etcdctl against it and remembers what later steps refer to.
// Called by etcdctl.test.ts, with one subject per server.

import { type ChildProcess, spawn } from 'node:child_process';
import { tempDir } from '../../support/temp-dir.js';
import { sleep, waitFor } from '../../support/wait.js';
import { normalizeErrors, normalizeProtobuf, normalizeText } from './normalize.js';
import type { Step } from './step.js';

const commandTimeoutMs = 20_000;
/** For etcdctl to start, connect and watch: longer than any pause of a loaded machine. */
const watchStartMs = 20_000;
/** For lines to come that a command is waited for to print. */
const linesMs = 20_000;

/** The status of a streaming step that has not printed what was waited for. */
export const tooFewLines = 'printed too few lines';

export interface Output {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: string;
}

interface Raw {
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly status: string;
}

export class Subject {
  readonly name: string;
  readonly endpoint: string;
  readonly #program: string;
  readonly #captured = new Map<string, string>();
  readonly #ids = new Map<string, string>();
  readonly #folder = tempDir('etcdctl');

  constructor(name: string, endpoint: string, program: string) {
    this.name = name;
    this.endpoint = endpoint;
    this.#program = program;
  }

  /** A value for `${name}` in later steps, known from elsewhere; an id as in `Capture`. */
  remember(name: string, value: string, isId = false): void {
    this.#captured.set(name, value);
    if (isId) this.#ids.set(value, name);
  }

  /** Runs a step and answers what it printed, comparable with other subjects' outputs. */
  async run(step: Step): Promise<Output> {
    const raw = step.streaming ? await this.#stream(step) : await this.#once(step);
    const text = raw.stdout.toString('utf8');
    this.#capture(step, text);
    const printed = step.isProtobuf ? normalizeProtobuf(raw.stdout) : this.#normalize(step, text);
    return {
      stdout: step.isUnordered ? printed.split('\n').sort().join('\n') : printed,
      stderr: normalizeErrors(this.#normalize(step, raw.stderr)),
      status: raw.status,
    };
  }

  #normalize(step: Step, text: string): string {
    const result = normalizeText(text, this.endpoint, this.#ids);
    return step.normalize ? step.normalize(result) : result;
  }

  #capture(step: Step, text: string): void {
    if (step.capture === undefined) return;
    const { name, pattern, isId } = step.capture;
    const value = pattern.exec(text)?.[1];
    if (value === undefined) throw new Error(`${this.name}: no ${name} in: ${text}`);
    this.#captured.set(name, value);
    if (isId) this.#ids.set(value, name);
  }

  /** Puts captured values in place of `${name}` and `${name+1}`. */
  #substitute(text: string): string {
    return text.replace(/\$\{(\w+)(?:([+-]\d+))?\}/g, (whole, name: string, add?: string) => {
      const value = this.#captured.get(name);
      if (value === undefined) throw new Error(`${whole} was not captured`);
      return add === undefined ? value : String(Number(value) + Number(add));
    });
  }

  #spawn(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const given = args.map((word) => this.#substitute(word));
    const env = { PATH: process.env.PATH ?? '', ETCDCTL_API: '3', ...environment };
    const endpoint = args.includes('--endpoints') ? [] : [`--endpoints=${this.endpoint}`];
    const all = ['--command-timeout=10s', ...endpoint, ...given];
    return spawn(this.#program, all, { env, cwd: this.#folder, stdio: ['pipe', 'pipe', 'pipe'] });
  }

  async #once(step: Pick<Step, 'args' | 'stdin' | 'environment'>): Promise<Raw> {
    const child = this.#spawn(step.args, step.environment);
    const timer = setTimeout(() => child.kill('SIGKILL'), commandTimeoutMs);
    const stdout: Buffer[] = [];
    let stderr = '';
    child.stdout.on('data', (bytes: Buffer) => stdout.push(bytes));
    child.stderr.on('data', (bytes: Buffer) => {
      stderr += bytes.toString('utf8');
    });
    child.stdin.on('error', () => undefined); // It may end without having read everything.
    child.stdin.end(this.#input(step.stdin));
    const status = await ending(child);
    clearTimeout(timer);
    return { stdout: Buffer.concat(stdout), stderr, status };
  }

  #input(stdin: string | Buffer | undefined): string | Buffer {
    return typeof stdin === 'string' ? this.#substitute(stdin) : (stdin ?? '');
  }

  /** How many watchers the server has. */
  async #watchers(): Promise<number> {
    const text = await (await fetch(`http://${this.endpoint}/metrics`)).text();
    return Number(/^etcd_debugging_mvcc_watcher_total (\d+)$/m.exec(text)?.[1]);
  }

  /** Runs until so many lines were printed, or for long enough that they are missing. */
  async #stream(step: Step): Promise<Raw> {
    const { lines, during = [] } = step.streaming ?? { lines: 0 };
    // Those of steps before are counted until the server has noticed their end.
    const noneLeft = async () => (await this.#watchers()) === 0;
    if (during.length > 0) await waitFor('the end of earlier watchers', noneLeft, watchStartMs, 50);
    const child = this.#spawn(step.args, step.environment);
    const ended = ending(child);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdin.on('error', () => undefined);
    if (step.stdin !== undefined) child.stdin.write(this.#input(step.stdin));
    if (during.length > 0) {
      // etcdctl does not say when a watch is on; the server does.
      const wanted = step.stdin === undefined ? 1 : `${step.stdin}`.trim().split('\n').length;
      const isOn = async () => (await this.#watchers()) === wanted;
      await waitFor('a watcher', isOn, watchStartMs, 50);
    }
    for (const args of during) await this.#once({ args });
    const enough = () => stdout.split('\n').length > lines || child.exitCode !== null;
    const late = await waitFor(`${lines} lines`, enough, linesMs).catch(() => 'late');
    await sleep(100); // Lines too many would come now.
    child.kill('SIGKILL');
    const goesOn = late === 'late' ? tooFewLines : 'went on';
    const status = (await ended).replace('signal SIGKILL', goesOn);
    return { stdout: Buffer.from(stdout), stderr, status };
  }
}

function ending(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      resolve(signal === null ? `code ${code}` : `signal ${signal}`);
    });
  });
}
