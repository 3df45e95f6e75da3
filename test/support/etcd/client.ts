// A thin client for the etcd v3 API over @grpc/grpc-js: raw message bytes, codecs from src/base, no
// retries and no interpretation, so that tests see exactly what the server said.

import grpc from '@grpc/grpc-js';
import type { Codec, Partially } from '../../../src/base/proto/codec.js';
import * as kv from '../../../src/base/proto/kv-messages.js';
import * as rpc from '../../../src/base/proto/messages.js';
import { CallError, ClientStream } from './stream.js';

export { CallError } from './stream.js';

export interface CallOptions {
  /** Milliseconds from now; 10 s by default. */
  readonly timeoutMs?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

const asIs = (bytes: Buffer): Buffer => bytes;

export function bytes(text: string | Uint8Array): Uint8Array {
  return typeof text === 'string' ? (Buffer.from(text) as unknown as Uint8Array) : text;
}

/** The end of the range of all keys with the prefix. */
export function prefixEnd(prefix: string): Uint8Array {
  const end = Buffer.from(prefix);
  for (let i = end.length - 1; i >= 0; i--) {
    const byte = end[i] ?? 0;
    if (byte < 0xff) {
      end[i] = byte + 1;
      return end.subarray(0, i + 1) as unknown as Uint8Array;
    }
  }
  return bytes('\0');
}

function metadataOf(options: CallOptions): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [key, value] of Object.entries(options.metadata ?? {})) {
    metadata.set(key, value);
  }
  return metadata;
}

export class EtcdClient {
  readonly #client: grpc.Client;

  /**
   * @param endpoint `host:port`
   * @param options further channel options of grpc-js
   * @param credentials by default clear text
   */
  constructor(
    endpoint: string,
    options: grpc.ChannelOptions = {},
    credentials = grpc.credentials.createInsecure(),
  ) {
    this.#client = new grpc.Client(endpoint, credentials, {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
      ...options,
    });
  }

  close(): void {
    this.#client.close();
  }

  /** One unary call with the bytes as they are. */
  raw(path: string, request: Uint8Array, options: CallOptions = {}): Promise<Buffer> {
    const deadline = Date.now() + (options.timeoutMs ?? 10_000);
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest<Buffer, Buffer>(
        path,
        asIs,
        asIs,
        Buffer.from(request),
        metadataOf(options),
        { deadline },
        (error, response) => {
          if (error !== null) {
            reject(new CallError(error.code, error.details));
          } else {
            resolve(response as Buffer);
          }
        },
      );
    });
  }

  /** A stream of raw messages in both directions. */
  stream(path: string, options: CallOptions = {}): ClientStream {
    const limit =
      options.timeoutMs === undefined ? {} : { deadline: Date.now() + options.timeoutMs };
    const call = this.#client.makeBidiStreamRequest<Buffer, Buffer>(
      path,
      asIs,
      asIs,
      metadataOf(options),
      limit,
    );
    return new ClientStream(call);
  }

  async #call<Request, Response>(
    path: string,
    requests: Codec<Request>,
    responses: Codec<Response>,
    request: Partially<Request>,
    options?: CallOptions,
  ): Promise<Response> {
    const encoded = requests.encode(request) as unknown as Uint8Array;
    const answer = await this.raw(`/etcdserverpb.${path}`, encoded, options);
    return responses.decode(answer as unknown as Uint8Array);
  }

  range(request: Partially<kv.RangeRequest>, options?: CallOptions): Promise<kv.RangeResponse> {
    return this.#call('KV/Range', kv.rangeRequest, kv.rangeResponse, request, options);
  }

  async get(key: string, options?: CallOptions): Promise<kv.KeyValue | undefined> {
    return (await this.range({ key: bytes(key) }, options)).kvs[0];
  }

  put(
    key: string | Uint8Array,
    value: string | Uint8Array,
    extra: Partially<Omit<kv.PutRequest, 'key' | 'value'>> = {},
    options?: CallOptions,
  ): Promise<kv.PutResponse> {
    const request = { ...extra, key: bytes(key), value: bytes(value) };
    return this.#call('KV/Put', kv.putRequest, kv.putResponse, request, options);
  }

  deleteRange(
    request: Partially<kv.DeleteRangeRequest>,
    options?: CallOptions,
  ): Promise<kv.DeleteRangeResponse> {
    return this.#call(
      'KV/DeleteRange',
      kv.deleteRangeRequest,
      kv.deleteRangeResponse,
      request,
      options,
    );
  }

  txn(request: Partially<kv.TxnRequest>, options?: CallOptions): Promise<kv.TxnResponse> {
    return this.#call('KV/Txn', kv.txnRequest, kv.txnResponse, request, options);
  }

  compact(revision: bigint, physical = false, options?: CallOptions) {
    const request = { revision, physical };
    return this.#call('KV/Compact', kv.compactionRequest, kv.compactionResponse, request, options);
  }

  leaseGrant(TTL: bigint, ID = 0n, options?: CallOptions): Promise<rpc.LeaseGrantResponse> {
    const request = { TTL, ID };
    return this.#call(
      'Lease/LeaseGrant',
      rpc.leaseGrantRequest,
      rpc.leaseGrantResponse,
      request,
      options,
    );
  }

  leaseRevoke(ID: bigint, options?: CallOptions) {
    return this.#call(
      'Lease/LeaseRevoke',
      rpc.leaseRevokeRequest,
      rpc.leaseRevokeResponse,
      { ID },
      options,
    );
  }

  leaseTimeToLive(
    ID: bigint,
    keys = false,
    options?: CallOptions,
  ): Promise<rpc.LeaseTimeToLiveResponse> {
    return this.#call(
      'Lease/LeaseTimeToLive',
      rpc.leaseTimeToLiveRequest,
      rpc.leaseTimeToLiveResponse,
      { ID, keys },
      options,
    );
  }

  leases(options?: CallOptions): Promise<rpc.LeaseLeasesResponse> {
    return this.#call(
      'Lease/LeaseLeases',
      rpc.leaseLeasesRequest,
      rpc.leaseLeasesResponse,
      {},
      options,
    );
  }

  /** One renewal on a stream of its own. */
  async keepAliveOnce(ID: bigint, options?: CallOptions): Promise<rpc.LeaseKeepAliveResponse> {
    const stream = this.stream('/etcdserverpb.Lease/LeaseKeepAlive', options);
    try {
      stream.send(rpc.leaseKeepAliveRequest.encode({ ID }));
      return rpc.leaseKeepAliveResponse.decode(
        (await stream.next(options?.timeoutMs)) as unknown as Uint8Array,
      );
    } finally {
      stream.cancel();
    }
  }

  status(options?: CallOptions): Promise<rpc.StatusResponse> {
    return this.#call('Maintenance/Status', rpc.statusRequest, rpc.statusResponse, {}, options);
  }

  hashKv(revision = 0n, options?: CallOptions): Promise<rpc.HashKvResponse> {
    return this.#call(
      'Maintenance/HashKV',
      rpc.hashKvRequest,
      rpc.hashKvResponse,
      { revision },
      options,
    );
  }

  alarm(request: Partially<rpc.AlarmRequest>, options?: CallOptions): Promise<rpc.AlarmResponse> {
    return this.#call('Maintenance/Alarm', rpc.alarmRequest, rpc.alarmResponse, request, options);
  }

  memberList(linearizable = true, options?: CallOptions): Promise<rpc.MemberListResponse> {
    return this.#call(
      'Cluster/MemberList',
      rpc.memberListRequest,
      rpc.memberListResponse,
      { linearizable },
      options,
    );
  }

  /** All chunks of one RangeStream. */
  async rangeStream(
    request: Partially<kv.RangeRequest>,
    options?: CallOptions,
  ): Promise<kv.RangeResponse[]> {
    const stream = this.stream('/etcdserverpb.KV/RangeStream', options);
    stream.send(kv.rangeRequest.encode(request));
    stream.end();
    const end = await stream.ended;
    if (end.code !== 0) {
      throw new CallError(end.code, end.details);
    }
    const chunks: kv.RangeResponse[] = [];
    while (stream.buffered > 0) {
      const message = (await stream.next()) as unknown as Uint8Array;
      const { range_response } = kv.rangeStreamResponse.decode(message);
      if (range_response !== null) {
        chunks.push(range_response);
      }
    }
    return chunks;
  }

  /** A watch stream; nothing is created on it yet. */
  watch(options?: CallOptions): WatchStream {
    return new WatchStream(this.stream('/etcdserverpb.Watch/Watch', options));
  }
}

/** A watch stream in messages. */
export class WatchStream {
  readonly stream: ClientStream;

  constructor(stream: ClientStream) {
    this.stream = stream;
  }

  send(request: Partially<kv.WatchRequest>): void {
    this.stream.send(kv.watchRequest.encode(request));
  }

  create(request: Partially<kv.WatchCreateRequest>): void {
    this.send({ create_request: request });
  }

  /** The next response; rejects when none comes in time or the stream has ended. */
  async next(timeoutMs = 10_000): Promise<kv.WatchResponse> {
    return kv.watchResponse.decode((await this.stream.next(timeoutMs)) as unknown as Uint8Array);
  }

  /** The next `count` events, whatever responses they come in. */
  async events(count: number, timeoutMs = 10_000): Promise<kv.WatchEvent[]> {
    const events: kv.WatchEvent[] = [];
    while (events.length < count) {
      events.push(...(await this.next(timeoutMs)).events);
    }
    return events;
  }

  cancel(): void {
    this.stream.cancel();
  }
}
