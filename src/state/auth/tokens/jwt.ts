// JSON Web Tokens (RFC 7519): signed with a key that all members have, so none of them keeps
// anything. The claims are `username`, `revision` (the auth revision at which the password was
// right) and `exp`. A member with a public key alone takes tokens but gives none.

import type { CryptoKey, KeyObject } from 'jose';

import type { Clock } from '../../../base/clock.js';
import { MetaStoreError } from '../../../base/errors.js';
import { type Identity, noKeeper, type TokenProvider } from './types.js';

/** Loaded with the first token: its many files would slow down the start of every member. */
const library = () => import('jose');

export type JwtKey = CryptoKey | KeyObject | Uint8Array;

export interface JwtOptions {
  /** The only signature method that is used and taken, such as `ES256`. */
  readonly method: string;
  /** Null where tokens are only taken. */
  readonly signKey: JwtKey | null;
  readonly verifyKey: JwtKey;
  readonly ttlMs: number;
}

/** A claim as the auth revision that it stands for; null when it is none. */
function revisionOf(claim: unknown): number | null {
  if (typeof claim !== 'number') {
    return null;
  }
  // The greatest number means "as it is when it is looked at", which no claim may say.
  return Math.min(Math.max(0, Math.trunc(claim)), Number.MAX_SAFE_INTEGER - 1);
}

export class JwtTokens implements TokenProvider {
  readonly keeper = noKeeper;
  readonly #options: JwtOptions;
  readonly #clock: Clock;

  constructor(options: JwtOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  newPrefix(): string {
    return '';
  }

  async issue(userName: string, _assigned: string, revision: number): Promise<string> {
    const { signKey, method, ttlMs } = this.#options;
    if (signKey === null) {
      throw MetaStoreError.of('VerifyOnly');
    }
    const expires = Math.floor((this.#clock.unixMs() + ttlMs) / 1000);
    const { SignJWT } = await library();
    return new SignJWT({ username: userName, revision })
      .setProtectedHeader({ alg: method, typ: 'JWT' })
      .setExpirationTime(expires)
      .sign(signKey);
  }

  async identify(token: string): Promise<Identity | null> {
    const { verifyKey, method } = this.#options;
    const { jwtVerify } = await library();
    try {
      const { payload } = await jwtVerify(token, verifyKey, {
        algorithms: [method],
        currentDate: new Date(this.#clock.unixMs()),
      });
      const { username, revision: claim } = payload;
      const revision = revisionOf(claim);
      return typeof username === 'string' && revision !== null
        ? { userName: username, revision }
        : null;
    } catch {
      // Whatever is wrong with it, the caller is told no more than that it is not valid.
      return null;
    }
  }
}
