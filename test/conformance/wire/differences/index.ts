// The lists of differences by server, and how answers of the portable transport are read.
// rules.test.ts checks every line of them.

import type { Difference } from './difference.js';
import { etcd } from './etcd.js';
import { grpcJs } from './grpc-js.js';
import { native } from './native.js';

const lists: Readonly<Record<string, readonly Difference[]>> = {
  etcd,
  'grpc-js': grpcJs,
  native,
};

/** What a server answers, by case, where it is not what the case expects. */
export function differencesOf(server: string): ReadonlyMap<string, Difference> {
  const out = new Map<string, Difference>();
  for (const difference of lists[server] ?? []) {
    for (const name of difference.cases) out.set(name, difference);
  }
  return out;
}

/** An answer without what @grpc/grpc-js adds to every one. */
export function usual(server: string, line: string): string {
  if (server !== 'grpc-js') return line;
  return line
    .replace(' application/grpc+proto ', ' application/grpc ')
    .replace('] 0 "OK"', '] 0 ""')
    .replace(/, \+date(,grpc-accept-encoding,grpc-encoding)?/, '');
}
