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

const simpleEscapes: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/** Blanks, and the punctuation whose places the scanner has checked. */
const between = /[ \n\r\t,:]*/y;
const scalar = /[-+.a-zA-Z0-9]*/y;
// What is not a bracket or a string; strings may hold brackets.
const untilBracket = /[^[\]{}"]*/y;

function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8');
}

export class JsonReader {
  /** One character for each byte. */
  readonly #text: string;
  #at = 0;

  /** @param text a whole JSON value, one character for each byte */
  constructor(text: string) {
    this.#text = text;
  }

  /** The next token without going on. */
  peek(): Token {
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

  next(): Token {
    const token = this.peek();
    this.#at = token.end;
    return token;
  }

  /** The token as it was written, one character for each byte. */
  raw({ at, end }: Token): string {
    return this.#text.slice(at, end);
  }

  /** What a string stands for. @throws JsonProblem when it is not valid Unicode */
  stringOf(token: Token): string {
    const inner = this.#text.slice(token.at + 1, token.end - 1);
    const plain = inner.includes('\\') ? this.#unescape(inner, token) : inner;
    if (!/[\u0080-\u00ff]/.test(inner)) {
      return plain;
    }
    if (!isUtf8(bytesOf(Buffer.from(inner, 'latin1')))) {
      throw this.syntax(token.at, 'invalid UTF-8 in string');
    }
    return inner.includes('\\') ? plain : utf8(inner);
  }

  /** Leaves out the next value, whatever it is. @throws JsonProblem as stringOf */
  skip(): void {
    const first = this.next();
    if (first.kind === 'string') {
      this.stringOf(first);
    }
    let open = first.kind === 'object' || first.kind === 'array' ? 1 : 0;
    while (open > 0) {
      untilBracket.lastIndex = this.#at;
      untilBracket.exec(this.#text);
      const at = untilBracket.lastIndex;
      const letter = this.#text[at];
      if (letter === '"') {
        this.#at = this.#endOfString(at);
        this.stringOf({ kind: 'string', at, end: this.#at });
      } else {
        open += letter === '{' || letter === '[' ? 1 : -1;
        this.#at = at + 1;
      }
    }
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

  #endOfString(at: number): number {
    let end = this.#text.indexOf('"', at + 1);
    while (this.#isEscaped(end, at)) {
      end = this.#text.indexOf('"', end + 1);
    }
    return end + 1;
  }

  #isEscaped(quote: number, from: number): boolean {
    let slashes = 0;
    while (quote - slashes - 1 > from && this.#text[quote - slashes - 1] === '\\') {
      slashes += 1;
    }
    return slashes % 2 === 1;
  }

  #unescape(inner: string, token: Token): string {
    const parts: string[] = [];
    let at = 0;
    for (;;) {
      const slash = inner.indexOf('\\', at);
      if (slash < 0) {
        parts.push(utf8(inner.slice(at)));
        return parts.join('');
      }
      parts.push(utf8(inner.slice(at, slash)));
      const letter = inner[slash + 1] ?? '';
      if (letter !== 'u') {
        parts.push(simpleEscapes[letter] ?? letter);
        at = slash + 2;
        continue;
      }
      const unit = Number.parseInt(inner.slice(slash + 2, slash + 6), 16);
      at = slash + 6;
      if (unit >= 0xd800 && unit <= 0xdfff) {
        parts.push(this.#pair(unit, token, at));
        at += 6;
      } else {
        parts.push(String.fromCharCode(unit));
      }
    }
  }

  /** The character that two escapes stand for together; one half alone is none. */
  #pair(high: number, token: Token, at: number): string {
    const start = token.at + 1 + at;
    const next = this.#text.slice(start, start + 6);
    if (next.length < 6) {
      throw new JsonProblem('proto: unexpected EOF');
    }
    const low = /^\\u[0-9a-fA-F]{4}$/.test(next) ? Number.parseInt(next.slice(2), 16) : 0;
    if (high > 0xdbff || low < 0xdc00 || low > 0xdfff) {
      throw this.syntax(token.at, `invalid escape code ${JSON.stringify(utf8(next))} in string`);
    }
    return String.fromCharCode(high, low);
  }
}
