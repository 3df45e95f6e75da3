// Holds two scrapes against each other: families, types, labels, bounds, and the values of what is
// deterministic. Used by the comparing test.

import { additional, type Exception, incomparable, missing } from './exceptions.js';
import { bounds, type Family, labelNames, valuesOf } from './scrape.js';

export type Scrape = ReadonlyMap<string, Family>;

function excepted(exceptions: readonly Exception[], name: string, used: Set<string>): boolean {
  const found = exceptions.find(({ pattern }) => pattern.test(name));
  if (found !== undefined) {
    used.add(String(found.pattern));
  }
  return found !== undefined;
}

/** Differences of form, one a line; `used` receives the exceptions that were made. */
export function formDifferences(theirs: Scrape, ours: Scrape, used: Set<string>): string[] {
  const differences: string[] = [];
  for (const [name, family] of theirs) {
    const own = ours.get(name);
    if (own === undefined) {
      if (!excepted(missing, name, used)) {
        differences.push(`${name} is missing`);
      }
      continue;
    }
    for (const [what, a, b] of [
      ['type', family.type, own.type],
      ['labels', labelNames(family), labelNames(own)],
      ['bounds', bounds(family), bounds(own)],
    ] as const) {
      if (a !== b) {
        differences.push(`${name}: ${what} ${a}, here ${b}`);
      }
    }
  }
  for (const name of ours.keys()) {
    if (!theirs.has(name) && !excepted(additional, name, used)) {
      differences.push(`${name} is not etcd's`);
    }
  }
  return differences;
}

/** Differences of values, one a line. */
export function valueDifferences(theirs: Scrape, ours: Scrape, used: Set<string>): string[] {
  const [a, b] = [valuesOf(theirs), valuesOf(ours)];
  const differences: string[] = [];
  for (const name of new Set([...a.keys(), ...b.keys()])) {
    if (a.get(name) !== b.get(name) && !excepted(incomparable, name, used)) {
      differences.push(`${name}: ${a.get(name)}, here ${b.get(name)}`);
    }
  }
  return differences.sort();
}

/** How many series were compared and found equal. */
export function equalSeries(theirs: Scrape, ours: Scrape): number {
  const b = valuesOf(ours);
  return [...valuesOf(theirs)].filter(([name, value]) => b.get(name) === value).length;
}
