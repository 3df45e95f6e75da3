// Where the native transport answers otherwise than the cases expect: nothing is wanted here.
// What is here has its reason with it.

import type { Difference } from './difference.js';

export const native: readonly Difference[] = [];
