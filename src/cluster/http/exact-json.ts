// JSON with integers of 64 bits, as other members write ids. JSON.parse would round what is above
// 2^53, and an id that is off by one is another member. Called for everything that members answer.

/** A string, or an integer of 16 and more digits outside of strings. */
const token = /"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g;

/**
 * Parses JSON; integers that a number cannot hold exactly come as strings of their digits.
 *
 * @throws SyntaxError
 */
export function parseExactJson(text: string): unknown {
  const exact = text.replace(token, (found) =>
    found.startsWith('"') || Number.isSafeInteger(Number(found)) ? found : `"${found}"`,
  );
  return JSON.parse(exact);
}

/** An unsigned integer of 64 bits. @throws SyntaxError naming the field */
export function unsigned64(value: unknown, field: string): bigint {
  const isNumber = typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
  if (isNumber || (typeof value === 'string' && /^\d{1,20}$/.test(value))) {
    const id = BigInt(value);
    if (id < 2n ** 64n) {
      return id;
    }
  }
  throw new SyntaxError(`${field} is not an unsigned integer of 64 bits`);
}

/** An integer that a number holds exactly; `missing` stands for a field that is left out. */
export function safeInteger(value: unknown, field: string, missing: number): number {
  if (value === undefined) {
    return missing;
  }
  if (typeof value === 'number' && Number.isSafeInteger(value)) {
    return value;
  }
  throw new SyntaxError(`${field} is not an integer`);
}

/** A JSON object. @throws SyntaxError naming it */
export function objectOf(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw new SyntaxError(`${name} is not a JSON object`);
}
