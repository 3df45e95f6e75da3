// Where the native transport answers otherwise than the cases expect, with the reasons: HTTP/2
// leaves a choice there, or asks for what a real etcd does not.

import type { Difference } from './difference.js';

export const native: readonly Difference[] = [
  {
    why: 'nghttp2 ends the connection, as RFC 9113 allows for any error of a stream',
    seen: 'goaway protocol',
    cases: ['WINDOW_UPDATE of 0 for a stream'],
  },
  {
    why: 'the same, for frames on a stream that the client has ended',
    seen: 'goaway streamClosed',
    cases: ['DATA after the end', 'HEADERS after the end'],
  },
  {
    why: 'RFC 9113 allows `trailers` alone there',
    seen: 'reset protocol',
    cases: ['te other'],
  },
  {
    why: 'octets above 127 of a path are shown as the characters of Latin-1 that they are',
    seen: '200 application/grpc trailers-only 12 "unknown service n\u00f6"',
    cases: ['path /n\u00f6/%'],
  },
  {
    why: 'groups, which no message of the interface has, are not read over',
    seen:
      '200 application/grpc trailers-only 13 "grpc: error unmarshalling request: ' +
      'proto: cannot parse invalid wire-format data"',
    cases: ['a group'],
  },
];
