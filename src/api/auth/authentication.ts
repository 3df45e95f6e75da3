// Who a call comes from: by the token in its metadata, or by the certificate that its connection
// was verified with. The authority behind the access checks of all services.

import type { CallContext } from '../../base/call.js';
import { MetaStoreError } from '../../base/errors.js';
import type { Logger } from '../../base/log/logger.js';
import { type Caller, nobody } from '../../server/serving/caller.js';
import type { PlaneGate } from '../../server/serving/plane/gate.js';
import type { AuthState } from '../../state/auth/auth-state.js';
import type { TokenProvider } from '../../state/auth/tokens/types.js';
import type { Authority } from '../access.js';

export interface AuthenticationParts {
  readonly state: Pick<AuthState, 'enabled' | 'checkAdmin' | 'currentRevision'>;
  readonly tokens: TokenProvider;
  /** Is told of tokens that have been accepted. */
  readonly gate: Pick<PlaneGate, 'generation' | 'learnToken'>;
  /** Whether a certificate's common name may stand for a user. */
  readonly clientCertAuth: boolean;
  readonly log: Logger;
}

const BEARER = 'Bearer ';
/** Between the values of a header that came several times; part of no token. */
const NEXT_VALUE = ', ';

/**
 * The token of a call; one in `token` counts before one in `authorization`, and the first value
 * before others. Clients do send it twice: as metadata and by credentials of their own.
 */
export function tokenOf(context: Pick<CallContext, 'metadata'>): string | undefined {
  const values = context.metadata('token') ?? context.metadata('authorization');
  const text = values?.split(NEXT_VALUE, 1)[0];
  return text?.startsWith(BEARER) === true ? text.slice(BEARER.length) : text;
}

export class Authentication implements Authority {
  readonly #parts: AuthenticationParts;

  constructor(parts: AuthenticationParts) {
    this.#parts = parts;
  }

  get enabled(): boolean {
    return this.#parts.state.enabled;
  }

  async identify(context: CallContext): Promise<Caller> {
    const { state, tokens, gate, log } = this.#parts;
    if (!this.enabled) {
      return nobody;
    }
    const token = tokenOf(context);
    if (token === undefined) {
      const userName = this.#certified(context);
      const authRevision = userName === '' ? 0 : state.currentRevision;
      return { userName, authRevision, refusal: null };
    }
    const { generation } = gate;
    const identity = await tokens.identify(token, context.signal);
    if (identity === null) {
      log.warn('invalid auth token', { 'remote-address': context.peer });
      return { ...nobody, refusal: MetaStoreError.of('InvalidAuthToken') };
    }
    const authRevision = identity.revision ?? state.currentRevision;
    gate.learnToken(token, identity.userName, authRevision, generation);
    return { userName: identity.userName, authRevision, refusal: null };
  }

  checkAdmin(caller: Caller): void {
    if (caller.refusal !== null) {
      throw caller.refusal;
    }
    this.#parts.state.checkAdmin(caller.userName);
  }

  /** Empty for a call without a certificate that counts: what the gateway presents is its own. */
  #certified(context: CallContext): string {
    const counts =
      this.#parts.clientCertAuth && context.metadata('grpcgateway-accept') === undefined;
    return counts ? (context.commonName ?? '') : '';
  }
}
