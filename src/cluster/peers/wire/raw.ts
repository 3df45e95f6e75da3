// The raw streams between members: what a connection carries once it has been upgraded, layout in
// docs/formats/peer-bytes.md. Made and taken apart here, without a look at what the frames say.
// Used by both directions of the transport.

import grpc from '@grpc/grpc-js';

import { bytesOf } from '../../../base/bytes.js';
import { MESSAGE_BYTES_MAX, MESSAGE_SLACK_BYTES } from '../channel.js';

/** What the Upgrade header of a request and its answer say (RFC 9110 §7.8). */
export const RAW_PROTOCOL = 'metastore-peer/1';

/** Where the text of a refusal stands, among the headers of its answer. */
export const DETAILS_HEADER = 'x-metastore-details';

export const RawKind = {
  /** Messages: a Frame of proto/metastore/peer.proto. */
  Frame: 1,
  /** A Reply of it, from the receiver. */
  Reply: 2,
  /** Why the receiver ends the stream: EndNote. */
  End: 3,
  /** Proposals for the leader: u32 number, u64 term, and the forwards. */
  Forward: 4,
  /** The answer to one: u32 number, and the name of an error, or nothing. */
  Answer: 5,
} as const;
export type RawKind = (typeof RawKind)[keyof typeof RawKind];

/** In front of each body: u32 length of what follows, u8 kind. */
export const HEAD_BYTES = 5;
const LENGTH_BYTES = 4;
const NUMBER_BYTES = 4;
const TERM_BYTES = 8;
const FRAME_BYTES_MAX = MESSAGE_BYTES_MAX + MESSAGE_SLACK_BYTES;
const END_BYTES_MAX = 16 << 10;

/** Bytes that are no frames of this kind. */
export class RawError extends Error {}

/** Fills in the head in front of a body that begins HEAD_BYTES into the buffer. */
export function headed(kind: RawKind, bytes: Buffer): Buffer {
  bytes.writeUInt32LE(bytes.length - LENGTH_BYTES, 0);
  bytes[LENGTH_BYTES] = kind;
  return bytes;
}

/** A whole frame around a copy of the body. */
export function framed(kind: RawKind, body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + body.length);
  bytes.set(body, HEAD_BYTES);
  return headed(kind, bytes);
}

export function encodeForward(number: number, term: number, forwards: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + NUMBER_BYTES + TERM_BYTES + forwards.length);
  bytes.writeUInt32LE(number, HEAD_BYTES);
  bytes.writeBigUInt64LE(BigInt(term), HEAD_BYTES + NUMBER_BYTES);
  bytes.set(forwards, HEAD_BYTES + NUMBER_BYTES + TERM_BYTES);
  return headed(RawKind.Forward, bytes);
}

export interface Forward {
  readonly number: number;
  readonly term: number;
  readonly forwards: Uint8Array;
}

/** @throws RawError */
export function decodeForward(body: Buffer): Forward {
  const head = NUMBER_BYTES + TERM_BYTES;
  const term = body.length < head ? Number.NaN : Number(body.readBigUInt64LE(NUMBER_BYTES));
  if (!Number.isSafeInteger(term)) {
    throw new RawError('malformed forward');
  }
  return { number: body.readUInt32LE(0), term, forwards: bytesOf(body.subarray(head)) };
}

export function encodeAnswer(number: number, error: string): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + NUMBER_BYTES + error.length);
  bytes.writeUInt32LE(number, HEAD_BYTES);
  bytes.write(error, HEAD_BYTES + NUMBER_BYTES, 'latin1');
  return headed(RawKind.Answer, bytes);
}

/** @throws RawError */
export function decodeAnswer(body: Buffer): { readonly number: number; readonly error: string } {
  if (body.length < NUMBER_BYTES) {
    throw new RawError('malformed answer');
  }
  return { number: body.readUInt32LE(0), error: body.toString('latin1', NUMBER_BYTES) };
}

export function encodeEnd(status: grpc.ServiceError): Buffer {
  const note = { details: status.details, headers: headersOf(status.metadata) };
  return framed(RawKind.End, bytesOf(Buffer.from(JSON.stringify(note))));
}

/** @throws RawError */
export function decodeEnd(body: Buffer): { details: string; metadata: grpc.Metadata } {
  let note: unknown;
  try {
    note = body.length > END_BYTES_MAX ? null : JSON.parse(body.toString());
  } catch {
    note = null;
  }
  if (typeof note !== 'object' || note === null) {
    throw new RawError('malformed end');
  }
  const { details, headers } = note as { details?: unknown; headers?: unknown };
  const known = typeof headers === 'object' && headers !== null ? headers : {};
  return { details: String(details), metadata: metadataOf(known as Record<string, unknown>) };
}

/** Metadata as headers of HTTP. */
export function headersOf(metadata: grpc.Metadata): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(metadata.getMap())) {
    if (typeof value === 'string') {
      headers[name] = value;
    }
  }
  return headers;
}

/** Headers that belong to a greeting or a refusal, as metadata. */
export function metadataOf(headers: Readonly<Record<string, unknown>>): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(headers)) {
    if (/^x-[a-z-]{1,60}$/.test(name) && typeof value === 'string' && isPrintable(value)) {
      metadata.set(name, value);
    }
  }
  return metadata;
}

function isPrintable(text: string): boolean {
  return /^[ -~]*$/.test(text);
}

/** Cuts what a connection brings into frames; those that came in one piece are not copied. */
export class RawReader {
  readonly #take: (kind: number, body: Buffer) => void;
  // The pieces of a frame that is not whole yet.
  #parts: Buffer[] = [];
  #bytes = 0;
  // Bytes of that frame, its length included; 0 while the length itself is not whole.
  #wanted = 0;

  /** @param take gets each frame as soon as it is whole */
  constructor(take: (kind: number, body: Buffer) => void) {
    this.#take = take;
  }

  /** @throws RawError when a length cannot be, and whatever `take` throws */
  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#bytes === 0) {
        rest = this.#whole(rest);
      } else {
        rest = this.#more(rest);
      }
    }
  }

  /** Takes the frame that the bytes begin with, if it is whole; what is left of them. */
  #whole(bytes: Buffer): Buffer {
    const wanted = bytes.length < LENGTH_BYTES ? 0 : wantedOf(bytes);
    if (wanted === 0 || bytes.length < wanted) {
      this.#wanted = wanted;
      this.#bytes = bytes.length;
      this.#parts.push(bytes);
      return bytes.subarray(bytes.length);
    }
    this.#take(bytes[LENGTH_BYTES] as number, bytes.subarray(HEAD_BYTES, wanted));
    return bytes.subarray(wanted);
  }

  /** Goes on with a frame that has begun; what is left of the bytes. */
  #more(bytes: Buffer): Buffer {
    if (this.#wanted === 0) {
      const joined = this.#join(bytes);
      return joined;
    }
    const missing = this.#wanted - this.#bytes;
    this.#parts.push(bytes.subarray(0, missing));
    if (bytes.length < missing) {
      this.#bytes += bytes.length;
      return bytes.subarray(bytes.length);
    }
    const frame = this.#join(null);
    this.#take(frame[LENGTH_BYTES] as number, frame.subarray(HEAD_BYTES));
    return bytes.subarray(missing);
  }

  #join(last: Buffer | null): Buffer {
    const parts = last === null ? this.#parts : [...this.#parts, last];
    this.#parts = [];
    this.#bytes = 0;
    this.#wanted = 0;
    return Buffer.concat(parts.map(bytesOf));
  }
}

/** Bytes of the frame that begins here, its length included. */
function wantedOf(bytes: Buffer): number {
  const length = bytes.readUInt32LE(0);
  if (length === 0 || length > FRAME_BYTES_MAX) {
    throw new RawError(`a frame of ${length} bytes`);
  }
  return LENGTH_BYTES + length;
}
