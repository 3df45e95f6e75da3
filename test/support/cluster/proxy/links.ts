// What happens to bytes on their way from one member to another. Tests set rules for ordered pairs
// of names; the proxies in front of the members' peer ports look them up for every piece.
// A rule for a pair wins over one for all, and `any` stands for every member.

export type Mode =
  /** Bytes pass. */
  | 'open'
  /**
   * Bytes are held back and pass when the link opens again, as with a lost network: new connections
   * are accepted, and nothing comes through them.
   */
  | 'hold'
  /** Connections are reset, new ones too. */
  | 'refuse';

export interface LinkRule {
  readonly mode: Mode;
  /** Milliseconds that every byte spends on the link. */
  readonly delayMs: number;
  /** Infinity when not limited. */
  readonly bytesPerSecond: number;
}

export const openRule: LinkRule = {
  mode: 'open',
  delayMs: 0,
  bytesPerSecond: Number.POSITIVE_INFINITY,
};

/** A connection through a proxy, as Links sees it. */
export interface LinkedConnection {
  readonly dialler: string;
  readonly receiver: string;
  /** The rules have changed. */
  update(): void;
  /** Resets both ends. */
  reset(): void;
}

export class Links {
  readonly #rules = new Map<string, LinkRule>();
  readonly #connections = new Set<LinkedConnection>();
  readonly #bytes = new Map<string, number>();

  rule(from: string, to: string): LinkRule {
    return this.#rules.get(`${from} ${to}`) ?? openRule;
  }

  /** Changes the link one way; what is not named stays as it was. */
  set(from: string, to: string, change: Partial<LinkRule>): void {
    this.#rules.set(`${from} ${to}`, { ...this.rule(from, to), ...change });
    this.#update();
  }

  /** Changes the link both ways. */
  setBoth(a: string, b: string, change: Partial<LinkRule>): void {
    this.set(a, b, change);
    this.set(b, a, change);
  }

  /** Opens everything. */
  heal(): void {
    this.#rules.clear();
    this.#update();
  }

  /** Resets the connections between two members; they may dial again at once. */
  breakConnections(a: string, b: string): number {
    let count = 0;
    for (const connection of this.#connections) {
      const { dialler, receiver } = connection;
      if ((dialler === a && receiver === b) || (dialler === b && receiver === a)) {
        connection.reset();
        count += 1;
      }
    }
    return count;
  }

  /** Bytes that came through, one way. */
  bytes(from: string, to: string): number {
    return this.#bytes.get(`${from} ${to}`) ?? 0;
  }

  count(from: string, to: string, bytes: number): void {
    this.#bytes.set(`${from} ${to}`, this.bytes(from, to) + bytes);
  }

  add(connection: LinkedConnection): void {
    this.#connections.add(connection);
  }

  remove(connection: LinkedConnection): void {
    this.#connections.delete(connection);
  }

  get connections(): readonly LinkedConnection[] {
    return [...this.#connections];
  }

  #update(): void {
    for (const connection of this.connections) connection.update();
  }
}
