// gRPC calls over a WireConnection: the headers of a usual call, and what its answer says.
// The methods and messages are those that the tests of the wire need; bytes go as they are.

import type { Answer, WireConnection } from './connection.js';
import { concat, grpcMessage } from './frames.js';
import type { Header } from './hpack.js';

export const methods = {
  put: '/etcdserverpb.KV/Put',
  range: '/etcdserverpb.KV/Range',
  txn: '/etcdserverpb.KV/Txn',
  watch: '/etcdserverpb.Watch/Watch',
  keepAlive: '/etcdserverpb.Lease/LeaseKeepAlive',
  status: '/etcdserverpb.Maintenance/Status',
  memberList: '/etcdserverpb.Cluster/MemberList',
} as const;

/** Headers of a call; `changes` replaces by name, adds, or with null takes away. */
export function callHeaders(
  path: string,
  changes: Readonly<Record<string, string | Buffer | null>> = {},
): Header[] {
  const usual: Record<string, string | Buffer | null> = {
    ':method': 'POST',
    ':scheme': 'http',
    ':path': path,
    ':authority': '127.0.0.1',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...changes,
  };
  return Object.entries(usual).filter((entry): entry is [string, string | Buffer] => {
    return entry[1] !== null;
  });
}

/** A field of a length-delimited kind. */
function field(number: number, value: Buffer): Buffer {
  const length: number[] = [];
  let rest = value.length;
  while (rest >= 128) {
    length.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  length.push(rest);
  return concat([Buffer.from([(number << 3) | 2, ...length]), value]);
}

export function putRequest(key: string, value: string | Buffer): Buffer {
  return concat([field(1, Buffer.from(key)), field(2, Buffer.from(value))]);
}

/** Of one key, or of all from `key` up to `end`. */
export function rangeRequest(key: string, end = ''): Buffer {
  const first = field(1, Buffer.from(key));
  return end === '' ? first : concat([first, field(2, Buffer.from(end))]);
}

/** Creates a watcher of one key, or of all from `key` up to `end`. */
export function watchRequest(key: string, end = ''): Buffer {
  return field(1, rangeRequest(key, end));
}

/** What a gRPC client would read from an answer. */
export interface Outcome {
  readonly http: string | undefined;
  /** grpc-status as sent. */
  readonly status: string | undefined;
  /** grpc-message, percent-decoded. */
  readonly message: string;
  readonly contentType: string | undefined;
  readonly encoding: string | undefined;
  /** How many header blocks: 1 for an answer that is trailers only. */
  readonly blocks: number;
  readonly body: Buffer;
  readonly reset: number | null;
  /** Names of headers besides the protocol's own, sorted. */
  readonly others: readonly string[];
}

const known = new Set([':status', 'content-type', 'grpc-status', 'grpc-message']);

function percentDecoded(text: string): string {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const code = Number.parseInt(text.slice(i + 1, i + 3), 16);
    if (text[i] === '%' && i + 2 < text.length && !Number.isNaN(code)) {
      bytes.push(code);
      i += 2;
    } else {
      bytes.push(text.charCodeAt(i));
    }
  }
  return Buffer.from(bytes).toString();
}

export function outcomeOf(answer: Answer): Outcome {
  const all = answer.blocks.flat();
  const find = (name: string) => all.find(([given]) => given === name)?.[1];
  return {
    http: find(':status'),
    status: find('grpc-status'),
    message: percentDecoded(find('grpc-message') ?? ''),
    contentType: find('content-type'),
    encoding: find('grpc-encoding'),
    blocks: answer.blocks.length,
    body: concat(answer.body),
    reset: answer.reset,
    others: all
      .map(([name]) => name)
      .filter((name) => !known.has(name))
      .sort(),
  };
}

/** One unary call, from its headers to the end of its answer. */
export async function unary(
  connection: WireConnection,
  path: string,
  message: Buffer,
  changes: Readonly<Record<string, string | Buffer | null>> = {},
  timeoutMs = 10_000,
): Promise<Outcome> {
  const stream = connection.request(callHeaders(path, changes));
  await connection.sendBody(stream, grpcMessage(message));
  return outcomeOf(await connection.answer(stream, timeoutMs));
}
