// Finds where a JSON value ends in text that arrives in pieces, and refuses what is not JSON with
// the texts that clients of the gateway know. A body is read once per piece, so that a large one
// is worked on between other requests. Called by the readers of unary and streaming bodies.

/** What is wrong with a body; the text goes to the client. */
export class JsonProblem extends Error {
  override readonly name = 'JsonProblem';
}

/** The end of the body in the middle of a value. */
export const UNEXPECTED_END = 'unexpected EOF';

/** Values may be nested this deep. */
const DEPTH_MAX = 10_000;

const Step = {
  beginValue: 0,
  beginValueOrEnd: 1,
  beginNameOrEnd: 2,
  beginName: 3,
  endValue: 4,
  inString: 5,
  escape: 6,
  hex: 7,
  minus: 8,
  integer: 9,
  zero: 10,
  point: 11,
  fraction: 12,
  exponent: 13,
  exponentSign: 14,
  exponentDigits: 15,
  literal: 16,
  afterValue: 17,
} as const;

/** Where in an object or array the scanner is. */
const Place = { name: 0, member: 1, element: 2 } as const;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LITERALS: Readonly<Record<string, string>> = { t: 'true', f: 'false', n: 'null' };

/** Characters of a string that need no look. Sticky: matches at lastIndex alone. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them in strings
const plainRun = /[^"\\\u0000-\u001f]*/y;

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isHex(code: number): boolean {
  return isDigit(code) || (code >= 0x41 && code <= 0x46) || (code >= 0x61 && code <= 0x66);
}

const shortEscapes: Readonly<Record<number, string>> = {
  7: '\\a',
  8: '\\b',
  9: '\\t',
  10: '\\n',
  11: '\\v',
  12: '\\f',
  13: '\\r',
  39: "\\'",
  92: '\\\\',
};

/** A byte as the messages quote it. */
export function quoted(code: number): string {
  const short = shortEscapes[code];
  if (short !== undefined) {
    return `'${short}'`;
  }
  if (code < 0x20 || code === 0x7f) {
    return `'\\x${code.toString(16).padStart(2, '0')}'`;
  }
  if ((code >= 0x80 && code <= 0xa0) || code === 0xad) {
    return `'\\u${code.toString(16).padStart(4, '0')}'`;
  }
  return `'${String.fromCharCode(code)}'`;
}

/** One value at a time; `reset` before the next. Text holds one character for each byte. */
export class JsonScanner {
  #step: number = Step.beginValue;
  #stack: number[] = [];
  #literal = '';
  // Characters of the literal, or hexadecimal digits of the escape, seen so far.
  #seen = 0;
  /** Whether the value has begun. */
  begun = false;

  reset(): void {
    this.#step = Step.beginValue;
    this.#stack = [];
    this.begun = false;
  }

  /**
   * Goes on from an offset of the text.
   *
   * @returns the offset behind the value's last character, or -1 when the text ends before. The end
   *   of a number shows by what follows, or by `atEnd`.
   * @throws JsonProblem
   */
  scan(text: string, from: number): number {
    const { length } = text;
    let at = from;
    while (at < length) {
      if (this.#step === Step.inString) {
        plainRun.lastIndex = at;
        plainRun.exec(text);
        at = plainRun.lastIndex;
        if (at >= length) {
          return -1;
        }
      }
      const code = text.charCodeAt(at);
      this.#take(code);
      if (this.#step === Step.afterValue) {
        // A bracket or quote is part of the value; what ends a number is not.
        return this.#endedBefore ? at : at + 1;
      }
      at += 1;
    }
    return -1;
  }

  #endedBefore = false;

  /** Whether the text may end here: a number is whole, or a literal's last letter has been seen. */
  atEnd(): boolean {
    const { integer, zero, fraction, exponentDigits } = Step;
    const ends: readonly number[] = [integer, zero, fraction, exponentDigits];
    return this.#stack.length === 0 && ends.includes(this.#step);
  }

  #take(code: number): void {
    switch (this.#step) {
      case Step.beginValue:
      case Step.beginValueOrEnd:
        this.#beginValue(code);
        break;
      case Step.beginName:
      case Step.beginNameOrEnd:
        this.#beginName(code);
        break;
      case Step.endValue:
        this.#afterElement(code);
        break;
      case Step.inString:
        this.#inString(code);
        break;
      case Step.escape:
        this.#escape(code);
        break;
      case Step.hex:
        this.#hex(code);
        break;
      case Step.literal:
        this.#inLiteral(code);
        break;
      default:
        this.#inNumber(code);
    }
  }

  #beginValue(code: number): void {
    if (isSpace(code)) {
      return;
    }
    const mayEnd = this.#step === Step.beginValueOrEnd;
    this.begun = true;
    const letter = String.fromCharCode(code);
    if (letter === '{') {
      this.#push(code, Place.name, Step.beginNameOrEnd);
    } else if (letter === '[') {
      this.#push(code, Place.element, Step.beginValueOrEnd);
    } else if (code === QUOTE) {
      this.#step = Step.inString;
    } else if (letter === '-') {
      this.#step = Step.minus;
    } else if (letter === '0') {
      this.#step = Step.zero;
    } else if (isDigit(code)) {
      this.#step = Step.integer;
    } else if (LITERALS[letter] !== undefined) {
      this.#literal = LITERALS[letter];
      this.#seen = 1;
      this.#step = Step.literal;
    } else if (letter === ']' && mayEnd) {
      this.#pop();
    } else {
      throw problem(code, 'looking for beginning of value');
    }
  }

  #beginName(code: number): void {
    if (isSpace(code)) {
      return;
    }
    if (code === QUOTE) {
      this.#step = Step.inString;
    } else if (code === 0x7d && this.#step === Step.beginNameOrEnd) {
      this.#pop();
    } else {
      throw problem(code, 'looking for beginning of object key string');
    }
  }

  #afterElement(code: number): void {
    if (isSpace(code)) {
      return;
    }
    const top = this.#stack.length - 1;
    const letter = String.fromCharCode(code);
    switch (this.#stack[top]) {
      case Place.name:
        if (letter !== ':') {
          throw problem(code, 'after object key');
        }
        this.#stack[top] = Place.member;
        this.#step = Step.beginValue;
        return;
      case Place.member:
        if (letter === ',') {
          this.#stack[top] = Place.name;
          this.#step = Step.beginName;
        } else if (letter === '}') {
          this.#pop();
        } else {
          throw problem(code, 'after object key:value pair');
        }
        return;
      default:
        if (letter === ',') {
          this.#step = Step.beginValue;
        } else if (letter === ']') {
          this.#pop();
        } else {
          throw problem(code, 'after array element');
        }
    }
  }

  #inString(code: number): void {
    if (code === QUOTE) {
      this.#finish();
    } else if (code === BACKSLASH) {
      this.#step = Step.escape;
    } else {
      throw problem(code, 'in string literal');
    }
  }

  #escape(code: number): void {
    const letter = String.fromCharCode(code);
    if (letter === 'u') {
      this.#seen = 0;
      this.#step = Step.hex;
    } else if ('bfnrt\\/"'.includes(letter)) {
      this.#step = Step.inString;
    } else {
      throw problem(code, 'in string escape code');
    }
  }

  #hex(code: number): void {
    if (!isHex(code)) {
      throw problem(code, 'in \\u hexadecimal character escape');
    }
    this.#seen += 1;
    if (this.#seen === 4) {
      this.#step = Step.inString;
    }
  }

  #inLiteral(code: number): void {
    const expected = this.#literal[this.#seen] ?? '';
    if (String.fromCharCode(code) !== expected) {
      throw problem(code, `in literal ${this.#literal} (expecting '${expected}')`);
    }
    this.#seen += 1;
    if (this.#seen === this.#literal.length) {
      this.#finish();
    }
  }

  #inNumber(code: number): void {
    const isSign = code === 0x2b || code === 0x2d;
    if (this.#step === Step.minus) {
      checkDigit(code, 'in numeric literal');
      this.#step = code === 0x30 ? Step.zero : Step.integer;
    } else if (this.#step === Step.point) {
      checkDigit(code, 'after decimal point in numeric literal');
      this.#step = Step.fraction;
    } else if (this.#step === Step.exponent && isSign) {
      this.#step = Step.exponentSign;
    } else if (this.#step === Step.exponent || this.#step === Step.exponentSign) {
      checkDigit(code, 'in exponent of numeric literal');
      this.#step = Step.exponentDigits;
    } else {
      this.#inDigits(code);
    }
  }

  /** In digits, which may go on or be all there is. */
  #inDigits(code: number): void {
    const step = this.#step;
    const isE = code === 0x65 || code === 0x45;
    if (isDigit(code) && step !== Step.zero) {
      return;
    }
    const isInteger = step === Step.integer || step === Step.zero;
    if (isInteger && code === 0x2e) {
      this.#step = Step.point;
    } else if ((isInteger || step === Step.fraction) && isE) {
      this.#step = Step.exponent;
    } else if (this.#stack.length === 0) {
      this.#endedBefore = true;
      this.#step = Step.afterValue;
    } else {
      this.#step = Step.endValue;
      this.#afterElement(code);
    }
  }

  #push(code: number, place: number, step: number): void {
    this.#stack.push(place);
    if (this.#stack.length > DEPTH_MAX) {
      throw problem(code, 'exceeded max depth');
    }
    this.#step = step;
  }

  #pop(): void {
    this.#stack.pop();
    this.#finish();
  }

  /** A value, or a name, ends with the character just seen. */
  #finish(): void {
    this.#endedBefore = false;
    this.#step = this.#stack.length === 0 ? Step.afterValue : Step.endValue;
  }
}

function checkDigit(code: number, where: string): void {
  if (!isDigit(code)) {
    throw problem(code, where);
  }
}

function problem(code: number, where: string): JsonProblem {
  return new JsonProblem(`invalid character ${quoted(code)} ${where}`);
}
