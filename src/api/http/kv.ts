// Keys and values as plain HTTP (docs/http.md): GET, PUT and DELETE of /kv/<key>, the key in
// percent-encoding and the value as the body, for people with curl. The same handlers as gRPC's do
// the work. Called by the router.

import { bytesOf } from '../../base/bytes.js';
import type { HttpRequest, HttpResponse } from '../../base/call.js';
import { MetaStoreError } from '../../base/errors.js';
import * as rpc from '../../base/proto/kv-messages.js';
import { callUnary, statusOf } from './gateway/calls.js';
import { GatewayCall } from './gateway/context.js';
import type { Gateway } from './gateway/gateway.js';
import { JsonProblem } from './gateway/json/scanner.js';
import { callHeaders } from './gateway/metadata.js';
import { tooLarge } from './gateway/requests.js';
import type { Route } from './gateway/routes.js';
import { Code, errorReply } from './gateway/status.js';
import { refusal } from './replies.js';

const PREFIX = '/kv/';
const METHODS = 'GET, HEAD, PUT, DELETE';
const OWN_HEADER = 'x-metastore-';
/** All keys that are not smaller, as the end of a range. */
const UNBOUNDED = Buffer.from([0]);

type Query = ReadonlyMap<string, string>;

/** Whether a request is for a key. */
export function isKeyRequest(url: string): boolean {
  return url.startsWith(PREFIX);
}

/** The bytes that percent-encoded text stands for. @throws JsonProblem */
export function percentDecoded(text: string): Buffer {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) {
    throw new JsonProblem(`invalid percent-encoding: ${text.slice(0, 100)}`);
  }
  const latin1 = Buffer.from(text, 'utf8').toString('latin1');
  const bytes = latin1.replace(/%([0-9a-fA-F]{2})/g, (_match, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, 'latin1');
}

/** The first key behind all that begin with a prefix. */
export function prefixEnd(prefix: Buffer): Buffer {
  for (let length = prefix.length; length > 0; length--) {
    const last = prefix[length - 1] ?? 0xff;
    if (last < 0xff) {
      const end = Buffer.from(bytesOf(prefix.subarray(0, length)));
      end[length - 1] = last + 1;
      return end;
    }
  }
  return UNBOUNDED;
}

function parseQuery(text: string): Query {
  const pairs = text.split('&').filter((part) => part !== '');
  return new Map(
    pairs.map((part): [string, string] => {
      const equals = part.indexOf('=');
      return equals < 0 ? [part, ''] : [part.slice(0, equals), part.slice(equals + 1)];
    }),
  );
}

/** An integer of the query; 0 without one. @throws JsonProblem */
function integer(query: Query, name: string): bigint {
  const text = query.get(name) ?? '0';
  if (!/^(?:-?\d{1,19}|0x[0-9a-fA-F]{1,16})$/.test(text)) {
    throw new JsonProblem(`invalid ${name}: ${JSON.stringify(text.slice(0, 100))}`);
  }
  return BigInt.asIntN(64, BigInt(text));
}

function flag(query: Query, name: string): boolean {
  const text = query.get(name);
  return text !== undefined && text !== 'false' && text !== '0';
}

interface Keys {
  readonly key: Uint8Array;
  /** Empty for the one key. */
  readonly range_end: Uint8Array;
}

/** What the path and the query name. @throws JsonProblem */
function keysOf(path: string, query: Query): Keys {
  const key = percentDecoded(path.slice(PREFIX.length));
  const end = query.get('range');
  if (end !== undefined) {
    return { key: bytesOf(key), range_end: bytesOf(percentDecoded(end)) };
  }
  if (flag(query, 'prefix')) {
    const from = key.length === 0 ? UNBOUNDED : key;
    return { key: bytesOf(from), range_end: bytesOf(prefixEnd(key)) };
  }
  return { key: bytesOf(key), range_end: new Uint8Array(0) };
}

/** Headers that tell the revision of the store at the time of the answer. */
function revisionHeader(header: rpc.RangeResponse['header']): Record<string, string> {
  return { [`${OWN_HEADER}revision`]: String(header?.revision ?? 0n) };
}

export class KeyEndpoint {
  readonly #gateway: Gateway;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  /** Answers a request for a path below /kv/, which is looked at as it was sent. */
  async answer(request: HttpRequest): Promise<HttpResponse> {
    const headers = callHeaders(request.headers, request.peer);
    if (headers.refusal !== null) {
      return errorReply(headers.refusal);
    }
    const call = new GatewayCall(headers, request.peer, request.signal);
    try {
      const question = request.url.indexOf('?');
      const path = question < 0 ? request.url : request.url.slice(0, question);
      const query = parseQuery(question < 0 ? '' : request.url.slice(question + 1));
      const keys = keysOf(path, query);
      switch (request.method) {
        case 'GET':
        case 'HEAD':
          return await this.#get(call, keys, query, request.signal);
        case 'PUT':
          return await this.#put(call, keys, query, request);
        case 'DELETE':
          return await this.#delete(call, keys, request.signal);
        default:
          return refusal(405, 'Method Not Allowed', { allow: METHODS });
      }
    } catch (error) {
      return errorReply(statusOf(this.#gateway.backend.errors, error));
    } finally {
      call.finish();
    }
  }

  async #get(
    call: GatewayCall,
    keys: Keys,
    query: Query,
    gone: AbortSignal,
  ): Promise<HttpResponse> {
    const message = rpc.rangeRequest.encode({
      ...keys,
      revision: integer(query, 'rev'),
      limit: integer(query, 'limit'),
      serializable: flag(query, 'serializable'),
    });
    const route = this.#route('/v3/kv/range');
    const reply = await callUnary(this.#gateway.backend, route, call, message);
    if (keys.range_end.length > 0) {
      return this.#json(route, reply, gone);
    }
    const { header, kvs } = rpc.rangeResponse.decode(bytesOf(reply));
    const [kv] = kvs;
    if (kv === undefined) {
      const missing = errorReply({ code: Code.NotFound, text: 'key not found' });
      return { ...missing, headers: { ...missing.headers, ...revisionHeader(header) } };
    }
    const headers = {
      'content-type': 'application/octet-stream',
      ...revisionHeader(header),
      [`${OWN_HEADER}create-revision`]: String(kv.create_revision),
      [`${OWN_HEADER}mod-revision`]: String(kv.mod_revision),
      [`${OWN_HEADER}version`]: String(kv.version),
      ...(kv.lease === 0n ? {} : { [`${OWN_HEADER}lease`]: String(kv.lease) }),
    };
    return { status: 200, headers, body: kv.value };
  }

  async #put(
    call: GatewayCall,
    { key, range_end }: Keys,
    query: Query,
    request: HttpRequest,
  ): Promise<HttpResponse> {
    if (range_end.length > 0) {
      throw new JsonProblem('a range cannot be put');
    }
    const lease = integer(query, 'lease');
    const { messageBytes } = this.#gateway.limits;
    const value = await request.body(messageBytes).catch(() => {
      throw MetaStoreError.of('ContextCanceled');
    });
    if (value === null) {
      const said = Number(request.headers['content-length'] ?? 0);
      throw tooLarge(Math.max(said, messageBytes), messageBytes);
    }
    const message = rpc.putRequest.encode({ key, value: bytesOf(value), lease });
    const route = this.#route('/v3/kv/put');
    const reply = await callUnary(this.#gateway.backend, route, call, message);
    const { header } = rpc.putResponse.decode(bytesOf(reply));
    return this.#json(route, reply, request.signal, header);
  }

  async #delete(call: GatewayCall, keys: Keys, gone: AbortSignal): Promise<HttpResponse> {
    const message = rpc.deleteRangeRequest.encode(keys);
    const route = this.#route('/v3/kv/deleterange');
    const reply = await callUnary(this.#gateway.backend, route, call, message);
    const { header } = rpc.deleteRangeResponse.decode(bytesOf(reply));
    return this.#json(route, reply, gone, header);
  }

  #route(path: string): Route {
    const route = this.#gateway.route(path);
    if (route === undefined) {
      throw new Error(`the gateway has no ${path}`);
    }
    return route;
  }

  /** An answer in the gateway's form. */
  async #json(
    route: Route,
    reply: Buffer,
    gone: AbortSignal,
    header: rpc.RangeResponse['header'] = null,
  ): Promise<HttpResponse> {
    const headers = {
      'content-type': 'application/json',
      ...(header === null ? {} : revisionHeader(header)),
    };
    return { status: 200, headers, body: await this.#gateway.codec.answer(route, reply, gone) };
  }
}
