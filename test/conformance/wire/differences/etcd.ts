// Where a real etcd 3.7.1 answers otherwise than HTTP/2 (RFC 9113) demands, which the cases are
// held to. Nothing here is an answer of gRPC: those are what etcd shows.

import type { Difference } from './difference.js';

export const etcd: readonly Difference[] = [
  {
    why: 'the end of the call and its deadline race',
    seen: 'reset cancel',
    cases: ['a watch with timeout 150m', 'a watch with timeout 150000u'],
    races: true,
  },
  {
    why: 'ends the connection without saying why',
    seen: 'closed',
    cases: [
      'CONTINUATION of another stream',
      'CONTINUATION without HEADERS',
      'DATA between HEADERS and CONTINUATION',
      'DATA on stream 0',
      'GOAWAY on a stream',
      'HEADERS on stream 0',
      'PING of seven octets',
      'PING on a stream',
      'RST_STREAM of three octets',
      'SETTINGS of seven octets',
      'SETTINGS on a stream',
      'WINDOW_UPDATE of 0 for the connection',
      'a frame of more than 16384 octets',
      'a frame that claims 16 MiB',
      'a number without an end',
      'a ping between HEADERS and CONTINUATION',
      'a string longer than the block',
      'a table larger than the server has',
      'an acknowledgement with settings',
      'an index that is in no table',
      'an initial window over 2^31 - 1',
      'index 0',
      'padding longer than the frame',
    ],
  },
  {
    why: 'lets it pass',
    seen: 'ignored',
    cases: [
      'DATA on an idle stream',
      'ENABLE_PUSH of 2',
      'PUSH_PROMISE',
      'RST_STREAM on an idle stream',
      'WINDOW_UPDATE on an idle stream',
      'a connection window over 2^31 - 1',
      'a frame size below 16384',
    ],
  },
  {
    why: 'does not check what HTTP/2 demands of headers',
    seen: '200 application/grpc [0] 0 ""',
    cases: [
      'content-length that is too large',
      'content-length that is too small',
      'scheme missing',
    ],
  },
  {
    why: 'takes what is wrong with a stream for an error of the connection',
    seen: 'goaway protocol',
    cases: ['HEADERS after the end', 'HEADERS again without an end', 'trailers of the client'],
  },
  {
    why: 'lets it pass, or never answers',
    seen: 'no answer',
    cases: [
      'a stream that depends on itself',
      'a stream window over 2^31 - 1',
      'no message, ended by HEADERS',
    ],
  },
  {
    why: 'does not check what HTTP/2 demands of headers',
    seen: '200 application/grpc trailers-only 12 "malformed method name: \\"\\""',
    cases: ['path empty', 'path missing'],
  },
  {
    why: 'does not check what HTTP/2 demands of headers',
    seen:
      '405 application/grpc trailers-only 13 "Received a HEADERS frame with ' +
      ':method \\"\\" which should be POST"',
    cases: ['method missing'],
  },
];
