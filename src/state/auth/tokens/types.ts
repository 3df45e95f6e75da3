// What tokens are to the rest of the server. The log says when tokens of the simple kind come and
// go (TokenKeeper); requests bring tokens of whatever kind the server was configured for, and
// logins are given them (TokenProvider).

/** Whom a token stands for. */
export interface Identity {
  readonly userName: string;
  /**
   * The auth revision that the token was made at; null for a token that speaks of the state as it
   * is whenever it is used.
   */
  readonly revision: number | null;
}

/** Told by the log, in its order. */
export interface TokenKeeper {
  /** The state holds everything up to the index. */
  noteApplied(index: number): void;
  /** A login is applied, and this is its token. */
  assign(token: string, userName: string): void;
  /** The user is gone, or has another password. */
  dropUser(userName: string): void;
  dropAll(): void;
  /** The whole state was replaced: tokens of users that are gone go. */
  retain(isUser: (userName: string) => boolean): void;
}

/** For kinds of tokens that the log has nothing to do with. */
export const noKeeper: TokenKeeper = {
  noteApplied: () => undefined,
  assign: () => undefined,
  dropUser: () => undefined,
  dropAll: () => undefined,
  retain: () => undefined,
};

export interface TokenProvider {
  /** Whom the log tells. */
  readonly keeper: TokenKeeper;
  /** The random part of the next token; empty where the log has nothing to do with tokens. */
  newPrefix(): string;
  /**
   * The token for a login that is applied.
   *
   * @param assigned what the log has assigned
   * @param revision the auth revision at which the password was right
   * @throws MetaStoreError VerifyOnly, AuthFailed
   */
  issue(userName: string, assigned: string, revision: number): Promise<string>;
  /**
   * Whom a token stands for; null for one that is not valid. May wait until the log has been
   * applied up to where the token was made; the signal ends that wait.
   */
  identify(token: string, signal: AbortSignal): Promise<Identity | null>;
}
