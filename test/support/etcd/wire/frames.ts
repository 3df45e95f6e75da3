// HTTP/2 frames as bytes, right ones and, on purpose, wrong ones (RFC 9113 §4 and §6).
// What the tests of the wire send is made here, and what servers send is cut into frames here.

export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const Flag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;

export const Setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

/** Error codes of RST_STREAM and GOAWAY (RFC 9113 §7). */
export const ErrorCode = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function concat(parts: readonly Buffer[]): Buffer {
  return Buffer.concat(parts as unknown as Uint8Array[]);
}

/** Any frame; `length` is what the header claims, which a test may want to be wrong. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
  length = payload.length,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream >>> 0, 5);
  return concat([head, payload]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

export function settings(pairs: readonly (readonly [number, number])[] = []): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  pairs.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value >>> 0, i * 6 + 2);
  });
  return frame(FrameType.settings, 0, 0, payload);
}

export const settingsAck = (): Buffer => frame(FrameType.settings, Flag.ack, 0);

export function ping(payload: Buffer = Buffer.alloc(8), ack = false): Buffer {
  return frame(FrameType.ping, ack ? Flag.ack : 0, 0, payload);
}

export function windowUpdate(stream: number, increment: number): Buffer {
  return frame(FrameType.windowUpdate, 0, stream, u32(increment));
}

export function rstStream(stream: number, code: number = ErrorCode.cancel): Buffer {
  return frame(FrameType.rstStream, 0, stream, u32(code));
}

export function data(stream: number, payload: Buffer, endStream = false): Buffer {
  return frame(FrameType.data, endStream ? Flag.endStream : 0, stream, payload);
}

/** One HEADERS frame with the whole block, of any size. */
export function headers(stream: number, block: Buffer, endStream = false): Buffer {
  const flags = Flag.endHeaders | (endStream ? Flag.endStream : 0);
  return frame(FrameType.headers, flags, stream, block);
}

/** A message as gRPC sends it: flag, length, bytes. */
export function grpcMessage(message: Buffer, compressed = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = compressed;
  head.writeUInt32BE(message.length, 1);
  return concat([head, message]);
}

/** Cuts a byte stream into frames; keeps what is not whole yet. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #size = 0;

  push(bytes: Buffer): Frame[] {
    this.#chunks.push(bytes);
    this.#size += bytes.length;
    if (this.#size < 9) return [];
    let rest = this.#chunks.length === 1 ? bytes : concat(this.#chunks);
    const frames: Frame[] = [];
    while (rest.length >= 9) {
      const length = rest.readUIntBE(0, 3);
      if (rest.length < 9 + length) break;
      frames.push({
        type: rest[3] ?? 0,
        flags: rest[4] ?? 0,
        stream: rest.readUInt32BE(5) & 0x7fffffff,
        payload: rest.subarray(9, 9 + length),
      });
      rest = rest.subarray(9 + length);
    }
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#size = rest.length;
    return frames;
  }
}

/** The part of a HEADERS or DATA frame's payload that is not padding or priority. */
export function contents({ type, flags, payload }: Frame): Buffer {
  let start = 0;
  let end = payload.length;
  if ((flags & Flag.padded) !== 0) {
    end -= payload[0] ?? 0;
    start = 1;
  }
  if (type === FrameType.headers && (flags & Flag.priority) !== 0) start += 5;
  return payload.subarray(start, end);
}
