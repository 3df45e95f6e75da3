// The registry's keys over gRPC: the few requests of discovery to an etcd or MetaStore cluster,
// each to the first of its endpoints that can be connected to.

import grpc from '@grpc/grpc-js';
import { bytesOf } from '../../base/bytes.js';
import { Codec, type Partially } from '../../base/proto/codec.js';
import * as kv from '../../base/proto/kv-messages.js';
import { RegistryCredentials, type RegistryTls } from './credentials.js';
import type { RegistryClient, RegistryEntry } from './registry.js';

/** Durations in milliseconds. */
export interface RegistryOptions {
  readonly endpoints: readonly string[];
  readonly dialTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly user: string;
  readonly password: string;
  readonly tls: RegistryTls;
}

interface AuthenticateRequest {
  readonly name: string;
  readonly password: string;
}
interface AuthenticateResponse {
  readonly token: string;
}

const authenticateRequest = new Codec<AuthenticateRequest>('etcdserverpb.AuthenticateRequest');
const authenticateResponse = new Codec<AuthenticateResponse>('etcdserverpb.AuthenticateResponse');

/** Servers send clients away that ping much more often. */
const KEEPALIVE_MIN_MS = 10_000;

/** Of a comparison in a transaction: equal, create revision. */
const EQUAL = 0;
const CREATE = 1;

const asIs = (bytes: Buffer): Buffer => bytes;

function bytesOfText(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

/** The end of the range of keys with the prefix, whose last character is no 0xff. */
function prefixEnd(prefix: string): Uint8Array {
  const end = bytesOfText(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return end;
}

/** An endpoint as grpc-js names places. */
function targetOf(endpoint: string): string {
  return endpoint.replace(/^https?:\/\//i, '').replace(/^unixs?:\/\//i, 'unix:');
}

function withDeadline(timeoutMs: number): { deadline: number } {
  return { deadline: Date.now() + timeoutMs };
}

export class GrpcRegistry implements RegistryClient {
  readonly #options: RegistryOptions;
  readonly #credentials: RegistryCredentials;
  #client: grpc.Client | null = null;
  #metadata = new grpc.Metadata();
  #next = 0;

  /** @throws Error when the files for TLS are not what they should be */
  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#credentials = new RegistryCredentials(options.tls);
  }

  async get(key: string): Promise<string | null> {
    const { kvs } = await this.#range({ key: bytesOfText(key) });
    return kvs[0]?.value.toString() ?? null;
  }

  async list(prefix: string): Promise<{ entries: RegistryEntry[]; revision: bigint }> {
    const request = { key: bytesOfText(prefix), range_end: prefixEnd(prefix) };
    const { header, kvs } = await this.#range(request);
    const entries = kvs.map(({ key, value, create_revision }) => ({
      key: key.toString(),
      value: value.toString(),
      createRevision: create_revision,
    }));
    return { entries, revision: header?.revision ?? 0n };
  }

  async create(key: string, value: string): Promise<string | null> {
    const name = bytesOfText(key);
    const request = {
      compare: [{ key: name, target: CREATE, result: EQUAL, create_revision: 0n }],
      success: [{ request_put: { key: name, value: bytesOfText(value) } }],
      failure: [{ request_range: { key: name } }],
    };
    const answer = await this.#call('KV/Txn', kv.txnRequest, kv.txnResponse, request);
    const present = answer.responses[0]?.response_range?.kvs[0];
    return answer.succeeded ? null : (present?.value.toString() ?? '');
  }

  async changed(prefix: string, fromRevision: bigint): Promise<void> {
    const client = await this.#connected();
    const request = kv.watchRequest.encode({
      create_request: {
        key: bytesOfText(prefix),
        range_end: prefixEnd(prefix),
        start_revision: fromRevision,
      },
    });
    const path = '/etcdserverpb.Watch/Watch';
    const stream = client.makeBidiStreamRequest<Buffer, Buffer>(path, asIs, asIs, this.#metadata);
    try {
      await new Promise<void>((resolve, reject) => {
        stream.on('data', (message: Buffer) => {
          const answer = kv.watchResponse.decode(bytesOf(message));
          if (answer.canceled) {
            reject(new Error(`the watch was canceled: ${answer.cancel_reason}`));
          } else if (answer.events.length > 0) {
            resolve();
          }
        });
        stream.on('error', reject);
        stream.on('end', () => reject(new Error('the watch ended')));
        stream.write(request);
      });
    } catch (error) {
      this.#disconnect();
      throw error;
    } finally {
      // Its own end is told as an error too, which is nobody's concern any more.
      stream.on('error', () => undefined);
      stream.cancel();
    }
  }

  close(): void {
    this.#disconnect();
  }

  #disconnect(): void {
    this.#client?.close();
    this.#client = null;
  }

  #range(request: Partially<kv.RangeRequest>): Promise<kv.RangeResponse> {
    return this.#call('KV/Range', kv.rangeRequest, kv.rangeResponse, request);
  }

  async #call<Request, Response>(
    path: string,
    requests: Codec<Request>,
    responses: Codec<Response>,
    request: Partially<Request>,
  ): Promise<Response> {
    const client = await this.#connected();
    try {
      const answer = await this.#raw(client, path, requests.encode(request));
      return responses.decode(bytesOf(answer));
    } catch (error) {
      // The next attempt goes to another endpoint.
      this.#disconnect();
      throw error;
    }
  }

  #raw(client: grpc.Client, path: string, request: Buffer): Promise<Buffer> {
    const limit = withDeadline(this.#options.requestTimeoutMs);
    return new Promise((resolve, reject) => {
      const full = `/etcdserverpb.${path}`;
      client.makeUnaryRequest<Buffer, Buffer>(
        full,
        asIs,
        asIs,
        request,
        this.#metadata,
        limit,
        (error, answer) => {
          if (error !== null || answer === undefined) {
            reject(error ?? new Error(`${path}: no answer`));
          } else {
            resolve(answer);
          }
        },
      );
    });
  }

  /** The client in use, or one of the next endpoint that can be connected to. */
  async #connected(): Promise<grpc.Client> {
    if (this.#client !== null) {
      return this.#client;
    }
    const { endpoints } = this.#options;
    let last = new Error('there are no endpoints');
    for (let tries = 0; tries < endpoints.length; tries++) {
      const endpoint = endpoints[this.#next % endpoints.length] ?? '';
      this.#next++;
      try {
        this.#client = await this.#dial(endpoint);
        return this.#client;
      } catch (error) {
        last = new Error(`${endpoint}: ${(error as Error).message}`);
      }
    }
    throw last;
  }

  async #dial(endpoint: string): Promise<grpc.Client> {
    const { dialTimeoutMs, keepaliveTimeMs, keepaliveTimeoutMs } = this.#options;
    const client = new grpc.Client(targetOf(endpoint), this.#credentials.of(endpoint), {
      'grpc.keepalive_time_ms': Math.max(KEEPALIVE_MIN_MS, keepaliveTimeMs),
      'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
      'grpc.max_receive_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
    });
    try {
      await new Promise<void>((resolve, reject) => {
        client.waitForReady(Date.now() + dialTimeoutMs, (error) => {
          if (error === undefined) {
            resolve();
          } else {
            reject(error);
          }
        });
      });
      this.#metadata = await this.#authenticated(client);
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** What every request carries: nothing, or the token that the password is worth. */
  async #authenticated(client: grpc.Client): Promise<grpc.Metadata> {
    const metadata = new grpc.Metadata();
    const { user, password } = this.#options;
    if (user === '') {
      return metadata;
    }
    const colon = user.indexOf(':');
    const name = colon < 0 ? user : user.slice(0, colon);
    const secret = colon < 0 ? password : user.slice(colon + 1);
    this.#metadata = metadata;
    const request = authenticateRequest.encode({ name, password: secret });
    const answer = await this.#raw(client, 'Auth/Authenticate', request);
    metadata.set('token', authenticateResponse.decode(bytesOf(answer)).token);
    return metadata;
  }
}
