// What of an HTTP request's headers goes along with a call: tokens, headers that were meant as
// metadata, permanent headers under a prefix, and the time that the client gives it. Names and
// texts are those of the gateway that clients know.

import type { WireStatus } from '../../../base/errors.js';
import { Code } from './status.js';

const METADATA_PREFIX = 'grpc-metadata-';
const PERMANENT_PREFIX = 'grpcgateway-';
const BINARY_SUFFIX = '-bin';
const TIMEOUT_HEADER = 'grpc-timeout';

/** Permanent request headers (IANA, Permanent Message Header Field Names). */
const permanent: ReadonlySet<string> = new Set([
  'accept',
  'accept-charset',
  'accept-language',
  'accept-ranges',
  'authorization',
  'cache-control',
  'content-type',
  'cookie',
  'date',
  'expect',
  'from',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-schedule-tag-match',
  'if-unmodified-since',
  'max-forwards',
  'origin',
  'pragma',
  'referer',
  'user-agent',
  'via',
  'warning',
]);

const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What a call is made with; `refusal` when the headers do not allow one. */
export interface CallHeaders {
  readonly metadata: ReadonlyMap<string, string>;
  /** Null without a limit; 0 or less has run out already. */
  readonly timeoutMs: number | null;
  readonly refusal: WireStatus | null;
}

function firstValue(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0];
}

/** `grpc-metadata-foo-bin` as messages name it: `Grpc-Metadata-Foo-Bin`. */
function canonical(name: string): string {
  return name.replace(/(^|-)[a-z]/g, (letters) => letters.toUpperCase());
}

/** Text that gRPC can carry. */
function isPrintable(text: string): boolean {
  return /^[\u0020-\u007e]*$/.test(text);
}

/** Milliseconds; null when the text is no timeout. */
export function parseTimeout(text: string): number | null {
  const match = /^([+-]?\d+)([HMSmun])$/.exec(text);
  if (match === null) {
    return null;
  }
  const count = BigInt.asIntN(64, BigInt((match[1] ?? '').replace('+', '')));
  const fits = String(count) === String(BigInt((match[1] ?? '').replace('+', '')));
  return fits ? Number(count) * (unitMs[match[2] ?? ''] ?? 0) : null;
}

/** Where the first character stands that base64 has not, as the message says it. */
function badBase64At(text: string): number | null {
  const padded = text.length % 4 === 0;
  const digits = padded ? text.replace(/={1,2}$/, '') : text;
  const strange = digits.search(/[^A-Za-z0-9+/]/);
  if (strange >= 0) {
    return strange;
  }
  return digits.length % 4 === 1 ? digits.length - 1 : null;
}

/** What one header becomes: a name and value of metadata, or nothing. */
function metadataName(name: string): string | null {
  if (permanent.has(name)) {
    return PERMANENT_PREFIX + name;
  }
  if (!name.startsWith(METADATA_PREFIX)) {
    return null;
  }
  const rest = name.slice(METADATA_PREFIX.length);
  return /^[0-9a-z._-]+$/.test(rest) ? rest : null;
}

function refusal(code: number, text: string): WireStatus {
  return { code, text };
}

/** @param peer address and port of the client */
export function callHeaders(headers: Headers, peer: string): CallHeaders {
  const metadata = new Map<string, string>();
  const none = { metadata, timeoutMs: null };
  const timeoutText = firstValue(headers[TIMEOUT_HEADER]) ?? '';
  const timeoutMs = timeoutText === '' ? 0 : parseTimeout(timeoutText);
  if (timeoutMs === null) {
    const text = `invalid grpc-timeout: ${timeoutText}`;
    return { ...none, refusal: refusal(Code.InvalidArgument, text) };
  }
  const authorization = firstValue(headers.authorization);
  if (authorization !== undefined) {
    metadata.set('authorization', authorization);
  }
  for (const [name, values] of Object.entries(headers)) {
    const key = metadataName(name);
    const value = firstValue(values);
    if (key === null || value === undefined || metadata.has(key)) {
      continue;
    }
    if (name.endsWith(BINARY_SUFFIX)) {
      const badAt = badBase64At(value);
      if (badAt !== null) {
        const reason = `illegal base64 data at input byte ${badAt}`;
        const text = `invalid binary header ${canonical(name)}: ${reason}`;
        return { ...none, refusal: refusal(Code.InvalidArgument, text) };
      }
      metadata.set(key, Buffer.from(value, 'base64').toString('latin1'));
    } else if (isPrintable(value)) {
      metadata.set(key, value);
    }
  }
  addForwarded(metadata, headers, peer);
  if (authorization !== undefined && !isPrintable(authorization)) {
    const text = 'header key "authorization" contains value with non-printable ASCII characters';
    return { ...none, refusal: refusal(Code.Internal, text) };
  }
  return { metadata, timeoutMs: timeoutMs === 0 ? null : timeoutMs, refusal: null };
}

/** Where the request came from, for whoever asks further on. */
function addForwarded(metadata: Map<string, string>, headers: Headers, peer: string): void {
  const host = firstValue(headers['x-forwarded-host']) ?? firstValue(headers.host);
  if (host !== undefined && host !== '') {
    metadata.set('x-forwarded-host', host);
  }
  const before = firstValue(headers['x-forwarded-for']);
  const address = peer.replace(/:\d*$/, '');
  const all = [before, address].filter((part) => part !== undefined && part !== '');
  if (all.length > 0) {
    metadata.set('x-forwarded-for', all.join(', '));
  }
}
