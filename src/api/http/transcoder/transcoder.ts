// The first isolate's end of the second: hands it one piece of work after the other, bounds what
// waits, forgets what nobody wants any more, and starts it anew when it has ended. Used by
// JsonCodec.

import { Worker } from 'node:worker_threads';

import { MetaStoreError } from '../../../base/errors.js';
import type { Logger } from '../../../base/log/logger.js';
import { JsonProblem } from '../gateway/json/scanner.js';
import type { Ask, Task, Told } from './protocol.js';

export interface TranscoderOptions {
  /** Requests that may wait, at most. */
  readonly waitingMax: number;
  /** Their bytes together. */
  readonly waitingMaxBytes: number;
  /** What the heap of the isolate may take, in MiB; it ends above that. */
  readonly heapMiB: number;
  /** How long it is kept without work. */
  readonly idleMs: number;
  /** The program of the isolate; another one in tests. */
  readonly program: URL;
}

/** Work without its id, which is given here. */
export type Order = Task extends infer T ? (T extends Task ? Omit<T, 'id'> : never) : never;

export interface OrderOptions {
  /** Aborts when nobody wants the result any more. */
  readonly signal: AbortSignal;
  /** Whether it may be refused while much waits. */
  readonly refusable: boolean;
}

type Settled = Extract<Told, { bytes: Uint8Array }>;

interface Job {
  readonly ask: Task;
  readonly resolve: (told: Settled) => void;
  readonly reject: (error: Error) => void;
}

const ended = 'the gateway lost what translates its JSON while this was under way';

function crashed(): MetaStoreError {
  return MetaStoreError.of('Internal', ended);
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}

export class Transcoder {
  readonly #options: TranscoderOptions;
  readonly #log: Logger;
  #worker: Worker | null = null;
  /** In the order in which they came. */
  readonly #waiting = new Set<Job>();
  #waitingBytes = 0;
  /** What the isolate works on for its first result: nothing else is begun meanwhile. */
  #busy: number | null = null;
  /** Whose next word somebody waits for, by id. */
  readonly #asked = new Map<number, Pick<Job, 'resolve' | 'reject'>>();
  /** Answers of which the isolate may hold a rest. */
  readonly #open = new Set<number>();
  #lastId = 0;
  #idle: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(options: TranscoderOptions, log: Logger) {
    this.#options = options;
    this.#log = log;
  }

  /** Whether there is an isolate. */
  get running(): boolean {
    return this.#worker !== null;
  }

  /** Pieces of work that wait, the one under way not among them. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Has a request or a whole answer translated. Its bytes are handed over with it.
   *
   * @throws JsonProblem; MetaStoreError TooManyRequests, ContextCanceled, Stopped, Internal when
   *   the isolate ends meanwhile; Error of a broken answer
   */
  async translate(order: Order, options: OrderOptions): Promise<Buffer> {
    const { bytes } = await this.#submit(order, options);
    return bufferOf(bytes);
  }

  /**
   * Has an answer translated in pieces. Resolves with the first, so that what fails does so here;
   * each further one is made while the one before is taken.
   *
   * @throws as translate, also between pieces
   */
  async pieces(order: Order, options: OrderOptions): Promise<AsyncGenerator<Buffer>> {
    const first = await this.#submit(order, options);
    const { id } = first;
    const { signal } = options;
    this.#open.add(id);
    // Also when nobody ever comes to read.
    const close = () => {
      signal.removeEventListener('abort', close);
      this.#close(id);
    };
    signal.addEventListener('abort', close);
    if (signal.aborted) {
      close();
    }
    return this.#rest(first, close);
  }

  async *#rest(first: Settled, close: () => void): AsyncGenerator<Buffer> {
    let told = first;
    try {
      while (told.kind !== 'done') {
        const next = this.#more(told.id);
        // Whoever stops reading never looks at how it ends.
        next.catch(() => undefined);
        yield bufferOf(told.bytes);
        told = await next;
      }
      yield bufferOf(told.bytes);
    } finally {
      close();
    }
  }

  #more(id: number): Promise<Settled> {
    return new Promise((resolve, reject) => {
      if (this.#worker === null || !this.#open.has(id)) {
        reject(crashed());
        return;
      }
      this.#asked.set(id, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage({ kind: 'more', id } satisfies Ask);
    });
  }

  /** Nobody takes more of an answer. */
  #close(id: number): void {
    if (this.#open.delete(id)) {
      this.#asked.get(id)?.reject(MetaStoreError.of('ContextCanceled'));
      this.#asked.delete(id);
      this.#say({ kind: 'drop', id });
    }
  }

  #submit(order: Order, { signal, refusable }: OrderOptions): Promise<Settled> {
    return new Promise((resolve, reject) => {
      const { waitingMax, waitingMaxBytes } = this.#options;
      const size = order.bytes.byteLength;
      const isFull =
        this.#waiting.size >= waitingMax || this.#waitingBytes + size > waitingMaxBytes;
      if (this.#stopped || signal.aborted) {
        reject(MetaStoreError.of(this.#stopped ? 'Stopped' : 'ContextCanceled'));
        return;
      }
      if (refusable && isFull && this.#waiting.size > 0) {
        reject(MetaStoreError.of('TooManyRequests'));
        return;
      }
      this.#lastId += 1;
      const ask: Task = { ...order, id: this.#lastId };
      const settle = (act: () => void) => {
        signal.removeEventListener('abort', onGone);
        act();
      };
      const job: Job = {
        ask,
        resolve: (told) => settle(() => resolve(told)),
        reject: (error) => settle(() => reject(error)),
      };
      const onGone = () => {
        this.#forget(job);
        job.reject(MetaStoreError.of('ContextCanceled'));
      };
      signal.addEventListener('abort', onGone, { once: true });
      this.#waiting.add(job);
      this.#waitingBytes += size;
      this.#next();
    });
  }

  /** Nobody wants it any more: what has begun is done for nobody, and what it leaves dropped. */
  #forget(job: Job): void {
    const { id } = job.ask;
    if (this.#waiting.delete(job)) {
      this.#waitingBytes -= job.ask.bytes.byteLength;
    } else if (this.#asked.delete(id)) {
      this.#say({ kind: 'drop', id });
    }
  }

  /** Begins the next piece of work, if nothing is under way. */
  #next(): void {
    const [job] = this.#waiting;
    if (this.#busy !== null || job === undefined) {
      return;
    }
    this.#worker ??= this.#start();
    this.#waiting.delete(job);
    this.#waitingBytes -= job.ask.bytes.byteLength;
    const { id, bytes } = job.ask;
    this.#busy = id;
    this.#asked.set(id, job);
    this.#worker.ref();
    this.#worker.postMessage(job.ask, [bytes.buffer as ArrayBuffer]);
  }

  #told(told: Told): void {
    const { id } = told;
    const job = this.#asked.get(id);
    this.#asked.delete(id);
    if (told.kind === 'problem') {
      job?.reject(new JsonProblem(told.text));
    } else if (told.kind === 'failed') {
      job?.reject(new Error(told.text));
    } else {
      job?.resolve(told);
    }
    if (this.#busy === id) {
      this.#busy = null;
      this.#next();
    }
    if (this.#busy === null && this.#asked.size === 0) {
      // Without work it keeps no process from its end.
      this.#worker?.unref();
    }
    this.#idle?.refresh();
  }

  #start(): Worker {
    const { program, heapMiB, idleMs } = this.#options;
    const worker = new Worker(program, {
      name: 'json',
      // What the process was started with is not for this one.
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: heapMiB },
    });
    worker.on('message', (told: Told) => this.#told(told));
    worker.on('error', (error) => this.#lost(worker, error));
    worker.on('exit', (code) => this.#lost(worker, new Error(`it ended with exit code ${code}`)));
    this.#idle = setTimeout(() => this.#letRest(worker), idleMs).unref();
    return worker;
  }

  /** Lets an isolate go that has had nothing to do, with all that its heap has grown to. */
  #letRest(worker: Worker): void {
    if (this.#busy !== null || this.#asked.size + this.#open.size > 0) {
      this.#idle?.refresh();
    } else if (worker === this.#worker) {
      this.#worker = null;
      void worker.terminate();
    }
  }

  /** The isolate has ended by itself: what it had is lost, what waits goes to another one. */
  #lost(worker: Worker, error: Error): void {
    if (worker !== this.#worker) {
      return;
    }
    this.#log.error('what translates JSON for the gateway has ended', { error });
    this.#letGo();
    this.#fail([...this.#asked.values()], crashed);
    this.#next();
  }

  #letGo(): Worker | null {
    const worker = this.#worker;
    this.#worker = null;
    this.#busy = null;
    this.#open.clear();
    if (this.#idle !== null) {
      clearTimeout(this.#idle);
    }
    return worker;
  }

  #fail(jobs: readonly Pick<Job, 'reject'>[], error: () => Error): void {
    this.#asked.clear();
    for (const job of jobs) {
      job.reject(error());
    }
  }

  #say(ask: Ask): void {
    this.#worker?.postMessage(ask);
  }

  /** Ends the isolate; what it has and what waits fails. Resolves when its thread has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const worker = this.#letGo();
    const jobs = [...this.#asked.values(), ...this.#waiting];
    this.#waiting.clear();
    this.#waitingBytes = 0;
    this.#fail(jobs, () => MetaStoreError.of('Stopped'));
    await worker?.terminate();
  }
}
