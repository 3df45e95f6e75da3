// Reads the tokens of one JSON value that the scanner has found whole, and knows where in it they
// stand, as messages about them say. Called by the decoder.

import { isUtf8 } from 'node:buffer';

import { bytesOf } from '../../../../base/bytes.js';
import { JsonProblem } from './scanner.js';

export interface Token {
  readonly kind: 'object' | 'array' | 'close' | 'string' | 'number' | 'bool' | 'null';
  /** Offset of its first character. */
  readonly at: number;
  /** Offset behind its last character. */
  readonly end: number;
}

/** Blanks, and the punctuation whose places the scanner has checked. */
const between = /[ \n\r\t,:]*/y;
const scalar = /[-+.a-zA-Z0-9]*/y;
const nonAscii = /[\u0080-\u00ff]/;
/** Half of a pair of UTF-16, with nothing beside it that makes it one. */
const loneHalf = /[\ud800-\udfff]/u;
/** Bytes of a string that have to be looked at: what is no ASCII, and escapes of halves. */
const doubtful = /[\u0080-\u00ff]|\\u[dD][89a-fA-F]/;

function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8');
}

export class JsonReader {
  /** One character for each byte. */
  readonly #text: string;
  #at = 0;
  #peeked: Token | null = null;
  // The first backslash that is not before what has been read; beyond the text without one.
  #slash = -1;
  // Whether strings that nobody wants need a look nevertheless.
  readonly #isDoubtful: boolean;

  /** @param text a whole JSON value, one character for each byte */
  constructor(text: string) {
    this.#text = text;
    this.#isDoubtful = doubtful.test(text);
  }

  /** The next token without going on. */
  peek(): Token {
    this.#peeked ??= this.#look();
    return this.#peeked;
  }

  next(): Token {
    const token = this.peek();
    this.#peeked = null;
    this.#at = token.end;
    return token;
  }

  #look(): Token {
    between.lastIndex = this.#at;
    between.exec(this.#text);
    const at = between.lastIndex;
    const letter = this.#text[at];
    switch (letter) {
      case '{':
        return { kind: 'object', at, end: at + 1 };
      case '[':
        return { kind: 'array', at, end: at + 1 };
      case '}':
      case ']':
        return { kind: 'close', at, end: at + 1 };
      case '"':
        return { kind: 'string', at, end: this.#endOfString(at) };
      default: {
        scalar.lastIndex = at;
        scalar.exec(this.#text);
        const kind = letter === 'n' ? 'null' : letter === 't' || letter === 'f' ? 'bool' : 'number';
        return { kind, at, end: scalar.lastIndex };
      }
    }
  }

  /** The token as it was written, one character for each byte. */
  raw({ at, end }: Token): string {
    return this.#text.slice(at, end);
  }

  /** What a string stands for. @throws JsonProblem when it is not valid Unicode */
  stringOf(token: Token): string {
    const raw = this.raw(token);
    const isAscii = !nonAscii.test(raw);
    if (!isAscii && !isUtf8(bytesOf(Buffer.from(raw, 'latin1')))) {
      throw this.syntax(token.at, 'invalid UTF-8 in string');
    }
    const text = isAscii ? raw : utf8(raw);
    if (!raw.includes('\\')) {
      return text.slice(1, -1);
    }
    const meant = JSON.parse(text) as string;
    if (loneHalf.test(meant)) {
      throw this.#brokenPair(token);
    }
    return meant;
  }

  /** Leaves out the next value, whatever it is. @throws JsonProblem as stringOf */
  skip(): void {
    const first = this.next();
    if (first.kind === 'string' && this.#isDoubtful) {
      this.stringOf(first);
    }
    let open = first.kind === 'object' || first.kind === 'array' ? 1 : 0;
    let at = this.#at;
    while (open > 0) {
      const code = this.#text.charCodeAt(at);
      if (code === 0x7b || code === 0x5b) {
        open += 1;
      } else if (code === 0x7d || code === 0x5d) {
        open -= 1;
      } else if (code === 0x22) {
        const end = this.#endOfString(at);
        if (this.#isDoubtful) {
          this.stringOf({ kind: 'string', at, end });
        }
        at = end - 1;
      }
      at += 1;
    }
    this.#at = at;
  }

  problem(at: number, text: string): JsonProblem {
    return new JsonProblem(`proto: ${this.#place(at)}: ${text}`);
  }

  syntax(at: number, text: string): JsonProblem {
    return new JsonProblem(`proto: syntax error ${this.#place(at)}: ${text}`);
  }

  unexpected(token: Token): JsonProblem {
    return this.syntax(token.at, `unexpected token ${this.shown(token)}`);
  }

  /** The token as messages quote it. */
  shown(token: Token): string {
    return utf8(this.raw(token));
  }

  #place(at: number): string {
    const before = this.#text.slice(0, at);
    const lines = before.split('\n');
    const last = lines.at(-1) ?? '';
    // One column for each character: bytes that continue one are not counted.
    const column = last.replace(/[\u0080-\u00bf]/g, '').length + 1;
    return `(line ${lines.length}:${column})`;
  }

  /** Offset behind the string that begins at an offset; strings are asked for in their order. */
  #endOfString(at: number): number {
    let from = at + 1;
    let quote = this.#text.indexOf('"', from);
    for (;;) {
      if (this.#slash < from) {
        const next = this.#text.indexOf('\\', from);
        this.#slash = next < 0 ? this.#text.length : next;
      }
      if (this.#slash > quote) {
        return quote + 1;
      }
      // What follows a backslash is no end, whatever it is.
      from = this.#slash + 2;
      if (quote < from) {
        quote = this.#text.indexOf('"', from);
      }
    }
  }

  /** What is wrong with a string that has half of a pair. */
  #brokenPair(token: Token): JsonProblem {
    const escapes = /\\(?:u([0-9a-fA-F]{4})|.)/g;
    const raw = this.raw(token);
    for (let match = escapes.exec(raw); match !== null; match = escapes.exec(raw)) {
      const unit = Number.parseInt(match[1] ?? '0', 16);
      if (unit < 0xd800 || unit > 0xdfff) {
        continue;
      }
      const start = token.at + escapes.lastIndex;
      const next = this.#text.slice(start, start + 6);
      if (next.length < 6) {
        return new JsonProblem('proto: unexpected EOF');
      }
      if (unit > 0xdbff || !/^\\u[dD][c-fC-F]/.test(next)) {
        const shown = JSON.stringify(utf8(next));
        return this.syntax(token.at, `invalid escape code ${shown} in string`);
      }
      escapes.lastIndex += 6;
    }
    return this.syntax(token.at, 'invalid UTF-8 in string');
  }
}
