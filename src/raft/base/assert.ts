// Assertions and the fatal stop of the consensus core. Every module of src/raft calls these;
// they stay on in production, because a replica that goes on after a broken invariant can hand
// out wrong data to the whole cluster. The core imports nothing outside its own folder.

import type { Logger } from './types.js';

/** Thrown by `assert`: a defect of this program, never the result of outside input. */
export class RaftAssertionError extends Error {
  override readonly name = 'RaftAssertionError';
}

/** Thrown by `panic`, after the text was logged as fatal: the replica must not go on. */
export class RaftPanicError extends Error {
  override readonly name = 'RaftPanicError';
}

/**
 * Stops the caller when an invariant does not hold.
 *
 * @param condition what must be true
 * @param message constant text naming the invariant; constant, so that a passing assertion
 *   costs one branch and no string
 * @throws RaftAssertionError
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) {
    throw new RaftAssertionError(`raft: assertion failed: ${message}`);
  }
}

/**
 * Logs the text at the fatal level and throws. Used where the protocol's state contradicts
 * itself (a committed entry in conflict, a message without its term): nothing sound can follow.
 *
 * @throws RaftPanicError always
 */
export function panic(logger: Logger, text: string): never {
  logger.fatal(() => text);
  throw new RaftPanicError(text);
}
