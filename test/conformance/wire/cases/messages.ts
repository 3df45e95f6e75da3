// Messages in a call's body: none, cut short, several, too large, compressed, not what they say.
// rules.test.ts runs them; the answers are those of a real etcd 3.7.1.

import { deflateSync, gzipSync } from 'node:zlib';
import { methods, putRequest, rangeRequest } from '../../../support/etcd/wire/call.js';
import { concat, grpcMessage } from '../../../support/etcd/wire/frames.js';
import {
  type Changes,
  headersOnly,
  OK,
  refusal,
  request,
  smallPut,
  type WireCase,
  ZIPPED,
} from './case.js';

const small = Buffer.from('0a016b120176', 'hex');

function gzip(bytes: Buffer): Buffer {
  return gzipSync(bytes as unknown as Uint8Array);
}

function deflate(bytes: Buffer): Buffer {
  return deflateSync(bytes as unknown as Uint8Array);
}

const put = (name: string, expected: string, body: Buffer, changes: Changes = {}) =>
  request(name, expected, { body, changes });

/** A put whose request has exactly this many bytes. */
function putOf(bytes: number): Buffer {
  // The key takes three octets, the value's tag one and its length three.
  const made = putRequest('k', Buffer.alloc(bytes - 7, 'v'));
  if (made.length !== bytes) throw new Error(`made ${made.length} bytes for ${bytes}`);
  return made;
}

const LIMIT = 2_097_152;

const sizes: readonly WireCase[] = [
  headersOnly('no message, ended by HEADERS', refusal(2, 'EOF')),
  put('no message, ended by DATA', refusal(2, 'EOF'), Buffer.alloc(0)),
  put('prefix cut short', refusal(2, 'EOF'), Buffer.from([0, 0, 0])),
  put('prefix alone', refusal(2, 'unexpected EOF'), Buffer.from([0, 0, 0, 0, 9])),
  put('message cut short', refusal(2, 'unexpected EOF'), Buffer.from([0, 0, 0, 0, 9, 1])),
  put('two messages', OK, concat([smallPut, smallPut])),
  put('a message and half a prefix', OK, concat([smallPut, Buffer.from([0, 0])])),
  put(
    'an empty message',
    refusal(3, 'etcdserver: key is not provided'),
    grpcMessage(Buffer.alloc(0)),
  ),
  put(
    'not the expected protobuf',
    refusal(13, 'grpc: error unmarshalling request: proto: cannot parse invalid wire-format data'),
    grpcMessage(Buffer.from([0x0a, 0x05, 0x01])),
  ),
  put(
    'a field of another kind',
    refusal(3, 'etcdserver: key is not provided'),
    grpcMessage(Buffer.from([0x08, 0x01])),
  ),
  put('an unknown field', OK, grpcMessage(concat([small, Buffer.from([0xf8, 0x07, 0x01])]))),
  put('a group', OK, grpcMessage(concat([small, Buffer.from([0xfb, 0x07, 0xfc, 0x07])]))),
  put(
    'field number 0',
    refusal(13, 'grpc: error unmarshalling request: proto: cannot parse invalid wire-format data'),
    grpcMessage(concat([small, Buffer.from([0x00, 0x01])])),
  ),
  put(
    'a number over ten bytes',
    refusal(13, 'grpc: error unmarshalling request: proto: cannot parse invalid wire-format data'),
    grpcMessage(Buffer.from(`18${'ff'.repeat(10)}01`, 'hex')),
  ),
  put(
    'claims one byte over the limit',
    refusal(8, 'grpc: received message larger than max (2097153 vs. 2097152)'),
    Buffer.from([0, 0, 0x20, 0, 1]),
  ),
  put(
    'claims 4 GiB',
    refusal(8, 'grpc: received message larger than max (4294967295 vs. 2097152)'),
    Buffer.from([0, 0xff, 0xff, 0xff, 0xff]),
  ),
  put(
    'at the limit of a message',
    refusal(3, 'etcdserver: request is too large'),
    grpcMessage(putOf(LIMIT)),
  ),
  put(
    'one byte over the limit',
    refusal(8, 'grpc: received message larger than max (2097153 vs. 2097152)'),
    grpcMessage(putOf(LIMIT + 1)),
  ),
  put('the largest value by default', OK, grpcMessage(putRequest('k', Buffer.alloc(1_572_000)))),
  put(
    'over the limit of a request',
    refusal(3, 'etcdserver: request is too large'),
    grpcMessage(putRequest('k', Buffer.alloc(1_572_864))),
  ),
];

const zip = { 'grpc-encoding': 'gzip' };

const compression: readonly WireCase[] = [
  put('gzip', ZIPPED, grpcMessage(gzip(small), 1), zip),
  put(
    'gzip with an error',
    refusal(3, 'etcdserver: key is not provided'),
    grpcMessage(gzip(Buffer.from([0x12, 0x01, 0x76])), 1),
    zip,
  ),
  put('gzip named, message plain', ZIPPED, smallPut, zip),
  put('gzip in two members', ZIPPED, grpcMessage(concat([gzip(small), gzip(small)]), 1), zip),
  put(
    'gzip of nothing',
    refusal(3, 'etcdserver: key is not provided'),
    grpcMessage(gzip(Buffer.alloc(0)), 1),
    zip,
  ),
  put(
    'no bytes said to be gzip',
    refusal(13, 'grpc: failed to decompress the message: EOF'),
    grpcMessage(Buffer.alloc(0), 1),
    zip,
  ),
  put(
    'not gzip',
    refusal(13, 'grpc: failed to decompress the message: unexpected EOF'),
    grpcMessage(small, 1),
    zip,
  ),
  put(
    'gzip cut short',
    refusal(13, 'grpc: failed to read decompressed data: unexpected EOF'),
    grpcMessage(gzip(small).subarray(0, -6), 1),
    zip,
  ),
  put(
    'gzip with a wrong checksum',
    refusal(13, 'grpc: failed to read decompressed data: gzip: invalid checksum'),
    grpcMessage(broken(gzip(small)), 1),
    zip,
  ),
  put(
    'gzip with bytes behind',
    refusal(13, 'grpc: failed to read decompressed data: unexpected EOF'),
    grpcMessage(concat([gzip(small), small]), 1),
    zip,
  ),
  put(
    'gzip of what is over the limit',
    refusal(8, 'grpc: received message after decompression larger than max 2097152'),
    grpcMessage(gzip(putOf(LIMIT + 1)), 1),
    zip,
  ),
  put(
    'gzip of what is at the limit',
    refusal(3, 'etcdserver: request is too large'),
    grpcMessage(gzip(putOf(LIMIT)), 1),
    zip,
  ),
  put(
    'a bomb of 64 MiB',
    refusal(8, 'grpc: received message after decompression larger than max 2097152'),
    grpcMessage(gzip(Buffer.alloc(64 << 20)), 1),
    zip,
  ),
  put(
    'flag without encoding',
    refusal(13, 'grpc: compressed flag set with identity or empty encoding'),
    grpcMessage(gzip(small), 1),
  ),
  put(
    'flag with identity',
    refusal(13, 'grpc: compressed flag set with identity or empty encoding'),
    grpcMessage(small, 1),
    { 'grpc-encoding': 'identity' },
  ),
  put('identity', OK, smallPut, { 'grpc-encoding': 'identity' }),
  put('empty encoding', OK, smallPut, { 'grpc-encoding': '' }),
  put(
    'deflate',
    refusal(12, 'grpc: Decompressor is not installed for grpc-encoding "deflate"'),
    grpcMessage(deflate(small), 1),
    { 'grpc-encoding': 'deflate' },
  ),
  put(
    'deflate named, message plain',
    refusal(12, 'grpc: Decompressor is not installed for grpc-encoding "deflate"'),
    smallPut,
    { 'grpc-encoding': 'deflate' },
  ),
  put(
    'an unknown encoding',
    refusal(12, 'grpc: Decompressor is not installed for grpc-encoding "zstd"'),
    grpcMessage(small, 1),
    { 'grpc-encoding': 'zstd' },
  ),
  put('flag 2', refusal(13, 'grpc: received unexpected payload format 2'), grpcMessage(small, 2)),
  put(
    'flag 255',
    refusal(13, 'grpc: received unexpected payload format 255'),
    grpcMessage(small, 255),
  ),
  request('gzip of a range', ZIPPED, {
    path: methods.range,
    changes: zip,
    body: grpcMessage(gzip(rangeRequest('none')), 1),
  }),
  request('an unknown method with gzip', refusal(12, 'unknown service no.Such'), {
    path: '/no.Such/Method',
    changes: zip,
    body: grpcMessage(gzip(small), 1),
  }),
];

function broken(zipped: Buffer): Buffer {
  const out = Buffer.from(zipped);
  const at = out.length - 8;
  out[at] = (out[at] ?? 0) ^ 0xff;
  return out;
}

export const messageCases: readonly WireCase[] = [...sizes, ...compression];
