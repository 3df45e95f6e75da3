// Authentication put together out of its flags: tokens, passwords, and who a call comes from.
// Called by compose: first what a start can fail with, then, with the member, what services need.

import { Access } from '../../api/access.js';
import { Authentication } from '../../api/auth/authentication.js';
import type { AuthParts } from '../../api/services/auth.js';
import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/log/logger.js';
import type { Member } from '../../server/member.js';
import { BcryptCost, Passwords } from '../../state/auth/passwords.js';
import { createTokens, type TokenOptions } from '../../state/auth/tokens/options.js';
import type { TokenKeeper } from '../../state/auth/tokens/types.js';
import type { Flags } from '../flags/sources.js';
import { parseDurationMs } from '../flags/values/values.js';

export interface AuthConfig {
  readonly tokens: TokenOptions;
  readonly bcryptCost: number;
  /** Whether the common name of a client's certificate stands for a user. */
  readonly clientCertAuth: boolean;
}

export function authConfig(flags: Flags): AuthConfig {
  return {
    tokens: { kind: flags.text('auth-token'), ttlSeconds: flags.number('auth-token-ttl') },
    bcryptCost: flags.number('bcrypt-cost'),
    clientCertAuth: flags.bool('client-cert-auth'),
  };
}

function usableCost(given: number, log: Logger): number {
  if (given >= BcryptCost.Min && given <= BcryptCost.Max) {
    return given;
  }
  log.warn('use default bcrypt cost instead of the invalid given cost', {
    'min-cost': BcryptCost.Min,
    'max-cost': BcryptCost.Max,
    'default-cost': BcryptCost.Default,
    'given-cost': given,
  });
  return BcryptCost.Default;
}

/** What there is before the member. */
export interface Login {
  /** The log tells it of tokens. */
  readonly tokens: TokenKeeper;
  /** What the services are made of. */
  services(member: Member): { readonly access: Access; readonly auth: AuthParts };
}

/** @throws TokenOptionsError when the kind of tokens cannot be had */
export function openLogin(config: AuthConfig, clock: Clock, log: Logger): Login {
  const parseDuration = parseDurationMs;
  try {
    const tokens = createTokens(config.tokens, { clock, log, parseDuration });
    const passwords = new Passwords({ cost: usableCost(config.bcryptCost, log) });
    const { clientCertAuth } = config;
    const services = (member: Member) => {
      const { auth: state, gate } = member;
      const options = { state, gate, tokens, clientCertAuth, log };
      const access = new Access(new Authentication(options));
      return { access, auth: { member, access, tokens, passwords, log } };
    };
    return { tokens: tokens.keeper, services };
  } catch (error) {
    log.warn('failed to create token provider', { error: (error as Error).message });
    throw error;
  }
}
