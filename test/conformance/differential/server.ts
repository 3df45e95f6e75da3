// One of the servers that the differential test drives in lock step: its process, its connection,
// its watch streams, and its own ids for the leases that it named itself. Called by run.ts.

import { type Call, calls, decodeAnswer, type Message, type Reply } from '../support/calls.js';
import { Client, type Stream } from '../support/client.js';
import { type Program, type ProgramOptions, start } from '../support/programs.js';
import { aliasBase, watchStreams } from './generator.js';
import { WatchLog } from './watches.js';

/** Replaces every integer of a message for which `replace` knows another. */
function mapIntegers(value: unknown, replace: ReadonlyMap<bigint, bigint>): unknown {
  if (typeof value === 'bigint') return replace.get(value) ?? value;
  if (value instanceof Uint8Array || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => mapIntegers(item, replace));
  const entries = Object.entries(value).map(([key, item]) => [key, mapIntegers(item, replace)]);
  return Object.fromEntries(entries);
}

export class Server {
  readonly name: string;
  readonly program: Program;
  readonly logs: WatchLog[] = [];
  readonly #client: Client;
  readonly #watches: Stream[] = [];
  readonly #keepAlive: Stream;
  #keepAliveAnswers: ((message: Message) => void)[] = [];
  readonly #toOwn = new Map<bigint, bigint>();
  readonly #fromOwn = new Map<bigint, bigint>();

  private constructor(program: Program) {
    this.name = program.options.name;
    this.program = program;
    this.#client = new Client(program.address);
    for (let index = 0; index < watchStreams; index += 1) {
      const log = new WatchLog(this.name);
      const onMessage = (bytes: Buffer): void => log.take(this.#decode(calls.watch, bytes));
      this.logs.push(log);
      this.#watches.push(this.#client.stream(calls.watch.path, onMessage));
    }
    this.#keepAlive = this.#client.stream(calls.keepAlive.path, (bytes) => {
      this.#keepAliveAnswers.shift()?.(this.#decode(calls.keepAlive, bytes));
    });
  }

  static async start(options: ProgramOptions): Promise<Server> {
    return new Server(await start(options));
  }

  #decode(call: Call, bytes: Buffer): Message {
    return mapIntegers(call.reply.decode(bytes), this.#fromOwn) as Message;
  }

  #encode(call: Call, request: Message): Buffer {
    return call.encode(mapIntegers(request, this.#toOwn) as Message);
  }

  /** Sends one request; a lease that the server is to name goes out with id 0. */
  async ask(call: Call, request: Message): Promise<Reply> {
    const alias = call === calls.leaseGrant ? (request.ID as bigint) : 0n;
    const isAlias = alias >= aliasBase && alias < aliasBase + 1024n;
    const bytes = isAlias ? call.encode({ ...request, ID: 0n }) : this.#encode(call, request);
    const reply = decodeAnswer(call, await this.#client.unary(call.path, bytes));
    if (isAlias && reply.message !== null) {
      const own = reply.message.ID as bigint;
      this.#toOwn.set(alias, own);
      this.#fromOwn.set(own, alias);
    }
    const message = reply.message && (mapIntegers(reply.message, this.#fromOwn) as Message);
    return { ...reply, message };
  }

  /** Sends on the keep-alive stream and waits for the answer, at most ten seconds. */
  keepAlive(id: bigint): Promise<Message | null> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(null), 10_000);
      this.#keepAliveAnswers.push((message) => {
        clearTimeout(timer);
        resolve(message);
      });
      this.#keepAlive.send(this.#encode(calls.keepAlive, { ID: id }));
    });
  }

  watch(stream: number, request: Message): void {
    this.#watches[stream]?.send(this.#encode(calls.watch, request));
  }

  async stop(): Promise<void> {
    this.#client.close();
    await this.program.stop();
  }
}
