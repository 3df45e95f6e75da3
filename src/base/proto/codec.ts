// Encoding and decoding of the messages that TypeScript reads, by reflection over the .proto files
// of this package, which are the one place where fields and numbers are written down. KV requests
// do not pass here: their bytes go to native code as they came.
//
// In the objects, int64 and uint64 are bigint, bytes are Buffer, absent scalars have their
// defaults, absent messages are null, and names are those of the .proto files.

import { join } from 'node:path';
import protobuf from 'protobufjs';

import { MetaStoreError } from '../errors.js';
import { packageRoot } from '../package.js';

const files = [
  'etcdserverpb/raft_internal.proto',
  'etcdserverpb/watch.proto',
  'etcdserverpb/cluster.proto',
  'leasepb.proto',
  'v3lockpb.proto',
  'v3electionpb.proto',
  'grpc/health.proto',
  'grpc/reflection.proto',
  'metastore/peer.proto',
];

const toPlain = { longs: BigInt, defaults: true, arrays: true, oneofs: false } as const;

let loaded: protobuf.Root | null = null;

function root(): protobuf.Root {
  if (loaded === null) {
    const fresh = new protobuf.Root();
    fresh.resolvePath = (_origin, target) => join(packageRoot, 'proto', target);
    loaded = fresh.loadSync(files, { keepCase: true });
  }
  return loaded;
}

/** All of them, for those who hand them on. */
export function protoRoot(): protobuf.Root {
  return root();
}

/** The description of a message, for those that look at its fields. */
export function messageType(name: string): protobuf.Type {
  return root().lookupType(name);
}

/**
 * The descriptors themselves, for those who translate messages without knowing them.
 *
 * @param path the full name of a method, as `etcdserverpb.KV.Range`
 * @throws Error when there is no such method
 */
export function methodTypes(path: string): { request: protobuf.Type; response: protobuf.Type } {
  const found = root().lookup(path);
  if (!(found instanceof protobuf.Method)) {
    throw new Error(`no method ${path} in the .proto files`);
  }
  found.resolve();
  const { resolvedRequestType: request, resolvedResponseType: response } = found;
  if (request === null || response === null) {
    throw new Error(`the messages of ${path} are not in the .proto files`);
  }
  return { request, response };
}

/** What may be left out when encoding: everything, since every field has a default. */
export type Partially<T> = T extends bigint | string | number | boolean | Uint8Array | null
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Partially<Item>[]
    : { readonly [Key in keyof T]?: Partially<T[Key]> };

const notDecodable =
  'grpc: error unmarshalling request: proto: cannot parse invalid wire-format data';

/** Both directions for one message type. */
export class Codec<T> {
  readonly #name: string;
  #type: protobuf.Type | null = null;

  /** @param name the full name, such as `etcdserverpb.StatusResponse` */
  constructor(name: string) {
    this.#name = name;
  }

  encode(value: Partially<T>): Buffer {
    const type = this.#resolve();
    return type.encode(type.fromObject(value as Record<string, unknown>)).finish() as Buffer;
  }

  /** @throws MetaStoreError Unmarshal when the bytes are not such a message */
  decode(bytes: Uint8Array): T {
    const type = this.#resolve();
    try {
      return type.toObject(type.decode(bytes), toPlain) as T;
    } catch {
      // In the one text that clients know, whatever the decoder calls it.
      throw MetaStoreError.of('Unmarshal', notDecodable);
    }
  }

  #resolve(): protobuf.Type {
    this.#type ??= root().lookupType(this.#name);
    return this.#type;
  }
}

export interface MethodDescription {
  /** `/package.Service/Method`, as it stands in the HTTP/2 path. */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

/** Every method of a service, such as `etcdserverpb.KV`, in the order of its .proto file. */
export function serviceMethods(service: string): readonly MethodDescription[] {
  return root()
    .lookupService(service)
    .methodsArray.map((method) => ({
      path: `/${service}/${method.name}`,
      requestStream: method.requestStream === true,
      responseStream: method.responseStream === true,
    }));
}
