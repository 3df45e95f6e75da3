// The safety properties of the Raft paper (figure 3) and what this project adds to them, checked
// as a simulated cluster runs: at most one leader a term, log matching, leader completeness, equal
// applied prefixes, hard states that never go back, nothing applied twice. Each check costs the
// same however long the history is, by remembering what was seen first and comparing all others
// with it.

import type { HardStateRecord } from '../../../../src/storage/native.js';
import type { LogEntry } from '../double/log/runs.js';
import { chain } from '../double/state/state-machine.js';
import { violated } from './violation.js';

/** Terms stay below this in a simulation. */
const TERMS_MAX = 1 << 16;

interface Written {
  readonly previousTerm: number;
  readonly hash: number;
}

/** What a check needs of a member's log. */
export interface LogView {
  /** Null for an index that the log does not hold. */
  termAt(index: number): number | null;
  readonly startIndex: number;
  /** How far apply may go: entries up to here are committed, and in the log as they are. */
  readonly applyTarget: number;
}

export class Safety {
  readonly #leaders = new Map<number, string>();
  // What the first log that held an entry of (index, term) said of it.
  readonly #written = new Map<number, Written>();
  // The term of each index that some member knew to be committed. Invariant: no gaps from 1 on.
  readonly #committed: number[] = [0];
  // The term that this member was in: the entry was committed in this term or in an earlier one.
  readonly #committedIn: number[] = [0];
  readonly #hashes = new Map<number, number>();
  readonly #promises = new Map<string, HardStateRecord>();

  /** Highest index that some member knew to be committed. */
  get committedIndex(): number {
    return this.#committed.length - 1;
  }
  get terms(): number {
    return this.#leaders.size;
  }
  get appliedIndex(): number {
    return this.#hashes.size;
  }

  /** Log matching: the same index and term mean the same entry and the same one before it. */
  wrote(who: string, { index, term, type, data }: LogEntry, previousTerm: number): void {
    const key = index * TERMS_MAX + term;
    const hash = chain(type, index, term, data);
    const known = this.#written.get(key);
    if (known === undefined) {
      this.#written.set(key, { previousTerm, hash });
    } else if (known.hash !== hash || known.previousTerm !== previousTerm) {
      violated('log matching', `${who} holds another entry at index ${index} of term ${term}`);
    }
  }

  /** Election safety, and leader completeness when the leader is new. */
  leads(who: string, term: number, log: LogView): void {
    const known = this.#leaders.get(term);
    if (known === who) {
      return;
    }
    if (known !== undefined) {
      violated('one leader a term', `${known} and ${who} lead in term ${term}`);
    }
    this.#leaders.set(term, who);
    for (let index = log.startIndex + 1; index <= this.committedIndex; index++) {
      const committed = this.#committed[index] as number;
      const before = (this.#committedIn[index] as number) < term;
      if (before && log.termAt(index) !== committed) {
        violated(
          'leader completeness',
          `${who} leads in term ${term} without the committed entry ${index} of term ${committed}`,
        );
      }
    }
  }

  /** A member that is in `memberTerm` knows the entry of `term` to be committed. */
  committed(who: string, index: number, term: number, memberTerm: number): void {
    const known = this.#committed[index];
    if (known === undefined) {
      if (index !== this.#committed.length) {
        violated('commit order', `${who} committed ${index} before what precedes it`);
      }
      this.#committed.push(term);
      this.#committedIn.push(memberTerm);
    } else if (known !== term) {
      violated('committed entries', `${who} committed term ${term} at ${index}, others ${known}`);
    }
  }

  /** State machine safety. True for the first member that comes to the index. */
  applied(who: string, index: number, hash: number): boolean {
    const known = this.#hashes.get(index);
    if (known === undefined) {
      this.#hashes.set(index, hash);
      return true;
    }
    if (known !== hash) {
      violated('equal applied prefixes', `${who} has another state at index ${index}`);
    }
    return false;
  }

  /** Terms and commit indexes never go back, and a vote is given once a term. */
  promised(who: string, state: HardStateRecord): void {
    const before = this.#promises.get(who);
    if (before !== undefined) {
      const { term, vote, commit } = before;
      const same = state.term === term;
      if (state.term < term || (same && vote !== 0n && state.vote !== vote)) {
        violated('hard state', `${who} forgot term ${term} and its vote`);
      }
      if (state.commit < commit) {
        violated('hard state', `${who} forgot the commit index ${commit}`);
      }
    }
    this.#promises.set(who, state);
  }
}
