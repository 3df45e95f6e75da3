// What a server has promised: every acknowledged write with its revision, every event that a
// watcher was shown, and the checks that hold a restarted server to them. A revision's changes are
// compared as a whole, so a transaction that is half there is found like one that is gone.

import { show } from '../../conformance/differential/canonical.js';
import type { Message } from '../../conformance/support/calls.js';

/** A promise was broken: a write lost, half there, changed, or a revision missing or repeated. */
export class Violation extends Error {}

/** One change of one key; the value as text, null for a deletion. */
export type Change = readonly [key: string, value: string | null];

function line(changes: readonly Change[]): string {
  return show([...changes].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The change that a watch event tells of. */
export function changeOf(event: Message): { revision: number; change: Change } {
  const kv = event.kv as Message;
  const value = event.type === 1 ? null : (kv.value as Buffer).toString('latin1');
  const revision = Number(kv.mod_revision as bigint);
  return { revision, change: [(kv.key as Buffer).toString('latin1'), value] };
}

export class History {
  /** Changes of each revision, as text: promised by an acknowledgement or shown by a watcher. */
  readonly #promised = new Map<number, { changes: string; by: string }>();
  /** Revisions up to this one may be gone, since a compaction was asked for. */
  floor = 1;

  get promisedCount(): number {
    return this.#promised.size;
  }

  /** The newest revision that anybody was told of. */
  get newest(): number {
    return Math.max(1, ...this.#promised.keys());
  }

  /** Remembers a revision. @throws Violation when it was promised with other changes */
  promise(revision: number, changes: readonly Change[], by: string): void {
    const text = line(changes);
    const known = this.#promised.get(revision);
    if (known !== undefined && known.changes !== text) {
      throw new Violation(
        `revision ${revision} is ${text.slice(0, 300)} by ${by}, ` +
          `but was ${known.changes.slice(0, 300)} by ${known.by}`,
      );
    }
    this.#promised.set(revision, { changes: text, by });
  }

  /**
   * Holds a server's whole history, read again after a restart, to what was promised.
   * @param from revision that the reading started at
   * @param current the server's revision
   */
  check(from: number, current: number, read: ReadonlyMap<number, readonly Change[]>): void {
    for (let revision = Math.max(from, 2); revision <= current; revision += 1) {
      const changes = read.get(revision);
      if (changes === undefined)
        throw new Violation(`revision ${revision} of ${current} is missing`);
      this.promise(revision, changes, 'the restarted server');
    }
    for (const [revision, { changes, by }] of this.#promised) {
      if (revision > current) {
        const what = `${changes.slice(0, 300)}, promised by ${by}`;
        throw new Violation(`lost: revision ${revision} is above ${current}: ${what}`);
      }
      if (revision < from) this.#promised.delete(revision);
    }
  }
}
