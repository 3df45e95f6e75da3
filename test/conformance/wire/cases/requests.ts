// What the headers of a call have to be: content type, method, path, authority, metadata.
// rules.test.ts runs them; the answers are those of a real etcd 3.7.1, but for headers that HTTP/2
// itself forbids, where RFC 9113 has the word.

import { methods, rangeRequest } from '../../../support/etcd/wire/call.js';
import { grpcMessage } from '../../../support/etcd/wire/frames.js';
import { headersOnly, OK, refusal, request, smallPut, type WireCase } from './case.js';

const body = smallPut;
const put = (name: string, expected: string, changes: Record<string, string | Buffer | null>) =>
  request(name, expected, { changes, body });
const path = (of: string, expected: string) => request(`path ${of}`, expected, { path: of, body });

const notUtf8 = Buffer.from([0x33, 0xff]);

const contentTypes: readonly WireCase[] = [
  put('content-type application/grpc', OK, {}),
  put('content-type application/grpc+proto', '200 application/grpc+proto [0] 0 ""', {
    'content-type': 'application/grpc+proto',
  }),
  put('content-type application/grpc+json', '200 application/grpc+json [0] 0 ""', {
    'content-type': 'application/grpc+json',
  }),
  put('content-type application/grpc;v=1', '200 application/grpc+v=1 [0] 0 ""', {
    'content-type': 'application/grpc;v=1',
  }),
  put(
    'content-type Application/GRPC',
    refusal(3, 'invalid gRPC request content-type "Application/GRPC"', 415),
    { 'content-type': 'Application/GRPC' },
  ),
  put(
    'content-type application/grpcx',
    refusal(3, 'invalid gRPC request content-type "application/grpcx"', 415),
    { 'content-type': 'application/grpcx' },
  ),
  put(
    'content-type application/grpc-web',
    refusal(3, 'invalid gRPC request content-type "application/grpc-web"', 415),
    { 'content-type': 'application/grpc-web' },
  ),
  put(
    'content-type application/json',
    refusal(3, 'invalid gRPC request content-type "application/json"', 415),
    { 'content-type': 'application/json' },
  ),
  put('content-type empty', refusal(3, 'invalid gRPC request content-type ""', 415), {
    'content-type': '',
  }),
  put('content-type missing', refusal(3, 'invalid gRPC request content-type ""', 415), {
    'content-type': null,
  }),
];

const verbs: readonly WireCase[] = [
  put(
    'method GET',
    refusal(13, 'Received a HEADERS frame with :method "GET" which should be POST', 405),
    { ':method': 'GET' },
  ),
  headersOnly(
    'method GET without a body',
    refusal(13, 'Received a HEADERS frame with :method "GET" which should be POST', 405),
    { ':method': 'GET' },
  ),
  put(
    'method PUT',
    refusal(13, 'Received a HEADERS frame with :method "PUT" which should be POST', 405),
    { ':method': 'PUT' },
  ),
  headersOnly(
    'method HEAD',
    refusal(13, 'Received a HEADERS frame with :method "HEAD" which should be POST', 405),
    { ':method': 'HEAD' },
  ),
  put(
    'method post',
    refusal(13, 'Received a HEADERS frame with :method "post" which should be POST', 405),
    { ':method': 'post' },
  ),
  put(
    'GET of another content type',
    refusal(3, 'invalid gRPC request content-type "text/plain"', 415),
    { ':method': 'GET', 'content-type': 'text/plain' },
  ),
];

const paths: readonly WireCase[] = [
  path('/nopath', refusal(12, 'malformed method name: "/nopath"')),
  path('/', refusal(12, 'malformed method name: "/"')),
  path('/no.Such/Method', refusal(12, 'unknown service no.Such')),
  path('/etcdserverpb.KV/Nope', refusal(12, 'unknown method Nope for service etcdserverpb.KV')),
  path('/etcdserverpb.KV/', refusal(12, 'unknown method  for service etcdserverpb.KV')),
  path('//Put', refusal(12, 'unknown service ')),
  path('/a/b/c', refusal(12, 'unknown service a/b')),
  path('/etcdserverpb.KV/Put/', refusal(12, 'unknown service etcdserverpb.KV/Put')),
  path(
    '/etcdserverpb.KV/Put?x=1',
    refusal(12, 'unknown method Put?x=1 for service etcdserverpb.KV'),
  ),
  path('/n\u00f6/%', refusal(12, 'unknown service n\ufffd')),
  path('etcdserverpb.KV/Put', refusal(12, 'malformed method name: "etcdserverpb.KV/Put"')),
];

const metadata: readonly WireCase[] = [
  put('te missing', OK, { te: null }),
  put('te other', OK, { te: 'gzip' }),
  put(
    'binary header that is not base64',
    refusal(
      13,
      'malformed binary metadata "!!!" in header "x-bin": illegal base64 data at input byte 0',
      400,
    ),
    { 'x-bin': '!!!' },
  ),
  put('binary header with padding', OK, { 'x-bin': 'AQ==' }),
  put('binary header without padding', OK, { 'x-bin': 'AQ' }),
  put(
    'binary header of two values',
    refusal(
      13,
      'malformed binary metadata "AQ,AgM" in header "x-bin": illegal base64 data at input byte 2',
      400,
    ),
    { 'x-bin': 'AQ,AgM' },
  ),
  put(
    'binary header with wrong padding',
    refusal(
      13,
      'malformed binary metadata "AQ=" in header "x-bin": illegal base64 data at input byte 2',
      400,
    ),
    { 'x-bin': 'AQ=' },
  ),
  put('client-api-version not UTF-8', refusal(3, 'etcdserver: invalid client api version'), {
    'client-api-version': notUtf8,
  }),
  request(
    'client-api-version not UTF-8, stream',
    refusal(3, 'etcdserver: invalid client api version'),
    {
      path: methods.watch,
      changes: { 'client-api-version': notUtf8 },
      body: grpcMessage(Buffer.alloc(0)),
    },
  ),
  put('client-api-version of many characters', OK, { 'client-api-version': '3.'.repeat(500) }),
  put('metadata of octets above 127', OK, { 'x-any': notUtf8 }),
  put('hasleader with a leader', OK, { hasleader: 'true' }),
  put('grpc-accept-encoding alone', OK, { 'grpc-accept-encoding': 'gzip' }),
  put('a reserved name', OK, { 'grpc-own': 'x' }),
  put('user-agent', OK, { 'user-agent': 'grpc-go/1.82.1' }),
  put('content-length', OK, { 'content-length': String(body.length) }),
  put('authority missing', OK, { ':authority': null }),
  put('host instead of authority', OK, { ':authority': null, host: 'a' }),
  put('host and authority', OK, { host: 'b' }),
  put('authority with a scheme', OK, { ':authority': 'http://127.0.0.1:2379' }),
  put('connection-specific header', 'reset protocol', { connection: 'close' }),
  put('upper-case name', 'reset protocol', { 'X-Upper': 'x' }),
  put('empty name', 'reset protocol', { '': 'x' }),
  put('value with a line break', 'reset protocol', { 'x-any': 'a\nb' }),
  put('value with a zero octet', 'reset protocol', { 'x-any': 'a\0b' }),
  put('unknown pseudo-header', 'reset protocol', { ':own': 'x' }),
  put('scheme missing', 'reset protocol', { ':scheme': null }),
  put('method missing', 'reset protocol', { ':method': null }),
  put('path missing', 'reset protocol', { ':path': null }),
  put('path empty', 'reset protocol', { ':path': '' }),
  put('metadata of 7 KiB', OK, { 'x-any': 'v'.repeat(7000) }),
  request('an ordinary range', OK, {
    path: methods.range,
    body: grpcMessage(rangeRequest('none')),
  }),
];

export const requestCases: readonly WireCase[] = [...contentTypes, ...verbs, ...paths, ...metadata];
