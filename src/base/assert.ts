// Assertions about what this program computed itself. They stay on in production: a member whose
// invariants do not hold must end rather than answer. What came from outside is validated, not
// asserted. The Raft core has its own copy, since it imports nothing.

/** A broken invariant: a bug, never a reaction to input. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Throws when an invariant does not hold; `message` says which. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) {
    throw new AssertionError(message);
  }
}

/** Asserts that a number is a whole one that JavaScript represents exactly, and >= 0. */
export function assertIndex(value: number, name: string): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new AssertionError(`${name} is not an index: ${value}`);
  }
}

/** For the end of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}
