// Revocation lists (RFC 5280 §5) in DER, as far as they say which serial numbers are revoked. Read
// by hand, since a list of a large authority has a hundred thousand entries and is looked at on the
// thread that serves everybody. Used by the acceptor.

import { bytesOf } from '../../base/bytes.js';
import { readTlsFile } from './material.js';
import { TlsError } from './options.js';

const INTEGER = 0x02;
const SEQUENCE = 0x30;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;

interface Element {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

class Malformed extends Error {}

/** The element that begins at `at` and ends by `limit`. */
function elementAt(bytes: Buffer, at: number, limit: number): Element {
  const tag = bytes[at];
  let length = bytes[at + 1];
  if (tag === undefined || length === undefined || at + 2 > limit) {
    throw new Malformed();
  }
  let start = at + 2;
  if (length >= 0x80) {
    const count = length - 0x80;
    if (count === 0 || count > 4 || start + count > limit) {
      throw new Malformed();
    }
    length = bytes.readUIntBE(start, count);
    start += count;
  }
  if (start + length > limit) {
    throw new Malformed();
  }
  return { tag, start, end: start + length };
}

function* elements(bytes: Buffer, { start, end }: Element): Generator<Element> {
  for (let at = start; at < end; ) {
    const element = elementAt(bytes, at, end);
    yield element;
    at = element.end;
  }
}

function expect(element: Element | undefined, tag: number): Element {
  if (element?.tag !== tag) {
    throw new Malformed();
  }
  return element;
}

/** Whole bytes without leading zero bytes, in lower case. */
function canonical(serial: string): string {
  const digits = serial.toLowerCase().replace(/^0+/, '');
  return digits.length % 2 === 0 ? digits : `0${digits}`;
}

function isTime({ tag }: Element): boolean {
  return tag === UTC_TIME || tag === GENERALIZED_TIME;
}

/** Serial numbers of a list, in hexadecimal digits. @throws TlsError */
export function revokedSerials(bytes: Buffer): Set<string> {
  const serials = new Set<string>();
  try {
    const list = expect(elementAt(bytes, 0, bytes.length), SEQUENCE);
    const toBeSigned = expect([...elements(bytes, list)][0], SEQUENCE);
    const fields = [...elements(bytes, toBeSigned)];
    // What precedes the times is not looked at: version, algorithm, issuer.
    const thisUpdate = fields.findIndex(isTime);
    if (thisUpdate < 0) {
      throw new Malformed();
    }
    const revoked = fields.slice(thisUpdate).find((field) => !isTime(field));
    if (revoked?.tag !== SEQUENCE) {
      return serials;
    }
    for (const entry of elements(bytes, revoked)) {
      expect(entry, SEQUENCE);
      const { start, end } = expect(elementAt(bytes, entry.start, entry.end), INTEGER);
      serials.add(canonical(bytes.toString('hex', start, end)));
    }
  } catch (error) {
    if (error instanceof Malformed) {
      throw new TlsError('x509: malformed crl');
    }
    throw error;
  }
  return serials;
}

/** A revocation list in a file, parsed again when the file says something else. */
export class RevocationList {
  readonly #path: string;
  #bytes: Buffer | null = null;
  #serials: ReadonlySet<string> = new Set();

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * @param serials hexadecimal digits, as certificates have them
   * @throws TlsError naming the one that is revoked, or when the list cannot be read
   */
  check(serials: readonly string[]): void {
    const bytes = readTlsFile(this.#path);
    if (this.#bytes === null || !this.#bytes.equals(bytesOf(bytes))) {
      this.#bytes = null;
      this.#serials = revokedSerials(bytes);
      this.#bytes = bytes;
    }
    for (const serial of serials.map(canonical)) {
      if (this.#serials.has(serial)) {
        throw new TlsError(`transport: certificate serial ${serial} revoked`);
      }
    }
  }
}
