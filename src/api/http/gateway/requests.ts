// Requests of the gateway out of bodies: the first JSON value of a whole body, or one value after
// the other of a body that goes on. Both are bounded before anything is parsed; the latter gives
// way to other work between pieces.

import { MetaStoreError } from '../../../base/errors.js';
import { decodeJson } from './json/decode.js';
import { JsonProblem, JsonScanner, UNEXPECTED_END } from './json/scanner.js';
import type { Shape } from './json/shape.js';

/** How much of a stream's body is looked at in one turn, and how many messages come of it. */
const TURN_BYTES = 64 * 1024;
const TURN_MESSAGES = 256;
/** What a request may have besides its message: names, blanks, values that nobody knows. */
const SLACK_BYTES = 1 << 20;
/** What is read and thrown away of a body that nobody wants, so that its connection may go on. */
const DRAIN_BYTES = 1 << 20;

/** Limits of what is kept of a body, from the size that a message may have. */
export interface BodyLimits {
  /** Largest message, in bytes. */
  readonly messageBytes: number;
  /** Largest JSON text of one: its bytes are written with a third more. */
  readonly textBytes: number;
}

export function bodyLimits(messageBytes: number): BodyLimits {
  return { messageBytes, textBytes: messageBytes * 2 + SLACK_BYTES };
}

/** A message that is larger than calls may have. */
export function tooLarge(bytes: number, limit: number): MetaStoreError {
  const text = `grpc: received message larger than max (${bytes} vs. ${limit})`;
  return MetaStoreError.of('MessageTooLarge', text);
}

export function checkSize(message: Buffer, limits: BodyLimits): Buffer {
  if (message.length > limits.messageBytes) {
    throw tooLarge(message.length, limits.messageBytes);
  }
  return message;
}

/**
 * The message of a unary request. What follows the first JSON value is not looked at; an empty body
 * is an empty message.
 *
 * @throws JsonProblem
 */
export function firstMessage(shape: Shape, body: Buffer): Buffer {
  const scanner = new JsonScanner();
  const text = body.toString('latin1');
  const end = scanner.scan(text, 0);
  if (end >= 0) {
    return decodeJson(shape, text.slice(0, end).trimStart());
  }
  if (!scanner.begun) {
    return Buffer.alloc(0);
  }
  if (!scanner.atEnd()) {
    throw new JsonProblem(UNEXPECTED_END);
  }
  return decodeJson(shape, text.trimStart());
}

/** What makes a message of a JSON value, one character for each byte. @throws JsonProblem */
export type DecodeValue = (text: string) => Buffer | Promise<Buffer>;

/** Lets other work have its turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The messages of a body that may go on for as long as the call does. */
export class MessageSource {
  readonly #decode: DecodeValue;
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #limits: BodyLimits;
  readonly #scanner = new JsonScanner();
  // The value that is being read, as far as it has been looked at, and what follows.
  #value = '';
  #rest = '';
  /** What has arrived and has not been looked at. */
  #chunk: Buffer = Buffer.alloc(0);
  /** Messages since other work had its turn. */
  #messages = 0;
  #ended = false;

  /** @param chunks the body as it arrives; closed by `discard` alone, since closing cuts it off */
  constructor(decode: DecodeValue, chunks: AsyncIterable<Buffer>, limits: BodyLimits) {
    this.#decode = decode;
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#limits = limits;
  }

  /**
   * The next message; null at the end of the body, and for good where it is no JSON any more: what
   * was asked for before goes on being answered.
   *
   * @throws MetaStoreError MessageTooLarge
   */
  async next(): Promise<Buffer | null> {
    try {
      return await this.first();
    } catch (error) {
      if (!(error instanceof JsonProblem)) {
        throw error;
      }
      this.#ended = true;
      return null;
    }
  }

  /** The next message; null at the end of the body. @throws JsonProblem, MessageTooLarge */
  async first(): Promise<Buffer | null> {
    const text = this.#ended ? null : await this.#nextValue();
    if (text === null) {
      this.#ended = true;
      return null;
    }
    this.#messages += 1;
    if (this.#messages >= TURN_MESSAGES) {
      this.#messages = 0;
      await turn();
    }
    return checkSize(await this.#decode(text), this.#limits);
  }

  /** Takes what is left of the body, so far as it is little, and cuts it off otherwise. */
  async discard(): Promise<void> {
    this.#ended = true;
    try {
      for (let taken = 0; taken <= DRAIN_BYTES; ) {
        const { done, value } = await this.#chunks.next();
        if (done === true) {
          return;
        }
        taken += value.length;
      }
      await this.#chunks.return?.();
    } catch {
      // The client has gone, and with it the body.
    }
  }

  async #nextValue(): Promise<string | null> {
    this.#scanner.reset();
    this.#value = '';
    for (;;) {
      const end = this.#scanner.scan(this.#rest, 0);
      if (end >= 0) {
        const text = this.#value + this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end);
        return text.trimStart();
      }
      if (this.#scanner.begun) {
        this.#value += this.#rest;
      }
      this.#rest = '';
      if (this.#value.length > this.#limits.textBytes) {
        throw tooLarge(this.#value.length, this.#limits.messageBytes);
      }
      if (!(await this.#read())) {
        return this.#scanner.atEnd() ? this.#value.trimStart() : null;
      }
    }
  }

  /** Takes on the next piece of the body; false at its end. */
  async #read(): Promise<boolean> {
    if (this.#chunk.length > 0) {
      await turn();
    } else {
      const { done, value } = await this.#chunks.next();
      if (done === true) {
        return false;
      }
      this.#chunk = value;
    }
    this.#rest = this.#chunk.toString('latin1', 0, TURN_BYTES);
    this.#chunk = this.#chunk.subarray(TURN_BYTES);
    return true;
  }
}
