// Who asks, for every service: the caller that goes into proposals and reads, and the two rules
// that calls outside the log are held to (any user, or an administrator). The answers are those of
// the authority given; without authentication everybody is nobody and may do everything.

import type { CallContext } from '../base/call.js';
import { MetaStoreError } from '../base/errors.js';
import { type Caller, nobody } from '../server/serving/caller.js';

/** What authentication says of callers. */
export interface Authority {
  /** False as long as everybody may do everything. */
  readonly enabled: boolean;
  /**
   * Who a call comes from, by its token or its certificate. Never rejects: a refusal is part of the
   * caller, since requests meet it only after other checks.
   */
  identify(context: CallContext): Promise<Caller>;
  /** @throws MetaStoreError the caller's refusal, UserEmpty, UserNotFound, PermissionDenied */
  checkAdmin(caller: Caller): void;
}

/** Authentication that is switched off. */
export const openToAll: Authority = {
  enabled: false,
  identify: async () => nobody,
  checkAdmin: () => undefined,
};

export class Access {
  readonly #authority: Authority;

  constructor(authority: Authority) {
    this.#authority = authority;
  }

  /** False as long as everybody may do everything. */
  get enabled(): boolean {
    return this.#authority.enabled;
  }

  /** Runs an action for whoever asks; without authentication at once. */
  as<T>(context: CallContext, action: (caller: Caller) => Promise<T>): Promise<T> {
    return this.#authority.enabled
      ? this.#authority.identify(context).then(action)
      : action(nobody);
  }

  /** Whoever asks, right or wrong. */
  async caller(context: CallContext): Promise<Caller> {
    return this.#authority.enabled ? this.#authority.identify(context) : nobody;
  }

  /** Any authenticated user. @throws MetaStoreError the caller's refusal, UserEmpty */
  async requireUser(context: CallContext): Promise<Caller> {
    if (!this.#authority.enabled) {
      return nobody;
    }
    const caller = await this.#authority.identify(context);
    if (caller.refusal !== null) {
      throw caller.refusal;
    }
    // Switched off meanwhile: nobody has to be anybody.
    if (caller.userName === '' && this.#authority.enabled) {
      throw MetaStoreError.of('UserEmpty');
    }
    return caller;
  }

  /** A user with the role root. @throws MetaStoreError as Authority.checkAdmin */
  async requireAdmin(context: CallContext): Promise<Caller> {
    if (!this.#authority.enabled) {
      return nobody;
    }
    const caller = await this.#authority.identify(context);
    this.#authority.checkAdmin(caller);
    return caller;
  }
}
