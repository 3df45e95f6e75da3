// A property that a simulation found broken: what the checks throw, and what ends a run. Its text
// begins with the name of the property.

export class Violation extends Error {
  override readonly name = 'Violation';
}

export function violated(property: string, what: string): never {
  throw new Violation(`${property}: ${what}`);
}
