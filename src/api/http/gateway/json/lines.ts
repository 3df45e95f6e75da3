// Answers of streams as lines of JSON: each an object with the result or the error in it. Called by
// whoever carries a stream, and by the second isolate for results that are large.

import { encodeJson } from './encode.js';
import type { Shape } from './shape.js';

/** What browsers could take for markup is escaped in lines, wherever they are shown. */
export function escaped(json: string): string {
  return json.replace(
    /[<>&\u2028\u2029]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The line of a message, without its end. @throws Error when the bytes are not such a message */
export function resultLine(response: Shape, message: Buffer): string {
  return `{"result":${escaped(encodeJson(response, message))}}`;
}
