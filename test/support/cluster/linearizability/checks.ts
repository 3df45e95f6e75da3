// Judges a history three ways: each key alone by the linearizability checker; all keys together by
// the revisions that answers carried, which must follow real time; and every acknowledged write
// against the events that the store remembers, which must hold each exactly once.
// Called by the cluster tests when a scenario is over.

import { checkLinearizable, type Timed } from './checker.js';
import { changedStore, type Entry } from './history.js';
import { type Operation, registerModel } from './register.js';

/** Something that no correct store would do. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/** A change as a watcher of the whole store was told it; the value is null for a deletion. */
export interface StoreEvent {
  readonly revision: number;
  readonly key: string;
  readonly value: string | null;
}

export interface Summary {
  readonly keys: number;
  readonly operations: number;
  readonly unknown: number;
  readonly failed: number;
}

function shown(operation: Operation): string {
  const { kind, outcome } = operation;
  const asked = 'value' in operation ? ` ${operation.value}` : '';
  const expected = operation.kind === 'cas' ? ` if ${operation.expected}` : '';
  return `${kind}${asked}${expected} -> ${outcome === null ? '?' : JSON.stringify(outcome)}`;
}

/** One line that says everything about an operation. */
export function describe(entry: Entry): string {
  const times = `${entry.callMs.toFixed(1)}..${entry.returnMs.toFixed(1)}`;
  const error = entry.error === '' ? '' : ` (${entry.error})`;
  const who = `${entry.client} at ${entry.member}`;
  return `${times} ${who}: ${entry.key} ${shown(entry.operation)} ${entry.result}${error}`;
}

function timed(entry: Entry): Timed<Operation> & { readonly entry: Entry } {
  const isKnown = entry.result === 'ok';
  const { operation } = entry;
  const revision = operation.outcome?.revision;
  // A read of a revision comes after the write that made it.
  const hint = changedStore(operation) || revision === undefined ? revision : revision + 0.5;
  return {
    entry,
    operation,
    call: entry.callOrder,
    return: isKnown ? entry.returnOrder : Number.POSITIVE_INFINITY,
    ...(hint === undefined ? {} : { hint }),
  };
}

/** Reads without an answer, and what certainly had no effect, say nothing. */
function matters(entry: Entry): boolean {
  return entry.result === 'ok' || (entry.result === 'unknown' && entry.operation.kind !== 'get');
}

function byKey(entries: readonly Entry[]): Map<string, Entry[]> {
  const keys = new Map<string, Entry[]>();
  for (const entry of entries.filter(matters)) {
    const list = keys.get(entry.key) ?? [];
    list.push(entry);
    keys.set(entry.key, list);
  }
  return keys;
}

/**
 * Holds each key's operations to be linearizable.
 * @param timeoutMs for all keys together
 * @throws Violation when they are not, or when that was not decided in time
 */
export function checkKeys(entries: readonly Entry[], timeoutMs = 60_000): Summary {
  const until = performance.now() + timeoutMs;
  const keys = byKey(entries);
  for (const [key, list] of keys) {
    const history = list.map(timed);
    const verdict = checkLinearizable(registerModel, history, until - performance.now());
    if (verdict.kind === 'undecided') {
      throw new Violation(`${key}: undecided after ${verdict.steps} steps`);
    }
    if (verdict.kind === 'violation') {
      const entryOf = (one: Timed<Operation>): string =>
        describe((one as (typeof history)[0]).entry);
      const lines = [
        `${key} is not linearizable: of ${list.length} operations ${verdict.placed.length} fit`,
        ...verdict.placed.slice(-8).map((one) => `  placed ${entryOf(one)}`),
        `  which leaves ${JSON.stringify(verdict.state)}`,
        ...verdict.next.map((one) => `  does not fit: ${entryOf(one)}`),
      ];
      throw new Violation(lines.join('\n'));
    }
  }
  const count = (result: string): number => entries.filter((e) => e.result === result).length;
  return {
    keys: keys.size,
    operations: entries.length,
    unknown: count('unknown'),
    failed: count('failed'),
  };
}

/**
 * Holds the revisions of all answers to real time: what was called after another returned carries
 * no smaller one, a write a larger one, and no two writes share one.
 * @throws Violation
 */
export function checkRevisions(entries: readonly Entry[]): void {
  const answered = entries.filter((entry) => entry.result === 'ok');
  const calls = [...answered].sort((a, b) => a.callOrder - b.callOrder);
  const returns = [...answered].sort((a, b) => a.returnOrder - b.returnOrder);
  const writers = new Map<number, Entry>();
  let newest: Entry | null = null;
  let at = 0;
  const revisionOf = (entry: Entry | null): number => entry?.operation.outcome?.revision ?? 0;
  for (const entry of calls) {
    for (let done = returns[at]; done && done.returnOrder < entry.callOrder; done = returns[at]) {
      if (revisionOf(done) > revisionOf(newest)) newest = done;
      at += 1;
    }
    const isWrite = changedStore(entry.operation);
    const revision = revisionOf(entry);
    if (revision < revisionOf(newest) || (isWrite && revision === revisionOf(newest))) {
      const before = newest === null ? '' : describe(newest);
      throw new Violation(`the store went back:\n  ${before}\n  ${describe(entry)}`);
    }
    if (!isWrite) continue;
    const other = writers.get(revision);
    if (other !== undefined) {
      throw new Violation(`one revision twice:\n  ${describe(other)}\n  ${describe(entry)}`);
    }
    writers.set(revision, entry);
  }
}

function valueWritten(operation: Operation): string | null {
  return 'value' in operation ? operation.value : null;
}

/**
 * Holds the history to what the store remembers: each acknowledged write is there at its revision
 * with its value, each value at most once, and nothing that nobody asked for. Values are unique.
 * @param events all changes of the keys of the history
 * @throws Violation
 */
export function checkEvents(entries: readonly Entry[], events: readonly StoreEvent[]): void {
  const at = new Map(events.map((event) => [event.revision, event]));
  const values = new Map<string, StoreEvent>();
  for (const event of events) {
    if (event.value === null) continue;
    const other = values.get(event.value);
    if (other !== undefined) {
      const both = `${JSON.stringify(other)} and ${JSON.stringify(event)}`;
      throw new Violation(`one write took effect twice: ${both}`);
    }
    values.set(event.value, event);
  }
  for (const entry of entries) {
    const { operation } = entry;
    const value = valueWritten(operation);
    if (changedStore(operation)) {
      const event = at.get(operation.outcome?.revision ?? -1);
      if (event?.key !== entry.key || event.value !== value) {
        const there = JSON.stringify(event ?? null);
        throw new Violation(`acknowledged and lost: ${describe(entry)}\n  there is ${there}`);
      }
    } else if (value !== null && values.has(value) && entry.result !== 'unknown') {
      throw new Violation(`it took effect after all: ${describe(entry)}`);
    }
    if (value !== null) values.delete(value);
  }
  const [stray] = values.values();
  if (stray !== undefined) {
    throw new Violation(`nobody wrote ${JSON.stringify(stray)}`);
  }
}
