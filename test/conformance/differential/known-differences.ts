// Answers that changed between the release that is at hand to compare with and the one that
// MetaStore follows (3.7.1). Each has a name that the test prints with how often it was met. With
// the pinned release at hand nothing is excused.

import { type Call, calls, type Message } from '../support/calls.js';
import { show } from './canonical.js';

interface Known {
  readonly name: string;
  /** The last minor release that still answers the old way. */
  readonly lastMinor: number;
  matches(call: Call, request: Message, reference: string, ours: string): boolean;
}

/** The same text once a field is left out of both. */
function equalWithout(field: RegExp, a: string, b: string): boolean {
  return a.replace(field, '') === b.replace(field, '');
}

const known: readonly Known[] = [
  {
    name: 'HashKV answers no hash_revision before 3.6',
    lastMinor: 5,
    matches: (call, _request, reference, ours) =>
      call === calls.hashKv && equalWithout(/,"hash_revision":"-?\d+n"/, reference, ours),
  },
  {
    name: 'HashKV is refused at more revisions after a compaction before 3.6',
    lastMinor: 5,
    matches: (call, _request, reference) =>
      call === calls.hashKv && reference.startsWith('error 11: '),
  },
  {
    name: 'before 3.5 a transaction checks its puts before the revisions of its ranges',
    lastMinor: 4,
    matches: (call, _request, reference, ours) =>
      call === calls.txn && reference.startsWith('error ') && ours.startsWith('error 11: '),
  },
  {
    name: 'keys_only leaves the lease out since 3.7',
    lastMinor: 6,
    matches: (_call, request, reference, ours) =>
      show(request).includes('"keys_only":true') &&
      equalWithout(/"lease":"-?\d+n"/g, reference, ours),
  },
];

/** True when a release such as `3.4.23` is older than 3.<minor>. */
export function isOlder(version: string, minor: number): boolean {
  const found = /^3\.(\d+)/.exec(version);
  return found !== null && Number(found[1]) < minor;
}

/** The name of the difference when it is a known one for this release of the reference. */
export function isKnownDifference(
  version: string,
  call: Call,
  request: Message,
  reference: string,
  ours: string,
): string | null {
  const row = known.find(
    (one) => isOlder(version, one.lastMinor + 1) && one.matches(call, request, reference, ours),
  );
  return row?.name ?? null;
}
