// Requests on a connection of the plane that are not gRPC, as streams of Node's: what answers
// HTTP/2 requests elsewhere answers these as well. NativeServer makes them and tells them what the
// plane tells.

import type { OutgoingHttpHeaders } from 'node:http2';
import { Duplex } from 'node:stream';

import { bytesOf } from '../../base/bytes.js';
import type { HttpRequest } from '../../base/call.js';
import type { PlaneHttpHead } from '../../storage/plane-events.js';
import { withHost } from '../http2.js';
import type { Plane, PlaneCall } from './call.js';

/** Of names that come several times, those that are lists have all values, others the first. */
function joined(name: string, before: string | undefined, value: string): string {
  if (before === undefined) {
    return value;
  }
  return single.has(name) ? before : `${before}${name === 'cookie' ? '; ' : ', '}${value}`;
}

/** Header fields that are no lists (RFC 9110), of those that somebody here might look at. */
const single = new Set([
  'age',
  'authorization',
  'content-length',
  'content-type',
  'from',
  'host',
  'if-modified-since',
  'if-unmodified-since',
  'referer',
  'user-agent',
]);

/** The header fields of a request, as Node has them. */
export function headersOf({ authority, headers }: PlaneHttpHead): HttpRequest['headers'] {
  const values = new Map<string, string>();
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? '';
    values.set(name, joined(name, values.get(name), headers[at + 1] ?? ''));
  }
  return withHost(authority === '' ? undefined : authority, [...values]);
}

/** Bytes of an answer that may be under way to the client before its writer has to wait. */
const UNTAKEN_MAX_BYTES = 256 * 1024;

/** What HTTP streams need of the server. */
export interface HttpHost {
  readonly plane: Plane;
  forget(call: number): void;
}

export class HttpStream extends Duplex implements PlaneCall {
  readonly #host: HttpHost;
  readonly #id: number;
  // Sizes of the pieces under way, in order.
  readonly #untaken: number[] = [];
  #untakenBytes = 0;
  #writable: (() => void) | null = null;
  // The first piece comes without being asked for.
  #asked = true;
  #over = false;

  constructor(host: HttpHost, id: number) {
    // Whoever has read all of a request has not answered it yet.
    super({ autoDestroy: false });
    this.#host = host;
    this.#id = id;
    // A stream that is reset says so by closing.
    this.on('error', () => undefined);
  }

  /** The head of the answer: `:status`, and header fields in lower case. */
  respond(headers: OutgoingHttpHeaders): void {
    if (this.#over) {
      return;
    }
    const fields: string[] = [];
    for (const [name, value] of Object.entries(headers)) {
      if (!name.startsWith(':') && value !== undefined) {
        fields.push(name, String(value));
      }
    }
    this.#host.plane.httpRespond(this.#id, Number(headers[':status']), fields);
  }

  onMessage(bytes: Buffer): void {
    this.#asked = false;
    this.push(bytes);
  }

  onHalfClose(): void {
    this.push(null);
  }

  onTaken(messages: number): void {
    for (const bytes of this.#untaken.splice(0, messages)) {
      this.#untakenBytes -= bytes;
    }
    if (this.#untakenBytes < UNTAKEN_MAX_BYTES) {
      this.#goOn();
    }
  }

  onEnded(): void {
    this.#over = true;
    this.destroy();
  }

  override _read(): void {
    if (!this.#asked && !this.#over) {
      this.#asked = true;
      this.#host.plane.ask(this.#id);
    }
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#over) {
      done();
      return;
    }
    this.#untaken.push(bytes.length);
    this.#untakenBytes += bytes.length;
    this.#host.plane.httpSend(this.#id, bytesOf(bytes));
    if (this.#untakenBytes < UNTAKEN_MAX_BYTES) {
      done();
    } else {
      this.#writable = done;
    }
  }

  override _final(done: () => void): void {
    this.#end(() => this.#host.plane.httpEnd(this.#id));
    done();
    // What the client still sends of the request has nobody to go to.
    this.destroy();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#end(() => this.#host.plane.httpReset(this.#id));
    this.#goOn();
    done(error);
  }

  #end(say: () => void): void {
    if (!this.#over) {
      this.#over = true;
      say();
      this.#host.forget(this.#id);
    }
  }

  #goOn(): void {
    const go = this.#writable;
    this.#writable = null;
    go?.();
  }
}
