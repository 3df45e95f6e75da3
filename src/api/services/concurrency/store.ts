// KV, Lease and Watch as a caller inside this process uses them: the very handlers that clients
// reach, with the context of the client on whose behalf it is done, so that validation and
// authorisation are theirs. Used by the Lock and Election services.

import { bytesOf } from '../../../base/bytes.js';
import type { CallContext, Handler } from '../../../base/call.js';
import { MetaStoreError } from '../../../base/errors.js';
import type { Partially } from '../../../base/proto/codec.js';
import * as kv from '../../../base/proto/kv-messages.js';
import * as rpc from '../../../base/proto/messages.js';
import type { Service } from '../service.js';
import { Watching } from './watching.js';

/** The services that are called. */
export interface Services {
  readonly kv: Service;
  readonly lease: Service;
  readonly watch: Service;
}

function unaryOf(service: Service, method: string) {
  const handler: Handler | undefined = service[method];
  if (handler?.kind !== 'unary') {
    throw new Error(`no unary method ${method}`);
  }
  return handler.handle;
}

/** The end of the range of all keys that begin with it. */
export function prefixEnd(prefix: Buffer): Buffer {
  for (let i = prefix.length - 1; i >= 0; i--) {
    const byte = prefix[i] ?? 0;
    if (byte < 0xff) {
      const end = Buffer.from(prefix.subarray(0, i + 1));
      end[i] = byte + 1;
      return end;
    }
  }
  return Buffer.alloc(1);
}

/** What one call does, for whoever made it. */
export class Store {
  readonly #services: Services;
  readonly #context: CallContext;

  constructor(services: Services, context: CallContext) {
    this.#services = services;
    this.#context = context;
  }

  /** The same caller, after the call: for what has to be put in order then. */
  afterwards(): Store {
    const { peer, commonName } = this.#context;
    const { signal } = new AbortController();
    const metadata = (name: string) => this.#context.metadata(name);
    return new Store(this.#services, { metadata, peer, commonName, signal });
  }

  /** Nobody waits for the answer any more, as far as the call is concerned. */
  get isOver(): boolean {
    return this.#context.signal.aborted;
  }

  /** @throws MetaStoreError ContextCanceled when the call is over */
  needCaller(): void {
    if (this.isOver) {
      throw MetaStoreError.of('ContextCanceled');
    }
  }

  async range(request: Partially<kv.RangeRequest>): Promise<kv.RangeResponse> {
    const range = unaryOf(this.#services.kv, 'Range');
    return kv.rangeResponse.decode(
      bytesOf(await range(this.#context, kv.rangeRequest.encode(request))),
    );
  }

  async deleteKey(key: Buffer): Promise<kv.DeleteRangeResponse> {
    const remove = unaryOf(this.#services.kv, 'DeleteRange');
    const request = kv.deleteRangeRequest.encode({ key: bytesOf(key) });
    return kv.deleteRangeResponse.decode(bytesOf(await remove(this.#context, request)));
  }

  async txn(request: Partially<kv.TxnRequest>): Promise<kv.TxnResponse> {
    const txn = unaryOf(this.#services.kv, 'Txn');
    return kv.txnResponse.decode(bytesOf(await txn(this.#context, kv.txnRequest.encode(request))));
  }

  /** Grants a lease whose id the server chooses; its id. */
  async grant(ttlSeconds: bigint): Promise<bigint> {
    const grant = unaryOf(this.#services.lease, 'LeaseGrant');
    const request = rpc.leaseGrantRequest.encode({ TTL: ttlSeconds });
    return rpc.leaseGrantResponse.decode(bytesOf(await grant(this.#context, request))).ID;
  }

  /** Watches from a revision on; to be closed by the caller. */
  watch(request: Partially<kv.WatchCreateRequest>): Watching {
    const handler = this.#services.watch.Watch;
    if (handler?.kind !== 'stream') {
      throw new Error('no method Watch');
    }
    return new Watching(handler.handle, this.#context, request);
  }
}
