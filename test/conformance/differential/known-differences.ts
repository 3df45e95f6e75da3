// Answers that changed between the release that is at hand to compare with and the one that
// MetaStore follows (3.7.1). Each has a name that the test prints with how often it was met. With
// the pinned release at hand nothing is excused.

import type { Call, Message } from '../support/calls.js';

interface Known {
  readonly name: string;
  /** The last minor release that still answers the old way. */
  readonly lastMinor: number;
  matches(call: Call, request: Message, reference: string, ours: string): boolean;
}

const known: readonly Known[] = [];

/** The name of the difference when it is a known one for this release of the reference. */
export function isKnownDifference(
  version: string,
  call: Call,
  request: Message,
  reference: string,
  ours: string,
): string | null {
  const minor = Number(version.split('.')[1] ?? 0);
  const row = known.find(
    (one) => minor <= one.lastMinor && one.matches(call, request, reference, ours),
  );
  return row?.name ?? null;
}
