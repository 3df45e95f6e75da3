// One case of the wire: what a client sends, and the single line that says what came back.
// The line is the same for every server, so that answers are compared as text.

import { callHeaders, methods, outcomeOf } from '../../../support/etcd/wire/call.js';
import {
  type Answer,
  errorName,
  type WireConnection,
} from '../../../support/etcd/wire/connection.js';
import { concat, Flag, FrameType, frame, grpcMessage } from '../../../support/etcd/wire/frames.js';
import { encodeHeaders } from '../../../support/etcd/wire/hpack.js';

export type Changes = Readonly<Record<string, string | Buffer | null>>;

/** How long an answer may take once a ping is answered. */
const SILENCE_MS = 2000;

export interface WireCase {
  readonly name: string;
  /** What a real etcd 3.7.1 answers; see `describe`. */
  readonly expected: string;
  act(connection: WireConnection): Promise<string>;
}

/** One plain message and no error. */
export const OK = '200 application/grpc [0] 0 ""';

/** The same, compressed. */
export const ZIPPED = '200 application/grpc [1] 0 "", +grpc-encoding';

/** An error without a message before it. */
export function refusal(status: number, message: string, http = 200): string {
  return `${http} application/grpc trailers-only ${status} ${JSON.stringify(message)}`;
}

/** Flags of the messages in a body, `cut` for one that is not whole. */
function messagesIn(body: Buffer): string {
  const flags: string[] = [];
  for (let at = 0; at < body.length; ) {
    const whole = at + 5 <= body.length && at + 5 + body.readUInt32BE(at + 1) <= body.length;
    if (!whole) return [...flags, 'cut'].join();
    flags.push(String(body[at]));
    at += 5 + body.readUInt32BE(at + 1);
  }
  return flags.join();
}

/**
 * `<:status> <content-type> <messages or trailers-only> <grpc-status> "<grpc-message>"`, then what
 * else there was: other headers, a reset, the end of the connection; or `goaway <error>`.
 */
export async function describe(connection: WireConnection, stream: number): Promise<string> {
  const answer = await answerOrSilence(connection, stream);
  if (answer === null) return 'no answer';
  if (connection.goaway !== null) return `goaway ${errorName(connection.goaway.code)}`;
  const out = outcomeOf(answer);
  const parts: string[] = [];
  if (out.blocks > 0) {
    const shape = out.blocks === 1 ? 'trailers-only' : `[${messagesIn(out.body)}]`;
    const fields = [out.http, out.contentType ?? '-', shape, out.status ?? '-'];
    // Go's protobuf puts one of two kinds of space into its texts, which no one may rely on.
    const message = out.message.replaceAll('\u00a0', ' ');
    parts.push(`${fields.join(' ')} ${JSON.stringify(message)}`);
  }
  if (out.others.length > 0) parts.push(`+${out.others.join()}`);
  // A server may refuse what is still to come of a request that it has answered.
  if (out.reset !== null && !answer.ended) parts.push(`reset ${errorName(out.reset)}`);
  if (connection.closed !== null) parts.push('closed');
  return parts.join(', ');
}

/** What came, or null when the server answers pings and nothing else. */
async function answerOrSilence(connection: WireConnection, stream: number): Promise<Answer | null> {
  await connection.settle();
  try {
    return await connection.answer(stream, SILENCE_MS);
  } catch {
    return null;
  }
}

/** How the server takes what is wrong for the whole connection; a ping tells that it goes on. */
export async function describeEnd(connection: WireConnection): Promise<string> {
  await connection.settle();
  if (connection.goaway !== null) return `goaway ${errorName(connection.goaway.code)}`;
  return connection.closed === null ? 'ignored' : 'closed';
}

/** A call with these changes to its headers, and this body as it is. */
export function request(
  name: string,
  expected: string,
  { path = methods.put, changes = {}, body }: { path?: string; changes?: Changes; body: Buffer },
): WireCase {
  return {
    name,
    expected,
    async act(connection) {
      const stream = connection.request(callHeaders(path, changes));
      await connection.sendBody(stream, body);
      return describe(connection, stream);
    },
  };
}

/** A small put that succeeds. */
export const smallPut = grpcMessage(Buffer.from('0a016b120176', 'hex'));

/** Headers alone that end the stream. */
export function headersOnly(name: string, expected: string, changes: Changes = {}): WireCase {
  return {
    name,
    expected,
    act(connection) {
      return describe(connection, connection.request(callHeaders(methods.put, changes), true));
    },
  };
}

/** A small put whose frames a test makes itself, from the stream's number and the header block. */
export function framed(
  name: string,
  expected: string,
  make: (stream: number, block: Buffer) => Buffer[],
  changes: Changes = {},
): WireCase {
  return {
    name,
    expected,
    async act(connection) {
      const stream = connection.nextStream();
      connection.answerOf(stream);
      connection.send(concat(make(stream, encodeHeaders(callHeaders(methods.put, changes)))));
      return describe(connection, stream);
    },
  };
}

/** Frames that are to end the connection. */
export function fatal(
  name: string,
  expected: string,
  make: (stream: number, block: Buffer) => Buffer[],
): WireCase {
  return {
    name,
    expected,
    async act(connection) {
      const stream = connection.nextStream();
      connection.send(concat(make(stream, encodeHeaders(callHeaders(methods.put)))));
      return describeEnd(connection);
    },
  };
}

/** A DATA or HEADERS frame with padding. */
export function padded(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer,
  bytes: number,
): Buffer {
  const whole = concat([Buffer.from([bytes]), payload, Buffer.alloc(bytes)]);
  return frame(type, flags | Flag.padded, stream, whole);
}

export { FrameType };
