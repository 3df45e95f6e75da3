// One key of the store as clients see it: value, version, revision of its creation and of its last
// change. The model of the linearizability checker; operations carry what was asked and answered.
// An operation without an outcome did what its state then allowed, or nothing at all.

import type { Model } from './checker.js';

/** A key as an answer showed it; null when it was not there. */
export interface Seen {
  readonly value: string;
  readonly version: number;
  readonly modRevision: number;
  readonly createRevision: number;
}

/** The outcome: the revision in the header, and the key before the change if that was asked for. */
interface Outcome {
  readonly revision: number;
  /** undefined when the answer did not tell. */
  readonly before?: Seen | null;
}

export type Operation =
  | { readonly kind: 'get'; readonly outcome: Outcome & { readonly before: Seen | null } }
  | { readonly kind: 'put'; readonly value: string; readonly outcome: Outcome | null }
  | {
      readonly kind: 'delete';
      readonly outcome: (Outcome & { readonly wasThere: boolean }) | null;
    }
  | {
      /** Writes the value if the key's value is `expected` (null: if it is not there). */
      readonly kind: 'cas';
      readonly expected: string | null;
      readonly value: string;
      readonly outcome: (Outcome & { readonly succeeded: boolean }) | null;
    };

/** A key's state. Revisions are null after a write whose outcome nobody was told. */
export interface Register {
  readonly value: string | null;
  readonly version: number;
  readonly modRevision: number | null;
  readonly createRevision: number | null;
  /** The store is at this revision at least. */
  readonly floor: number;
}

const absent: Register = { value: null, version: 0, modRevision: 0, createRevision: 0, floor: 0 };

const fits = (known: number | null, shown: number): boolean => known === null || known === shown;

/** The state with what an answer showed of it, or null when the two differ. */
function observe(state: Register, seen: Seen | null | undefined): Register | null {
  if (seen === undefined) return state;
  if (seen === null) return state.value === null ? state : null;
  const { modRevision, createRevision } = seen;
  const isSame =
    state.value === seen.value &&
    state.version === seen.version &&
    fits(state.modRevision, modRevision) &&
    fits(state.createRevision, createRevision) &&
    (state.modRevision !== null || modRevision >= state.floor);
  if (!isSame) return null;
  return { ...state, modRevision, createRevision, floor: Math.max(state.floor, modRevision) };
}

/** @param revision null when nobody was told: later than everything before */
function changed(state: Register, value: string | null, revision: number | null): Register | null {
  if (revision !== null && revision <= state.floor) return null;
  const floor = revision ?? state.floor + 1;
  if (value === null) return { ...absent, floor };
  const createRevision = state.version === 0 ? revision : state.createRevision;
  return { value, version: state.version + 1, modRevision: revision, createRevision, floor };
}

function read(state: Register, revision: number): Register | null {
  return revision >= state.floor ? state : null;
}

function stepUnknown(state: Register, operation: Operation): Register | null {
  switch (operation.kind) {
    case 'get':
      return state;
    case 'put':
      return changed(state, operation.value, null);
    case 'delete':
      return state.value === null ? state : changed(state, null, null);
    case 'cas':
      return state.value === operation.expected ? changed(state, operation.value, null) : state;
  }
}

function step(state: Register, operation: Operation): Register | null {
  const { outcome } = operation;
  if (outcome === null) return stepUnknown(state, operation);
  const known = observe(state, outcome.before);
  if (known === null) return null;
  const { revision } = outcome;
  switch (operation.kind) {
    case 'get':
      return read(known, revision);
    case 'put':
      return changed(known, operation.value, revision);
    case 'delete':
      if (operation.outcome?.wasThere !== (known.value !== null)) return null;
      return operation.outcome.wasThere ? changed(known, null, revision) : read(known, revision);
    case 'cas': {
      const matches = known.value === operation.expected;
      if (operation.outcome?.succeeded !== matches) return null;
      return matches ? changed(known, operation.value, revision) : read(known, revision);
    }
  }
}

/** A key that was not there at first. */
export const registerModel: Model<Register, Operation> = {
  initial: absent,
  step,
  key: (state) =>
    `${state.value ?? ''}|${state.version}|${state.modRevision}|` +
    `${state.createRevision}|${state.floor}`,
};
