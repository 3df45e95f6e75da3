// Calls as one user, for tests of authentication against a real process: a token in the metadata of
// every call, errors as `code text`. Several sessions share nothing but the server.

import { authCalls, type Call, calls, type Message } from '../../conformance/support/calls.js';
import { Client } from '../../conformance/support/client.js';

export const ROOT_PASSWORD = 'rootpw';

const bytes = (text: string): Buffer => Buffer.from(text);

export class Session {
  readonly #client: Client;
  /** Empty without one. */
  token = '';

  constructor(address: string, token = '') {
    this.#client = new Client(address);
    this.token = token;
  }

  close(): void {
    this.#client.close();
  }

  /** The reply, or the error as `code text`. */
  async ask(call: Call, request: Message, timeoutMs = 10_000): Promise<Message | string> {
    const metadata: Record<string, string> = this.token === '' ? {} : { token: this.token };
    const encoded = call.encode(request) as unknown as Uint8Array;
    const answer = await this.#client.unary(call.path, encoded, { metadata, timeoutMs });
    return answer.code === 0
      ? call.reply.decode(answer.bytes as unknown as Uint8Array)
      : `${answer.code} ${answer.text}`;
  }

  /** The reply. @throws Error when it is none */
  async must(call: Call, request: Message): Promise<Message> {
    const reply = await this.ask(call, request);
    if (typeof reply === 'string') throw new Error(`${call.name}: ${reply}`);
    return reply;
  }

  /** `ok`, or the error. */
  async try(call: Call, request: Message, timeoutMs?: number): Promise<string> {
    const reply = await this.ask(call, request, timeoutMs);
    return typeof reply === 'string' ? reply : 'ok';
  }

  put(key: string, value = 'v', lease = 0n): Promise<string> {
    return this.try(calls.put, { key: bytes(key), value: bytes(value), lease });
  }

  get(key: string, end = '', serializable = false): Promise<string> {
    return this.try(calls.range, { key: bytes(key), range_end: bytes(end), serializable });
  }

  /** Takes a new token. @throws Error when it gets none */
  async login(name: string, password: string): Promise<string> {
    const reply = await this.must(authCalls.authenticate, { name, password });
    this.token = reply.token as string;
    return this.token;
  }

  /** Root, switched on, and logged in. */
  async enable(): Promise<void> {
    await this.must(authCalls.userAdd, { name: 'root', password: ROOT_PASSWORD });
    await this.must(authCalls.userGrantRole, { user: 'root', role: 'root' });
    await this.must(authCalls.enable, {});
    await this.login('root', ROOT_PASSWORD);
  }

  /** A user with a role of the same name that may do this with a range. */
  async addUser(name: string, permType: number, key: string, end = ''): Promise<void> {
    await this.must(authCalls.userAdd, { name, password: name });
    await this.must(authCalls.roleAdd, { name });
    await this.grant(name, permType, key, end);
    await this.must(authCalls.userGrantRole, { user: name, role: name });
  }

  grant(name: string, permType: number, key: string, end = ''): Promise<Message> {
    const perm = { permType, key: bytes(key), range_end: bytes(end) };
    return this.must(authCalls.roleGrantPermission, { name, perm });
  }

  revoke(role: string, key: string, end = ''): Promise<Message> {
    const range = { key: bytes(key), range_end: bytes(end) };
    return this.must(authCalls.roleRevokePermission, { role, ...range });
  }
}

export const Type = { Read: 0, Write: 1, ReadWrite: 2 } as const;

export const DENIED = '7 etcdserver: permission denied';
export const INVALID_TOKEN = '16 etcdserver: invalid auth token';
export const OLD_REVISION = '3 etcdserver: revision of auth store is old';
export const NO_USER = '3 etcdserver: user name is empty';
