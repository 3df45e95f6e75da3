// Where the portable transport answers otherwise; docs/transport/grpc-js.md tells it in general.
// What it adds to every answer is taken away before (see `usual`).

import type { Difference } from './difference.js';

export const grpcJs: readonly Difference[] = [
  {
    why: 'the library takes it, or answers without compression',
    seen: '200 application/grpc [0] 0 ""',
    cases: [
      'binary header of two values',
      'binary header that is not base64',
      'binary header with wrong padding',
      'client-api-version not UTF-8',
      'content-type application/grpc+json',
      'content-type application/grpc+proto',
      'content-type application/grpc-web',
      'content-type application/grpc;v=1',
      'content-type application/grpcx',
      'deflate',
      'deflate named, message plain',
      'empty name',
      'flag 2',
      'flag 255',
      'flag with identity',
      'gzip',
      'gzip in two members',
      'gzip named, message plain',
      'gzip of a range',
      'method GET',
      'method PUT',
      'method post',
      'timeout "+1S"',
      'timeout "-1S"',
      'timeout "1.5S"',
      'timeout "123456789S"',
      'timeout "5 S"',
      'value with a line break',
      'value with a zero octet',
    ],
  },
  {
    why: 'Node has one error code for all that is wrong with a connection',
    seen: 'goaway internal',
    cases: [
      'ENABLE_PUSH of 2',
      'GOAWAY on a stream',
      'HEADERS after the end',
      'HEADERS on an even stream',
      'HEADERS on stream 0',
      'PING on a stream',
      'PUSH_PROMISE',
      'RST_STREAM on an idle stream',
      'SETTINGS on a stream',
      'WINDOW_UPDATE of 0 for a stream',
      'WINDOW_UPDATE of 0 for the connection',
      'WINDOW_UPDATE on an idle stream',
      'a connection window over 2^31 - 1',
      'a frame size below 16384',
      'a stream that depends on itself',
      'a stream window over 2^31 - 1',
      'an initial window over 2^31 - 1',
    ],
  },
  {
    why: 'texts of the library for calls without one message',
    seen:
      '200 application/grpc trailers-only 12 "Received no request message for ' +
      'server streaming method /etcdserverpb.KV/Put"',
    cases: [
      'claims one byte over the limit',
      'message cut short',
      'method GET without a body',
      'method HEAD',
      'no message, ended by DATA',
      'no message, ended by HEADERS',
      'prefix alone',
      'prefix cut short',
    ],
  },
  {
    why: 'answered before the library is asked',
    seen: '415 - trailers-only - ""',
    cases: [
      'GET of another content type',
      'content-type Application/GRPC',
      'content-type application/json',
      'content-type empty',
      'content-type missing',
    ],
  },
  {
    why: 'groups, which no message of the interface has, are not read over',
    seen:
      '200 application/grpc trailers-only 13 "grpc: error unmarshalling request: ' +
      'proto: cannot parse invalid wire-format data"',
    cases: ['a group', 'flag without encoding'],
  },
  {
    why: 'texts of the library for what cannot be decompressed',
    seen: '200 application/grpc trailers-only 13 "Failed to decompress message"',
    cases: [
      'gzip cut short',
      'gzip with a wrong checksum',
      'gzip with bytes behind',
      'no bytes said to be gzip',
      'not gzip',
    ],
  },
  {
    why: 'Node checks more of the headers',
    seen: 'reset protocol',
    cases: ['authority missing', 'authority with a scheme', 'path etcdserverpb.KV/Put', 'te other'],
  },
  {
    why: 'Node drops what is wrong',
    seen: 'no answer',
    cases: ['DATA after the end', 'client-api-version not UTF-8, stream'],
  },
  {
    why: 'texts of the library',
    seen: '200 application/grpc trailers-only 12 "unknown service nö"',
    cases: ['path /nö/%'],
  },
  {
    why: 'texts of the library',
    seen: '200 application/grpc trailers-only 13 "Invalid grpc-timeout value \\"5xx\\""',
    cases: ['timeout "5xx"'],
  },
  {
    why: 'texts of the library',
    seen: '200 application/grpc trailers-only 13 "Invalid grpc-timeout value \\"\\""',
    cases: ['timeout ""'],
  },
  {
    why: 'texts of the library',
    seen: '200 application/grpc trailers-only 13 "Invalid grpc-timeout value \\"5\\""',
    cases: ['timeout "5"'],
  },
  {
    why: 'texts of the library',
    seen: '200 application/grpc trailers-only 13 "Invalid grpc-timeout value \\"S\\""',
    cases: ['timeout "S"'],
  },
  {
    why: 'texts of the library',
    seen: '200 application/grpc trailers-only 13 "Invalid grpc-timeout value \\"5s\\""',
    cases: ['timeout "5s"'],
  },
  {
    why: 'texts of the library for calls without one message',
    seen:
      '200 application/grpc trailers-only 12 "Received a second request message ' +
      'for server streaming method /etcdserverpb.KV/Put"',
    cases: ['two messages'],
  },
  {
    why: 'texts of the library',
    seen:
      '200 application/grpc trailers-only 8 "Received message larger than max ' +
      '(4294967295 vs 18874368)"',
    cases: ['claims 4 GiB'],
  },
  {
    why: 'texts of the library',
    seen:
      '200 application/grpc trailers-only 8 "grpc: received message larger than ' +
      'max (2097153 vs. 2097152)"',
    cases: ['gzip of what is over the limit'],
  },
  {
    why: 'texts of the library for calls without one message',
    seen:
      '200 application/grpc trailers-only 12 "Received message compressed with ' +
      'unsupported encoding \\"zstd\\""',
    cases: ['an unknown encoding'],
  },
  {
    why: 'texts of the library',
    seen:
      '200 application/grpc trailers-only 8 "Received message that decompresses to ' +
      'a size larger than 18874368"',
    cases: ['a bomb of 64 MiB'],
  },
  {
    why: 'nghttp2 takes the number for one of a stream that is closed',
    seen: 'ignored',
    cases: ['a stream number that goes back'],
  },
];
