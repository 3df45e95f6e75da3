// The cases of h2spec that a server of ours does not pass, each with the reason.
// The conformance test fails when another one fails, and when one of these starts to pass.

type Kind = 'clear' | 'tls';

interface Exception {
  readonly why: string;
  /** Transport and kind of connection. */
  readonly on: readonly string[];
  readonly cases: readonly string[];
}

const noBody = 'an error of gRPC has no body, and h2spec waits for DATA';
const stream = (text: string) => `http2/5.1: ${text}`;

const exceptions: readonly Exception[] = [
  {
    why: noBody,
    on: ['grpc-js clear', 'native clear'],
    cases: [
      'generic/2: Sends a WINDOW_UPDATE frame on half-closed (remote) stream',
      'generic/2: Sends a PRIORITY frame on half-closed (remote) stream',
      'http2/6.5.3: Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE',
      'http2/6.9.1: Sends SETTINGS frame to set the initial window size to 1 and ' +
        'sends HEADERS frame',
      'http2/6.9.2: Changes SETTINGS_INITIAL_WINDOW_SIZE after sending HEADERS frame',
      'http2/6.9.2: Sends a SETTINGS frame for window size to be negative',
    ],
  },
  {
    why: 'no limit of streams is announced, so that none can be exceeded',
    on: ['grpc-js clear', 'grpc-js tls', 'native clear', 'native tls'],
    cases: [
      'http2/5.1.2: Sends HEADERS frames that causes their advertised concurrent ' +
        'stream limit to be exceeded',
    ],
  },
  {
    why: 'the port speaks HTTP/1 as well, and answers 400 before it closes',
    on: ['grpc-js clear', 'native clear'],
    cases: ['http2/3.5: Sends invalid connection preface'],
  },
  {
    why: 'nghttp2 drops frames of streams that are closed; a stream that is gone is not remembered',
    on: ['grpc-js clear', 'grpc-js tls'],
    cases: [
      stream('closed: Sends a DATA frame after sending RST_STREAM frame'),
      stream('closed: Sends a HEADERS frame after sending RST_STREAM frame'),
      stream('closed: Sends a DATA frame'),
      stream('closed: Sends a HEADERS frame'),
      'http2/5.1.1: Sends stream identifier that is numerically smaller than previous',
    ],
  },
  {
    why: 'Node ends the connection for a PING that acknowledges none',
    on: ['grpc-js clear', 'grpc-js tls'],
    cases: ['http2/6.7: Sends a PING frame with ACK'],
  },
  {
    why: 'Node has one error code for all that is wrong with a connection',
    on: ['grpc-js clear', 'grpc-js tls'],
    cases: [
      'http2/6.9.1: Sends multiple WINDOW_UPDATE frames increasing the flow ' +
        'control window to above 2^31-1',
    ],
  },
  {
    why: 'the same, where pages are served by Node itself',
    on: ['grpc-js tls'],
    cases: [
      'http2/6.9.1: Sends multiple WINDOW_UPDATE frames increasing the flow ' +
        'control window to above 2^31-1 on a stream',
      'http2/6.1: Sends a DATA frame on the stream that is not in &#34;open&#34; ' +
        'or &#34;half-closed (local)&#34; state',
      stream('half closed (remote): Sends a DATA frame'),
      stream('half closed (remote): Sends a HEADERS frame'),
    ],
  },
];

/**
 * Cases that say something wrong about a stream whose request may be answered by then: an answer
 * that overtakes it ends the stream, and what comes behind is ignored, by any server and rightly
 * (RFC 9113, 5.1). Sent in one piece with its request they have to pass.
 */
const racing: readonly string[] = [
  stream('half closed (remote): Sends a DATA frame'),
  stream('half closed (remote): Sends a HEADERS frame'),
  stream('closed: Sends a DATA frame after sending RST_STREAM frame'),
  'http2/6.1: Sends a DATA frame on the stream that is not in &#34;open&#34; ' +
    'or &#34;half-closed (local)&#34; state',
  'http2/6.1: Sends a DATA frame with invalid pad length',
  'http2/6.9: Sends a WINDOW_UPDATE frame with a flow control window increment of 0 on a stream',
  'http2/6.9.1: Sends multiple WINDOW_UPDATE frames increasing the flow control window to ' +
    'above 2^31-1 on a stream',
  'http2/8.1: Sends a second HEADERS frame without the END_STREAM flag',
  'http2/8.1.2.1: Sends a HEADERS frame that contains a pseudo-header field as trailers',
  'http2/8.1.2.6: Sends a HEADERS frame with the &#34;content-length&#34; header field ' +
    'which does not equal the DATA frame payload length',
  'http2/8.1.2.6: Sends a HEADERS frame with the &#34;content-length&#34; header field ' +
    'which does not equal the sum of the multiple DATA frames payload length',
];

/** What is known of a transport's cases. */
export interface KnownCases {
  /** They fail, for these reasons. */
  readonly excepted: ReadonlyMap<string, string>;
  /** They fail when an answer overtakes them. */
  readonly racing: ReadonlySet<string>;
}

export function knownCases(transport: string, kind: Kind): KnownCases {
  const excepted = new Map<string, string>();
  for (const { why, on, cases } of exceptions) {
    if (!on.includes(`${transport} ${kind}`)) continue;
    for (const name of cases) excepted.set(name, why);
  }
  return { excepted, racing: new Set(racing) };
}
