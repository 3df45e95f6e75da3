// Header compression (RFC 7541): a whole decoder for what servers send, and for what tests send an
// encoder that never indexes, with the single representations for those that play tricks.

import { concat } from './frames.js';
import { huffmanDecode } from './huffman.js';

export type Header = readonly [name: string, value: string | Buffer];

/** Name and value, split at the first colon after the first character (RFC 7541 Appendix A). */
const staticTable: readonly (readonly [string, string])[] = `:authority:
:method:GET
:method:POST
:path:/
:path:/index.html
:scheme:http
:scheme:https
:status:200
:status:204
:status:206
:status:304
:status:400
:status:404
:status:500
accept-charset:
accept-encoding:gzip, deflate
accept-language:
accept-ranges:
accept:
access-control-allow-origin:
age:
allow:
authorization:
cache-control:
content-disposition:
content-encoding:
content-language:
content-length:
content-location:
content-range:
content-type:
cookie:
date:
etag:
expect:
expires:
from:
host:
if-match:
if-modified-since:
if-none-match:
if-range:
if-unmodified-since:
last-modified:
link:
location:
max-forwards:
proxy-authenticate:
proxy-authorization:
range:
referer:
refresh:
retry-after:
server:
set-cookie:
strict-transport-security:
transfer-encoding:
user-agent:
vary:
via:
www-authenticate:`
  .split('\n')
  .map((line) => {
    const colon = line.indexOf(':', 1);
    return [line.slice(0, colon), line.slice(colon + 1)] as const;
  });

/** An integer with `bits` bits of its first octet (RFC 7541 §5.1). */
export function integer(value: number, bits: number, pattern = 0): Buffer {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.from([pattern | value]);
  const out = [pattern | most];
  let rest = value - most;
  while (rest >= 128) {
    out.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
  return Buffer.from(out);
}

export function text(value: string | Buffer): Buffer {
  const raw = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
  return concat([integer(raw.length, 7), raw]);
}

/** A header that no table keeps. */
export function literal(name: string, value: string | Buffer): Buffer {
  return concat([Buffer.from([0]), text(name), text(value)]);
}

/** A header that the receiver's table is to keep. */
export function indexedLiteral(name: string, value: string | Buffer): Buffer {
  return concat([Buffer.from([0x40]), text(name), text(value)]);
}

/** A header by its place in the tables. */
export function indexed(index: number): Buffer {
  return integer(index, 7, 0x80);
}

export function tableSizeUpdate(bytes: number): Buffer {
  return integer(bytes, 5, 0x20);
}

export function encodeHeaders(list: readonly Header[]): Buffer {
  return concat(list.map(([name, value]) => literal(name, value)));
}

/** Keeps the dynamic table of one direction of one connection. */
export class HeaderDecoder {
  #table: (readonly [string, string])[] = [];
  #size = 0;
  #limit = 4096;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;

  /** @throws Error for a block that breaks the format's rules */
  decode(block: Buffer): [string, string][] {
    this.#block = block;
    this.#at = 0;
    const out: [string, string][] = [];
    while (this.#at < block.length) {
      const first = block[this.#at] ?? 0;
      if (first >= 0x80) {
        out.push([...this.#entry(this.#integer(7))]);
      } else if (first >= 0x40) {
        const header = this.#literal(6);
        this.#insert(header);
        out.push(header);
      } else if (first >= 0x20) {
        this.#limit = this.#integer(5);
        this.#evict();
      } else {
        out.push(this.#literal(4));
      }
    }
    return out;
  }

  #literal(bits: number): [string, string] {
    const index = this.#integer(bits);
    const name = index === 0 ? this.#text() : this.#entry(index)[0];
    return [name, this.#text()];
  }

  #integer(bits: number): number {
    const most = 2 ** bits - 1;
    let value = this.#byte() & most;
    if (value < most) return value;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      if (scale > 2 ** 28) throw new Error('an integer without an end');
    }
  }

  #byte(): number {
    const byte = this.#block[this.#at++];
    if (byte === undefined) throw new Error('a header block that is cut short');
    return byte;
  }

  #text(): string {
    const isCoded = ((this.#block[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    const raw = this.#block.subarray(this.#at, this.#at + length);
    if (raw.length !== length) throw new Error('a string that is cut short');
    this.#at += length;
    return (isCoded ? huffmanDecode(raw) : raw).toString('latin1');
  }

  #entry(index: number): readonly [string, string] {
    const found =
      index <= staticTable.length
        ? staticTable[index - 1]
        : this.#table[index - 1 - staticTable.length];
    if (found === undefined) throw new Error(`no header has the index ${index}`);
    return found;
  }

  #insert(header: readonly [string, string]): void {
    this.#table.unshift(header);
    this.#size += header[0].length + header[1].length + 32;
    this.#evict();
  }

  #evict(): void {
    while (this.#size > this.#limit) {
      const gone = this.#table.pop();
      if (gone === undefined) break;
      this.#size -= gone[0].length + gone[1].length + 32;
    }
  }
}
