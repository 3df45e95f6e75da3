// The kind of tokens that a server is configured for, from the text of its flag: `simple`, nothing,
// or `jwt` with options behind commas. Keys are read from their files here. Called by src/app while
// starting; what is wrong ends the start, in the words that operators of etcd know.

import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { bytesOf } from '../../../base/bytes.js';
import type { Clock } from '../../../base/clock.js';
import type { Logger } from '../../../base/log/logger.js';
import { JwtTokens } from './jwt.js';
import { noTokens } from './none.js';
import { SimpleTokens } from './simple.js';
import type { TokenProvider } from './types.js';

export interface TokenOptions {
  /** As the flag has it. */
  readonly kind: string;
  /** Of tokens of the simple kind. */
  readonly ttlSeconds: number;
}

/** The start fails with this text. */
export class TokenOptionsError extends Error {
  override readonly name = 'TokenOptionsError';
}

/** Milliseconds of a duration such as `5m`; null when it is none. */
export type ParseDuration = (text: string) => number | null;

interface Parts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly parseDuration: ParseDuration;
}

const INVALID = 'auth: invalid auth options';
const MISSING_KEY = 'auth: missing key data';
const KEY_MISMATCH = "auth: public and private keys don't match";

const DEFAULT_TTL = '5m';
const methods = /^(?:(?:RS|PS|ES|HS)(?:256|384|512)|EdDSA)$/;
const knownOptions = new Set(['pub-key', 'priv-key', 'sign-method', 'ttl']);

/** The kind, and its options by name. @throws TokenOptionsError */
function split(text: string, log: Logger): { kind: string; options: Map<string, string> } {
  const [kind = '', ...rest] = text.split(',');
  const options = new Map<string, string>();
  for (const part of rest) {
    const pieces = part.split('=');
    const [name = '', value = ''] = pieces;
    if (pieces.length !== 2 || options.has(name)) {
      log.error('invalid token option', { option: text });
      throw new TokenOptionsError(INVALID);
    }
    options.set(name, value);
  }
  return { kind, options };
}

function badOptions(log: Logger, reason: string): TokenOptionsError {
  log.error('problem loading JWT options', { error: reason });
  return new TokenOptionsError(INVALID);
}

function readKey(path: string | undefined, log: Logger): Buffer | null {
  if (path === undefined || path === '') {
    return null;
  }
  try {
    return readFileSync(path);
  } catch (error) {
    throw badOptions(log, (error as Error).message);
  }
}

/** What a method wants of a key; null for the methods that take any bytes. */
function keyType(method: string): string | null {
  if (method === 'EdDSA') {
    return 'ed25519';
  }
  if (method.startsWith('HS')) {
    return null;
  }
  return method.startsWith('ES') ? 'ec' : 'rsa';
}

/** Smallest RSA key that signatures are made with or believed. */
const RSA_BITS_MIN = 2048;
const curves: Readonly<Record<string, string>> = {
  ES256: 'prime256v1',
  ES384: 'secp384r1',
  ES512: 'secp521r1',
};

/** @throws TokenOptionsError for a key that this method cannot be used with */
function checkKey(key: KeyObject, method: string): KeyObject {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = key;
  const wanted = keyType(method);
  if (type !== wanted) {
    throw new TokenOptionsError(`key is not a valid ${wanted?.toUpperCase()} ${key.type} key`);
  }
  if (type === 'rsa' && (details.modulusLength ?? 0) < RSA_BITS_MIN) {
    throw new TokenOptionsError(`RSA keys of tokens have at least ${RSA_BITS_MIN} bits`);
  }
  if (type === 'ec' && details.namedCurve !== curves[method]) {
    throw new TokenOptionsError(`${method} wants a key on the curve ${curves[method]}`);
  }
  return key;
}

function parseKey(make: () => KeyObject, method: string): KeyObject {
  let key: KeyObject;
  try {
    key = make();
  } catch {
    throw new TokenOptionsError('invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key');
  }
  return checkKey(key, method);
}

function publicPem(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'pem' }).toString();
}

function keysFor(method: string, publicBytes: Buffer | null, privateBytes: Buffer | null) {
  if (keyType(method) === null) {
    if (privateBytes === null || privateBytes.length === 0) {
      throw new TokenOptionsError(MISSING_KEY);
    }
    const secret = createSecretKey(bytesOf(privateBytes));
    return { signKey: secret, verifyKey: secret };
  }
  const signKey =
    privateBytes === null ? null : parseKey(() => createPrivateKey(privateBytes), method);
  const verifyKey =
    publicBytes === null ? null : parseKey(() => createPublicKey(publicBytes), method);
  if (signKey === null) {
    if (verifyKey === null) {
      throw new TokenOptionsError(MISSING_KEY);
    }
    return { signKey, verifyKey };
  }
  const derived = createPublicKey(signKey);
  if (verifyKey !== null && publicPem(verifyKey) !== publicPem(derived)) {
    throw new TokenOptionsError(KEY_MISMATCH);
  }
  return { signKey, verifyKey: derived };
}

function jwtTokens(options: ReadonlyMap<string, string>, parts: Parts): JwtTokens {
  const { log, clock, parseDuration } = parts;
  const publicBytes = readKey(options.get('pub-key'), log);
  const privateBytes = readKey(options.get('priv-key'), log);
  const ttl = options.get('ttl') || DEFAULT_TTL;
  const ttlMs = parseDuration(ttl);
  if (ttlMs === null) {
    throw badOptions(log, `time: invalid duration "${ttl}"`);
  }
  const method = options.get('sign-method') ?? '';
  if (!methods.test(method)) {
    throw badOptions(log, 'auth: invalid auth signature method');
  }
  const unknown = [...options.keys()].filter((name) => !knownOptions.has(name));
  if (unknown.length > 0) {
    log.warn('unknown JWT options', { keys: unknown });
  }
  return new JwtTokens({ method, ttlMs, ...keysFor(method, publicBytes, privateBytes) }, clock);
}

/** @throws TokenOptionsError */
export function createTokens(options: TokenOptions, parts: Parts): TokenProvider {
  const { log, clock } = parts;
  const { kind, options: rest } = split(options.kind, log);
  switch (kind) {
    case 'simple':
      log.warn('simple token is not cryptographically signed');
      return new SimpleTokens(clock, options.ttlSeconds);
    case 'jwt':
      return jwtTokens(rest, parts);
    case '':
      return noTokens;
    default:
      log.warn('unknown token type', { type: kind, error: INVALID });
      throw new TokenOptionsError(INVALID);
  }
}
