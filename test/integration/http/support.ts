// A server for the tests of its HTTP side, with small clients for its three ways in: JSON, /kv and
// gRPC. Called by the tests beside it.

import { connect, type Socket } from 'node:net';
import type { Test } from 'tap';

import { EtcdClient } from '../../support/etcd/client.js';
import { MemberProcess } from '../../support/process.js';

export type Engine = 'memory' | 'rocksdb';
export const engines: readonly Engine[] = ['memory', 'rocksdb'];

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; throws when it is none. */
  json(): Record<string, unknown>;
}

export const base64 = (text: string | Uint8Array): string => Buffer.from(text).toString('base64');

export class HttpSubject {
  readonly member: MemberProcess;
  readonly grpc: EtcdClient;
  readonly url: string;

  constructor(member: MemberProcess) {
    this.member = member;
    this.grpc = new EtcdClient(member.endpoint);
    this.url = `http://${member.endpoint}`;
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Reply> {
    const response = await fetch(this.url + path, init);
    const text = await response.text();
    const { status, headers } = response;
    return { status, headers, text, json: () => JSON.parse(text) as Record<string, unknown> };
  }

  /** A call of the JSON gateway. */
  post(path: string, body: object | string = {}): Promise<Reply> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return this.fetch(`/v3/${path}`, { method: 'POST', body: text });
  }

  /** The value of a key by JSON; null without the key. */
  async jsonGet(key: string): Promise<string | null> {
    const reply = await this.post('kv/range', { key: base64(key) });
    const { kvs } = reply.json() as { kvs?: { value?: string }[] };
    const [kv] = kvs ?? [];
    return kv === undefined ? null : Buffer.from(kv.value ?? '', 'base64').toString();
  }

  /** One sample of /metrics. */
  async metric(name: string): Promise<number> {
    const { text } = await this.fetch('/metrics');
    const line = text.split('\n').find((row) => row.startsWith(`${name} `));
    return Number(line?.split(' ')[1] ?? Number.NaN);
  }

  /** A connection for what no HTTP client would send. */
  socket(): Socket {
    const socket = connect(this.member.clientPort, '127.0.0.1');
    socket.on('error', () => undefined);
    return socket;
  }
}

/** A fresh server that ends with the test. */
export async function startSubject(
  t: Test,
  engine: Engine,
  flags: readonly string[] = [],
): Promise<HttpSubject> {
  const member = await MemberProcess.start({ engine, flags: ['--unsafe-no-fsync', ...flags] });
  const subject = new HttpSubject(member);
  t.teardown(async () => {
    subject.grpc.close();
    await member.kill();
  });
  return subject;
}

/** Lines of an answer as they come. */
export class Lines {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #abort = new AbortController();
  // Of the line that has begun; the last may hold its end and more lines.
  #pieces: Buffer[] = [];

  private constructor(reader: ReadableStreamDefaultReader<Uint8Array>, abort: AbortController) {
    this.#reader = reader;
    this.#abort = abort;
  }

  static async open(url: string, body: string): Promise<Lines> {
    const abort = new AbortController();
    const response = await fetch(url, { method: 'POST', body, signal: abort.signal });
    if (response.body === null) throw new Error('an answer without a body');
    return new Lines(response.body.getReader(), abort);
  }

  /** The next line as JSON; null at the end. */
  async next(): Promise<Record<string, unknown> | null> {
    for (;;) {
      // A line may have many megabytes: what has been looked at is not looked at again.
      const last = this.#pieces.pop();
      const end = last?.indexOf('\n') ?? -1;
      if (last !== undefined && end >= 0) {
        const line = Buffer.concat([...this.#pieces, last.subarray(0, end)]);
        this.#pieces = [last.subarray(end + 1)];
        return JSON.parse(line.toString('utf8')) as Record<string, unknown>;
      }
      if (last !== undefined) this.#pieces.push(last);
      const { done, value } = await this.#reader.read();
      if (done) return null;
      this.#pieces.push(Buffer.from(value));
    }
  }

  close(): void {
    this.#reader.cancel().catch(() => undefined);
    this.#abort.abort();
  }
}
