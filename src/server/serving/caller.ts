// Who asks for something, as far as proposals and reads need it: they carry it into the log and
// across a read-index round, and are held to it where they take effect. Made by the API's access
// checks; handed through Member.execute to native code.

import type { MetaStoreError } from '../../base/errors.js';
import type { AuthState } from '../../state/auth/auth-state.js';
import { ROOT } from '../../state/auth/permissions/table.js';

export interface Caller {
  /** Empty without authentication. */
  readonly userName: string;
  /** The revision of users and roles that the caller's token speaks of; 0 without one. */
  readonly authRevision: number;
  /**
   * Why nobody could be identified. A request still meets the checks that come before: native
   * admission gives this in its place in their order.
   */
  readonly refusal: MetaStoreError | null;
}

/** Without authentication. */
export const nobody: Caller = { userName: '', authRevision: 0, refusal: null };

/** A member on its own behalf, which nobody has to permit anything. */
export function ownCaller(auth: Pick<AuthState, 'enabled' | 'currentRevision'>): Caller {
  const { enabled, currentRevision: authRevision } = auth;
  return enabled ? { userName: ROOT, authRevision, refusal: null } : nobody;
}
