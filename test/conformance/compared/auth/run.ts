// Drives several servers with authentication through one seeded sequence of calls, one after the
// other, and compares every answer: codes, texts, messages. The first server is the one that the
// others are held against. Called by auth.test.ts.

import { createSecretKey } from 'node:crypto';
import { SignJWT } from 'jose';

import { canonicalReply, show } from '../../differential/canonical.js';
import {
  authCalls,
  type Call,
  calls,
  decodeAnswer,
  headerRevision,
  type Message,
  type Reply,
} from '../../support/calls.js';
import { Client } from '../../support/client.js';
import type { Program } from '../../support/programs.js';
import { Generator, type Step, type Who } from './generator.js';

export const ROOT_PASSWORD = 'rootpw';

interface Subject {
  readonly program: Program;
  readonly client: Client;
  /** Tokens by session. */
  readonly tokens: string[];
}

export interface AuthRunOptions {
  readonly seed: number;
  readonly steps: number;
  /** The secret that tokens are signed with; null where the servers make them up. */
  readonly secret: Uint8Array | null;
}

/** How many answers there were of each kind, such as `Put ok` or `Put 7`. */
export type Counts = ReadonlyMap<string, number>;

/** How long a stream may take to answer. */
const STREAM_MS = 10_000;

type Metadata = Readonly<Record<string, string>>;

export class AuthRun {
  readonly #subjects: readonly Subject[];
  readonly #options: AuthRunOptions;
  readonly #generator: Generator;
  readonly #counts = new Map<string, number>();
  #step = 0;
  #authRevision = 1n;

  constructor(programs: readonly Program[], options: AuthRunOptions) {
    this.#options = options;
    this.#generator = new Generator(options.seed, options.secret !== null);
    this.#subjects = programs.map((program) => ({
      program,
      client: new Client(program.address),
      tokens: [],
    }));
  }

  async run(): Promise<Counts> {
    await this.#begin();
    for (this.#step = 1; this.#step <= this.#options.steps; this.#step++) {
      await this.#do(this.#generator.next());
      if (this.#step % 30 === 0) {
        await this.#keepGoing();
      }
    }
    return this.#counts;
  }

  close(): void {
    for (const { client } of this.#subjects) {
      client.close();
    }
  }

  async #begin(): Promise<void> {
    const nobody: Who = { kind: 'nobody' };
    const rows: readonly (readonly [Call, Message])[] = [
      [authCalls.userAdd, { name: 'root', password: ROOT_PASSWORD }],
      [authCalls.roleAdd, { name: 'root' }],
      [authCalls.userGrantRole, { user: 'root', role: 'root' }],
      [authCalls.userAdd, { name: 'ann', password: 'p' }],
      [authCalls.roleAdd, { name: 'both' }],
      [authCalls.userGrantRole, { user: 'ann', role: 'both' }],
    ];
    for (const [call, request] of rows) {
      await this.#do({ kind: 'unary', call, request, who: nobody });
    }
    await this.#keepGoing();
  }

  /** However the last steps went: authentication is on, root can log in, and does. */
  async #keepGoing(): Promise<void> {
    const nobody: Who = { kind: 'nobody' };
    const grant = { user: 'root', role: 'root' };
    const ask = (call: Call, request: Message, who: Who = nobody) =>
      this.#do({ kind: 'unary', call, request, who });
    const status = await ask(authCalls.status, {});
    if (status.message?.enabled !== true) {
      await ask(authCalls.userAdd, { name: 'root', password: ROOT_PASSWORD });
      await ask(authCalls.userChangePassword, { name: 'root', password: ROOT_PASSWORD });
      await ask(authCalls.roleAdd, { name: 'root' });
      await ask(authCalls.userGrantRole, grant);
      await ask(authCalls.enable, {});
    }
    const login = { name: 'root', password: ROOT_PASSWORD };
    await ask(authCalls.authenticate, login);
    this.#generator.rootSession = this.#generator.sessions - 1;
    const root: Who = { kind: 'session', index: this.#generator.rootSession };
    await ask(authCalls.userList, {}, root);
    for (const role of ['reader', 'writer', 'both', 'r/1']) {
      const { message } = await ask(authCalls.roleGet, { role }, root);
      // Beyond a dozen permissions, etcd lists those of one key in no order that is worth having.
      if (((message?.perm as unknown[] | undefined) ?? []).length > 8) {
        await ask(authCalls.roleDelete, { role }, root);
      }
    }
    for (const [name, role] of [
      ['ann', 'reader'],
      ['bob', 'both'],
      ['eve', 'writer'],
    ] as const) {
      const password = 'p';
      const changed = await ask(authCalls.userChangePassword, { name, password }, root);
      if (changed.message === null) {
        await ask(authCalls.userAdd, { name, password }, root);
      }
      await ask(authCalls.userGrantRole, { user: name, role }, root);
      await ask(authCalls.authenticate, { name, password });
    }
    await this.#learnRevision();
  }

  async #learnRevision(): Promise<void> {
    const reply = await this.#do({
      kind: 'unary',
      call: authCalls.status,
      request: {},
      who: { kind: 'nobody' },
    });
    this.#authRevision = (reply.message?.authRevision as bigint | undefined) ?? 1n;
  }

  async #do(step: Step): Promise<Reply> {
    if (step.who.kind === 'signed') {
      await this.#learnRevision();
    }
    const replies: Reply[] = [];
    for (const subject of this.#subjects) {
      replies.push(await this.#ask(subject, step));
    }
    const [first] = replies as [Reply, ...Reply[]];
    const wanted = this.#textOf(step, first);
    replies.forEach((reply, i) => {
      const text = this.#textOf(step, reply);
      if (text !== wanted) {
        const names = this.#subjects.map(({ program }) => program.options.name);
        throw new Error(
          `seed ${this.#options.seed}, step ${this.#step}: ${step.call.name} ` +
            `${show(step.request)} by ${show(step.who)}\n${names[0]}: ${wanted}\n` +
            `${names[i]}: ${text}`,
        );
      }
    });
    this.#note(step, first);
    this.#learn(step, replies);
    return first;
  }

  #textOf(step: Step, reply: Reply): string {
    if (reply.message === null) {
      return `error ${reply.code}: ${reply.text}`;
    }
    switch (step.call) {
      case authCalls.authenticate:
        return `ok ${(reply.message.token as string) !== ''} ${headerRevision(reply.message)}`;
      case calls.status:
      case calls.memberList:
        return 'ok';
      case calls.keepAlive:
        return `ok ${(reply.message.TTL as bigint) > 0n}`;
      default:
        return canonicalReply(step.call, step.request, reply.message);
    }
  }

  #note(step: Step, reply: Reply): void {
    const canceled = reply.message?.canceled === true ? ' canceled' : '';
    const kind = `${step.call.name} ${reply.code === 0 ? `ok${canceled}` : reply.text}`;
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  }

  #learn(step: Step, replies: readonly Reply[]): void {
    if (step.call === authCalls.authenticate && replies[0]?.message) {
      this.#subjects.forEach((subject, i) => {
        subject.tokens.push(replies[i]?.message?.token as string);
      });
      this.#generator.sessions++;
    }
  }

  async #metadata(subject: Subject, who: Who): Promise<Metadata> {
    switch (who.kind) {
      case 'nobody':
        return {};
      case 'session':
        return { token: subject.tokens[who.index] ?? 'none' };
      case 'text':
        return { [who.key]: who.text };
      default: {
        const revision = Number(this.#authRevision) + who.distance;
        const key = createSecretKey(this.#options.secret as Uint8Array);
        const token = new SignJWT({ username: who.userName, revision });
        return { token: await token.setProtectedHeader({ alg: 'HS256' }).sign(key) };
      }
    }
  }

  async #ask(subject: Subject, { kind, call, request, who }: Step): Promise<Reply> {
    const options = { metadata: await this.#metadata(subject, who) };
    const bytes = call.encode(request) as unknown as Uint8Array;
    if (kind === 'unary') {
      return decodeAnswer(call, await subject.client.unary(call.path, bytes, options));
    }
    return this.#firstAnswer(subject, call, Buffer.from(bytes), options.metadata);
  }

  /** The first message of a stream, or what it ended with. */
  async #firstAnswer(
    { client }: Subject,
    call: Call,
    request: Buffer,
    metadata: Metadata,
  ): Promise<Reply> {
    let take: (bytes: Buffer) => void = () => undefined;
    const message = new Promise<Buffer>((resolve) => {
      take = resolve;
    });
    const limits = { metadata, timeoutMs: STREAM_MS };
    const stream = client.stream(call.path, (bytes) => take(bytes), limits);
    stream.send(request);
    const first = await Promise.race([message, stream.ended]);
    stream.cancel();
    await stream.ended;
    return 'details' in first
      ? { code: first.code, text: first.details, message: null }
      : { code: 0, text: '', message: call.reply.decode(first as unknown as Uint8Array) };
  }
}
