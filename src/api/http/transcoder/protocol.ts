// What the isolate of the API and the one that translates JSON say to each other. Bytes are handed
// over, not copied: whoever has sent them cannot look at them any more.

/** A piece of work; what it makes is told under its id. */
export type Task =
  | {
      readonly kind: 'decode';
      readonly id: number;
      /** The method whose request it is, as in the handler table. */
      readonly method: string;
      /** A whole body, of which the first value counts; or exactly one value. */
      readonly form: 'body' | 'value';
      /** JSON as it was sent. */
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: 'encode';
      readonly id: number;
      /** The method whose answer it is. */
      readonly method: string;
      /** At once; in pieces, of which each but the first is asked for; as a line of a stream. */
      readonly form: 'whole' | 'pieces' | 'line';
      /** The message. */
      readonly bytes: Uint8Array;
    };

export type Ask =
  | Task
  /** The next piece. */
  | { readonly kind: 'more'; readonly id: number }
  /** Nobody wants the rest. */
  | { readonly kind: 'drop'; readonly id: number };

export type Told =
  /** All of it, or the last piece. */
  | { readonly kind: 'done'; readonly id: number; readonly bytes: Uint8Array }
  /** A piece that others follow. */
  | { readonly kind: 'piece'; readonly id: number; readonly bytes: Uint8Array }
  /** The client's JSON is none, or not that of such a message; the text is for the client. */
  | { readonly kind: 'problem'; readonly id: number; readonly text: string }
  /** Anything else that went wrong. */
  | { readonly kind: 'failed'; readonly id: number; readonly text: string };

/** The bytes on memory of their own, which can be handed over; copied if they share it. */
export function ownMemory(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer, byteLength } = bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength
    ? new Uint8Array(buffer)
    : copied(bytes);
}

/** A copy on memory of its own. */
export function copied(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(new ArrayBuffer(bytes.byteLength));
  copy.set(bytes);
  return copy;
}

/** A text on memory of its own. */
export function textBytes(text: string, encoding: 'latin1' | 'utf8'): Uint8Array<ArrayBuffer> {
  const memory = new ArrayBuffer(Buffer.byteLength(text, encoding));
  Buffer.from(memory).write(text, encoding);
  return new Uint8Array(memory);
}
